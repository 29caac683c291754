"""The stages before a candidate runs: what is refused unread, and its build."""

import hashlib
import re
from pathlib import Path

from harness.compiling.built import BuildFailure
from harness.judging.findings import Findings
from harness.judging.judgement import Judgement
from harness.task import Task
from harness.timing.failure import CandidateFailed
from harness.wire import messages as wire


def admit(judgement: Judgement) -> None:
    """Refuse what the task does not take: another language, too many bytes, no text, no entry, a forbidden word.

    Raises:
        Failed: rejected.
        OSError: the source cannot be read.
    """
    admit_source(judgement.opened.task, judgement.source, judgement.findings)


def admit_source(task: Task, source: wire.Source, findings: Findings) -> None:
    """Admit a source file and note its digest. Raises Failed: rejected."""
    path = Path(source.path)
    size = _digest(path, language=source.language, findings=findings)
    if source.language not in task.languages:
        raise CandidateFailed("rejected", f"written in {source.language}; this task takes {', '.join(task.languages)}")
    if size > task.limits.source_bytes:
        raise CandidateFailed("rejected", f"{size:,} bytes of source; the limit is {task.limits.source_bytes:,}")
    content = path.read_bytes()
    if b"\0" in content:
        raise CandidateFailed("rejected", f"a NUL byte at offset {content.index(0)}: not source text")
    try:
        text = content.decode("utf-8")
    except UnicodeDecodeError as error:
        raise CandidateFailed("rejected", f"not UTF-8 at byte {error.start}") from error
    _admit_text(task, text)


def _digest(path: Path, *, language: str, findings: Findings) -> int:
    """Note the digest of a file that may be of any size, and return its size in bytes."""
    if not path.is_file():
        raise FileNotFoundError(f"{path} is no file")
    digest, size = hashlib.sha256(language.encode() + b"\0"), 0
    with open(path, "rb") as source:
        while piece := source.read(1 << 20):
            digest.update(piece)
            size += len(piece)
    findings.source_digest = digest.hexdigest()
    return size


def _admit_text(task: Task, text: str) -> None:
    if not re.search(rf"\b{re.escape(task.entry)}\s*\(", text):
        raise CandidateFailed("rejected", f"no function {task.entry}: the entry point is missing")
    for forbidden in task.forbidden:
        if forbidden in text:
            raise CandidateFailed("rejected", f"{forbidden!r} is forbidden by the task")


def build(judgement: Judgement) -> None:
    """Build the candidate in the sandbox, or take it from the cache.

    Raises:
        Failed: build_failed, or rejected where the source asks for what is not run here.
    """
    opened, findings = judgement.opened, judgement.findings
    findings.isolation = int(opened.device.isolation.level)
    built = opened.build(Path(judgement.source.path), language=judgement.source.language)
    if isinstance(built, BuildFailure):
        raise CandidateFailed(built.status, built.detail)
    judgement.built, findings.facts = built, built.facts

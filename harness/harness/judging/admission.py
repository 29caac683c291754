"""The stages before a candidate runs: refuse sources that the task does not take, then build."""

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
    """Raise CandidateFailed with status `rejected` if the task does not take the source: wrong language, too large, not
    UTF-8 text, no entry function, or a forbidden word. Store the source's digest in the findings.

    Raises:
        CandidateFailed: the task does not take the source; the status is `rejected`.
        OSError: the source cannot be read.
    """
    admit_source(judgement.opened.task, judgement.source, judgement.findings)


def admit_source(task: Task, source: wire.Source, findings: Findings) -> None:
    """Store the digest of a source file in the findings, and raise CandidateFailed with status `rejected` if the task
    does not take the source; see `admit`.

    Raises:
        CandidateFailed: the task does not take the source; the status is `rejected`.
        OSError: the source cannot be read.
    """
    path = Path(source.path)
    size = _digest(path, language=source.language, findings=findings)
    if source.language not in task.languages:
        raise CandidateFailed("rejected", f"language {source.language}: this task takes {', '.join(task.languages)}")
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
    """Store the SHA-256 digest of a language and a file of any size in the findings, and return the file's size in
    bytes.
    """
    if not path.is_file():
        raise FileNotFoundError(f"{path} is not a file")
    digest, size = hashlib.sha256(language.encode() + b"\0"), 0
    with open(path, "rb") as source:
        while chunk := source.read(1 << 20):
            digest.update(chunk)
            size += len(chunk)
    findings.source_digest = digest.hexdigest()
    return size


def _admit_text(task: Task, text: str) -> None:
    """Raise CandidateFailed with status `rejected` if a source text lacks the task's entry function or contains a
    forbidden word.
    """
    if not re.search(rf"\b{re.escape(task.entry)}\s*\(", text):
        raise CandidateFailed("rejected", f"no function {task.entry}: the entry point is missing")
    for forbidden in task.forbidden:
        if forbidden in text:
            raise CandidateFailed("rejected", f"{forbidden!r} is forbidden by the task")


def build(judgement: Judgement) -> None:
    """Build the candidate in the sandbox, or take the build from the cache; store the build in the judgement and its
    facts in the findings.

    Raises:
        CandidateFailed: the build failed (status `build_failed`), or the source asks for something that this judge does
            not run (`rejected`).
    """
    opened, findings = judgement.opened, judgement.findings
    findings.isolation = int(opened.device.isolation.level)
    built = opened.build(Path(judgement.source.path), language=judgement.source.language)
    if isinstance(built, BuildFailure):
        raise CandidateFailed(built.status, built.detail)
    judgement.built, findings.facts = built, built.facts

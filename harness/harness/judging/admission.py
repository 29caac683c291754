"""The first two stages of a judgement, before a candidate runs: `admit` refuses sources that break the task's rules,
and `build` compiles the source in the sandbox.
"""

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
    """Check the candidate's source before it is built and store its SHA-256 digest in the judgement's findings. Raises
    CandidateFailed with status `rejected` if the source breaks the task's rules: wrong language, too large, not UTF-8
    text, no entry function, or a forbidden word. Raises OSError if the file cannot be read.
    """
    admit_source(judgement.opened.task, judgement.source, judgement.findings)


def admit_source(task: Task, source: wire.Source, findings: Findings) -> None:
    """Store the SHA-256 digest of a source file in `findings` and check the file. Raises CandidateFailed with status
    `rejected` if the task does not take it: wrong language, too large, not UTF-8 text, no entry function, or a
    forbidden word. Raises OSError if the file cannot be read.
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
    """Store the SHA-256 digest of a language name and a file's content in `findings`, and return the file's size in
    bytes. The file is read in pieces, so it may be of any size. Raises FileNotFoundError if `path` is not a file, and
    OSError if the file cannot be read.
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
    """Raise CandidateFailed with status `rejected` if a source text does not call or define the task's entry function,
    or contains a word that the task forbids. Return None otherwise.
    """
    if not re.search(rf"\b{re.escape(task.entry)}\s*\(", text):
        raise CandidateFailed("rejected", f"no function {task.entry}: the entry point is missing")
    for forbidden in task.forbidden:
        if forbidden in text:
            raise CandidateFailed("rejected", f"{forbidden!r} is forbidden by the task")


def build(judgement: Judgement) -> None:
    """Compile the candidate in the sandbox, or take an earlier build from the cache. Store in `judgement` the build,
    and in its findings the facts about the machine code and the sandbox level. Raises CandidateFailed with status
    `build_failed` or `rejected` (the source needs something unsupported), and MachineError if there is no working
    compiler or sandbox.
    """
    opened, findings = judgement.opened, judgement.findings
    findings.isolation = int(opened.device.isolation.level)
    built = opened.build(Path(judgement.source.path), language=judgement.source.language)
    if isinstance(built, BuildFailure):
        raise CandidateFailed(built.status, built.detail)
    judgement.built, findings.facts = built, built.facts

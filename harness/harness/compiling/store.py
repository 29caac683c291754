"""The content-addressed cache of what was built: an artifact, one file or one folder, with its facts."""

import fcntl
import hashlib
import json
import os
import shutil
import stat
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import asdict, replace
from pathlib import Path

from harness.compiling.build_runner import MAX_OUTPUT_BYTES, BuildFault
from harness.compiling.built import Built
from harness.wire import messages as wire

MAX_FILES, MAX_DEPTH = 2048, 8
"""Of a folder."""
MAX_ARTIFACT_BYTES = 256 << 20
_FILE, _FOLDER, _RECORD = "candidate.so", "candidate", "built.json"
_NOT_EMPTY = 39
_LOCKS, _LOCK_DIGITS = "locks", 3
"""4,096 files at most: two entries that share one wait for each other, and seldom."""


def key(*parts: bytes | str) -> str:
    """The name of an entry: a digest over everything that the result depends on."""
    digest = hashlib.sha256()
    for part in parts:
        raw = part.encode() if isinstance(part, str) else part
        digest.update(len(raw).to_bytes(8, "little") + raw)
    return digest.hexdigest()


def stored(entry: Path) -> Built | None:
    """A whole entry; one that a full disk or a crash has damaged is removed."""
    if not entry.is_dir():
        return None
    try:
        record = json.loads((entry / _RECORD).read_text(encoding="utf-8"))
        artifact = entry / (_FOLDER if (entry / _FOLDER).is_dir() else _FILE)
        if _digest(artifact) != record["sha256"]:
            raise ValueError("the artifact is not what was built")
        facts = wire.Facts(**{**record["facts"], "warnings": tuple(record["facts"]["warnings"])})
        is_inspected = bool(record["is_inspected"])
        return Built(artifact, facts, float(record["seconds"]), cached=True, is_inspected=is_inspected)
    except (OSError, ValueError, KeyError, TypeError):
        shutil.rmtree(entry, ignore_errors=True)
        return None


@contextmanager
def turn(entry: Path) -> Iterator[None]:
    """Of processes that build the same, one builds, and the others wait and find it done. Given up by whoever dies."""
    folder = entry.parent / _LOCKS
    folder.mkdir(parents=True, exist_ok=True)
    descriptor = os.open(folder / entry.name[:_LOCK_DIGITS], os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX)
        yield
    finally:
        os.close(descriptor)


def store(entry: Path, built: Built) -> Built:
    """Copy a build's artifact and its facts into the cache, and return the build as it lies there.

    One rename makes an entry complete; of two processes that build the same, the first one's stays.

    Raises:
        BuildFault: the output holds what is neither a plain file nor a folder of such, or too much.
    """
    entry.parent.mkdir(parents=True, exist_ok=True)
    unfinished = Path(tempfile.mkdtemp(dir=entry.parent, prefix=".unfinished-"))
    artifact = unfinished / (_FOLDER if built.artifact.is_dir() else _FILE)
    try:
        _copy(built.artifact, artifact)
        told = {"seconds": built.seconds, "facts": asdict(built.facts), "is_inspected": built.is_inspected}
        (unfinished / _RECORD).write_text(json.dumps({"sha256": _digest(artifact), **told}), encoding="utf-8")
        with suppress(FileExistsError), _not_empty_is_exists():
            os.rename(unfinished, entry)
    finally:
        shutil.rmtree(unfinished, ignore_errors=True)
    return replace(built, artifact=entry / artifact.name)


def add_facts(built: Built, facts: wire.Facts) -> wire.Facts:
    """Note what an inspection has found, for those who build the same again."""
    record = built.artifact.parent / _RECORD
    with suppress(OSError, ValueError):  # an entry that was removed meanwhile is built again
        told = json.loads(record.read_text(encoding="utf-8"))
        with tempfile.NamedTemporaryFile("w", dir=record.parent.parent, delete=False, encoding="utf-8") as file:
            json.dump({**told, "facts": asdict(facts), "is_inspected": True}, file)
        os.replace(file.name, record)
    return facts


def read_output(path: Path) -> bytes:
    """What a build wrote: a plain file, not a link to somewhere, nor a pipe that nobody fills. Raises BuildFault."""
    try:
        descriptor = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC)
    except OSError as error:
        raise BuildFault(f"the build's output cannot be read: {error.strerror}") from error
    with os.fdopen(descriptor, "rb") as file:
        if not stat.S_ISREG(os.fstat(descriptor).st_mode):
            raise BuildFault("the build's output is not a file")
        content = file.read(MAX_OUTPUT_BYTES + 1)
    if len(content) > MAX_OUTPUT_BYTES:
        raise BuildFault(f"the build's output is larger than {MAX_OUTPUT_BYTES} bytes")
    return content


def _copy(output: Path, artifact: Path) -> None:
    total = 0
    for path in _files(output):
        content = read_output(path)
        total += len(content)
        if total > MAX_ARTIFACT_BYTES:
            raise BuildFault(f"the build's output is larger than {MAX_ARTIFACT_BYTES} bytes")
        target = artifact / path.relative_to(output) if path != output else artifact
        target.parent.mkdir(parents=True, exist_ok=True)
        target.write_bytes(content)


def _digest(artifact: Path) -> str:
    """Of one file its content; of a folder the names and contents of all."""
    if not artifact.is_dir():
        return hashlib.sha256(artifact.read_bytes()).hexdigest()
    files = sorted(path for path in artifact.rglob("*") if path.is_file())
    return key(*(part for path in files for part in (str(path.relative_to(artifact)), path.read_bytes())))


def _files(output: Path) -> list[Path]:
    """Everything below that is not a folder, links included. Raises BuildFault: too many, or too deep."""
    pending, found = [output], list[Path]()
    while pending:
        path = pending.pop()
        if len(path.parts) - len(output.parts) > MAX_DEPTH:
            raise BuildFault("the build's output is nested too deep")
        if path.is_symlink() or not path.is_dir():
            found.append(path)
        else:
            pending += _inside(path)
        if len(found) + len(pending) > MAX_FILES:
            raise BuildFault(f"the build's output is more than {MAX_FILES} files")
    return found


def _inside(folder: Path) -> list[Path]:
    try:
        return list(folder.iterdir())
    except OSError as error:
        raise BuildFault(f"the build's output cannot be read: {error.strerror}") from error


@contextmanager
def _not_empty_is_exists() -> Iterator[None]:
    """rename(2) onto a folder with content answers ENOTEMPTY or EEXIST, as the file system likes."""
    try:
        yield
    except OSError as error:
        if error.errno == _NOT_EMPTY:
            raise FileExistsError(*error.args) from error
        raise

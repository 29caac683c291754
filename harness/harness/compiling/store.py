"""The cache of builds: each entry holds an artifact (a file or a folder) with its facts, under a digest of its
sources."""

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
"""Most files, and most levels of folders, in an artifact."""
MAX_ARTIFACT_BYTES = 256 << 20
_FILE, _FOLDER, _RECORD = "candidate.so", "candidate", "built.json"
_NOT_EMPTY = 39
_LOCKS, _LOCK_DIGITS = "locks", 3
"""Folder of lock files, and hexadecimal digits in their names: at most 4,096 files. Two entries rarely share a lock;
one then waits for the other."""


def key(*parts: bytes | str) -> str:
    """Return the name of a cache entry: a digest of everything that the build depends on."""
    digest = hashlib.sha256()
    for part in parts:
        raw = part.encode() if isinstance(part, str) else part
        digest.update(len(raw).to_bytes(8, "little") + raw)
    return digest.hexdigest()


def stored(entry: Path) -> Built | None:
    """Return the build in a cache entry; None if there is no entry. A damaged entry is removed, and None returned."""
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
def build_lock(entry: Path) -> Iterator[None]:
    """Hold a lock while an entry is built, so that another process that builds the same waits and then finds the entry.

    The system releases the lock if the process dies.
    """
    folder = entry.parent / _LOCKS
    folder.mkdir(parents=True, exist_ok=True)
    descriptor = os.open(folder / entry.name[:_LOCK_DIGITS], os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX)
        yield
    finally:
        os.close(descriptor)


def store(entry: Path, built: Built) -> Built:
    """Copy a build's artifact and facts into the cache; return the build with the artifact's path in the cache.

    A single rename makes the entry visible. If two processes build the same, the entry of the first one is kept.

    Raises:
        BuildFault: the artifact holds something other than plain files and folders, or is too large.
    """
    entry.parent.mkdir(parents=True, exist_ok=True)
    unfinished = Path(tempfile.mkdtemp(dir=entry.parent, prefix=".unfinished-"))
    artifact = unfinished / (_FOLDER if built.artifact.is_dir() else _FILE)
    try:
        _copy(built.artifact, artifact)
        record = {"seconds": built.seconds, "facts": asdict(built.facts), "is_inspected": built.is_inspected}
        (unfinished / _RECORD).write_text(json.dumps({"sha256": _digest(artifact), **record}), encoding="utf-8")
        with suppress(FileExistsError), _not_empty_is_exists():
            os.rename(unfinished, entry)
    finally:
        shutil.rmtree(unfinished, ignore_errors=True)
    return replace(built, artifact=entry / artifact.name)


def add_facts(built: Built, facts: wire.Facts) -> wire.Facts:
    """Store the facts that an inspection has found in the build's cache entry; return the facts."""
    record = built.artifact.parent / _RECORD
    with suppress(OSError, ValueError):  # another process removed the entry; the next build makes it again
        fields = json.loads(record.read_text(encoding="utf-8"))
        with tempfile.NamedTemporaryFile("w", dir=record.parent.parent, delete=False, encoding="utf-8") as file:
            json.dump({**fields, "facts": asdict(facts), "is_inspected": True}, file)
        os.replace(file.name, record)
    return facts


def read_output(path: Path) -> bytes:
    """Return the content of a file that a build wrote.

    Raises:
        BuildFault: the path is a link, a pipe or anything but a plain file, or the file is too large.
    """
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
    """Return the digest of an artifact: of a file's content, or of the names and contents of all files in a folder."""
    if not artifact.is_dir():
        return hashlib.sha256(artifact.read_bytes()).hexdigest()
    files = sorted(path for path in artifact.rglob("*") if path.is_file())
    return key(*(part for path in files for part in (str(path.relative_to(artifact)), path.read_bytes())))


def _files(output: Path) -> list[Path]:
    """Return everything below a path that is not a folder, links included. Raises BuildFault if there are too many or
    too deep."""
    pending, files = [output], list[Path]()
    while pending:
        path = pending.pop()
        if len(path.parts) - len(output.parts) > MAX_DEPTH:
            raise BuildFault("the build's output is nested too deep")
        if path.is_symlink() or not path.is_dir():
            files.append(path)
        else:
            pending += _inside(path)
        if len(files) + len(pending) > MAX_FILES:
            raise BuildFault(f"the build's output is more than {MAX_FILES} files")
    return files


def _inside(folder: Path) -> list[Path]:
    try:
        return list(folder.iterdir())
    except OSError as error:
        raise BuildFault(f"the build's output cannot be read: {error.strerror}") from error


@contextmanager
def _not_empty_is_exists() -> Iterator[None]:
    """Raise FileExistsError in place of ENOTEMPTY: a rename onto a folder that is not empty fails with either of them,
    depending on the file system."""
    try:
        yield
    except OSError as error:
        if error.errno == _NOT_EMPTY:
            raise FileExistsError(*error.args) from error
        raise

"""Keep finished builds in a cache folder: each entry is a folder with an artifact (a file or a folder) and its facts,
named by a digest of everything that the build depends on."""

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
    """Return the name of a cache entry: the SHA-256 digest, in hexadecimal digits, of `parts`, the texts and bytes that
    the build depends on, such as source, flags and compiler version."""
    digest = hashlib.sha256()
    for part in parts:
        raw = part.encode() if isinstance(part, str) else part
        digest.update(len(raw).to_bytes(8, "little") + raw)
    return digest.hexdigest()


def stored(entry: Path) -> Built | None:
    """Return the Built that the cache folder `entry`, a path, holds, marked as cached; None if there is no such folder.
    If the digest in the entry does not match its artifact, or a file is missing, remove the entry and return None."""
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
    """Hold a lock for the cache folder `entry` (the path of one candidate's build) during the block; yield None.
    Another process that builds the same candidate waits here, and then finds the finished build in the cache. Raises
    OSError if the lock file cannot be made.

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
    """Copy the artifact and facts of `built` into the new cache folder `entry`; return a Built with the artifact's path
    in the cache. If another process was faster, its entry is kept. Raises BuildFault if the artifact is too large or
    holds something other than plain files and folders.

    A single rename makes the entry visible.
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
    """Replace the facts in the cache entry of `built`, a build of a GPU candidate, by `facts`, which now include the
    disassembly, mark the entry as inspected, and return `facts`. If another process has removed the entry, only return
    them."""
    record = built.artifact.parent / _RECORD
    with suppress(OSError, ValueError):  # another process removed the entry; the next build makes it again
        fields = json.loads(record.read_text(encoding="utf-8"))
        with tempfile.NamedTemporaryFile("w", dir=record.parent.parent, delete=False, encoding="utf-8") as file:
            json.dump({**fields, "facts": asdict(facts), "is_inspected": True}, file)
        os.replace(file.name, record)
    return facts


def read_output(path: Path) -> bytes:
    """Return the content, in bytes, of the file at `path` that a build wrote. Raises BuildFault if the path is missing,
    a link, a pipe or anything but a plain file, or if the file has more than 16 MiB."""
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
    """Return the SHA-256 digest, in hexadecimal digits, of an artifact: of the content of a file, or of the relative
    paths and contents of all files in a folder. It shows later whether the artifact in the cache was changed."""
    if not artifact.is_dir():
        return hashlib.sha256(artifact.read_bytes()).hexdigest()
    files = sorted(path for path in artifact.rglob("*") if path.is_file())
    return key(*(part for path in files for part in (str(path.relative_to(artifact)), path.read_bytes())))


def _files(output: Path) -> list[Path]:
    """Return a list of the paths of all files and links in the folder `output`, which a build wrote, and below it; or
    of `output` itself if it is a file. Raises BuildFault if there are more than 2,048 of them, if folders are nested
    more than 8 deep, or if a folder cannot be read."""
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
    """Run the block and raise FileExistsError if it raises the OSError ENOTEMPTY, because a rename onto a folder with
    content fails with either of the two, depending on the file system. Other errors are not changed."""
    try:
        yield
    except OSError as error:
        if error.errno == _NOT_EMPTY:
            raise FileExistsError(*error.args) from error
        raise

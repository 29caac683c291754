"""The content-addressed cache of what was built: an artifact, one file or one folder, with its facts."""

import hashlib
import json
import os
import shutil
import stat
import tempfile
from collections.abc import Iterable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import asdict
from pathlib import Path

import wire
from build.bench import MAX_OUTPUT_BYTES, BuildFault
from build.built import Built

_FILE, _FOLDER, _RECORD = "candidate.so", "candidate", "built.json"
_NOT_EMPTY = 39


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
        return Built(artifact, facts, float(record["seconds"]), cached=True)
    except (OSError, ValueError, KeyError, TypeError):
        shutil.rmtree(entry, ignore_errors=True)
        return None


def store(entry: Path, output: Path, *, facts: wire.Facts, seconds: float) -> Built:
    """One rename makes an entry complete; of two processes that build the same, the first one's stays.

    Raises:
        BuildFault: the output holds what is neither a plain file nor a folder of such.
    """
    entry.parent.mkdir(parents=True, exist_ok=True)
    unfinished = Path(tempfile.mkdtemp(dir=entry.parent, prefix=".unfinished-"))
    artifact = unfinished / (_FOLDER if output.is_dir() else _FILE)
    try:
        for path in _files(output):
            target = artifact / path.relative_to(output) if output.is_dir() else artifact
            target.parent.mkdir(parents=True, exist_ok=True)
            target.write_bytes(read_output(path))
        record = {"sha256": _digest(artifact), "seconds": seconds, "facts": asdict(facts)}
        (unfinished / _RECORD).write_text(json.dumps(record), encoding="utf-8")
        with suppress(FileExistsError), _not_empty_is_exists():
            os.rename(unfinished, entry)
    finally:
        shutil.rmtree(unfinished, ignore_errors=True)
    return Built(entry / artifact.name, facts, seconds, cached=False)


def read_output(path: Path) -> bytes:
    """What a build wrote: a plain file, not a link to somewhere. Raises BuildFault."""
    descriptor = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_CLOEXEC)
    with os.fdopen(descriptor, "rb") as file:
        if not stat.S_ISREG(os.fstat(descriptor).st_mode):
            raise BuildFault("the build's output is not a file")
        return file.read(MAX_OUTPUT_BYTES)


def _digest(artifact: Path) -> str:
    """Of one file its content; of a folder the names and contents of all."""
    if not artifact.is_dir():
        return hashlib.sha256(artifact.read_bytes()).hexdigest()
    files = sorted(path for path in artifact.rglob("*") if path.is_file())
    return key(*(part for path in files for part in (str(path.relative_to(artifact)), path.read_bytes())))


def _files(output: Path) -> Iterable[Path]:
    if output.is_symlink() or not output.is_dir():
        return [output]
    return [path for path in sorted(output.rglob("*")) if path.is_symlink() or not path.is_dir()]


@contextmanager
def _not_empty_is_exists() -> Iterator[None]:
    """rename(2) onto a folder with content answers ENOTEMPTY or EEXIST, as the file system likes."""
    try:
        yield
    except OSError as error:
        if error.errno == _NOT_EMPTY:
            raise FileExistsError(*error.args) from error
        raise

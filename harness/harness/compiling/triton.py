"""From a Triton candidate to a folder with its kernels compiled ahead of time. No GPU is needed.

The build's sandbox runs the candidate's host code without a device (record.py) and compiles what it launches.
The worker later finds all kernels in the folder and compiles nothing.
"""

import functools
import importlib.metadata
import importlib.util
import json
import os
import subprocess
import sys
import tempfile
import time
import tomllib
from contextlib import AbstractContextManager, suppress
from dataclasses import dataclass
from pathlib import Path

from harness.compiling import record, store
from harness.compiling.build_runner import BuildContext, BuildFault, BuildRunner, BuildTools, place, set_up
from harness.compiling.built import BuildFailure, Built
from harness.contract import capability
from harness.errors import MachineError
from harness.sandbox import interpreter, libraries
from harness.sandbox import launcher as sandbox
from harness.task import Task
from harness.wire import messages as wire
from harness.worker import copies
from harness.worker.runtime.driver import (
    CLOCK_KHZ,
    MAX_REGISTERS,
    MAX_SHARED_OPTIN,
    MEMORY_CLOCK_KHZ,
    MULTIPROCESSORS,
)

ATTRIBUTES = {MULTIPROCESSORS: 132, MAX_SHARED_OPTIN: 232448, MAX_REGISTERS: 65536, CLOCK_KHZ: 1_980_000,
              MEMORY_CLOCK_KHZ: 2_619_000}  # fmt: skip
"""Of the card on paper, an H100 SXM; CUdevice_attribute numbers."""
RUNTIME_FILES = ("__init__.py", "driver.py", "packages.py", "tensor.py", "triton_driver.py")
MAX_MEMORY_BYTES = 16 << 30
MAX_DETAIL = 2000
FAULT, REJECTED, HIDDEN = 1, 2, 10
_IMPORT_S = 120
_IMPORTS = """\
import os; os.environ["TRITON_BACKENDS_IN_TREE"] = "1"
import contextlib, ctypes, importlib.util, json, math, mmap, struct, traceback, types
import triton, triton.language, triton.compiler.compiler, triton.tools.tensor_descriptor, triton.experimental.gluon
import triton.backends.nvidia.compiler, triton.backends.nvidia.driver, triton.language.extra.libdevice
"""
MARK = "\x01"
"""As in record.py."""


class NoTriton(MachineError):
    """This interpreter has no Triton; the message names the remedy."""


class _Refused(Exception):
    """The candidate asks for what is not run here at all."""


def build_triton(source: Path, task: Task, *, workshop: BuildContext) -> Built | BuildFailure:
    """Record and compile a candidate, or take it from the cache.

    Raises:
        NoTriton: the interpreter lacks the package.
        SandboxError: a guard could not be put up.
    """
    text, cases, signature = source.read_bytes(), _cases(task), _signature(task)
    entry = workshop.candidates / store.key(text, cases, signature, package_version(), *_own_texts())
    with store.turn(entry):
        if built := store.stored(entry):
            return built
        begin = time.monotonic()
        try:
            with _runner(workshop.isolation, deadline_s=task.limits.build_s) as runner:
                _lay_out(runner.folder, text, cases=cases, signature=signature)
                _record(runner, task, packages(workshop.cache))
                artifact = _collected(runner.folder, text, signature=signature)
                seconds = time.monotonic() - begin
                return store.store(entry, Built(artifact, wire.Facts(), seconds, is_inspected=False))
        except BuildFault as fault:
            return BuildFailure(str(fault), time.monotonic() - begin)
        except _Refused as refused:
            return BuildFailure(str(refused), time.monotonic() - begin, status="rejected")


@functools.cache
def package() -> Path:
    """Triton's folder. Raises NoTriton."""
    spec = importlib.util.find_spec("triton")
    if spec is None or not spec.submodule_search_locations:
        raise NoTriton("Triton candidates need the package triton 3.6 or later; install kernelsmith[triton]")
    return Path(spec.submodule_search_locations[0])


def tool(name: str) -> Path:
    """A program of NVIDIA's that Triton brings. Raises NoTriton."""
    return package() / "backends" / "nvidia" / "bin" / name


@functools.cache
def tools() -> tuple[Path, ...]:
    """All of them, with what they are linked with."""
    found = sorted(tool("ptxas").parent.glob("*"))
    return tuple(dict.fromkeys(file for path in found for file in (path, *libraries.linked(path))))


@functools.cache
def package_version() -> str:
    """Triton's. Raises NoTriton."""
    package()
    return importlib.metadata.version("triton")


@dataclass(frozen=True, slots=True)
class Packages:
    """Triton, and no other package of the site, importable from a folder, with bytecode ready: an import takes 0.1 s
    instead of 0.4 s."""

    folder: Path
    bytecode: Path

    @property
    def readable(self) -> tuple[Path, ...]:
        """What a sandbox must let be read."""
        modules = (package() / "_C").glob("*.so")
        linked = {library for path in modules for library in libraries.linked(path)}
        return (package(), self.folder, self.bytecode, *sorted(linked))

    @property
    def options(self) -> tuple[str, ...]:
        """Of the interpreter."""
        return ("-I", "-S", "-B", "-X", f"pycache_prefix={self.bytecode}")


@functools.cache
def packages(cache: Path) -> Packages:
    """Laid out once for each version of Triton and Python, by a trusted run that imports what a candidate will.

    Raises:
        NoTriton: it is not installed, or cannot be imported.
    """
    place_ = cache / f"triton-{package_version()}-{sys.implementation.cache_tag}"
    found = Packages(place_ / "packages", place_ / "bytecode")
    if found.bytecode.exists():
        return found
    found.folder.mkdir(parents=True, exist_ok=True)
    with suppress(FileExistsError):
        (found.folder / "triton").symlink_to(package())
    unfinished = tempfile.mkdtemp(dir=place_)
    options = ("-I", "-S", "-X", f"pycache_prefix={unfinished}")
    # Run as a program, a folder is the first place in which imports are looked up.
    (found.folder / "__main__.py").write_text(_IMPORTS, encoding="utf-8")
    command = (str(interpreter.executable()), *options, str(found.folder))
    done = subprocess.run(command, capture_output=True, text=True, timeout=_IMPORT_S, check=False)
    if done.returncode != 0:
        raise NoTriton(f"triton cannot be imported: {(done.stderr.strip().splitlines() or ['it said nothing'])[-1]}")
    with suppress(OSError):  # another process was first
        os.rename(unfinished, found.bytecode)
    return found


def _runner(isolation: sandbox.Isolation, *, deadline_s: float) -> AbstractContextManager[BuildRunner]:
    python = interpreter.executable()
    programs = tuple(dict.fromkeys((python, *libraries.linked(python), *tools())))
    environment = {"PATH": str(tool("ptxas").parent)}
    equipment = BuildTools(programs, environment, MAX_MEMORY_BYTES, listable=interpreter.listable())
    return set_up(isolation, equipment, deadline_s=deadline_s)


def _signature(task: Task) -> str:
    """Return the task's own signature with the compute capability that kernels are compiled for, as JSON."""
    assert task.arch is not None, "a GPU task has an architecture"
    spec = tomllib.loads((task.folder / "task.toml").read_text(encoding="utf-8"))
    return json.dumps({**spec["signature"], "capability": capability(task.arch)})


def _cases(task: Task) -> str:
    """Shown cases first, so that their faults are the ones that are told."""
    ordered = sorted(task.cases, key=lambda case: case.hidden)
    told = [
        {
            "hidden": case.hidden,
            "sizes": [case.sizes[name] for name in task.size_names],
            "bytes": max(buffer.bytes_in(case.sizes) for buffer in task.buffers),
        }
        for case in ordered
    ]
    return json.dumps({"cases": told, "attributes": ATTRIBUTES})


def _own_texts() -> tuple[bytes, ...]:
    """Our own part of what a build depends on."""
    return tuple(_own_files().values())


def _own_files() -> dict[str, bytes]:
    return {"__main__.py": Path(record.__file__).read_bytes(), **copies.texts(RUNTIME_FILES)}


def _lay_out(folder: Path, text: bytes, *, cases: str, signature: str) -> None:
    place(folder / "candidate.py", text)
    place(folder / "cases.json", cases.encode())
    place(folder / "signature.json", signature.encode())
    copies.lay_out(folder, _own_files())


def _record(runner: BuildRunner, task: Task, triton: Packages) -> None:
    readable = (*interpreter.readable(), *triton.readable)
    command: list[str | Path] = [
        interpreter.executable(),
        *triton.options,
        runner.folder,
        triton.folder,
    ]
    code, said, end = runner.tried(command, readable=(*readable, *_DEVICES), environment={"HOME": str(runner.folder)})
    if code == 0:
        return
    if code >= HIDDEN:
        ordered = sorted(task.cases, key=lambda case: case.hidden)
        kind = ordered[code - HIDDEN].kind if code - HIDDEN < len(ordered) else "unknown"
        raise BuildFault(f"its host code fails in a hidden case: {kind}")
    detail = (said.rpartition(MARK)[2].strip() or f"the build {end} without a message")[:MAX_DETAIL]
    raise _Refused(detail) if code == REJECTED else BuildFault(detail)


_DEVICES = (Path("/dev/null"), Path("/dev/urandom"))


def _collected(folder: Path, text: bytes, *, signature: str) -> Path:
    """Everything a worker needs, and nothing else, in a folder of a name that no candidate knows.

    Only compiled kernels are taken from the build: a candidate can overwrite its own text there, and what runs must be
    what was admitted and digested.
    """
    artifact = Path(tempfile.mkdtemp(dir=folder))
    place(artifact / "candidate.py", text)
    place(artifact / "signature.json", signature.encode())
    if os.path.lexists(folder / "cache"):
        os.rename(folder / "cache", artifact / "cache")
    return artifact

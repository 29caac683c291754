"""Build Triton candidates: a folder with the candidate's text and all its kernels, compiled ahead of time. No GPU is
needed.

In the build's sandbox, record.py runs the candidate's host code without a device and compiles what it launches. The
worker later finds all kernels in the folder and compiles nothing.
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
from harness.compiling.build_runner import (
    BuildContext,
    BuildFault,
    BuildRunner,
    BuildTools,
    open_runner,
    write_readable,
)
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
"""Device attributes that a candidate sees during the build, by CUdevice_attribute number: those of an H100 SXM."""
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
"""Character before the message of record.py; the two files must agree."""


class NoTriton(MachineError):
    """Raised when this Python interpreter has no package triton, or cannot import it. The message names the remedy."""


class _Refused(Exception):
    """Raised when the candidate asks for something that is not supported, such as `@triton.autotune`; the build then
    ends with the status `rejected`. The message is the detail of the verdict."""


def build_triton(source: Path, task: Task, *, context: BuildContext) -> Built | BuildFailure:
    """Build the Triton candidate in the file `source` for `task` in the sandbox, without a GPU, or take it from the
    cache that `context` names. Return Built, or BuildFailure if the candidate fails, is not supported, or takes longer
    than the task's time limit. Raises NoTriton if the package triton is missing, SandboxError if the sandbox fails."""
    text, cases, signature = source.read_bytes(), _cases(task), _signature(task)
    entry = context.candidates / store.key(text, cases, signature, package_version(), *_own_texts())
    with store.build_lock(entry):
        if built := store.stored(entry):
            return built
        begin = time.monotonic()
        try:
            with _runner(context.isolation, deadline_s=task.limits.build_s) as runner:
                _lay_out(runner.folder, text, cases=cases, signature=signature)
                _record(runner, task, packages(context.cache))
                artifact = _collected(runner.folder, text, signature=signature)
                seconds = time.monotonic() - begin
                return store.store(entry, Built(artifact, wire.Facts(), seconds, is_inspected=False))
        except BuildFault as fault:
            return BuildFailure(str(fault), time.monotonic() - begin)
        except _Refused as refused:
            return BuildFailure(str(refused), time.monotonic() - begin, status="rejected")


@functools.cache
def package() -> Path:
    """Return the path of the folder in which the package triton is installed. Raises NoTriton if it is not
    installed."""
    spec = importlib.util.find_spec("triton")
    if spec is None or not spec.submodule_search_locations:
        raise NoTriton("Triton candidates need the package triton 3.6 or later; install kernelsmith[triton]")
    return Path(spec.submodule_search_locations[0])


def tool(name: str) -> Path:
    """Return the path of the NVIDIA program `name`, such as `ptxas`, in Triton's package; the file need not exist.
    Raises NoTriton if Triton is not installed."""
    return package() / "backends" / "nvidia" / "bin" / name


@functools.cache
def tools() -> tuple[Path, ...]:
    """Return a tuple of the paths of all NVIDIA programs in Triton's package and of the libraries that they are linked
    with. Raises NoTriton if Triton is not installed."""
    programs = sorted(tool("ptxas").parent.glob("*"))
    return tuple(dict.fromkeys(file for path in programs for file in (path, *libraries.linked(path))))


@functools.cache
def package_version() -> str:
    """Return the version of the installed package triton, such as `3.6.0`. Raises NoTriton if it is not installed."""
    package()
    return importlib.metadata.version("triton")


@dataclass(frozen=True, slots=True)
class Packages:
    """Two prepared folders with which a sandboxed Python imports Triton: `folder`, an import folder that offers Triton
    but no other installed package, and `bytecode`, the compiled bytecode of all modules of this import. The function
    `packages` makes both, once per version of Triton and Python.

    The bytecode cuts the import from 0.4 s to 0.1 s.
    """

    folder: Path
    bytecode: Path

    @property
    def readable(self) -> tuple[Path, ...]:
        """Return a tuple of the paths that a sandbox must let a process read, so that it can import Triton: both
        folders, Triton's package, and the libraries that it loads. Raises NoTriton if Triton is not installed."""
        modules = (package() / "_C").glob("*.so")
        linked = {library for path in modules for library in libraries.linked(path)}
        return (package(), self.folder, self.bytecode, *sorted(linked))

    @property
    def options(self) -> tuple[str, ...]:
        """Return a tuple of command-line options for the Python interpreter, with which it imports Triton from the
        prepared bytecode and no other installed package."""
        return ("-I", "-S", "-B", "-X", f"pycache_prefix={self.bytecode}")


@functools.cache
def packages(cache: Path) -> Packages:
    """Return the Packages (import folder and bytecode) with which a sandboxed Python imports the installed version of
    Triton. They are kept in the path `cache`; if they are missing, they are made first, which takes some seconds.
    Raises NoTriton if Triton is not installed or cannot be imported, TimeoutExpired if the import takes longer than 120
    s.

    A trusted process imports what candidates will import, which compiles the bytecode.
    """
    version_folder = cache / f"triton-{package_version()}-{sys.implementation.cache_tag}"
    made = Packages(version_folder / "packages", version_folder / "bytecode")
    if made.bytecode.exists():
        return made
    made.folder.mkdir(parents=True, exist_ok=True)
    with suppress(FileExistsError):
        (made.folder / "triton").symlink_to(package())
    unfinished = tempfile.mkdtemp(dir=version_folder)
    options = ("-I", "-S", "-X", f"pycache_prefix={unfinished}")
    # Python looks for imports first in the folder that it runs as a program.
    (made.folder / "__main__.py").write_text(_IMPORTS, encoding="utf-8")
    command = (str(interpreter.executable()), *options, str(made.folder))
    done = subprocess.run(command, capture_output=True, text=True, timeout=_IMPORT_S, check=False)
    if done.returncode != 0:
        raise NoTriton(f"triton cannot be imported: {(done.stderr.strip().splitlines() or ['no message'])[-1]}")
    with suppress(OSError):  # another process has made it
        os.rename(unfinished, made.bytecode)
    return made


def _runner(isolation: sandbox.Isolation, *, deadline_s: float) -> AbstractContextManager[BuildRunner]:
    python = interpreter.executable()
    programs = tuple(dict.fromkeys((python, *libraries.linked(python), *tools())))
    environment = {"PATH": str(tool("ptxas").parent)}
    build_tools = BuildTools(programs, environment, MAX_MEMORY_BYTES, listable=interpreter.listable())
    return open_runner(isolation, build_tools, deadline_s=deadline_s)


def _signature(task: Task) -> str:
    """Return a JSON string for the program of the build and for the worker: the entry and the arguments from the
    signature in the task's task.toml, and the GPU's compute capability (such as 90) for which kernels are compiled."""
    assert task.arch is not None, "a GPU task has an architecture"
    spec = tomllib.loads((task.folder / "task.toml").read_text(encoding="utf-8"))
    return json.dumps({**spec["signature"], "capability": capability(task.arch)})


def _cases(task: Task) -> str:
    """Return a JSON string for record.py, the program of the build: a list of the task's cases (size arguments, bytes
    of the largest buffer, whether hidden), and the device attributes that the candidate sees. Hidden cases come last,
    so that a fault that a visible case also shows is reported in detail."""
    ordered = sorted(task.cases, key=lambda case: case.hidden)
    cases = [
        {
            "hidden": case.hidden,
            "sizes": [case.sizes[name] for name in task.size_names],
            "bytes": max(buffer.bytes_in(case.sizes) for buffer in task.buffers),
        }
        for case in ordered
    ]
    return json.dumps({"cases": cases, "attributes": ATTRIBUTES})


def _own_texts() -> tuple[bytes, ...]:
    """Return a tuple with the contents, in bytes, of the harness's own files that take part in a Triton build. They
    belong to the cache key, so that a changed harness builds again."""
    return tuple(_own_files().values())


def _own_files() -> dict[str, bytes]:
    return {"__main__.py": Path(record.__file__).read_bytes(), **copies.texts(RUNTIME_FILES)}


def _lay_out(folder: Path, text: bytes, *, cases: str, signature: str) -> None:
    write_readable(folder / "candidate.py", text)
    write_readable(folder / "cases.json", cases.encode())
    write_readable(folder / "signature.json", signature.encode())
    copies.lay_out(folder, _own_files())


def _record(runner: BuildRunner, task: Task, triton: Packages) -> None:
    readable = (*interpreter.readable(), *triton.readable)
    command: list[str | Path] = [
        interpreter.executable(),
        *triton.options,
        runner.folder,
        triton.folder,
    ]
    code, messages, end = runner.try_run(
        command, readable=(*readable, *_DEVICES), environment={"HOME": str(runner.folder)}
    )
    if code == 0:
        return
    if code >= HIDDEN:
        ordered = sorted(task.cases, key=lambda case: case.hidden)
        kind = ordered[code - HIDDEN].kind if code - HIDDEN < len(ordered) else "unknown"
        raise BuildFault(f"the candidate's host code fails in a hidden case: {kind}")
    detail = (messages.rpartition(MARK)[2].strip() or f"the build {end} without a message")[:MAX_DETAIL]
    raise _Refused(detail) if code == REJECTED else BuildFault(detail)


_DEVICES = (Path("/dev/null"), Path("/dev/urandom"))


def _collected(folder: Path, text: bytes, *, signature: str) -> Path:
    """Move the compiled kernels of the build in `folder` into a new folder with a random name, write the candidate's
    `text` and the JSON string `signature` into it too, and return its path. A worker needs this folder and no other
    file of the build.

    Of the build's files only compiled kernels are taken. A candidate can overwrite its own text in the build's folder,
    so the text and the signature are written anew: what runs must be what was admitted and digested.
    """
    artifact = Path(tempfile.mkdtemp(dir=folder))
    write_readable(artifact / "candidate.py", text)
    write_readable(artifact / "signature.json", signature.encode())
    if os.path.lexists(folder / "cache"):
        os.rename(folder / "cache", artifact / "cache")
    return artifact

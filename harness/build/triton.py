"""From a Triton candidate to a folder with its kernels compiled ahead of time, and their facts. No GPU is needed.

The candidate's host code runs in the build's sandbox on paper (build/record.py); what it launches is compiled there.
The worker later finds all of it in the folder and compiles nothing.
"""

import functools
import importlib.metadata
import importlib.util
import json
import shutil
import time
import tomllib
from contextlib import AbstractContextManager
from pathlib import Path

import interpreter
import machine
import sandbox
import wire
from build import sass, store
from build.bench import Bench, BuildFault, content, memory_file, place, set_up
from build.built import BuildFailure, Built
from task import Task
from worker.driver import (
    CLOCK_KHZ,
    MAX_REGISTERS,
    MAX_SHARED_OPTIN,
    MEMORY_CLOCK_KHZ,
    MULTIPROCESSORS,
)

ATTRIBUTES = {MULTIPROCESSORS: 132, MAX_SHARED_OPTIN: 232448, MAX_REGISTERS: 65536, CLOCK_KHZ: 1_980_000,
              MEMORY_CLOCK_KHZ: 2_619_000}  # fmt: skip
"""Of the card on paper, an H100 SXM; CUdevice_attribute numbers."""
WORKER_FILES = ("__init__.py", "tensor.py", "triton_driver.py", "driver.py")
MAX_MEMORY_BYTES = 16 << 30
MAX_LISTING_BYTES = 32 << 20
MAX_DETAIL = 2000
FAULT, REJECTED, HIDDEN = 1, 2, 10
MARK = "\x01"
"""As in record.py."""


class NoTriton(Exception):
    """This interpreter has no Triton; the message names the remedy."""


class _Refused(Exception):
    """The candidate asks for what is not run here at all."""


def build_triton(
    source: Path, *, task: Task, cache: Path, isolation: sandbox.Isolation, deadline_s: float
) -> Built | BuildFailure:
    """Record and compile a candidate, or take it from the cache.

    Raises:
        NoTriton: the interpreter lacks the package.
        SandboxError: a guard could not be put up.
    """
    text, cases, signature = source.read_bytes(), _cases(task), _signature(task)
    entry = cache / store.key(text, cases, signature, package_version(), *_own_texts())
    if built := store.stored(entry):
        return built
    begin = time.monotonic()
    try:
        with _bench(isolation, deadline_s=deadline_s) as bench:
            artifact = bench.folder / "artifact"
            _lay_out(bench.folder, text, cases=cases, signature=signature)
            _record(bench, task)
            facts = _facts(bench)
            _collect(bench.folder, artifact)
            return store.store(entry, artifact, facts=facts, seconds=time.monotonic() - begin)
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


@functools.cache
def package_version() -> str:
    """Triton's. Raises NoTriton."""
    package()
    return importlib.metadata.version("triton")


def link_packages(folder: Path) -> tuple[Path, ...]:
    """Make Triton, and no other package of the site, importable from a folder; what a sandbox must let be read."""
    (folder / "triton").symlink_to(package())
    libraries = (package() / "_C").glob("*.so")
    linked = {library for path in libraries for library in machine.linked(path)}
    return (package(), *sorted(linked))


def _bench(isolation: sandbox.Isolation, *, deadline_s: float) -> AbstractContextManager[Bench]:
    python = interpreter.executable()
    tools = sorted((package() / "backends" / "nvidia" / "bin").glob("*"))
    programs = tuple(dict.fromkeys(file for tool in (python, *tools) for file in (tool, *machine.linked(tool))))
    return set_up(
        isolation, deadline_s=deadline_s, programs=programs, environment={"PATH": str(tools[0].parent)},
        memory_bytes=MAX_MEMORY_BYTES, listable=interpreter.listable(),
    )  # fmt: skip


def _signature(task: Task) -> str:
    """The task's own words."""
    spec = tomllib.loads((task.folder / "task.toml").read_text(encoding="utf-8"))
    return json.dumps(spec["signature"])


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
    names = ("build/record.py", *(f"worker/{name}" for name in WORKER_FILES))
    return tuple((machine.HERE / name).read_bytes() for name in names)


def _lay_out(folder: Path, text: bytes, *, cases: str, signature: str) -> None:
    (folder / "worker").mkdir(mode=0o755)
    (folder / "packages").mkdir(mode=0o755)
    place(folder / "candidate.py", text)
    place(folder / "cases.json", cases.encode())
    place(folder / "signature.json", signature.encode())
    place(folder / "record.py", (machine.HERE / "build" / "record.py").read_bytes())
    for name in WORKER_FILES:
        place(folder / "worker" / name, (machine.HERE / "worker" / name).read_bytes())


def _record(bench: Bench, task: Task) -> None:
    readable = (*interpreter.readable(), *link_packages(bench.folder / "packages"))
    command = (
        interpreter.executable(),
        "-I",
        "-S",
        "-B",
        bench.folder / "record.py",
        bench.folder,
        bench.folder / "packages",
    )
    code, said, end = bench.tried(command, readable=(*readable, *_DEVICES), environment={"HOME": str(bench.folder)})
    if code == 0:
        return
    if code >= HIDDEN:
        ordered = sorted(task.cases, key=lambda case: case.hidden)
        kind = ordered[code - HIDDEN].kind if code - HIDDEN < len(ordered) else "unknown"
        raise BuildFault(f"its host code fails in a hidden case: {kind}")
    detail = (said.rpartition(MARK)[2].strip() or f"the build {end} without a message")[:MAX_DETAIL]
    raise _Refused(detail) if code == REJECTED else BuildFault(detail)


_DEVICES = (Path("/dev/null"), Path("/dev/urandom"))


def _collect(folder: Path, artifact: Path) -> None:
    """Everything a worker needs, and nothing else."""
    artifact.mkdir()
    for name in ("candidate.py", "signature.json", "cache"):
        if (folder / name).exists():
            shutil.move(folder / name, artifact / name)


def _facts(bench: Bench) -> wire.Facts:
    """The largest of all kernels that were compiled."""
    records = [json.loads(path.read_text(encoding="utf-8")) for path in _kernels(bench.folder, "json")]
    used = [_disassembled(bench, path) for path in _kernels(bench.folder, "cubin")]
    if not records or not used:
        return wire.Facts()
    threads, shared = max(r["num_warps"] for r in records) * sass.WARP, max(r["shared"] for r in records)
    registers = max((u.registers or 0 for u, _, _ in used), default=0)
    instructions: dict[str, int] = {}
    for _, _, counts in used:
        instructions |= {name: max(count, instructions.get(name, 0)) for name, count in counts.items()}
    return wire.Facts(
        registers=registers or None,
        stack_bytes=max(u.stack_bytes or 0 for u, _, _ in used),
        spill_bytes=max(u.spill_bytes or 0 for u, _, _ in used),
        shared_bytes=shared,
        occupancy=sass.occupancy(registers, threads=threads, shared_bytes=shared) if registers else None,
        text_bytes=max(size for _, size, _ in used),
        instructions=instructions,
    )


def _kernels(folder: Path, ending: str) -> list[Path]:
    """Triton's cache holds a folder a kernel."""
    return [path for path in sorted((folder / "cache").glob(f"*/*.{ending}")) if not path.name.startswith("__grp__")]


def _disassembled(bench: Bench, cubin: Path) -> tuple[sass.Resources, int, dict[str, int]]:
    cuobjdump = package() / "backends" / "nvidia" / "bin" / "cuobjdump"
    with memory_file() as listing:
        try:
            bench.run((cuobjdump, "-res-usage", "-sass", cubin), readable=_DEVICES, listing=listing)
        except BuildFault:
            return sass.Resources(None, None, None, None), 0, {}
        text = content(listing, MAX_LISTING_BYTES).decode("utf-8", "replace")
    size, counts = sass.count(text.splitlines())
    return sass.listed_resources(text), size, counts

"""From a CUDA C++ candidate to a shared object for sm_90a with an entry the worker can call, and its facts.

As in c.py the compiler runs in the sandbox, in stages that each see only what they need: nvcc (headers), the shim (a
host file without a CUDA header, 20 ms), the linker (libraries, none of the candidate's text), the disassembler.
"""

import time
from pathlib import Path

import sandbox
import wire
from build import diagnostics, nvcc, sass, signature, store
from build.bench import Bench, BuildFault, content, memory_file, place, set_up
from build.built import BuildFailure, Built
from build.nvcc import Toolkit
from task import Task

FLAGS = ("-std=c++17", "-O3", *nvcc.ARCHITECTURE, "-Xptxas=-v", "-Xcompiler=-fPIC,-Wall", "-lineinfo")
"""Fixed: no flag of a candidate's."""
LINK_FLAGS = ("-shared", "-Wl,-z,defs", "-Wl,-z,relro", "-Wl,-z,now", "-Wl,-Bsymbolic")
LIBRARIES = (
    "-lcudart_static", "-Wl,-Bstatic", "-lstdc++", "-Wl,-Bdynamic", "-static-libgcc",
    "-lm", "-lpthread", "-ldl", "-lrt",
)  # fmt: skip
"""The runtimes are linked in: a candidate opens the C library and the driver, and nothing else."""
MAX_MEMORY_BYTES = 8 << 30
MAX_LISTING_BYTES = 32 << 20
_CANDIDATE, _SHIM, _DECLARATION = "candidate", "shim", "declaration.h"


def build_cuda(
    source: Path, *, task: Task, cache: Path, isolation: sandbox.Isolation, deadline_s: float
) -> Built | BuildFailure:
    """Build a candidate with the shim that defines `ks_call`, or take it from the cache. No GPU is needed.

    Raises:
        NoCompiler: no toolkit, or no host compiler.
        SandboxError: a guard could not be put up.
    """
    tools, text = nvcc.toolkit(), source.read_bytes()
    declaration, shim = signature.cuda_declaration(task), signature.cuda_shim(task)
    flags = " ".join((*FLAGS, *LINK_FLAGS, *LIBRARIES))
    entry = cache / store.key(text, declaration, shim, flags, tools.version, tools.host.compiler.version)
    if built := store.stored(entry):
        return built
    begin = time.monotonic()
    try:
        with _bench(tools, isolation, deadline_s=deadline_s) as bench:
            place(bench.folder / f"{_CANDIDATE}.cu", text)
            place(bench.folder / f"{_SHIM}.c", shim.encode())
            place(bench.folder / _DECLARATION, declaration.encode())
            facts = _build(bench, tools)
            output = bench.folder / f"{_CANDIDATE}.so"
            return store.store(entry, output, facts=facts, seconds=time.monotonic() - begin)
    except BuildFault as fault:
        return BuildFailure(str(fault), time.monotonic() - begin)


def _bench(tools: Toolkit, isolation: sandbox.Isolation, *, deadline_s: float):  # type: ignore[no-untyped-def]
    return set_up(
        isolation, deadline_s=deadline_s, programs=tools.programs, environment={"PATH": tools.search_path},
        memory_bytes=MAX_MEMORY_BYTES,
    )  # fmt: skip


def _build(bench: Bench, tools: Toolkit) -> wire.Facts:
    host = str(tools.host.compiler.path)
    said = bench.run(
        (tools.nvcc, *FLAGS, "-ccbin", host, "-include", _DECLARATION, "-c", f"{_CANDIDATE}.cu"), readable=tools.headers
    )
    bench.run((host, "-O2", "-fPIC", "-c", f"{_SHIM}.c"), readable=tools.headers)
    objects = (f"{_CANDIDATE}.o", f"{_SHIM}.o")
    folder = f"-L{tools.library_folder}"
    link = (host, *LINK_FLAGS, "-o", f"{_CANDIDATE}.so", *objects, folder, *LIBRARIES)
    bench.run(link, readable=(*tools.headers, *tools.libraries))
    return _facts(bench, tools, said)


def _facts(bench: Bench, tools: Toolkit, said: str) -> wire.Facts:
    used = sass.resources(said)
    text_bytes, instructions = _counts(bench, tools)
    return wire.Facts(
        registers=used.registers,
        spill_bytes=used.spill_bytes,
        stack_bytes=used.stack_bytes,
        shared_bytes=used.shared_bytes,
        occupancy=None if used.registers is None else sass.occupancy(used.registers),
        text_bytes=text_bytes,
        warnings=tuple((sass.warnings(said) + list(diagnostics.warnings(said)))[: diagnostics.MAX_WARNINGS]),
        instructions=instructions,
    )


def _counts(bench: Bench, tools: Toolkit) -> tuple[int | None, dict[str, int]]:
    """Nothing where the machine has no disassembler, or it fails on this object."""
    if tools.cuobjdump is None:
        return None, {}
    with memory_file() as listing:
        try:
            bench.run((tools.cuobjdump, "-sass", f"{_CANDIDATE}.o"), readable=tools.headers, listing=listing)
        except BuildFault:
            return None, {}
        return sass.count(content(listing, MAX_LISTING_BYTES).decode("utf-8", "replace").splitlines())

"""Build CUDA C++ candidates: a shared object with the function `ks_call`, which the worker calls, and the facts that
the compiler reports.

As in c.py, every stage runs in the sandbox and can read only what it needs: nvcc reads headers (also the toolkit's,
which are harmless without a library), the shim is a small C file without CUDA headers, the linker reads libraries but
not the candidate's text. inspection.py adds the facts that the machine code shows.
"""

import functools
import time
from contextlib import AbstractContextManager
from dataclasses import dataclass
from pathlib import Path

from harness.compiling import diagnostics, nvcc, ptx, sass, signature, store
from harness.compiling.build_runner import (
    BuildContext,
    BuildFault,
    BuildRunner,
    BuildTools,
    open_runner,
    write_readable,
)
from harness.compiling.built import BuildFailure, Built
from harness.compiling.nvcc import Toolkit
from harness.sandbox import launcher as sandbox
from harness.task import Task
from harness.wire import messages as wire

FLAGS = (
    "-std=c++17", "-O3", "-Xptxas=-v", "-Xcompiler=-fPIC,-Wall", "-lineinfo", "--keep",
    "--threads=2",
)  # fmt: skip
"""Compiler flags; the task's architecture is added, and a candidate cannot add any. -lineinfo and the kept PTX let the
assembler's messages name lines of candidate.cu. --threads=2 compiles host and device code in parallel."""
LINK_FLAGS = ("-shared", "-Wl,-z,defs", "-Wl,-z,relro", "-Wl,-z,now", "-Wl,-Bsymbolic")
LIBRARIES = (
    "-Wl,-Bstatic", "-lstdc++", "-Wl,-Bdynamic", "-static-libgcc", "-lm", "-lpthread", "-ldl", "-lrt",
)  # fmt: skip
"""Libraries for the linker. The C++ and CUDA runtimes are linked statically, so that a candidate needs only the C
library and the driver at run time."""
MAX_MEMORY_BYTES = 8 << 30
MAX_FILE_BYTES = 64 << 20
"""Largest file between stages, in bytes: a preprocessed source with all of the toolkit's templates takes 20 MB."""
FACTS = "shared memory unknown where it is dynamic"
"""Part of the cache key that changes when facts are read in another way, so that older builds are not reused."""
_CANDIDATE, _SHIM, _DECLARATION = "candidate", "shim", "declaration.h"
_TRIVIAL_DECLARATION = '#include <cuda_runtime.h>\nextern "C" void entry(cudaStream_t stream);\n'
_TRIVIAL = (
    '__global__ void kernel() {}\nextern "C" void entry(cudaStream_t stream) { kernel<<<1, 1, 0, stream>>>(); }\n'
)
_TRIVIAL_SHIM = "void entry(void *); int ks_call(void *stream) { entry(stream); return 0; }\n"


@dataclass(frozen=True, slots=True)
class _Sources:
    """The input of one CUDA build: the candidate's text, the prototype that its entry function must have, the text of
    the shim (a generated C file through which the worker calls the entry), the entry's name, and the GPU architecture
    such as `sm_90a`. `build_cuda` makes it from the task."""

    candidate: bytes
    declaration: str
    shim: str
    entry: str
    arch: str


def build_cuda(source: Path, task: Task, *, context: BuildContext) -> Built | BuildFailure:
    """Build the CUDA candidate in the file `source` for `task` in the sandbox, without a GPU, or take it from the cache
    that `context` names. Return Built, or BuildFailure if the candidate does not compile within the task's time limit.
    Raises NoCompiler if the CUDA toolkit or the host compiler is missing, SandboxError if the sandbox fails or nvcc
    does not work inside it."""
    tools = nvcc.toolkit()
    sources = _Sources(
        source.read_bytes(), signature.cuda_declaration(task), signature.cuda_shim(task), entry=task.entry,
        arch=_architecture(task),
    )  # fmt: skip
    entry = context.candidates / _key(sources, tools)
    with store.build_lock(entry):
        if built := store.stored(entry):
            return built
        begin = time.monotonic()
        try:
            with _runner(tools, context.isolation, deadline_s=task.limits.build_s) as runner:
                facts = _build(runner, tools, sources)
                output = runner.folder / f"{_CANDIDATE}.so"
                return store.store(entry, Built(output, facts, time.monotonic() - begin, is_inspected=False))
        except BuildFault as fault:
            seconds = time.monotonic() - begin
            _check_compiler_works(context.isolation, sources.arch)
            return BuildFailure(str(fault), seconds)


def _architecture(task: Task) -> str:
    assert task.arch is not None, "a GPU task has an architecture"
    return task.arch


def _runner(tools: Toolkit, isolation: sandbox.Isolation, *, deadline_s: float) -> AbstractContextManager[BuildRunner]:
    build_tools = BuildTools(tools.programs, {"PATH": tools.search_path}, MAX_MEMORY_BYTES, MAX_FILE_BYTES)
    return open_runner(isolation, build_tools, deadline_s=deadline_s)


# --- the stages ----------------------------------------------------------------------------------------------------


def _build(runner: BuildRunner, tools: Toolkit, sources: _Sources) -> wire.Facts:
    write_readable(runner.folder / f"{_CANDIDATE}.cu", sources.candidate)
    write_readable(runner.folder / f"{_SHIM}.c", sources.shim.encode())
    write_readable(runner.folder / _DECLARATION, sources.declaration.encode())
    shim = (tools.host.compiler.path, "-O2", "-fPIC", "-c", f"{_SHIM}.c")
    with runner.start(shim, readable=tools.headers) as finish:
        messages, assembly = _compile(runner, tools, arch=sources.arch)
        if finish()[0] != 0:
            raise sandbox.SandboxError(f"{shim[0]} cannot compile the shim that is built with a candidate")
    _link(runner, tools, sources)
    return _facts(messages, assembly)


def _compile(runner: BuildRunner, tools: Toolkit, *, arch: str) -> tuple[str, str]:
    """Compile the candidate with nvcc for the architecture `arch` (such as `sm_90a`) to an object file in the folder of
    `runner`, the build in progress. Return two strings: the compiler's messages, and the PTX (GPU assembly) that nvcc
    kept, empty if there is none. Raises BuildFault with the first error if compiling fails."""
    command = (
        tools.nvcc,
        *FLAGS,
        nvcc.target(arch),
        "-ccbin",
        tools.host.compiler.path,
        "-include",
        _DECLARATION,
        "-c",
        f"{_CANDIDATE}.cu",
    )
    code, messages, end = runner.try_run(command, readable=tools.headers)
    kept = runner.folder / f"{_CANDIDATE}.ptx"
    assembly = store.read_output(kept).decode("utf-8", "replace") if kept.exists() else ""
    if code != 0:
        messages = ptx.located(messages, assembly)
        raise BuildFault(diagnostics.first_error(messages) or f"the compiler {end} without a message")
    return messages, assembly


def _link(runner: BuildRunner, tools: Toolkit, sources: _Sources) -> None:
    host = tools.host.compiler.path
    objects = (f"{_CANDIDATE}.o", f"{_SHIM}.o", tools.runtime)
    command = (host, *LINK_FLAGS, "-o", f"{_CANDIDATE}.so", *objects, *LIBRARIES)
    code, messages, end = runner.try_run(command, readable=(*tools.headers, *tools.libraries))
    if f"undefined reference to `{sources.entry}'" in messages:
        raise BuildFault(f"candidate.cu does not define the entry {sources.declaration.splitlines()[-1].rstrip(';')}")
    if code != 0:
        raise BuildFault(diagnostics.first_error(messages) or f"the linker {end} without a message")


def _facts(messages: str, assembly: str) -> wire.Facts:
    """Return Facts from the compiler's `messages` and the PTX `assembly` (both strings): registers, spilled and stack
    bytes per thread, shared memory per block, occupancy, and warnings. Figures that the messages do not contain are
    None.

    Shared memory and occupancy are None if a kernel uses dynamic shared memory, because only the launch knows its size.
    """
    used, is_dynamic = sass.resources(messages), ptx.has_dynamic_shared(assembly)
    warnings = [*sass.warnings(ptx.located(messages, assembly)), *diagnostics.warnings(messages)]
    return wire.Facts(
        registers=used.registers,
        spill_bytes=used.spill_bytes,
        stack_bytes=used.stack_bytes,
        shared_bytes=None if is_dynamic else used.shared_bytes,
        occupancy=None if is_dynamic else sass.lowest_occupancy(messages, block_sizes=ptx.block_sizes(assembly)),
        warnings=tuple(warning[: diagnostics.MAX_WARNING] for warning in warnings[: diagnostics.MAX_WARNINGS]),
    )


@functools.cache
def _check_compiler_works(isolation: sandbox.Isolation, arch: str) -> None:
    """Build a trivial candidate for the architecture `arch` in the sandbox and return nothing if that succeeds. Raises
    SandboxError if it fails: then the fault lies with nvcc or the sandbox, and a failed build must not be blamed on its
    candidate. The result is remembered until the process ends."""
    tools = nvcc.toolkit()
    trivial = _Sources(_TRIVIAL.encode(), _TRIVIAL_DECLARATION, _TRIVIAL_SHIM, entry="entry", arch=arch)
    with _runner(tools, isolation, deadline_s=60) as runner:
        try:
            _build(runner, tools, trivial)
        except BuildFault as fault:
            raise sandbox.SandboxError(f"{tools.nvcc} does not work inside the sandbox: {fault}") from fault


def _key(sources: _Sources, tools: Toolkit) -> str:
    flags = " ".join((*FLAGS, nvcc.target(sources.arch), *LINK_FLAGS, *LIBRARIES))
    host = f"{tools.host.compiler.path} {tools.host.compiler.version}"
    return store.key(sources.candidate, sources.declaration, sources.shim, flags, f"{tools.nvcc} {tools.version}", host,
                     FACTS)  # fmt: skip

"""From a C candidate to a shared object with an entry the worker can call, and the facts that the build tells.

The compiler reads whatever a candidate's text names, so it runs in the sandbox, in three stages that each see only
what they need: compile (headers, no library), link (libraries, none of the candidate's text), disassemble. The cache
is keyed by everything that the result depends on.
"""

import functools
import time
from contextlib import AbstractContextManager
from dataclasses import dataclass
from pathlib import Path

from harness.compiling import diagnostics, disassembly, store, toolchain
from harness.compiling.build_runner import (
    BuildContext,
    BuildFault,
    BuildRunner,
    BuildTools,
    content,
    memory_file,
    place,
    set_up,
)
from harness.compiling.built import BuildFailure, Built
from harness.compiling.toolchain import Toolchain
from harness.sandbox import launcher as sandbox
from harness.wire import messages as wire

FLAGS = (
    "-std=gnu17",
    "-O3",
    "-march=native",
    "-fno-math-errno",
    "-fPIC",
    "-fno-semantic-interposition",
    "-Wall",
    "-Wextra",
)
"""Fixed: no flag of a candidate's, and none that changes a result. Without the two negated ones a square root is not
vectorized and a helper function not inlined."""
LINK_FLAGS = ("-shared", "-fno-lto", "-Wl,-z,defs", "-Wl,-z,relro", "-Wl,-z,now", "-Wl,-Bsymbolic")
"""Every symbol must be found now: a missing entry is a build error. -fno-lto: an object is code, not compiler input."""
LIBRARIES = ("-lm",)
MAX_LISTING_BYTES = 16 << 20
"""Of a disassembly; code longer than that goes without counts."""
_ERRORS_SHOWN = 5
_CANDIDATE, _SHIM, _DECLARATION = "candidate", "shim", "declaration.h"


@dataclass(frozen=True, slots=True)
class Interface:
    """The judge's own text that is built with a candidate."""

    shim: str
    """A C file that defines `ks_call`."""
    declaration: str = ""
    """Prototype of the entry: a candidate that defines the entry with other arguments is a compile error."""


def build_c(source: Path, interface: Interface, *, workshop: BuildContext, deadline_s: float) -> Built | BuildFailure:
    """Build a candidate, or take it from the cache.

    Raises:
        NoCompiler: no compiler, or a broken one.
        SandboxError: a guard could not be put up, or the compiler does not work inside the sandbox.
    """
    tools = toolchain.toolchain(toolchain.find_compiler())
    text = source.read_bytes()
    entry = workshop.candidates / _key(text, interface, tools=tools)
    if built := store.stored(entry):
        return built
    begin = time.monotonic()
    try:
        with _runner(tools, workshop.isolation, deadline_s=deadline_s) as runner:
            facts = _build(runner, tools, text, interface)
            output = runner.folder / f"{_CANDIDATE}.so"
            return store.store(entry, Built(output, facts, time.monotonic() - begin))
    except BuildFault as fault:
        _check_compiler_works(tools, workshop.isolation)
        return BuildFailure(str(fault), time.monotonic() - begin)


def _runner(
    tools: Toolchain, isolation: sandbox.Isolation, *, deadline_s: float
) -> AbstractContextManager[BuildRunner]:
    return set_up(isolation, BuildTools(tools.programs, {"PATH": tools.search_path}), deadline_s=deadline_s)


# --- the stages ----------------------------------------------------------------------------------------------------


def _build(runner: BuildRunner, tools: Toolchain, text: bytes, interface: Interface) -> wire.Facts:
    place(runner.folder / f"{_CANDIDATE}.c", text)
    place(runner.folder / f"{_SHIM}.c", interface.shim.encode())
    place(runner.folder / _DECLARATION, f"{interface.declaration}\n".encode())
    said = _compile(runner, tools)
    said += _link(runner, tools)
    return _facts(runner, tools, diagnostics.warnings(said))


def _compile(runner: BuildRunner, tools: Toolchain) -> str:
    """Names without a folder, so that messages and __FILE__ say `candidate.c`."""
    sources = (f"{_CANDIDATE}.c", f"{_SHIM}.c")
    limits = (f"-fmax-errors={_ERRORS_SHOWN}",)
    command = (tools.compiler.path, *FLAGS, *limits, "-include", _DECLARATION, "-c", *sources)
    return runner.run(command, readable=tools.headers)


def _link(runner: BuildRunner, tools: Toolchain) -> str:
    objects = (f"{_CANDIDATE}.o", f"{_SHIM}.o")
    command = (tools.compiler.path, *LINK_FLAGS, "-o", f"{_CANDIDATE}.so", *objects, *LIBRARIES)
    return runner.run(command, readable=(*tools.headers, *tools.libraries))


def _facts(runner: BuildRunner, tools: Toolchain, warnings: tuple[str, ...]) -> wire.Facts:
    """Facts of the candidate's own object; where the machine has no objdump, or it fails on it, only the warnings."""
    if tools.objdump is None:
        return wire.Facts(warnings=warnings)
    command = (tools.objdump, "-h", "-d", "--no-show-raw-insn", f"{_CANDIDATE}.o")
    with memory_file() as listing:
        try:
            runner.run(command, readable=tools.headers, listing=listing)
        except BuildFault:
            return wire.Facts(warnings=warnings)
        raw = content(listing, MAX_LISTING_BYTES + 1)
    if len(raw) > MAX_LISTING_BYTES:
        return wire.Facts(warnings=warnings)
    found = disassembly.read(raw.decode("utf-8", "replace").splitlines())
    return wire.Facts(
        text_bytes=found.text_bytes,
        vector_bits=found.vector_bits,
        warnings=warnings,
        instructions=found.instructions,
    )


@functools.cache
def _check_compiler_works(tools: Toolchain, isolation: sandbox.Isolation) -> None:
    """A build that fails is the candidate's fault only if an empty one succeeds."""
    with _runner(tools, isolation, deadline_s=60) as runner:
        try:
            _build(runner, tools, b"#include <math.h>\n", Interface("void ks_call(void) {}\n"))
        except BuildFault as fault:
            raise sandbox.SandboxError(f"{tools.compiler.path} does not work inside the sandbox: {fault}") from fault


def _key(text: bytes, interface: Interface, *, tools: Toolchain) -> str:
    flags = " ".join((*FLAGS, *LINK_FLAGS, *LIBRARIES))
    compiler = f"{tools.compiler.path} {tools.compiler.version} {tools.target}"
    return store.key(text, interface.shim, interface.declaration, flags, compiler)

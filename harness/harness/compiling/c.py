"""Build C candidates: a shared object with the function `ks_call`, which the worker calls, and facts about the machine
code.

A compiler reads any file that the candidate's text names, so it runs in the sandbox. Each of three stages can read only
what it needs: compiling reads headers but no library, linking reads libraries but not the candidate's text,
disassembling reads the object file. The cache key covers everything that the result depends on.
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
    memory_file,
    open_runner,
    read_content,
    write_readable,
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
"""Compiler flags. A candidate cannot add any, and none changes a numerical result. Without the two negated flags,
square roots are not vectorized and helper functions are not inlined."""
LINK_FLAGS = ("-shared", "-fno-lto", "-Wl,-z,defs", "-Wl,-z,relro", "-Wl,-z,now", "-Wl,-Bsymbolic")
"""Linker flags. Every symbol must be resolved at link time, so that a missing entry is a build error. -fno-lto: an
object file holds machine code, never compiler input."""
LIBRARIES = ("-lm",)
MAX_LISTING_BYTES = 16 << 20
"""Longest disassembly that is read, in bytes; longer code gets no instruction counts."""
_ERRORS_SHOWN = 5
_CANDIDATE, _SHIM, _DECLARATION = "candidate", "shim", "declaration.h"


@dataclass(frozen=True, slots=True)
class Interface:
    """C text that the judge generates from a task and compiles together with a candidate. `shim` defines the function
    `ks_call`, which the worker calls and which calls the candidate's entry function. `declaration` is the prototype
    that the entry must have; the compiler reports an error if the candidate's entry differs."""

    shim: str
    """Text of a C file that defines `ks_call`."""
    declaration: str = ""
    """Prototype of the entry function; a candidate that defines the entry with other arguments does not compile."""


def build_c(source: Path, interface: Interface, *, context: BuildContext, deadline_s: float) -> Built | BuildFailure:
    """Build the C candidate in the file `source` in the sandbox, or take it from the cache; `interface` is the
    generated C text that lets the worker call it, `context` names the cache folder and the sandbox. Return Built, or
    BuildFailure if the candidate does not compile within `deadline_s` seconds. Raises NoCompiler if the machine has no
    C compiler, SandboxError if the sandbox fails or the compiler does not work inside it."""
    tools = toolchain.toolchain(toolchain.find_compiler())
    text = source.read_bytes()
    entry = context.candidates / _key(text, interface, tools=tools)
    if built := store.stored(entry):
        return built
    begin = time.monotonic()
    try:
        with _runner(tools, context.isolation, deadline_s=deadline_s) as runner:
            facts = _build(runner, tools, text, interface)
            output = runner.folder / f"{_CANDIDATE}.so"
            return store.store(entry, Built(output, facts, time.monotonic() - begin))
    except BuildFault as fault:
        _check_compiler_works(tools, context.isolation)
        return BuildFailure(str(fault), time.monotonic() - begin)


def _runner(
    tools: Toolchain, isolation: sandbox.Isolation, *, deadline_s: float
) -> AbstractContextManager[BuildRunner]:
    return open_runner(isolation, BuildTools(tools.programs, {"PATH": tools.search_path}), deadline_s=deadline_s)


# --- the stages ----------------------------------------------------------------------------------------------------


def _build(runner: BuildRunner, tools: Toolchain, text: bytes, interface: Interface) -> wire.Facts:
    write_readable(runner.folder / f"{_CANDIDATE}.c", text)
    write_readable(runner.folder / f"{_SHIM}.c", interface.shim.encode())
    write_readable(runner.folder / _DECLARATION, f"{interface.declaration}\n".encode())
    messages = _compile(runner, tools)
    messages += _link(runner, tools)
    return _facts(runner, tools, diagnostics.warnings(messages))


def _compile(runner: BuildRunner, tools: Toolchain) -> str:
    """Compile the candidate and the shim (the generated C file that calls the candidate) to object files in the folder
    of `runner`, the build in progress; return the compiler's messages as a string. `tools` holds the compiler's path
    and the headers that it may read. Raises BuildFault if compiling fails.

    File names have no folder, so that messages and __FILE__ say `candidate.c`.
    """
    sources = (f"{_CANDIDATE}.c", f"{_SHIM}.c")
    limits = (f"-fmax-errors={_ERRORS_SHOWN}",)
    command = (tools.compiler.path, *FLAGS, *limits, "-include", _DECLARATION, "-c", *sources)
    return runner.run(command, readable=tools.headers)


def _link(runner: BuildRunner, tools: Toolchain) -> str:
    objects = (f"{_CANDIDATE}.o", f"{_SHIM}.o")
    command = (tools.compiler.path, *LINK_FLAGS, "-o", f"{_CANDIDATE}.so", *objects, *LIBRARIES)
    return runner.run(command, readable=(*tools.headers, *tools.libraries))


def _facts(runner: BuildRunner, tools: Toolchain, warnings: tuple[str, ...]) -> wire.Facts:
    """Disassemble the candidate's object file with objdump in `runner`, the build in progress; return Facts: code size,
    width of the widest vector register, instruction counts, and the given `warnings` of the compiler. If objdump is
    missing in `tools` or fails, or its output is too long, return only the warnings."""
    if tools.objdump is None:
        return wire.Facts(warnings=warnings)
    command = (tools.objdump, "-h", "-d", "--no-show-raw-insn", f"{_CANDIDATE}.o")
    with memory_file() as listing:
        try:
            runner.run(command, readable=tools.headers, listing=listing)
        except BuildFault:
            return wire.Facts(warnings=warnings)
        raw = read_content(listing, MAX_LISTING_BYTES + 1)
    if len(raw) > MAX_LISTING_BYTES:
        return wire.Facts(warnings=warnings)
    code_facts = disassembly.read(raw.decode("utf-8", "replace").splitlines())
    return wire.Facts(
        text_bytes=code_facts.text_bytes,
        vector_bits=code_facts.vector_bits,
        warnings=warnings,
        instructions=code_facts.instructions,
    )


@functools.cache
def _check_compiler_works(tools: Toolchain, isolation: sandbox.Isolation) -> None:
    """Build an empty candidate with the compiler of `tools` in the sandbox and return nothing if that succeeds. Raises
    SandboxError if it fails: then the fault lies with the compiler or the sandbox, and a failed build must not be
    blamed on its candidate. The result is remembered until the process ends."""
    with _runner(tools, isolation, deadline_s=60) as runner:
        try:
            _build(runner, tools, b"#include <math.h>\n", Interface("void ks_call(void) {}\n"))
        except BuildFault as fault:
            raise sandbox.SandboxError(f"{tools.compiler.path} does not work inside the sandbox: {fault}") from fault


def _key(text: bytes, interface: Interface, *, tools: Toolchain) -> str:
    flags = " ".join((*FLAGS, *LINK_FLAGS, *LIBRARIES))
    compiler = f"{tools.compiler.path} {tools.compiler.version} {tools.target}"
    return store.key(text, interface.shim, interface.declaration, flags, compiler)

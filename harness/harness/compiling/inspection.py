"""Add to a GPU build the facts that its machine code shows, while the candidate's worker already runs.

No stage of a judgement waits for these facts, and a disassembler takes half a second per kernel.
"""

import json
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, ExitStack, contextmanager
from dataclasses import replace
from pathlib import Path

from harness.compiling import nvcc, sass, store, triton
from harness.compiling.build_runner import (
    BuildFault,
    BuildRunner,
    BuildTools,
    memory_file,
    open_runner,
    read_content,
    write_readable,
)
from harness.compiling.built import Built
from harness.sandbox import launcher as sandbox
from harness.wire import messages as wire

DEADLINE_S = 20.0
MAX_KERNELS = 16
"""Most kernels of a Triton build that are disassembled, the largest ones; all run at the same time."""
MAX_LISTING_BYTES = 32 << 20
MAX_WARPS = 64
_DEVICES = (Path("/dev/null"), Path("/dev/urandom"))

Listing = tuple[sass.Resources, int, dict[str, int]]
Finish = Callable[[], tuple[int, str, str]]


@contextmanager
def inspected(built: Built, *, isolation: sandbox.Isolation) -> Iterator[Callable[[], wire.Facts]]:
    """Start to disassemble `built`, a build of a GPU candidate, in the sandbox that `isolation` describes, and yield a
    function without arguments. That function waits for the disassembly, stores the facts in the cache and returns all
    Facts of the build; at the end of the block the disassembler is killed. Raises SandboxError if it cannot be started,
    NoToolkit if a CUDA build is inspected on a machine without the toolkit.

    If the machine has no disassembler, or the disassembler fails on this code, the facts are those of the compiler.
    """
    tool, programs = _disassembler(built.artifact)
    if built.is_inspected or tool is None:
        yield lambda: built.facts
        return
    with _runner(tool, programs, isolation) as runner, ExitStack() as stack:
        started = [stack.enter_context(_started(runner, tool, code)) for code in _codes(built.artifact)]
        yield lambda: store.add_facts(built, _facts(built, [_listing(*process) for process in started]))


def _disassembler(artifact: Path) -> tuple[Path | None, tuple[Path, ...]]:
    """Return the path of the disassembler cuobjdump, or None if the machine has none, and a tuple of the program files
    that it needs to execute. They come from Triton's package if `artifact`, the path of a build, is a folder, which
    only Triton builds are; otherwise from the CUDA toolkit."""
    if artifact.is_dir():
        return triton.tool("cuobjdump"), triton.tools()
    tools = nvcc.toolkit()
    return tools.cuobjdump, tools.programs


def _runner(
    tool: Path, programs: tuple[Path, ...], isolation: sandbox.Isolation
) -> AbstractContextManager[BuildRunner]:
    """Return a context manager that yields a BuildRunner, a private folder in which the disassembler `tool` can run.
    `programs` are the files that it may execute, `isolation` is the sandbox level with what its guards need. PATH holds
    the folder of `tool`, because cuobjdump starts nvdisasm."""
    build_tools = BuildTools(programs, {"PATH": str(tool.parent)}, file_bytes=MAX_LISTING_BYTES)
    return open_runner(isolation, build_tools, deadline_s=DEADLINE_S)


def _codes(artifact: Path) -> list[Path]:
    """Return a list of the files to disassemble: the shared object `artifact` itself or, if `artifact` is the folder of
    a Triton build, its 16 largest compiled kernels."""
    if not artifact.is_dir():
        return [artifact]
    kernels = sorted((artifact / "cache").glob("*/*.cubin"), key=lambda path: path.stat().st_size)
    return kernels[-MAX_KERNELS:]


@contextmanager
def _started(runner: BuildRunner, tool: Path, code: Path) -> Iterator[tuple[int, Finish]]:
    """Start the disassembler `tool` on a copy of `code`, a file of machine code, in the folder of `runner`, and yield
    (file descriptor of its output, function `finish`). `finish()` waits for the disassembler's end, returns (exit code,
    messages, how it ended in words), and raises BuildFault if the deadline passed. The end of the block kills the
    disassembler; SandboxError is raised if it cannot be started.

    The copy is needed because the sandbox's user may not be allowed to read the cache.
    """
    copy = runner.folder / f"{len(list(runner.folder.iterdir()))}.cubin"
    write_readable(copy, code.read_bytes())
    with (
        memory_file() as listing,
        runner.start((tool, "-res-usage", "-sass", copy), readable=_DEVICES, listing=listing) as finish,
    ):
        yield listing, finish


def _listing(listing: int, finish: Finish) -> Listing:
    """Wait for the end of one disassembler and return (Resources, bytes of code, dict from instruction name to count).
    `finish` and `listing` come from `_started`: the function that waits, and the file descriptor of the output. If the
    disassembler failed or its deadline passed, the figures in Resources are None, the size is 0 and the dict is empty.
    """
    try:
        code, _, _ = finish()
    except BuildFault:
        code = 1
    text = read_content(listing, MAX_LISTING_BYTES).decode("utf-8", "replace") if code == 0 else ""
    return sass.listed_resources(text), *sass.count(text.splitlines())


# --- facts ---------------------------------------------------------------------------------------------------------


def _facts(built: Built, listings: list[Listing]) -> wire.Facts:
    """Return the Facts of a build, completed with code size, instruction counts and, for Triton, resources from its
    disassembled kernels. `listings` holds one tuple (Resources, bytes of code, counts) per kernel; each figure is the
    largest of all kernels."""
    instructions: dict[str, int] = {}
    for _, _, counts in listings:
        instructions |= {name: max(count, instructions.get(name, 0)) for name, count in counts.items()}
    text_bytes = max((size for _, size, _ in listings), default=0)
    facts = replace(built.facts, text_bytes=text_bytes or None, instructions=instructions)
    if not built.artifact.is_dir():
        return facts
    return _with_resources(facts, built.artifact, [used for used, _, _ in listings])


def _with_resources(facts: wire.Facts, artifact: Path, used: list[sass.Resources]) -> wire.Facts:
    """Return a copy of `facts` with registers, stack, spills, shared memory and occupancy of a Triton build, or `facts`
    itself if these are not known. `used` holds the Resources that each kernel's disassembly showed. Warps and shared
    memory come from the JSON files that Triton wrote beside the kernels in the folder `artifact`."""
    launches = list(filter(None, map(_launch, (artifact / "cache").glob("*/*.json"))))
    registers = max((resources.registers or 0 for resources in used), default=0)
    if not launches or not registers:
        return facts
    threads, shared = max(warps for warps, _ in launches) * sass.WARP, max(shared for _, shared in launches)
    return replace(
        facts,
        registers=registers,
        stack_bytes=max(resources.stack_bytes or 0 for resources in used),
        spill_bytes=max(resources.spill_bytes or 0 for resources in used),
        shared_bytes=shared,
        occupancy=sass.occupancy(registers, threads=threads, shared_bytes=shared),
    )


def _launch(record: Path) -> tuple[int, int] | None:
    """Return (warps, bytes of shared memory) from the JSON file `record` that Triton wrote for a kernel; None if the
    file is not valid JSON or the numbers are impossible, because a candidate can write there."""
    try:
        fields = json.loads(record.read_bytes())
        warps, shared = fields["num_warps"], fields["shared"]
    except (ValueError, KeyError, TypeError, RecursionError):
        return None
    is_possible = isinstance(warps, int) and isinstance(shared, int)
    return (warps, shared) if is_possible and 0 < warps <= MAX_WARPS and 0 <= shared <= sass.SHARED_BYTES else None

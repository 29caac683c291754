"""What the machine code of a GPU candidate tells, found while its worker already runs: no stage of a judgement needs
it, and a disassembler takes half a second a kernel.
"""

import json
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, ExitStack, contextmanager
from dataclasses import replace
from pathlib import Path

from harness.compiling import nvcc, sass, store, triton
from harness.compiling.build_runner import BuildFault, BuildRunner, BuildTools, content, memory_file, place, set_up
from harness.compiling.built import Built
from harness.sandbox import launcher as sandbox
from harness.wire import messages as wire

DEADLINE_S = 20.0
MAX_KERNELS = 16
"""Of a Triton build, the largest ones: they are disassembled all at once."""
MAX_LISTING_BYTES = 32 << 20
MAX_WARPS = 64
_DEVICES = (Path("/dev/null"), Path("/dev/urandom"))

Listing = tuple[sass.Resources, int, dict[str, int]]
Finish = Callable[[], tuple[int, str, str]]


@contextmanager
def inspected(built: Built, *, isolation: sandbox.Isolation) -> Iterator[Callable[[], wire.Facts]]:
    """Disassemble a candidate beside whatever is done meanwhile; what is given waits for all of its facts.

    Where there is no disassembler, or it fails on this code, the facts are those of the compiler.
    """
    tool, programs = _disassembler(built.artifact)
    if built.is_inspected or tool is None:
        yield lambda: built.facts
        return
    with _runner(tool, programs, isolation) as runner, ExitStack() as stack:
        started = [stack.enter_context(_started(runner, tool, code)) for code in _codes(built.artifact)]
        yield lambda: store.add_facts(built, _facts(built, [_listing(*one) for one in started]))


def _disassembler(artifact: Path) -> tuple[Path | None, tuple[Path, ...]]:
    """cuobjdump, and all it runs: Triton brings its own."""
    if artifact.is_dir():
        return triton.tool("cuobjdump"), triton.tools()
    tools = nvcc.toolkit()
    return tools.cuobjdump, tools.programs


def _runner(
    tool: Path, programs: tuple[Path, ...], isolation: sandbox.Isolation
) -> AbstractContextManager[BuildRunner]:
    """cuobjdump looks for nvdisasm, which lies beside it."""
    equipment = BuildTools(programs, {"PATH": str(tool.parent)}, file_bytes=MAX_LISTING_BYTES)
    return set_up(isolation, equipment, deadline_s=DEADLINE_S)


def _codes(artifact: Path) -> list[Path]:
    """A shared object, or the largest kernels in Triton's cache, which holds a folder a kernel."""
    if not artifact.is_dir():
        return [artifact]
    kernels = sorted((artifact / "cache").glob("*/*.cubin"), key=lambda path: path.stat().st_size)
    return kernels[-MAX_KERNELS:]


@contextmanager
def _started(runner: BuildRunner, tool: Path, code: Path) -> Iterator[tuple[int, Finish]]:
    """The disassembler on a copy: a cache's folders are not for everybody to read."""
    copy = runner.folder / f"{len(list(runner.folder.iterdir()))}.cubin"
    place(copy, code.read_bytes())
    with (
        memory_file() as listing,
        runner.started((tool, "-res-usage", "-sass", copy), readable=_DEVICES, listing=listing) as finish,
    ):
        yield listing, finish


def _listing(listing: int, finish: Finish) -> Listing:
    """Nothing of code that the disassembler fails on."""
    try:
        code, _, _ = finish()
    except BuildFault:
        code = 1
    text = content(listing, MAX_LISTING_BYTES).decode("utf-8", "replace") if code == 0 else ""
    return sass.listed_resources(text), *sass.count(text.splitlines())


# --- facts ---------------------------------------------------------------------------------------------------------


def _facts(built: Built, listings: list[Listing]) -> wire.Facts:
    """Of several kernels the largest of each figure."""
    instructions: dict[str, int] = {}
    for _, _, counts in listings:
        instructions |= {name: max(count, instructions.get(name, 0)) for name, count in counts.items()}
    text_bytes = max((size for _, size, _ in listings), default=0)
    facts = replace(built.facts, text_bytes=text_bytes or None, instructions=instructions)
    if not built.artifact.is_dir():
        return facts
    return _with_resources(facts, built.artifact, [used for used, _, _ in listings])


def _with_resources(facts: wire.Facts, artifact: Path, used: list[sass.Resources]) -> wire.Facts:
    """Of Triton's kernels, whose assembler says nothing: warps and shared memory as it noted them beside the code."""
    launches = list(filter(None, map(_launch, (artifact / "cache").glob("*/*.json"))))
    registers = max((one.registers or 0 for one in used), default=0)
    if not launches or not registers:
        return facts
    threads, shared = max(warps for warps, _ in launches) * sass.WARP, max(shared for _, shared in launches)
    return replace(
        facts,
        registers=registers,
        stack_bytes=max(one.stack_bytes or 0 for one in used),
        spill_bytes=max(one.spill_bytes or 0 for one in used),
        shared_bytes=shared,
        occupancy=sass.occupancy(registers, threads=threads, shared_bytes=shared),
    )


def _launch(record: Path) -> tuple[int, int] | None:
    """(warps, bytes of shared memory) of a kernel; None of what is no kernel's record. A candidate can write there."""
    try:
        told = json.loads(record.read_bytes())
        warps, shared = told["num_warps"], told["shared"]
    except (ValueError, KeyError, TypeError, RecursionError):
        return None
    is_possible = isinstance(warps, int) and isinstance(shared, int)
    return (warps, shared) if is_possible and 0 < warps <= MAX_WARPS and 0 <= shared <= sass.SHARED_BYTES else None

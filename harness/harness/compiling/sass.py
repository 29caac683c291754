"""Extract facts about a GPU kernel from what the assembler and the disassembler print about Hopper's machine code
(SASS): registers, spills, shared memory, instruction counts.

Instructions are counted as they appear in the code, not as they are executed. The input is what ptxas prints with -v
and what cuobjdump or nvdisasm list; its content is not trusted.
"""

import re
from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass

COUNTED = ("HGMMA", "QGMMA", "IGMMA", "HMMA", "IMMA", "UTMALDG", "UTMASTG", "LDL", "STL", "FFMA", "LDGSTS")
"""Instructions that are counted: wgmma on 16-bit floats, 8-bit floats and integers; mma; TMA loads and stores; local
memory; scalar arithmetic; asynchronous copies."""
SERIOUS = ("C7510", "C7520", "C7504", "C7508", "C7511")
"""Warnings that are listed first: wgmma is serialized, setmaxnreg is ignored, accumulators are spilled."""
INSTRUCTION_BYTES = 16
WARPS, REGISTERS, SHARED_BYTES, BLOCKS = 64, 65536, 233472, 32
"""Limits of one multiprocessor of compute capability 9.0 (CUDA programming guide, table of technical
specifications)."""
BLOCK_SHARED_BYTES = 1024
"""Bytes of every block's shared memory that the system reserves."""
WARP = 32
REGISTER_STEP = 8
"""Registers per thread are allocated in multiples of this."""
PARTITIONS = 4
"""Partitions of a multiprocessor; each has a quarter of the registers and its own warps."""

_INSTRUCTION = re.compile(r"^\s+(?:/\*[0-9a-f]{4,}\*/)?\s+(?:@!?U?P\w+ )?([A-Z][A-Z0-9_]*)(?:\.[\w.]+)?[ ;]")
_KERNEL = re.compile(r"^ptxas info\s*: Compiling entry function '([^']+)'", re.MULTILINE)
_USED = re.compile(r"^ptxas info\s*: Used (\d{1,9}) registers(?:.*?, (\d{1,9}) bytes smem)?", re.MULTILINE)
_FRAME = re.compile(
    r"^\s+(\d{1,9}) bytes stack frame, (\d{1,9}) bytes spill stores, (\d{1,9}) bytes spill loads", re.MULTILINE
)
_RESOURCE_LINE = re.compile(r"REG:(\d{1,9}) STACK:(\d{1,9}) SHARED:(\d{1,9}) LOCAL:(\d{1,9})")
_WARNING = re.compile(r"^ptxas \w+\s*: \((C75\d\d)\) (.+)$", re.MULTILINE)


@dataclass(frozen=True, slots=True)
class Resources:
    """GPU resources of the kernels of one build: registers, stack bytes and spilled bytes per thread, and shared
    memory in bytes per block. Each figure is the largest of all kernels, or None if the tools did not print it."""

    registers: int | None
    stack_bytes: int | None
    spill_bytes: int | None
    shared_bytes: int | None


def resources(messages: str) -> Resources:
    """Return the Resources of all kernels in `messages`, the output of `ptxas -v`; figures that it does not contain are
    None. Shared memory is only the static part, without what a launch adds."""
    used, frames = _USED.findall(messages), _FRAME.findall(messages)
    return Resources(
        max((int(registers) for registers, _ in used), default=None),
        max((int(frame) for frame, _, _ in frames), default=None),
        max((int(stores) + int(loads) for _, stores, loads in frames), default=None),
        max((int(shared or 0) for _, shared in used), default=None),
    )


def lowest_occupancy(messages: str, *, block_sizes: Mapping[str, int]) -> float | None:
    """Return the lowest occupancy (resident warps as a fraction, 0 to 1, of a multiprocessor's 64) of all kernels in
    `messages`, the output of `ptxas -v`; None if it lists no kernel. `block_sizes` maps a kernel's mangled name to the
    largest number of threads per block; for a kernel that is missing there, only its registers count.

    Dynamic shared memory is not in the messages, so the figure is too high for a kernel that uses it.
    """
    parts = _KERNEL.split(messages)
    occupancies = [
        occupancy(int(used[1]), threads=block_sizes.get(kernel), shared_bytes=int(used[2] or 0))
        for kernel, text in zip(parts[1::2], parts[2::2], strict=True)
        if (used := _USED.search(text))
    ]
    return min(occupancies, default=None)


def listed_resources(listing: str) -> Resources:
    """Return the Resources of all kernels in `listing`, the output of `cuobjdump -res-usage`; all figures are None if
    it lists no kernel.

    `spill_bytes` is all local memory, because the output does not say which part of it holds spills.
    """
    rows = [(int(m[1]), int(m[2]), int(m[3]), int(m[4])) for m in _RESOURCE_LINE.finditer(listing)]
    if not rows:
        return Resources(None, None, None, None)
    registers, stack, shared, local = (max(column) for column in zip(*rows, strict=True))
    return Resources(registers, stack, local, shared)


def warnings(messages: str) -> list[str]:
    """Return a list of the assembler's warnings in `messages` (a string of lines) about serialized tensor core
    instructions (wgmma) and ignored register settings (setmaxnreg), without repeats, those that cost most speed
    first."""
    numbered = sorted(_WARNING.findall(messages), key=lambda warning: warning[0] not in SERIOUS)
    return list(dict.fromkeys(f"{number}: {text.strip()}" for number, text in numbered))


def count(lines: Iterable[str]) -> tuple[int, dict[str, int]]:
    """Return (bytes of machine code, dict from instruction name to number of occurrences) of a disassembly. `lines` are
    its lines; only the instructions in COUNTED that occur are in the dict."""
    names = [instruction[1] for line in lines if (instruction := _INSTRUCTION.match(line))]
    counts = Counter(name for name in names if name in COUNTED)
    return INSTRUCTION_BYTES * len(names), {name: counts[name] for name in COUNTED if counts[name]}


def occupancy(registers: int, *, threads: int | None = None, shared_bytes: int = 0) -> float:
    """Return the occupancy, a fraction from 0 to 1: the warps that fit on one multiprocessor at once, divided by 64.
    `registers` is the number per thread, `threads` the size of a block, `shared_bytes` the shared memory of a block.

    Each partition holds as many whole warps as its registers allow. A block needs all its warps and its shared memory
    on one multiprocessor at the same time. Without `threads`, only registers count. 0 means that not even one block
    fits.
    """
    of_warp = -(-max(registers, 1) // REGISTER_STEP) * REGISTER_STEP * WARP
    warps = min(PARTITIONS * (REGISTERS // PARTITIONS // of_warp), WARPS)
    if not threads:
        return warps / WARPS
    of_block = -(-threads // WARP)
    blocks = min(warps // of_block, SHARED_BYTES // (shared_bytes + BLOCK_SHARED_BYTES), BLOCKS)
    return blocks * of_block / WARPS

"""What Hopper's machine code tells about a kernel: registers, spills, shared memory, counts of instructions.

Counts are static. They read what ptxas says with -v and what cuobjdump or nvdisasm list; nothing of it is trusted but
for being text.
"""

import re
from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass

COUNTED = ("HGMMA", "QGMMA", "HMMA", "UTMALDG", "UTMASTG", "LDL", "STL", "FFMA", "LDGSTS")
"""wgmma on 16-bit and on 8-bit types, mma, TMA loads and stores, spills, scalar arithmetic, asynchronous copies."""
INSTRUCTION_BYTES = 16
WARPS, REGISTERS, SHARED_BYTES, BLOCKS = 64, 65536, 233472, 32
"""Of one multiprocessor of compute capability 9.0 (CUDA programming guide, table of technical specifications)."""
BLOCK_SHARED_BYTES = 1024
"""Taken by the system of every block's shared memory."""
WARP = 32
REGISTER_STEP = 8
"""Registers of a thread are allocated in such steps."""

_INSTRUCTION = re.compile(r"^\s+(?:/\*[0-9a-f]{4,}\*/)?\s+(?:@!?U?P\w+ )?([A-Z][A-Z0-9_]*)(?:\.[\w.]+)?[ ;]")
_USED = re.compile(r"Used (\d+) registers(?:.*?, (\d+) bytes smem)?")
_FRAME = re.compile(r"(\d+) bytes stack frame, (\d+) bytes spill stores, (\d+) bytes spill loads")
_RESOURCE_LINE = re.compile(r"REG:(\d+) STACK:(\d+) SHARED:(\d+) LOCAL:(\d+)")
_WARNING = re.compile(r"\((C75\d\d)\) (.+?)(?: in (?:the )?function '?([^'\s]+)'?)?$", re.MULTILINE)


@dataclass(frozen=True, slots=True)
class Resources:
    """What ptxas used, the largest of all kernels; bytes a thread, but shared memory a block."""

    registers: int | None
    stack_bytes: int | None
    spill_bytes: int | None
    shared_bytes: int | None


def resources(said: str) -> Resources:
    """From `ptxas -v`."""
    used, frames = _USED.findall(said), _FRAME.findall(said)
    return Resources(
        max((int(registers) for registers, _ in used), default=None),
        max((int(frame) for frame, _, _ in frames), default=None),
        max((int(stores) + int(loads) for _, stores, loads in frames), default=None),
        max((int(shared or 0) for _, shared in used), default=None),
    )


def listed_resources(listing: str) -> Resources:
    """From `cuobjdump -res-usage`, which knows stack and local memory, but not how much of it are spills."""
    found = [(int(m[1]), int(m[2]), int(m[3]), int(m[4])) for m in _RESOURCE_LINE.finditer(listing)]
    if not found:
        return Resources(None, None, None, None)
    registers, stack, shared, local = (max(column) for column in zip(*found, strict=True))
    return Resources(registers, stack, local, shared)


def warnings(said: str) -> list[str]:
    """The advisories on wgmma and setmaxnreg, without repeats: a C7510 or C7520 costs half of the rate."""
    return list(dict.fromkeys(f"{number}: {text.strip()}" for number, text, _ in _WARNING.findall(said)))


def count(lines: Iterable[str]) -> tuple[int, dict[str, int]]:
    """Bytes of code, and how often each counted instruction stands in it."""
    names = [found[1] for line in lines if (found := _INSTRUCTION.match(line))]
    counts = Counter(name for name in names if name in COUNTED)
    return INSTRUCTION_BYTES * len(names), {name: counts[name] for name in COUNTED if counts[name]}


def occupancy(registers: int, *, threads: int | None = None, shared_bytes: int = 0) -> float:
    """Warps that fit a multiprocessor over its limit; by registers alone where the block's size is not known."""
    step = -(-registers // REGISTER_STEP) * REGISTER_STEP
    warps = REGISTERS // (step * WARP) if registers else WARPS
    if threads is None:
        return min(warps, WARPS) / WARPS
    of_block = -(-threads // WARP)
    blocks = min(warps // of_block, SHARED_BYTES // (shared_bytes + BLOCK_SHARED_BYTES), BLOCKS, WARPS // of_block)
    return blocks * of_block / WARPS

"""What Hopper's machine code tells about a kernel: registers, spills, shared memory, counts of instructions.

Counts are static. They read what ptxas says with -v and what cuobjdump or nvdisasm list; nothing of it is trusted but
for being text.
"""

import re
from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass

COUNTED = ("HGMMA", "QGMMA", "IGMMA", "HMMA", "IMMA", "UTMALDG", "UTMASTG", "LDL", "STL", "FFMA", "LDGSTS")
"""wgmma on 16-bit floats, 8-bit floats and integers, mma, TMA loads and stores, local memory, scalar arithmetic,
asynchronous copies."""
SERIOUS = ("C7510", "C7520", "C7504", "C7508", "C7511")
"""wgmma serialized, setmaxnreg ignored, accumulators spilled: told before all other advice."""
INSTRUCTION_BYTES = 16
WARPS, REGISTERS, SHARED_BYTES, BLOCKS = 64, 65536, 233472, 32
"""Of one multiprocessor of compute capability 9.0 (CUDA programming guide, table of technical specifications)."""
BLOCK_SHARED_BYTES = 1024
"""Taken by the system of every block's shared memory."""
WARP = 32
REGISTER_STEP = 8
"""Registers of a thread are allocated in such steps."""
PARTITIONS = 4
"""Of a multiprocessor; each has its quarter of the registers, and its own warps."""

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
    """What ptxas used, the largest of all kernels; bytes a thread, but shared memory a block."""

    registers: int | None
    stack_bytes: int | None
    spill_bytes: int | None
    shared_bytes: int | None


def resources(said: str) -> Resources:
    """From `ptxas -v`. Shared memory is the static part: ptxas does not know what a launch adds."""
    used, frames = _USED.findall(said), _FRAME.findall(said)
    return Resources(
        max((int(registers) for registers, _ in used), default=None),
        max((int(frame) for frame, _, _ in frames), default=None),
        max((int(stores) + int(loads) for _, stores, loads in frames), default=None),
        max((int(shared or 0) for _, shared in used), default=None),
    )


def lowest_occupancy(said: str, *, block_sizes: Mapping[str, int]) -> float | None:
    """Of the kernels in `ptxas -v`: by registers, and where a kernel's largest block is known, for blocks of that size
    with their static shared memory. Wrong of a kernel that takes dynamic shared memory, which is not seen."""
    parts = _KERNEL.split(said)
    found = [
        occupancy(int(used[1]), threads=block_sizes.get(kernel), shared_bytes=int(used[2] or 0))
        for kernel, text in zip(parts[1::2], parts[2::2], strict=True)
        if (used := _USED.search(text))
    ]
    return min(found, default=None)


def listed_resources(listing: str) -> Resources:
    """From `cuobjdump -res-usage`, which knows stack and local memory, but not how much of it are spills."""
    found = [(int(m[1]), int(m[2]), int(m[3]), int(m[4])) for m in _RESOURCE_LINE.finditer(listing)]
    if not found:
        return Resources(None, None, None, None)
    registers, stack, shared, local = (max(column) for column in zip(*found, strict=True))
    return Resources(registers, stack, local, shared)


def warnings(said: str) -> list[str]:
    """What ptxas advises on wgmma and setmaxnreg, the serious first, without repeats: a C7510 or C7520 costs half of
    the rate."""
    found = sorted(_WARNING.findall(said), key=lambda warning: warning[0] not in SERIOUS)
    return list(dict.fromkeys(f"{number}: {text.strip()}" for number, text in found))


def count(lines: Iterable[str]) -> tuple[int, dict[str, int]]:
    """Bytes of code, and how often each counted instruction stands in it."""
    names = [found[1] for line in lines if (found := _INSTRUCTION.match(line))]
    counts = Counter(name for name in names if name in COUNTED)
    return INSTRUCTION_BYTES * len(names), {name: counts[name] for name in COUNTED if counts[name]}


def occupancy(registers: int, *, threads: int | None = None, shared_bytes: int = 0) -> float:
    """Warps that fit a multiprocessor over its limit of 64; by registers alone where the block's size is not known.

    Each partition holds as many whole warps as its registers allow; a block needs all its warps and its shared memory
    on one multiprocessor at once. 0 where not even one block fits.
    """
    of_warp = -(-max(registers, 1) // REGISTER_STEP) * REGISTER_STEP * WARP
    warps = min(PARTITIONS * (REGISTERS // PARTITIONS // of_warp), WARPS)
    if not threads:
        return warps / WARPS
    of_block = -(-threads // WARP)
    blocks = min(warps // of_block, SHARED_BYTES // (shared_bytes + BLOCK_SHARED_BYTES), BLOCKS)
    return blocks * of_block / WARPS

"""Load and launch the judge's own CUDA kernels, which are written in kernels.cu."""

from pathlib import Path
from typing import Any

import cupy

SOURCE = Path(__file__).with_name("kernels.cu")
THREADS, WARP = 256, 32
ROWS_IN_A_BLOCK, SLAB, COLUMN_PACK, PACK_BYTES = 32, 256, 8, 16
"""Constants of kernels.cu, where they must be the same; PACK_BYTES is what one thread reads at once."""


class Kernels:
    """The judge's CUDA kernels, loaded from a file of machine code (cubin). Calling the object with a kernel's name
    launches that kernel on the judge's current stream. The CUDA device makes one; its attribute `full_grid` is a number
    of blocks that keeps the whole GPU busy."""

    def __init__(self, cubin: Path) -> None:
        """Load the kernels from `cubin`, the path of a file of compiled GPU machine code, and set `full_grid` to eight
        blocks per multiprocessor. Raises a cupy CUDA exception if the file cannot be loaded."""
        self._module = cupy.RawModule(path=str(cubin))
        self._functions: dict[str, Any] = {}
        self.full_grid: int = cupy.cuda.Device().attributes["MultiProcessorCount"] * 8

    def __call__(self, name: str, blocks: int | tuple[int, ...], *arguments: Any, threads: int = THREADS) -> None:
        """Queue a launch of the kernel `name` with `blocks` blocks (a number, or a tuple with one per dimension) of
        `threads` threads each, and return without waiting for it. `arguments` are the kernel's parameters: cupy arrays
        or numpy scalars. Raises CUDADriverError if no kernel has this name or the launch fails."""
        if name not in self._functions:
            self._functions[name] = self._module.get_function(name)
        grid = blocks if isinstance(blocks, tuple) else (blocks,)
        self._functions[name](grid, (threads,), arguments)

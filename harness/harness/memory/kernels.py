"""The launcher of the judge's own CUDA kernels, which are written in kernels.cu."""

from pathlib import Path
from typing import Any

import cupy

SOURCE = Path(__file__).with_name("kernels.cu")
THREADS, WARP = 256, 32
ROWS_IN_A_BLOCK, SLAB, COLUMN_PACK, PACK_BYTES = 32, 256, 8, 16
"""Constants of kernels.cu, where they must be the same; PACK_BYTES is what one thread reads at once."""


class Kernels:
    """The judge's CUDA kernels, loaded from a cubin and launched by name on the judge's stream."""

    def __init__(self, cubin: Path) -> None:
        """Load the kernels. Set `full_grid` to a number of blocks that keeps every multiprocessor busy."""
        self._module = cupy.RawModule(path=str(cubin))
        self._functions: dict[str, Any] = {}
        self.full_grid: int = cupy.cuda.Device().attributes["MultiProcessorCount"] * 8

    def __call__(self, name: str, blocks: int | tuple[int, ...], *arguments: Any, threads: int = THREADS) -> None:
        """Launch the kernel `name` on `blocks` blocks of `threads` threads each; return before it has run."""
        if name not in self._functions:
            self._functions[name] = self._module.get_function(name)
        grid = blocks if isinstance(blocks, tuple) else (blocks,)
        self._functions[name](grid, (threads,), arguments)

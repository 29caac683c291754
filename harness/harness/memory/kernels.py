"""The judge's own kernels (kernels.cu), by name, on the judge's stream."""

from pathlib import Path
from typing import Any

import cupy

SOURCE = Path(__file__).with_name("kernels.cu")
THREADS, WARP = 256, 32
ROWS_IN_A_BLOCK, SLAB, COLUMN_PACK, PACK_BYTES = 32, 256, 8, 16
"""As in kernels.cu."""


class Kernels:
    """Launches them; `wide` is a number of blocks that fills the device."""

    def __init__(self, cubin: Path) -> None:
        self._module = cupy.RawModule(path=str(cubin))
        self._functions: dict[str, Any] = {}
        self.wide: int = cupy.cuda.Device().attributes["MultiProcessorCount"] * 8

    def __call__(self, name: str, blocks: int | tuple[int, ...], *arguments: Any, threads: int = THREADS) -> None:
        """Launch on the judge's stream."""
        if name not in self._functions:
            self._functions[name] = self._module.get_function(name)
        grid = blocks if isinstance(blocks, tuple) else (blocks,)
        self._functions[name](grid, (threads,), arguments)

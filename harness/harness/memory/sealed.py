"""Shared memory between the judge and a worker, with kernel seals that limit what the worker can do to it."""

import fcntl
import mmap
import os

import numpy as np
from numpy.typing import NDArray

F_ADD_SEALS, F_SEAL_SHRINK, F_SEAL_GROW, F_SEAL_FUTURE_WRITE = 1033, 2, 4, 16
"""Constants of linux/fcntl.h; Python 3.11 names only the first three."""


class SealedMemory:
    """An anonymous memory file that the judge maps writable. No process can change its size after it is made."""

    def __init__(self, name: str, size: int, *, read_only_elsewhere: bool) -> None:
        """Allocate `size` bytes. `read_only_elsewhere` lets other processes map them for reading only."""
        self.fd = os.memfd_create(name, os.MFD_CLOEXEC | os.MFD_ALLOW_SEALING)
        os.ftruncate(self.fd, size)
        self._map = mmap.mmap(self.fd, size)
        seals = F_SEAL_SHRINK | F_SEAL_GROW | (F_SEAL_FUTURE_WRITE if read_only_elsewhere else 0)
        fcntl.fcntl(self.fd, F_ADD_SEALS, seals)
        self.bytes: NDArray[np.uint8] = np.frombuffer(self._map, np.uint8)

    def close(self) -> None:
        """Unmap and close the memory; the system frees it when the last worker that maps it has ended."""
        del self.bytes
        self._map.close()
        os.close(self.fd)

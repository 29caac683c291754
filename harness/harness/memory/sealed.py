"""Allocate memory that the judge shares with a worker process, with seals of the operating system that limit what the
worker can do to it."""

import fcntl
import mmap
import os

import numpy as np
from numpy.typing import NDArray

F_ADD_SEALS, F_SEAL_SHRINK, F_SEAL_GROW, F_SEAL_FUTURE_WRITE = 1033, 2, 4, 16
"""Constants of linux/fcntl.h; Python 3.11 names only the first three."""


class SealedMemory:
    """A memory file without a name in the file system, which the judge maps writable: `fd` is its descriptor, which a
    worker inherits, and `bytes` a numpy array of its content. No process can change its size; optionally, other
    processes can map it only for reading."""

    def __init__(self, name: str, size: int, *, read_only_elsewhere: bool) -> None:
        """Allocate a memory file of `size` bytes and map it writable in this process. `name` is only shown by the
        system. If `read_only_elsewhere` is true, other processes can map it only for reading. Raises OSError if the
        system refuses."""
        self.fd = os.memfd_create(name, os.MFD_CLOEXEC | os.MFD_ALLOW_SEALING)
        os.ftruncate(self.fd, size)
        self._map = mmap.mmap(self.fd, size)
        seals = F_SEAL_SHRINK | F_SEAL_GROW | (F_SEAL_FUTURE_WRITE if read_only_elsewhere else 0)
        fcntl.fcntl(self.fd, F_ADD_SEALS, seals)
        self.bytes: NDArray[np.uint8] = np.frombuffer(self._map, np.uint8)

    def close(self) -> None:
        """Unmap the memory in this process and close its descriptor; return nothing. The system frees the memory when
        the last worker that maps it has ended. Raises BufferError if another array still refers to `bytes`."""
        del self.bytes
        self._map.close()
        os.close(self.fd)

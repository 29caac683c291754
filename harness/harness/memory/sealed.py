"""Sealed shared memory between the judge and a worker on the same host."""

import fcntl
import mmap
import os

import numpy as np
from numpy.typing import NDArray

F_ADD_SEALS, F_SEAL_SHRINK, F_SEAL_GROW, F_SEAL_FUTURE_WRITE = 1033, 2, 4, 16
"""linux/fcntl.h; Python 3.11 names only the first three."""


class SealedMemory:
    """A memfd with the judge's own writable mapping of it; it can be neither shrunk nor grown under the judge."""

    def __init__(self, name: str, size: int, *, read_only_elsewhere: bool) -> None:
        self.fd = os.memfd_create(name, os.MFD_CLOEXEC | os.MFD_ALLOW_SEALING)
        os.ftruncate(self.fd, size)
        self._map = mmap.mmap(self.fd, size)
        seals = F_SEAL_SHRINK | F_SEAL_GROW | (F_SEAL_FUTURE_WRITE if read_only_elsewhere else 0)
        fcntl.fcntl(self.fd, F_ADD_SEALS, seals)
        self.bytes: NDArray[np.uint8] = np.frombuffer(self._map, np.uint8)

    def close(self) -> None:
        """Give the memory back once no worker maps it."""
        del self.bytes
        self._map.close()
        os.close(self.fd)

"""The vendor line: a trusted candidate that calls the vendor's library (OpenBLAS or cuBLASLt) for comparison, in a
worker that may read the library.
"""

import ctypes
import os
import platform
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from harness.sandbox import libraries
from harness.worker import Profile

LIBRARY_VARIABLE = "KERNELSMITH_VENDOR_LIBRARY"
"""Environment variable with the path of the library that a task's vendor file loads; set only for the vendor's worker.
"""
CHOICE_VARIABLE = "KERNELSMITH_VENDOR_CHOICE"
"""Environment variable with the number, from 0, of the library's algorithm that a task's vendor.cu uses."""
CHOICES = 8
"""Number of algorithms that vendor.cu requests from cuBLASLt's heuristic."""
CORE_NAME = "scipy_openblas_get_corename64_"
"""Name in numpy's wheels of the OpenBLAS function that returns the name of the kernel in use."""


@dataclass(frozen=True, slots=True)
class Vendor:
    """One way to run the vendor's library as a candidate: `name` for reports, `artifact`, the path of the built vendor
    file, and `profile`, the worker's memory limit, readable library files and environment.
    """

    name: str
    artifact: Path
    profile: Profile


def openblas_variants(artifact: Path, *, memory_bytes: int) -> list[Vendor]:
    """Return a list with one Vendor for each OpenBLAS kernel worth trying on this processor, all with the built vendor
    file `artifact`; empty if numpy comes without OpenBLAS. `memory_bytes` limits the worker's memory.
    """
    library = next(_openblas_libraries(), None)
    if library is None:
        return []
    return [_variant(artifact, library, kernel=kernel, memory_bytes=memory_bytes) for kernel in _kernels()]


def _openblas_libraries() -> Iterator[Path]:
    """Yield the paths of the OpenBLAS libraries that came with the installed numpy; none if numpy uses another
    library.
    """
    folder = Path(np.__file__).resolve().parent
    for place in (folder.parent / "numpy.libs", folder / ".libs"):
        yield from sorted(place.glob("*openblas*"))


def _kernels() -> tuple[str, ...]:
    """Return the names of the OpenBLAS kernels to try: an empty string, which leaves the choice to the library, and on
    x86-64 also `Haswell` and `Zen`, because on some processors another kernel is faster.
    """
    return ("", "Haswell", "Zen") if platform.machine() == "x86_64" else ("",)


def _variant(artifact: Path, library: Path, *, kernel: str, memory_bytes: int) -> Vendor:
    """Return a Vendor that runs `artifact`, the built vendor file, with the OpenBLAS library at the path `library` on
    one thread. `kernel` is the name of the CPU type whose OpenBLAS kernels are used (the variable OPENBLAS_CORETYPE);
    if it is empty, the library chooses. `memory_bytes` limits the memory of the worker that runs it.
    """
    environment = {LIBRARY_VARIABLE: str(library), "OPENBLAS_NUM_THREADS": "1"}
    if kernel:
        environment["OPENBLAS_CORETYPE"] = kernel
    readable = (*library.parent.glob("*.so*"), *libraries.linked(library))
    return Vendor(
        f"OpenBLAS ({kernel or _own_choice(library)})", artifact, Profile(memory_bytes, readable, environment)
    )


def _own_choice(library: Path) -> str:
    """Return the name of the kernel that the OpenBLAS library at the path `library` chooses on this processor, for use
    in reports, or `its own choice` if it has no function that says so. Loads the library; raises OSError if it cannot
    be loaded.
    """
    ask = getattr(ctypes.CDLL(str(library)), CORE_NAME, None)
    if ask is None:
        return "its own choice"
    ask.restype = ctypes.c_char_p
    return str(ask().decode())


def cublaslt(artifact: Path, *, memory_bytes: int) -> list[Vendor]:
    """Return a list with one Vendor for each of the first CHOICES algorithms that cuBLASLt proposes, with the newest
    installed library and the built vendor file `artifact`; empty if there is no library. `memory_bytes` limits the
    worker's memory.

    Each vendor uses one algorithm, because a library that chooses in its own process would not always choose the same,
    and would be warm from choosing.
    """
    library = max(_cublaslt_libraries(), key=lambda path: path.name, default=None)
    if library is None:
        return []
    readable = (*library.parent.glob("libcublas*.so*"), *libraries.linked(library))
    variables = [{LIBRARY_VARIABLE: str(library), CHOICE_VARIABLE: str(choice)} for choice in range(CHOICES)]
    return [
        Vendor(f"cuBLASLt (#{number})", artifact, Profile(memory_bytes, readable, environment))
        for number, environment in enumerate(variables, 1)
    ]


def _cublaslt_libraries() -> Iterator[Path]:
    """Yield the paths of the cuBLASLt libraries in Python's packages and in the CUDA toolkit (CUDA_HOME, or
    /usr/local/cuda); none if it is not installed.
    """
    site = Path(np.__file__).resolve().parent.parent
    for place in (site / "nvidia", Path(os.environ.get("CUDA_HOME", "/usr/local/cuda"))):
        yield from (path.resolve() for path in place.glob("**/libcublasLt.so.[0-9][0-9]"))

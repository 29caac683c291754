"""The vendor line: one more candidate, with a trusted profile of its own that may read the library."""

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
"""Where a task's vendor.c finds the library; set for the vendor's worker only."""
CHOICE_VARIABLE = "KERNELSMITH_VENDOR_CHOICE"
"""Which of its algorithms a task's vendor.cu takes, from 0."""
CHOICES = 8
"""As many as vendor.cu asks cuBLASLt's heuristic for."""
CORE_NAME = "scipy_openblas_get_corename64_"
"""As numpy's wheels name OpenBLAS's function."""


@dataclass(frozen=True, slots=True)
class Vendor:
    """The vendor's candidate and how to run it."""

    name: str
    artifact: Path
    profile: Profile


def openblas_variants(artifact: Path, *, memory_bytes: int) -> list[Vendor]:
    """OpenBLAS as numpy brings it, once for each of its kernels worth trying here; empty if this numpy has none."""
    library = next(_openblas_libraries(), None)
    if library is None:
        return []
    return [_variant(artifact, library, kernel=kernel, memory_bytes=memory_bytes) for kernel in _kernels()]


def _openblas_libraries() -> Iterator[Path]:
    folder = Path(np.__file__).resolve().parent
    for place in (folder.parent / "numpy.libs", folder / ".libs"):
        yield from sorted(place.glob("*openblas*"))


def _kernels() -> tuple[str, ...]:
    """The library's own choice, and kernels that beat it on some processors (Haswell's on Zen)."""
    return ("", "Haswell", "Zen") if platform.machine() == "x86_64" else ("",)


def _variant(artifact: Path, library: Path, *, kernel: str, memory_bytes: int) -> Vendor:
    environment = {LIBRARY_VARIABLE: str(library), "OPENBLAS_NUM_THREADS": "1"}
    if kernel:
        environment["OPENBLAS_CORETYPE"] = kernel
    readable = (*library.parent.glob("*.so*"), *libraries.linked(library))
    return Vendor(
        f"OpenBLAS ({kernel or _own_choice(library)})", artifact, Profile(memory_bytes, readable, environment)
    )


def _own_choice(library: Path) -> str:
    """The kernel that the library takes by itself on this processor, in its own words."""
    ask = getattr(ctypes.CDLL(str(library)), CORE_NAME, None)
    if ask is None:
        return "its own choice"
    ask.restype = ctypes.c_char_p
    return str(ask().decode())


def cublaslt(artifact: Path, *, memory_bytes: int) -> list[Vendor]:
    """cuBLASLt of the toolkit or of Python's packages, the newest, with each algorithm that its heuristic puts first.

    Empty where there is none. One algorithm a vendor: a library that chose in its own process would not always choose
    the same, and would be warm from choosing.
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
    site = Path(np.__file__).resolve().parent.parent
    for place in (site / "nvidia", Path(os.environ.get("CUDA_HOME", "/usr/local/cuda"))):
        yield from (path.resolve() for path in place.glob("**/libcublasLt.so.[0-9][0-9]"))

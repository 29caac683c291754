"""Our own kernels, compiled outside the sandbox."""

import hashlib
import os
import subprocess
import tempfile
from pathlib import Path

from build import nvcc
from machine import MachineError

TIMEOUT_S = 120


def cubin(source: Path, *, cache: Path) -> Path:
    """A file of kernels as machine code, compiled once for each toolkit and text.

    Raises:
        MachineError: nvcc fails on it.
        NoToolkit, NoCompiler: there is none.
    """
    tools = nvcc.toolkit()
    identity = hashlib.sha256(source.read_bytes() + tools.version.encode()).hexdigest()[:16]
    found = cache / f"{source.stem}-{identity}.cubin"
    if not found.exists():
        with tempfile.TemporaryDirectory(dir=cache) as folder:
            output = Path(folder) / "kernels.cubin"
            options = ["-std=c++17", "-O3", *nvcc.ARCHITECTURE, "-cubin", "-o"]
            command = [str(word) for word in (tools.nvcc, *options, output, source)]
            done = subprocess.run(command, capture_output=True, text=True, timeout=TIMEOUT_S, check=False)
            if done.returncode != 0:
                raise MachineError(f"{tools.nvcc} cannot build {source.name}: {done.stderr.strip()[:500]}")
            os.replace(output, found)
    return found

"""Compile the harness's own programs and kernels outside the sandbox, once per compiler, processor and source text."""

import hashlib
import os
import platform
import re
import subprocess
import tempfile
from pathlib import Path

from harness.compiling import nvcc, toolchain
from harness.errors import MachineError

TIMEOUT_S = 120
FLAGS = ("-std=gnu17", "-O3", "-march=native", "-Wall")


def cubin(source: Path, *, cache: Path) -> Path:
    """Compile `source`, a file of the judge's own CUDA kernels, and return the path of the machine code (a cubin file),
    which is kept in the folder `cache`. An earlier result for the same text and toolkit is reused. Raises MachineError
    if nvcc cannot compile it, NoToolkit or NoCompiler if nvcc or the host compiler is missing."""
    tools = nvcc.toolkit()
    identity = hashlib.sha256(source.read_bytes() + tools.version.encode()).hexdigest()[:16]
    compiled = cache / f"{source.stem}-{identity}.cubin"
    if not compiled.exists():
        with tempfile.TemporaryDirectory(dir=cache) as folder:
            output = Path(folder) / "kernels.cubin"
            options = ["-std=c++17", "-O3", *nvcc.ARCHITECTURE, "-cubin", "-o"]
            command = [str(word) for word in (tools.nvcc, *options, output, source)]
            done = subprocess.run(command, capture_output=True, text=True, timeout=TIMEOUT_S, check=False)
            if done.returncode != 0:
                raise MachineError(f"{tools.nvcc} cannot build {source.name}: {done.stderr.strip()[:500]}")
            os.replace(output, compiled)
    return compiled


def cpu_name() -> str:
    """Return the processor's model name from /proc/cpuinfo; if the file names no model, the machine type, such as
    `aarch64`. Raises FileNotFoundError if there is no such file."""
    model = re.search(r"^model name\s*:\s*(.+)$", Path("/proc/cpuinfo").read_text(encoding="utf-8"), re.MULTILINE)
    return model[1].strip() if model else platform.machine()


def program(source: Path, cache: Path, *, options: tuple[str, ...] = ()) -> Path:
    """Compile `source`, one of the harness's own C programs, and return the path of the program in the folder `cache`.
    Reuse an earlier result for the same text, compiler, processor and `options` (further compiler options). Raises
    MachineError if it cannot be compiled, NoCompiler if there is no C compiler."""
    compiler = toolchain.find_compiler()
    identity = "\0".join((source.read_text(encoding="utf-8"), compiler.version, cpu_name(), *FLAGS, *options))
    built = cache / f"{source.stem}-{hashlib.sha256(identity.encode()).hexdigest()[:16]}"
    if not built.exists():
        _compile(compiler, source, built=built, options=options)
    return built


def _compile(compiler: toolchain.Compiler, source: Path, *, built: Path, options: tuple[str, ...]) -> None:
    built.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=built.parent) as folder:
        output = Path(folder) / "program"
        command = [str(compiler.path), *FLAGS, "-o", str(output), str(source), *options]
        done = subprocess.run(command, capture_output=True, text=True, timeout=120, check=False)
        if done.returncode != 0:
            raise MachineError(f"{compiler.path} cannot build {source.name}: {done.stderr.strip()[:500]}")
        os.replace(output, built)

"""Our own programs and kernels, compiled outside the sandbox, once for each compiler, processor and text."""

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


def cpu_name() -> str:
    """The processor's name as the kernel tells it."""
    found = re.search(r"^model name\s*:\s*(.+)$", Path("/proc/cpuinfo").read_text(encoding="utf-8"), re.MULTILINE)
    return found[1].strip() if found else platform.machine()


def program(source: Path, cache: Path, *, options: tuple[str, ...] = ()) -> Path:
    """Compile one of our own C programs, once for each compiler, processor, text and options (definitions, libraries).

    Raises:
        MachineError: the compiler fails on it.
        NoCompiler: there is none.
    """
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

"""The machine as the judge finds it: cores, caches, the trusted programs, and the CPU's peak.

What runs here is our own code (the worker's runtime, the peak probe), compiled once into a cache; candidates are built
in build/, inside the sandbox.
"""

import functools
import hashlib
import os
import platform
import re
import subprocess
import tempfile
from dataclasses import dataclass
from pathlib import Path

from build import toolchain
from contract import TIMING

HERE = Path(__file__).resolve().parent
PROBES_PER_S: int = TIMING["calibration"]["probes_per_s"]
"""At least 100 probes of 3 ms in the 2 s that DESIGN asks for."""
TRUSTED_FLAGS = ("-std=gnu17", "-O3", "-march=native", "-Wall")


class MachineError(Exception):
    """The machine cannot judge; the message says what is missing and the remedy."""


@dataclass(frozen=True, slots=True)
class Cores:
    """Which core is the candidates' and which are the judge's; one and the same where there is only one."""

    worker: int
    judge: tuple[int, ...]

    @property
    def shared(self) -> bool:
        """Whether judge and worker must share the only core."""
        return self.judge == (self.worker,)


def split_cores() -> Cores:
    """The last core this process may use is the candidates', the rest is ours."""
    allowed = sorted(os.sched_getaffinity(0))
    return Cores(allowed[-1], tuple(allowed[:-1]) or (allowed[-1],))


def take_place(cores: Cores) -> None:
    """Keep the judge, and every build it starts, off the candidates' core."""
    os.sched_setaffinity(0, cores.judge)


def cpu_name() -> str:
    """The processor's name as the kernel tells it."""
    found = re.search(r"^model name\s*:\s*(.+)$", Path("/proc/cpuinfo").read_text(encoding="utf-8"), re.MULTILINE)
    return found[1].strip() if found else platform.machine()


def last_level_cache_bytes() -> int:
    """The size of the largest cache of core 0; 32 MiB where the kernel does not tell."""
    sizes = [
        int(path.read_text().strip().removesuffix("K")) << 10
        for path in Path("/sys/devices/system/cpu/cpu0/cache").glob("index*/size")
    ]
    return max(sizes, default=32 << 20)


def measure_peak(cache: Path, *, core: int, seconds: float) -> list[float]:
    """FLOP/s of fp32 FMA probes on one core, one figure a probe.

    Raises:
        MachineError: the probe cannot be built or run.
    """
    program = trusted_program(HERE / "probe" / "fma.c", cache)
    command = [str(program), str(max(10, round(PROBES_PER_S * seconds))), str(seconds)]
    pin = lambda: os.sched_setaffinity(0, {core})  # noqa: E731
    done = subprocess.run(command, capture_output=True, text=True, preexec_fn=pin, timeout=60 + seconds, check=False)
    if done.returncode != 0:
        raise MachineError(f"the peak probe exited with {done.returncode}: {done.stderr.strip()[:200]}")
    return [float(line) for line in done.stdout.split()]


def trusted_program(source: Path, cache: Path, *, libraries: tuple[str, ...] = ()) -> Path:
    """Compile one of our own C programs, once for each compiler, processor and text.

    Raises:
        MachineError: no compiler, or it fails.
    """
    try:
        compiler = toolchain.find_compiler()
    except toolchain.NoCompiler as error:
        raise MachineError(str(error)) from error
    identity = "\0".join((source.read_text(encoding="utf-8"), compiler.version, cpu_name(), *TRUSTED_FLAGS))
    program = cache / f"{source.stem}-{hashlib.sha256(identity.encode()).hexdigest()[:16]}"
    if not program.exists():
        _compile(compiler, source, program=program, libraries=libraries)
    return program


def _compile(compiler: toolchain.Compiler, source: Path, *, program: Path, libraries: tuple[str, ...]) -> None:
    program.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=program.parent) as folder:
        output = Path(folder) / "program"
        command = [str(compiler.path), *TRUSTED_FLAGS, "-o", str(output), str(source), *libraries]
        done = subprocess.run(command, capture_output=True, text=True, timeout=120, check=False)
        if done.returncode != 0:
            raise MachineError(f"{compiler.path} cannot build {source.name}: {done.stderr.strip()[:500]}")
        os.replace(output, program)


@functools.cache
def linked(program: Path) -> tuple[Path, ...]:
    """The loader and libraries of a program or library, as real files and as the names they are found by."""
    done = subprocess.run(["ldd", str(program)], capture_output=True, text=True, timeout=20, check=False)
    names = [Path(word) for word in re.findall(r"(/\S+)", done.stdout)]
    found = {path for name in names for path in (name, name.resolve()) if path.exists()}
    return (*sorted(found), *(p for p in (Path("/etc/ld.so.cache"),) if p.exists()))

"""A CPU core on which C candidates are judged: its measured peak, its compiled worker, its shared memory."""

import secrets
import shutil
import statistics
from collections.abc import Callable, Iterator, Mapping
from contextlib import AbstractContextManager, contextmanager, nullcontext
from dataclasses import replace
from pathlib import Path

from harness.checking import room
from harness.compiling import c as c_builder
from harness.compiling import signature, toolchain, trusted
from harness.compiling.build_runner import BuildContext
from harness.compiling.built import BuildFailure, Built
from harness.contract import TIMING, pace
from harness.devices import machine
from harness.devices.disturbance import CpuMonitor
from harness.devices.vendor import Vendor, openblas_variants
from harness.errors import TaskFault
from harness.memory import Memory
from harness.memory.cpu import CacheFlush, CpuMemory
from harness.sandbox import launcher as sandbox
from harness.sandbox import libraries
from harness.task import Task
from harness.timing.clock import SystemClock
from harness.timing.plan import Pace
from harness.wire import messages as wire
from harness.worker import Profile, Worker, runtime
from harness.worker.process import WorkerTraits, started
from harness.worker.runtime import layout

PACE = Pace(**pace("cpu"))
"""The low quantile of many short batches: the noise of other programs hardly moves it."""
PHYSICS: float = TIMING["calibration"]["physics"]
"""A rate above this multiple of a re-measured peak cannot be honest."""
READY_S = 10.0
SHARE_OF_FREE = 8
"""The sets of a case take at most this part of the free memory; a second slot's outputs come on top."""


class CpuDevice:
    """A core of the CPU; see Device."""

    kind = "cpu"

    def __init__(self, cache: Path, *, isolation: sandbox.Isolation, cores: machine.Cores) -> None:
        self.isolation = isolation
        self.clock, self.random_source = SystemClock(), secrets.SystemRandom()
        self.cache_bytes = machine.last_level_cache_bytes()
        self._cache = cache
        self._cores = cores
        self._runtime = trusted.program(runtime.FOLDER / "cpu.c", cache, options=(*layout.c_definitions(), "-ldl"))
        self._libraries = (*libraries.linked(self._runtime), *_mathematics(self._runtime))
        self._peaks: dict[str, list[float]] = {}

    @property
    def name(self) -> str:
        """The processor's."""
        return trusted.cpu_name()

    @property
    def worker_core(self) -> int | None:
        """None where the judge must share the only one."""
        return None if self._cores.shared else self._cores.worker

    def pace(self, task: Task) -> Pace:
        """Return the same for every task; where memory is short, fewer sets of a case."""
        return replace(PACE, max_bytes=min(PACE.max_bytes, room.free_bytes() // SHARE_OF_FREE))

    def calibrate(self, unit: str, *, seconds: float) -> None:
        """Probe the peak of one unit; a faster probe raises the denominator for all that follows."""
        if unit not in machine.PROBES:
            raise TaskFault(f"task.toml: unit {unit}: a cpu is measured in {', '.join(machine.PROBES)} so far")
        probes = machine.measure_peak(unit, self._cache, core=self._cores.worker, seconds=seconds)
        self._peaks.setdefault(unit, []).extend(probes)

    def peak(self, unit: str) -> float:
        """Return the fastest probe of a unit on the candidates' core: FLOP/s, or bytes a second for `dram`."""
        return max(self._peaks[unit])

    def ceiling(self, unit: str, *, suspected: float) -> float:
        """The peak is measured again before anybody is accused, unless the judge would disturb the only core."""
        if suspected > PHYSICS * self.peak(unit) and not self._cores.shared:
            self.calibrate(unit, seconds=1.0)
        return PHYSICS * self.peak(unit)

    def build(self, source: Path, task: Task, *, language: str) -> Built | BuildFailure:
        """C is the only language here."""
        interface = c_builder.Interface(signature.shim(task), signature.declaration(task))
        context = BuildContext(self._cache, self.isolation)
        return c_builder.build_c(source, interface, context=context, deadline_s=task.limits.build_s)

    def inspected(self, built: Built) -> AbstractContextManager[Callable[[], wire.Facts]]:
        """The builder has found out all: with two cores nothing runs beside a worker."""
        return nullcontext(lambda: built.facts)

    def standards(self, task: Task) -> dict[str, str]:
        """It does nothing."""
        return {"c": signature.standard(task)}

    def memory(self, *, input_bytes: int, output_bytes: int, slots: int = 2) -> CpuMemory:
        """Allocate sealed shared memory."""
        cache_flush = CacheFlush(self.cache_bytes)
        return CpuMemory(input_bytes=input_bytes, output_bytes=output_bytes, slots=slots, cache_flush=cache_flush)

    @contextmanager
    def worker(self, artifact: Path, *, memory: Memory, slot: int, profile: Profile) -> Iterator[Worker]:
        """Start the compiled worker on a shared object."""
        assert isinstance(memory, CpuMemory)
        given = (memory.inputs.fd, memory.outputs[slot].fd)

        def launch(folder: Path, orders_fd: int, status_fd: int) -> sandbox.Process:
            return self._launch(artifact, folder, fds=(orders_fd, status_fd, *given), profile=profile)

        traits = WorkerTraits(
            READY_S, shares_core=self._cores.shared, host_bytes=None, fault=lambda number: f"fault {number}",
            language="c",
        )  # fmt: skip
        with started(launch, isolation=self.isolation, traits=traits) as worker:
            yield worker

    def _launch(self, artifact: Path, folder: Path, *, fds: tuple[int, ...], profile: Profile) -> sandbox.Process:
        runtime, candidate = folder / "worker", folder / "candidate.so"
        shutil.copy(self._runtime, runtime)
        shutil.copy(artifact, candidate)
        for path in (runtime, candidate):
            path.chmod(0o755)
        policy = sandbox.Policy(
            readable=(*self._libraries, *profile.readable, runtime, candidate),
            executable=(runtime, candidate, *self._libraries),
            writable=(),
            may_fork=False,
            cores=None if self.worker_core is None else (self.worker_core,),
            memory_bytes=profile.memory_bytes,
            environment=dict(profile.environment or {}),
        )
        program = sandbox.Program([runtime, *map(str, fds), candidate], keep_fds=fds)
        return sandbox.launch(program, policy, isolation=self.isolation, folder=folder)

    def vendor_source(self, task: Task) -> Path:
        """A C file."""
        return task.folder / "vendor.c"

    def vendors(self, artifact: Path, *, memory_bytes: int) -> list[Vendor]:
        """OpenBLAS with each of its kernels worth trying."""
        return openblas_variants(artifact, memory_bytes=memory_bytes)

    def trusted_kernel(self, task: Task) -> None:
        """The peak probe serves."""

    def share_at(self, unit: str, *, clock_mhz: float) -> None:
        """No clock is sampled."""

    def probe_rates(self, unit: str, *, processes: int) -> list[float]:
        """Return the fastest probe of the unit's peak in each of several processes."""
        core = self._cores.worker
        return [max(machine.measure_peak(unit, self._cache, core=core, seconds=0.3)) for _ in range(processes)]

    def observe(self) -> Mapping[str, float]:
        """A CPU is not asked."""
        return {}

    def require_no_other_processes(self, *, workers: int = 0) -> None:
        """A CPU is never alone; the low quantile and the duels bear it, and `monitor` tells when it is too much."""

    def monitor(self, *workers: Worker) -> CpuMonitor:
        """Return a monitor of the kernel's counts of our cores; it sees nothing where there is only one core."""
        cores = () if self._cores.shared else (self._cores.worker, *self._cores.judge)
        return CpuMonitor(cores, workers=[worker.pid for worker in workers], core=self._cores.worker)

    def details(self) -> dict[str, str]:
        """Compiler, cores, cache and probes."""
        cores = self._cores
        return {
            "compiler": toolchain.find_compiler().version,
            "flags": " ".join(c_builder.FLAGS),
            "cores": f"candidates on core {cores.worker}, judge on {', '.join(map(str, cores.judge))}",
            "last_level_cache": f"{self.cache_bytes >> 20} MiB",
            "peak_probes": "; ".join(_in_words(unit, probes) for unit, probes in self._peaks.items()),
        }


def _in_words(unit: str, probes: list[float]) -> str:
    return f"{len(probes)} probes of {unit}, median {statistics.median(probes):.4g}, fastest taken"


def _mathematics(runtime: Path) -> tuple[Path, ...]:
    """libm, which candidates are linked with and the runtime is not; it lies beside the C library."""
    beside = [path.with_name("libm.so.6") for path in libraries.linked(runtime) if path.name == "libc.so.6"]
    return tuple(path for name in beside for path in (name, name.resolve()) if path.exists())

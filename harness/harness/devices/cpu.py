"""A CPU core as a device: C candidates are built and judged on it, and its peak rates are measured."""

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
"""Timing constants of a CPU. The score is a low quantile of many short batches, which other programs hardly affect."""
PHYSICS: float = TIMING["calibration"]["physics"]
"""A rate above this multiple of the measured peak is refused as dishonest, after the peak was measured again."""
READY_S = 10.0
"""Seconds within which a worker must have loaded its candidate."""
SHARE_OF_FREE = 8
"""The operand sets of a case take at most one part in this many of the free memory. The outputs of a second slot are
additional."""


class CpuDevice:
    """A device that runs candidates on one core of the CPU, while the judge uses the others, as `cores` divides them.
    It also holds the folder `cache` of compiled programs, the sandbox level `isolation`, the measured peaks and the
    compiled worker program. Making one raises MachineError if the worker program cannot be compiled.
    """

    kind = "cpu"

    def __init__(self, cache: Path, *, isolation: sandbox.Isolation, cores: machine.Cores) -> None:
        self.isolation = isolation
        self.clock, self.random_source = SystemClock(), secrets.SystemRandom()
        self.cache_bytes = machine.last_level_cache_bytes()
        self._cache = cache
        self._cores = cores
        self._runtime = trusted.program(runtime.FOLDER / "cpu.c", cache, options=(*layout.c_definitions(), "-ldl"))
        self._libraries = (*libraries.linked(self._runtime), *_math_library(self._runtime))
        self._peaks: dict[str, list[float]] = {}

    @property
    def name(self) -> str:
        """Return the model name of the processor; the machine type, such as `aarch64`, if the system does not report a
        model.
        """
        return trusted.cpu_name()

    @property
    def worker_core(self) -> int | None:
        """Return the number of the core that runs only candidates, or None if the process may use one core and the
        judge shares it.
        """
        return None if self._cores.shared else self._cores.worker

    def pace(self, task: Task) -> Pace:
        """Return the constants by which candidates are timed on a CPU (batch lengths, idle times, ...). They are the
        same for every task, except that the limit of bytes for inputs and outputs of a batch is lower if free memory is
        short.
        """
        return replace(PACE, max_bytes=min(PACE.max_bytes, room.free_bytes() // SHARE_OF_FREE))

    def calibrate(self, unit: str, *, seconds: float) -> None:
        """Measure the peak rate of `unit` (`fp32` operations or `dram` bytes) on the candidates' core for `seconds`
        seconds; the fastest probe so far is the peak. Raises TaskFault for any other unit, and MachineError if the
        probe program cannot be built or fails.
        """
        if unit not in machine.PROBES:
            raise TaskFault(f"task.toml: unit {unit}: a cpu is measured in {', '.join(machine.PROBES)} so far")
        probes = machine.measure_peak(unit, self._cache, core=self._cores.worker, seconds=seconds)
        self._peaks.setdefault(unit, []).extend(probes)

    def peak(self, unit: str) -> float:
        """Return the rate of the fastest probe of `unit` so far, in operations per second, or in bytes per second for
        `dram`. Raises KeyError if `calibrate` has not measured the unit.
        """
        return max(self._peaks[unit])

    def ceiling(self, unit: str, *, suspected: float) -> float:
        """Return the highest rate of `unit` that the judge believes: the peak times PHYSICS, a factor slightly above 1.
        If `suspected`, the candidate's measured rate, is above it and the judge has cores of its own, first measure the
        peak for one more second. Raises MachineError if that fails, and KeyError if `calibrate` has not run.
        """
        if suspected > PHYSICS * self.peak(unit) and not self._cores.shared:
            self.calibrate(unit, seconds=1.0)
        return PHYSICS * self.peak(unit)

    def build(self, source: Path, task: Task, *, language: str) -> Built | BuildFailure:
        """Compile the C file `source` of a task's candidate in the sandbox, or take an earlier build from the cache;
        `language` is always `c`. Return Built with the path of a shared object, or BuildFailure with the compiler's
        reason. Raises MachineError if the compiler is missing or the sandbox cannot be set up.
        """
        interface = c_builder.Interface(signature.shim(task), signature.declaration(task))
        context = BuildContext(self._cache, self.isolation)
        return c_builder.build_c(source, interface, context=context, deadline_s=task.limits.build_s)

    def inspected(self, built: Built) -> AbstractContextManager[Callable[[], wire.Facts]]:
        """Yield a function without arguments that returns the facts of the build `built` (instruction counts, spilled
        bytes, ...) at once, because the C builder has already read the machine code.
        """
        return nullcontext(lambda: built.facts)

    def standards(self, task: Task) -> dict[str, str]:
        """Return {"c": source text of a C candidate that does nothing}. The time of its batches is the dispatch
        overhead, the seconds of a batch beyond a candidate's own work. The text fits the entry function of `task`.
        """
        return {"c": signature.standard(task)}

    def memory(self, *, input_bytes: int, output_bytes: int, slots: int = 2) -> CpuMemory:
        """Allocate host memory shared with workers: `input_bytes` of inputs, which workers can only read, and `slots`
        output areas of `output_bytes` each. Raises MemoryError or OSError if there is not enough.
        """
        cache_flush = CacheFlush(self.cache_bytes)
        return CpuMemory(input_bytes=input_bytes, output_bytes=output_bytes, slots=slots, cache_flush=cache_flush)

    @contextmanager
    def worker(self, artifact: Path, *, memory: Memory, slot: int, profile: Profile) -> Iterator[Worker]:
        """Start the compiled worker program on a candidate's shared object and yield its handle; kill it when the block
        ends. It writes outputs into area `slot` of `memory`; `profile` sets its memory limit, readable files and
        environment. Raises MachineError if the sandbox cannot be set up; the handle's `wait_ready` raises if the
        candidate cannot be loaded.
        """
        assert isinstance(memory, CpuMemory)
        buffer_fds = (memory.inputs.fd, memory.outputs[slot].fd)

        def launch(folder: Path, orders_fd: int, status_fd: int) -> sandbox.Process:
            return self._launch(artifact, folder, fds=(orders_fd, status_fd, *buffer_fds), profile=profile)

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
        """Return the path of `vendor.c` in the task folder, which calls OpenBLAS; the file may be missing."""
        return task.folder / "vendor.c"

    def vendors(self, artifact: Path, *, memory_bytes: int) -> list[Vendor]:
        """Return a list with one Vendor for each OpenBLAS kernel worth trying with the built vendor.c (`artifact`);
        empty if numpy comes without OpenBLAS. `memory_bytes` limits the worker's memory.
        """
        return openblas_variants(artifact, memory_bytes=memory_bytes)

    def trusted_kernel(self, task: Task) -> None:
        """Return None: on a CPU the spread between processes is measured with the probe of the peak (`probe_rates`),
        not with a kernel.
        """

    def share_at(self, unit: str, *, clock_mhz: float) -> None:
        """Return None for every unit and clock, because the clock of a CPU is not sampled."""

    def probe_rates(self, unit: str, *, processes: int) -> list[float]:
        """Measure the peak of `unit` in `processes` new processes, 0.3 s each, and return a list with the fastest probe
        of each, in operations or bytes per second. Raises MachineError if the probe program cannot be built or fails.
        """
        core = self._cores.worker
        return [max(machine.measure_peak(unit, self._cache, core=core, seconds=0.3)) for _ in range(processes)]

    def observe(self) -> Mapping[str, float]:
        """Return an empty dict, because clocks and power of a CPU are not read."""
        return {}

    def require_no_other_processes(self, *, workers: int = 0) -> None:
        """Do nothing and never raise, whatever `workers` is, because other processes always run on a CPU. Low quantiles
        and duels tolerate them, and the monitor reports when they disturb too much.
        """

    def monitor(self, *workers: Worker) -> CpuMonitor:
        """Return a monitor that compares the operating system kernel's time counters of the judge's and candidates'
        cores from now on. Time that `workers`, the running workers, use is not counted as other work; if there is only
        one core, it cannot see other processes.
        """
        cores = () if self._cores.shared else (self._cores.worker, *self._cores.judge)
        return CpuMonitor(cores, workers=[worker.pid for worker in workers], core=self._cores.worker)

    def details(self) -> dict[str, str]:
        """Return a dict from name to text: compiler version, compiler flags, cores of candidates and judge, cache size,
        and peak probes. Raises MachineError if no C compiler is found.
        """
        cores = self._cores
        return {
            "compiler": toolchain.find_compiler().version,
            "flags": " ".join(c_builder.FLAGS),
            "cores": f"candidates on core {cores.worker}, judge on {', '.join(map(str, cores.judge))}",
            "last_level_cache": f"{self.cache_bytes >> 20} MiB",
            "peak_probes": "; ".join(_describe_probes(unit, probes) for unit, probes in self._peaks.items()),
        }


def _describe_probes(unit: str, probes: list[float]) -> str:
    return f"{len(probes)} probes of {unit}, median {statistics.median(probes):.4g}; the fastest is the peak"


def _math_library(runtime: Path) -> tuple[Path, ...]:
    """Return the paths of the math library libm, found in the folder of the C library that the program `runtime` is
    linked with; an empty tuple if it is not there. Candidates need it, and the worker program is not linked with it.
    """
    math_libraries = [path.with_name("libm.so.6") for path in libraries.linked(runtime) if path.name == "libc.so.6"]
    return tuple(path for library in math_libraries for path in (library, library.resolve()) if path.exists())

"""An NVIDIA GPU as a device: CUDA C++ and Triton candidates are built and judged on it, and its peak rates come from a
table.
"""

import os
import secrets
import shutil
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

import cupy

from harness.compiling import gpu, inspection, nvcc, signature, trusted
from harness.compiling import triton as triton_builder
from harness.compiling.build_runner import BuildContext
from harness.compiling.built import BuildFailure, Built
from harness.compiling.gpu import TRITON
from harness.contract import pace
from harness.devices import cards, gpu_files, machine
from harness.devices.telemetry import Telemetry
from harness.devices.vendor import Vendor, cublaslt
from harness.errors import MachineError
from harness.memory import Memory, kernels
from harness.memory.cuda import CudaMemory
from harness.memory.kernels import Kernels
from harness.sandbox import interpreter, libraries
from harness.sandbox import launcher as sandbox
from harness.task import Task
from harness.timing.clock import SystemClock
from harness.timing.plan import Pace
from harness.wire import messages as wire
from harness.worker import Profile, Worker, copies
from harness.worker.process import WorkerTraits, started
from harness.worker.runtime import faults

PACE = Pace(**pace("cuda"))
"""Timing constants of a GPU. Batches have idle gaps, because a card at its power limit is 10 % slower without them.
Turns of a duel are shorter than batches: batches of 50 ms of one kernel differ by 3 %, and most of them reach the power
limit."""
BANDWIDTH_PACE = Pace(**pace("cuda", "cuda_dram"))
"""Timing constants of tasks whose unit is `dram`. Guards touch as many bytes as such kernels move, so longer batches
would cost mostly guards."""
SHARE_OF_MEMORY = 3
"""The operand sets take at most one part in this many of the GPU's memory, so that at least half of a small card is
left to the candidate."""
BUSY_JUDGE_CORES = 3
"""Number of the judge's cores that a judgement keeps busy: the judge, the operating system, and the worker's helper
threads. Further cores are free for a disassembler."""
READY_S = 30.0
"""Seconds within which a worker must have loaded its candidate. CUDA starts in 0.3 s and Triton is imported in 0.7 s; a
first start after boot takes longer."""
LIST_DELAY_S = 0.5
"""Seconds for which the driver may still list a process that has ended."""
OPEN_FILES = 256
"""Highest number of files that a worker may open."""
HOST_BYTES = 8 << 30
"""Limit on the resident host memory of a worker; the driver and Triton take about 0.5 GiB."""


class CudaDevice:
    """One NVIDIA GPU, number `ordinal` of the driver, with its product data, telemetry, the sandbox level `isolation`
    and the judge's own kernels; `cache` is the folder of builds, `cores` divides the CPU between judge and workers.
    Making one raises MachineError if the sandbox level is neither 3 nor 0, another process computes on the GPU, its
    peak is unknown, or nvcc or the driver's NVML library is missing.
    """

    kind = "cuda"

    def __init__(self, cache: Path, *, ordinal: int, isolation: sandbox.Isolation, cores: machine.Cores) -> None:
        if isolation.level not in (sandbox.Level.FULL, sandbox.Level.BARE):
            raise MachineError(f"GPU candidates need isolation level 3: {isolation.why_not_higher}")
        self.isolation = isolation
        self.clock, self.random_source = SystemClock(), secrets.SystemRandom()
        self._cache = cache
        self._cores = cores
        self._own: set[int] = set()
        self.uuid = gpu_files.uuid(ordinal)
        self._properties = cupy.cuda.runtime.getDeviceProperties(ordinal)
        self.cache_bytes = int(self._properties["l2CacheSize"])
        self.telemetry = Telemetry(self.uuid)
        self.sku = cards.pick(
            self.telemetry.name, power_limit_w=self.telemetry.power_limit_w,
            memory_bytes=int(self._properties["totalGlobalMem"]), sm_count=int(self._properties["multiProcessorCount"]),
        )  # fmt: skip
        self.require_no_other_processes()
        before = set(self.telemetry.processes())
        cupy.cuda.Device(ordinal).use()
        cupy.cuda.runtime.free(0)
        # Inside a container the driver lists our process under a host number: the one that has just appeared.
        self._own = set(self.telemetry.processes()) - before
        self._kernels = Kernels(trusted.cubin(kernels.SOURCE, cache=cache))

    @property
    def name(self) -> str:
        """Return the driver's name of the card, such as `NVIDIA H100 80GB HBM3`."""
        return self.telemetry.name

    @property
    def worker_core(self) -> int | None:
        """Return the number of the CPU core on which only the worker's host code runs, or None if judge and worker
        share the only core.
        """
        return None if self._cores.shared else self._cores.worker

    def pace(self, task: Task) -> Pace:
        """Return the constants by which a task's candidates are timed on this GPU: shorter batches if the task's unit
        is `dram`, and fewer bytes for inputs and outputs on a card with little memory. Raises MachineError if the task
        is for another architecture than this card's.
        """
        cards.check_architecture(task.arch or "", name=self.name, major=self._properties["major"],
                                  minor=self._properties["minor"])  # fmt: skip
        task_pace = BANDWIDTH_PACE if task.unit == "dram" else PACE
        share = int(self._properties["totalGlobalMem"]) // SHARE_OF_MEMORY
        return replace(task_pace, max_bytes=min(task_pace.max_bytes, share))

    def calibrate(self, unit: str, *, seconds: float) -> None:
        """Check that no other process computes on the GPU, and raise MachineError if one does. Nothing is measured,
        because the peak comes from a table: `unit` and `seconds` are not used.
        """
        self.require_no_other_processes()

    def peak(self, unit: str) -> float:
        """Return the dense peak rate of `unit` (such as `fp8`) from the table of products, in operations per second, or
        in bytes per second for `dram`. Raises TaskFault if the table has no peak for the unit.
        """
        return self.sku.peak(unit)

    def ceiling(self, unit: str, *, suspected: float) -> float:
        """Return the highest rate of `unit` that the hardware allows: of all multiprocessors at the highest clock, in
        operations per second, or of all memory pins for `dram`, in bytes per second. `suspected` is not used, because
        nothing is measured again.
        """
        return self.sku.ceiling(unit)

    def build(self, source: Path, task: Task, *, language: str) -> Built | BuildFailure:
        """Compile the file `source` in the sandbox, with nvcc or to machine code with Triton as `language` says, or
        take an earlier build from the cache. Return Built with the artifact's path, or BuildFailure with the reason.
        Raises MachineError if the compiler is missing or the sandbox cannot be set up.
        """
        return gpu.build(source, task, language=language, context=BuildContext(self._cache, self.isolation))

    @contextmanager
    def inspected(self, built: Built) -> Iterator[Callable[[], wire.Facts]]:
        """Disassemble the build `built` while the `with` block runs, or before the block if too few cores are free.
        Yields a function without arguments that waits for the facts (registers, spilled bytes, instruction counts) and
        returns them; facts that cannot be read are missing.
        """
        with inspection.inspected(built, isolation=self.isolation) as facts:
            known_facts = None if len(self._cores.judge) > BUSY_JUDGE_CORES else facts()
            yield facts if known_facts is None else lambda: known_facts

    def standards(self, task: Task) -> dict[str, str]:
        """Return a dict from language to source text, `cuda` first, then the task's languages. Each text is a trusted
        candidate that computes for `Pace.standard_s` seconds per call, with which the dispatch overhead of its language
        (seconds of a batch beyond the candidate's work) is measured.
        """
        by_language = {
            "cuda": signature.cuda_standard(task, seconds=PACE.standard_s),
            TRITON: signature.triton_standard(task, seconds=PACE.standard_s),
        }
        return {language: by_language[language] for language in dict.fromkeys(("cuda", *task.languages))}

    def memory(self, *, input_bytes: int, output_bytes: int, slots: int = 2) -> CudaMemory:
        """Allocate GPU memory that workers open through CUDA IPC: `input_bytes` of inputs, and `slots` output areas of
        `output_bytes` each. Raises CUDARuntimeError of cupy if the GPU has not enough free memory.
        """
        return CudaMemory(self._kernels, input_bytes=input_bytes, output_bytes=output_bytes, slots=slots)

    @contextmanager
    def worker(self, artifact: Path, *, memory: Memory, slot: int, profile: Profile) -> Iterator[Worker]:
        """Start the Python worker program on `artifact`, a shared object or the folder of a Triton build, and yield its
        handle; kill it when the block ends. It writes into area `slot` of `memory`; `profile` adds readable files and
        environment. Raises MachineError if the sandbox cannot be set up; the handle's `wait_ready` raises if the
        candidate cannot be loaded.
        """
        assert isinstance(memory, CudaMemory)
        handles = (memory.inputs.handle.hex(), memory.outputs[slot].handle.hex())

        def launch(folder: Path, orders_fd: int, status_fd: int) -> sandbox.Process:
            return self._launch(artifact, folder, fds=(orders_fd, status_fd), handles=handles, profile=profile)

        traits = WorkerTraits(
            READY_S, shares_core=self._cores.shared, host_bytes=HOST_BYTES, fault=fault_words,
            language=TRITON if artifact.is_dir() else "cuda",
        )  # fmt: skip
        with started(launch, isolation=self.isolation, traits=traits) as worker:
            yield worker

    def _launch(self, artifact: Path, folder: Path, *, fds: tuple[int, int], handles: tuple[str, str],
                profile: Profile) -> sandbox.Process:  # fmt: skip
        candidate = _copy_programs(artifact, folder)
        triton = triton_builder.packages(self._cache) if artifact.is_dir() else None
        python = interpreter.executable()
        packages = triton.readable if triton else ()
        policy = sandbox.Policy(
            readable=(*interpreter.readable(), *gpu_files.readable(), *packages, *profile.readable, folder),
            listable=interpreter.listable(),
            executable=(python, *libraries.linked(python)),
            devices=gpu_files.devices(),
            cores=None if self.worker_core is None else (self.worker_core,),
            memory_bytes=None,
            open_files=OPEN_FILES,
            environment=self._environment() | dict(profile.environment or {}),
        )
        options = triton.options if triton else ("-I", "-S", "-B")
        packages_folder = [triton.folder] if triton else []
        command = [python, *options, folder, *fds, *handles, candidate, *packages_folder]
        program = sandbox.Program([str(word) for word in command], keep_fds=fds)
        return sandbox.launch(program, policy, isolation=self.isolation, folder=folder)

    def _environment(self) -> dict[str, str]:
        kept = {name: os.environ[name] for name in ("LD_LIBRARY_PATH",) if name in os.environ}
        return kept | {"CUDA_VISIBLE_DEVICES": self.uuid, "CUDA_CACHE_DISABLE": "1", "CUDA_DEVICE_ORDER": "PCI_BUS_ID"}

    def vendor_source(self, task: Task) -> Path:
        """Return the path of `vendor.cu` in the task folder, which calls cuBLASLt; the file may be missing."""
        return task.folder / "vendor.cu"

    def vendors(self, artifact: Path, *, memory_bytes: int) -> list[Vendor]:
        """Return a list with one Vendor for each of the first algorithms that cuBLASLt proposes, to run with the built
        vendor.cu (`artifact`); empty if the library is not installed. `memory_bytes` limits the worker's memory.
        """
        return cublaslt(artifact, memory_bytes=memory_bytes)

    def trusted_kernel(self, task: Task) -> tuple[str, str]:
        """Return (source text, `cuda`) of the judge's own copy kernel, which measures the spread between processes. It
        copies as many elements as the task's largest input and largest output both have.
        """
        return signature.cuda_copy(task), "cuda"

    def share_at(self, unit: str, *, clock_mhz: float) -> float | None:
        """Return the fraction of the peak of `unit`, such as `fp8`, that all multiprocessors can reach at an SM clock
        of `clock_mhz`; None for `dram`, because memory has its own clock.
        """
        return self.sku.share_at(unit, clock_mhz=clock_mhz)

    def probe_rates(self, unit: str, *, processes: int) -> list[float]:
        """Always raise MachineError, whatever `unit` and `processes` are: a GPU has no probe of its peak, and its
        trusted kernel measures the spread between processes instead.
        """
        raise MachineError("a GPU is not probed: its trusted kernel measures the process spread")

    def observe(self) -> Mapping[str, float]:
        """Return the GPU's current clocks in MHz, power in W, temperature in °C and throttle reasons: a dict by name
        with unit, without readings that the card does not offer.
        """
        return self.telemetry.sample()

    def require_no_other_processes(self, *, workers: int = 0) -> None:
        """Raise MachineError with a list of the processes if more than `workers` processes besides the judge compute on
        the GPU; return None otherwise. `workers` is the number of the judge's own workers. If there are more, it looks
        again after half a second, because ended processes stay in the driver's list for a moment.
        """
        if len(self._others()) > workers:
            time.sleep(LIST_DELAY_S)
        if len(others := self._others()) > workers:
            listed = ", ".join(f"{pid} ({name})" if name else str(pid) for pid, name in others.items())
            remedy = "end it, or choose another card with CUDA_VISIBLE_DEVICES"
            raise MachineError(f"another process computes on {self.name}: {listed}; {remedy}")

    def monitor(self, *workers: Worker) -> "GpuMonitor":
        """Return a monitor whose method `look` counts the processes that compute on the GPU, without the judge and as
        many workers as are given in `workers`. `look` raises NoTelemetry if the driver's list cannot be read.
        """
        return GpuMonitor(lambda: len(self._others()) - len(workers))

    def _others(self) -> dict[int, str]:
        """Return the processes other than the judge that compute on the GPU, workers included: a dict from process
        number to name. Raises NoTelemetry if the driver's list cannot be read.
        """
        return {pid: name for pid, name in self.telemetry.processes().items() if pid not in self._own}

    def details(self) -> dict[str, str]:
        """Return a dict from name to text: the product and why it was chosen, the source of its peak, power limit,
        driver version, UUID, and versions of nvcc and cupy. Raises MachineError if nvcc is missing.
        """
        return {
            "sku": f"{self.sku.name}: {self.sku.reason}",
            "peak_source": f"{self.sku.source}; {self._measured()}",
            "power_limit_w": f"{self.telemetry.power_limit_w:g}",
            "driver": self.telemetry.driver_version,
            "uuid": self.uuid,
            "nvcc": nvcc.toolkit().version,
            "cupy": cupy.__version__,
        }

    def _measured(self) -> str:
        units = ", ".join(self.sku.measured)
        return f"our measurements came close to it for {units}" if units else "not confirmed by our own measurements"


class GpuMonitor:
    """Counts processes that compute on a GPU besides the judge and its workers, and remembers the highest count.
    `CudaDevice.monitor` makes one with `others`, a function without arguments that returns the current count.
    """

    def __init__(self, others: Callable[[], int]) -> None:
        self._others = others
        self._most = 0

    def look(self, *, batches: int = 1) -> None:
        """Count the other processes on the GPU now; a process that starts and ends between two looks is not seen.
        `batches` is not used. Raises NoTelemetry if the driver's list cannot be read.
        """
        self._most = max(self._most, self._others())

    def disturbance(self) -> str:
        """Return the sentence that another process computed on the GPU if any look since the monitor was made has found
        one, and an empty string otherwise.
        """
        return "another process computed on the GPU" if self._most > 0 else ""


def fault_words(number: int) -> str:
    """Return a sentence that says why a GPU worker ended. `number` is the fault number that the worker reported before:
    it stands for the Python exception that the candidate's host code raised, or is a CUDA error code.
    """
    if name := faults.exception_name(number):
        return f"the candidate's host code raised {name}"
    return f"CUDA error {number}: {gpu_files.error_words(number)}"


def _copy_programs(artifact: Path, folder: Path) -> Path:
    """Copy the worker program and the candidate's `artifact` (a shared object or a folder) into `folder`, a worker's
    private folder, and make the copies readable for every user, so that the sandboxed worker can load them. Return the
    path of the candidate's copy. Raises OSError if a copy fails.
    """
    copies.lay_out(folder, {"__main__.py": copies.GPU_PROGRAM, **copies.texts(copies.GPU_FILES)})
    if artifact.is_dir():
        candidate = folder / "candidate"
        shutil.copytree(artifact, candidate)
    else:
        candidate = folder / "candidate.so"
        shutil.copy(artifact, candidate)
    for path in (folder, *folder.rglob("*")):
        path.chmod(0o755 if path.is_dir() or path.suffix == ".so" else 0o644)
    return candidate

"""An NVIDIA GPU on which CUDA C++ and Triton candidates are judged: its looked-up peak, its memory, its workers."""

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
from harness.devices import cards as device
from harness.devices import gpu_files, machine
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
"""Bursts with idle gaps: back to back, a card at its power limit reads a tenth less. Turns of a duel are shorter: of
one kernel, batches of 50 ms read 3 % apart, and in the middle of most the driver tells of the power limit."""
BANDWIDTH_PACE = Pace(**pace("cuda", "cuda_dram"))
"""As many bytes are poisoned, summed and sampled as kernels move: longer batches would be mostly guards."""
SHARE_OF_MEMORY = 3
"""Sets and a second slot's outputs leave at least half of a small card to the candidate."""
CORES_OF_JUDGE = 3
"""The judge, its system, and the worker's threads beside its one core; more are free for a disassembler."""
READY_S = 30.0
"""CUDA starts in 0.3 s, Triton is imported in 0.7 s; a first start after boot takes longer."""
FORGET_S = 0.5
"""The driver may still list a process that has just ended."""
OPEN_FILES = 256
HOST_BYTES = 8 << 30
"""Resident memory of a worker; the driver and Triton take some 0.5 GiB."""


class CudaDevice:
    """A GPU; see Device."""

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
        self.sku = device.pick(
            self.telemetry.name, power_limit_w=self.telemetry.power_limit_w,
            memory_bytes=int(self._properties["totalGlobalMem"]), sm_count=int(self._properties["multiProcessorCount"]),
        )  # fmt: skip
        self.require_no_other_processes()
        before = set(self.telemetry.processes())
        cupy.cuda.Device(ordinal).use()
        cupy.cuda.runtime.free(0)
        # Behind a container's wall our own process has another number: it is the one that has just appeared.
        self._own = set(self.telemetry.processes()) - before
        self._kernels = Kernels(trusted.cubin(kernels.SOURCE, cache=cache))

    @property
    def name(self) -> str:
        """The card's."""
        return self.telemetry.name

    @property
    def worker_core(self) -> int | None:
        """The core that the worker's host code runs on."""
        return None if self._cores.shared else self._cores.worker

    def pace(self, task: Task) -> Pace:
        """Bandwidth-bound tasks in shorter batches; a small card holds fewer sets. Raises MachineError: other arch."""
        device.check_architecture(task.arch or "", name=self.name, major=self._properties["major"],
                                  minor=self._properties["minor"])  # fmt: skip
        usual = BANDWIDTH_PACE if task.unit == "dram" else PACE
        share = int(self._properties["totalGlobalMem"]) // SHARE_OF_MEMORY
        return replace(usual, max_bytes=min(usual.max_bytes, share))

    def calibrate(self, unit: str, *, seconds: float) -> None:
        """The peak is looked up; what is measured is that nobody else computes here."""
        self.require_no_other_processes()

    def peak(self, unit: str) -> float:
        """Dense, at boost clock, by the table."""
        return self.sku.peak(unit)

    def ceiling(self, unit: str, *, suspected: float) -> float:
        """Every multiprocessor at the highest clock."""
        return self.sku.floor(unit)

    def build(self, source: Path, task: Task, *, language: str) -> Built | BuildFailure:
        """By nvcc, or by Triton ahead of time."""
        return gpu.build(source, task, language=language, context=BuildContext(self._cache, self.isolation))

    @contextmanager
    def inspected(self, built: Built) -> Iterator[Callable[[], wire.Facts]]:
        """By the disassembler, beside the judgement where there are cores to spare for it, and before it elsewhere."""
        with inspection.inspected(built, isolation=self.isolation) as facts:
            found = None if len(self._cores.judge) > CORES_OF_JUDGE else facts()
            yield facts if found is None else lambda: found

    def standards(self, task: Task) -> dict[str, str]:
        """In each language: a launch after a pause costs what no kernel can help."""
        by_language = {
            "cuda": signature.cuda_standard(task, seconds=PACE.standard_s),
            TRITON: signature.triton_standard(task, seconds=PACE.standard_s),
        }
        return {language: by_language[language] for language in dict.fromkeys(("cuda", *task.languages))}

    def memory(self, *, input_bytes: int, output_bytes: int, slots: int = 2) -> CudaMemory:
        """Make allocations of the device that workers open by IPC."""
        return CudaMemory(self._kernels, input_bytes=input_bytes, output_bytes=output_bytes, slots=slots)

    @contextmanager
    def worker(self, artifact: Path, *, memory: Memory, slot: int, profile: Profile) -> Iterator[Worker]:
        """Start the Python worker on a shared object or on the folder of a Triton build."""
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
        candidate = _place(artifact, folder)
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
        where = [triton.folder] if triton else []
        command = [python, *options, folder, *fds, *handles, candidate, *where]
        program = sandbox.Program([str(word) for word in command], keep_fds=fds)
        return sandbox.launch(program, policy, isolation=self.isolation, folder=folder)

    def _environment(self) -> dict[str, str]:
        kept = {name: os.environ[name] for name in ("LD_LIBRARY_PATH",) if name in os.environ}
        return kept | {"CUDA_VISIBLE_DEVICES": self.uuid, "CUDA_CACHE_DISABLE": "1", "CUDA_DEVICE_ORDER": "PCI_BUS_ID"}

    def vendor_source(self, task: Task) -> Path:
        """A CUDA file."""
        return task.folder / "vendor.cu"

    def vendors(self, artifact: Path, *, memory_bytes: int) -> list[Vendor]:
        """cuBLASLt, which tries its own kernels on its first call."""
        return cublaslt(artifact, memory_bytes=memory_bytes)

    def trusted_kernel(self, task: Task) -> tuple[str, str]:
        """A copy by the driver, of as many bytes as the largest input and output share."""
        return signature.cuda_copy(task), "cuda"

    def share_at(self, unit: str, *, clock_mhz: float) -> float | None:
        """Arithmetic goes with the clock; memory does not."""
        return self.sku.share_at(unit, clock_mhz=clock_mhz)

    def probe_rates(self, unit: str, *, processes: int) -> list[float]:
        """Raise MachineError: a GPU has a trusted kernel, which is used instead."""
        raise MachineError("a GPU has a trusted kernel")

    def observe(self) -> Mapping[str, float]:
        """Clocks, power, temperature, throttle reasons."""
        return self.telemetry.sample()

    def require_no_other_processes(self, *, workers: int = 0) -> None:
        """Another process on the GPU would be timed with the candidate."""
        if len(self._others()) > workers:
            time.sleep(FORGET_S)
        if len(others := self._others()) > workers:
            told = ", ".join(f"{pid} ({name})" if name else str(pid) for pid, name in others.items())
            remedy = "end it, or choose another card with CUDA_VISIBLE_DEVICES"
            raise MachineError(f"another process computes on {self.name}: {told}; {remedy}")

    def monitor(self, *workers: Worker) -> "GpuMonitor":
        """Return a monitor of NVML's list of processes."""
        return GpuMonitor(lambda: len(self._others()) - len(workers))

    def _others(self) -> dict[int, str]:
        """Names by pid of what computes here, this process left out."""
        return {pid: name for pid, name in self.telemetry.processes().items() if pid not in self._own}

    def details(self) -> dict[str, str]:
        """The denominator and why it was picked, driver, compilers."""
        return {
            "sku": f"{self.sku.name}: {self.sku.why}",
            "peak_source": f"{self.sku.source}; {self._measured()}",
            "power_limit_w": f"{self.telemetry.power_limit_w:g}",
            "driver": self.telemetry.driver_version,
            "uuid": self.uuid,
            "nvcc": nvcc.toolkit().version,
            "cupy": cupy.__version__,
        }

    def _measured(self) -> str:
        units = ", ".join(self.sku.measured)
        return f"our own runs came near it in {units}" if units else "never measured by us"


class GpuMonitor:
    """Counts the processes beside the judge's workers, whose numbers may differ in the driver's list."""

    def __init__(self, others: Callable[[], int]) -> None:
        self._others = others
        self._most = 0

    def look(self, *, batches: int = 1) -> None:
        """Who comes and goes between two looks is not seen."""
        self._most = max(self._most, self._others())

    def disturbance(self) -> str:
        """More processes than are ours."""
        return "another process computed on the GPU" if self._most > 0 else ""


def fault_words(number: int) -> str:
    """What a worker's number means."""
    if name := faults.exception_name(number):
        return f"the candidate's host code raised {name}"
    return f"CUDA error {number}: {gpu_files.error_words(number)}"


def _place(artifact: Path, folder: Path) -> Path:
    """The worker's own files and the candidate, in the private folder; where the candidate lies."""
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

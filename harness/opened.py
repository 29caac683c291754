"""A task opened on this machine: arena, peak, the constant to deduct, the between-process spread, the vendor line.

All of it is measured before the first candidate, through the same workers that candidates get, and stored with the run.
"""

import secrets
import statistics
import tempfile
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np

import clock
import inputs
import machine
import verify
import wire
from arena import cpu
from build import c as c_builder
from build import signature, toolchain
from clock import Reading, Stand
from doorbell import Profile, Worker, WorkerDied, WorkerOverdue, Workplace, hired
from failure import Failed
from task import Case, Task
from vendor import Vendor, openblas_variants

OVERHEAD_BATCHES = 25
NO_KEY = "0" * 32
"""The no-op candidate reads no inputs."""
VENDOR_TRIALS = 5
"""Calls by which the better of the library's kernels is chosen."""
SPREAD_PROCESSES = 5
SPREAD_BATCHES = 10
NORMAL_MAD = 1.4826
"""Standard deviation of a normal distribution over its median absolute deviation."""
PHYSICS = 1.1
"""A rate above this multiple of a re-measured peak cannot be honest."""


class OpeningError(Exception):
    """The task cannot be opened: the harness's fault, or the machine's."""


@dataclass
class Opened:
    """What every judgement of this task needs; lives as long as the judge keeps the task open."""

    task: Task
    workplace: Workplace
    cache: Path
    arena: cpu.Arena
    cache_bytes: int
    set_s: dict[str, float]
    """Seconds to refresh and verify one set, by timed case."""
    peaks: list[float] = field(default_factory=list)
    overhead_s: float = 0.0
    """Seconds from go to samples read with a candidate that does nothing; deducted from every batch."""
    overhead_scatter_s: float = 0.0
    """Interquartile range of that constant: what single calls cannot resolve."""
    spread: float = 0.0
    vendor: Vendor | None = None
    vendor_s: float = 0.0
    vendor_single_ratio: float = 1.0
    """The vendor's single-call time over its time in batches, where batches hold more than one call."""

    @property
    def main(self) -> Case:
        """The case whose correctness call is the pilot."""
        return self.task.timed[0]

    @property
    def peak(self) -> float:
        """Dense fp32 peak of the candidates' core, FLOP/s: the fastest probe."""
        return max(self.peaks)

    @property
    def profile(self) -> Profile:
        """What a candidate's worker may have: its own memory beside the buffers it maps."""
        mapped = len(self.arena.inputs.bytes) + len(self.arena.outputs[0].bytes)
        return Profile(memory_bytes=self.task.limits.memory_bytes + mapped)

    def utilization(self, case: Case, call_s: float) -> float:
        """Achieved rate over peak, a fraction."""
        return self.task.work(case) / call_s / self.peak

    def build(self, source: Path) -> c_builder.Built | c_builder.BuildFailure:
        """Build a candidate for this task, in the sandbox, or take it from the cache."""
        return c_builder.build_c(
            source,
            shim=signature.shim(self.task),
            declaration=signature.declaration(self.task),
            cache=self.cache / "candidates",
            isolation=self.workplace.isolation,
            deadline_s=self.task.limits.build_s,
        )

    @contextmanager
    def worker(self, artifact: Path, *, seat: int = 0, profile: Profile | None = None) -> Iterator[Worker]:
        """A fresh worker on an artifact, loaded and standing still."""
        with hired(
            artifact, arena=self.arena, seat=seat, workplace=self.workplace, profile=profile or self.profile
        ) as worker:
            worker.wait_ready()
            worker.stop()
            yield worker

    def stand(self, worker: Worker, case: Case, *, sets: int = 1, seat: int = 0) -> Stand:
        """Ready a worker to be timed on a case."""
        layout = cpu.lay_out(self.task, case, sets=sets)
        return Stand(self.task, case, self.arena, layout, worker, seat, self.overhead_s)

    def remeasure_peak(self, seconds: float = 1.0) -> None:
        """Probe the peak again; a faster probe raises the denominator for all that follows."""
        if self.workplace.core is not None or not self.peaks:
            core = self.workplace.core if self.workplace.core is not None else machine.split_cores().worker
            self.peaks += machine.measure_peak(self.cache, core=core, seconds=seconds)

    def close(self) -> None:
        """Give the arena back."""
        self.arena.close()


def open_task(task: Task, *, workplace: Workplace, cache: Path, calibration_s: float) -> Opened:
    """Measure everything a run's numbers will stand beside.

    Raises:
        OpeningError: the unit has no measured peak here, or a trusted program failed.
        MachineError: no compiler.
    """
    if task.device != "cpu" or task.unit != "fp32":
        raise OpeningError(f"task.toml: device {task.device}, unit {task.unit}: this judge measures cpu and fp32 only")
    opened = _with_arena(task, workplace=workplace, cache=cache)
    try:
        opened.remeasure_peak(calibration_s)
        _measure_overhead(opened)
        _measure_vendor(opened)
    except (Failed, WorkerDied, WorkerOverdue) as error:
        raise OpeningError(f"a trusted program failed during calibration: {error}") from error
    return opened


def _with_arena(task: Task, *, workplace: Workplace, cache: Path) -> Opened:
    """Size the arena for the fastest kernel that physics allows."""
    cache_bytes = machine.last_level_cache_bytes()
    set_s = {case.name: _measure_set(task, case) for case in task.timed}
    layouts = [cpu.lay_out(task, case, sets=1) for case in task.cases]
    for case in task.timed:
        plan = clock.plan(task, case, pilot_s=1e-7, set_s=set_s[case.name], cache_bytes=cache_bytes)
        layouts.append(cpu.lay_out(task, case, sets=plan.sets))
    arena = cpu.Arena(
        input_bytes=max(layout.input_bytes for layout in layouts),
        output_bytes=max(layout.output_bytes for layout in layouts),
    )
    return Opened(task, workplace, cache, arena, cache_bytes, set_s)


def _measure_set(task: Task, case: Case) -> float:
    """Seconds to refresh one set and verify it as a timed call is verified; the second round counts."""
    layout = cpu.lay_out(task, case, sets=1)
    arena = cpu.Arena(input_bytes=layout.input_bytes, output_bytes=layout.output_bytes, seats=1)
    rng = inputs.generator(inputs.fresh_key())
    given = arena.input_views(task, case, layout=layout, index=0)
    got = arena.output_views(task, case, layout=layout, index=0, seat=0)
    for _ in range(2):
        start = time.perf_counter()
        inputs.fill(task, case, views=given, rng=rng)
        verify.check_timed(task, case, inputs=given, outputs=got, rng=rng, poison=0)
        seconds = time.perf_counter() - start
    del given, got
    arena.close()
    return seconds


def _measure_overhead(opened: Opened) -> None:
    """Seconds from go to samples read, with a trusted candidate that does nothing: median and scatter."""
    artifact = _trusted(opened, signature.no_op(opened.task), "the no-op candidate")
    with opened.worker(artifact) as worker:
        stand = opened.stand(worker, opened.main)
        runs = [stand.run(range(1), NO_KEY, deadline_s=5.0) for _ in range(OVERHEAD_BATCHES)]
    quarter, half, three_quarters = np.quantile([run.reading.call_s for run in runs], [0.25, 0.5, 0.75])
    opened.overhead_s, opened.overhead_scatter_s = float(half), float(three_quarters - quarter)


def _trusted(opened: Opened, text: str, name: str) -> Path:
    with tempfile.NamedTemporaryFile("w", suffix=".c", encoding="utf-8") as source:
        source.write(text)
        source.flush()
        built = opened.build(Path(source.name))
    if isinstance(built, c_builder.BuildFailure):
        raise OpeningError(f"{name} does not build: {built.detail}")
    return built.artifact


def _measure_vendor(opened: Opened) -> None:
    """Choose the better of the vendor's kernels, then run it in several processes: its time and the A/A spread."""
    if opened.task.vendor is None:
        opened.spread = _probe_spread(opened)
        return
    artifact = _trusted(opened, (opened.task.folder / "vendor.c").read_text(encoding="utf-8"), "vendor.c")
    variants = openblas_variants(artifact, memory_bytes=opened.profile.memory_bytes)
    if not variants:
        opened.spread = _probe_spread(opened)
        return
    opened.vendor = min(variants, key=lambda variant: _vendor_time(opened, variant, batches=VENDOR_TRIALS))
    times = [_vendor_time(opened, opened.vendor, batches=SPREAD_BATCHES) for _ in range(SPREAD_PROCESSES)]
    opened.vendor_s = statistics.median(times)
    opened.spread = _spread(times)


def _vendor_time(opened: Opened, vendor: Vendor, *, batches: int) -> float:
    readings: list[Reading] = []
    plan = opened_plan(opened, opened.main, pilot_s=1e-7)
    with opened.worker(vendor.artifact, profile=vendor.profile) as worker:
        stand = opened.stand(worker, opened.main, sets=plan.calls)
        for _ in range(batches + 1):
            key = inputs.fresh_key()
            stand.refresh(range(plan.calls), key)
            run = stand.run(range(plan.calls), key, deadline_s=opened.task.limits.call_s)
            run.verify(np.random.default_rng(secrets.randbits(128)))
            readings.append(run.reading)
    # The first batch loads the library's code and allocates its buffers.
    return clock.score(readings[1:], rng=np.random.default_rng(0)).call_s


def opened_plan(opened: Opened, case: Case, *, pilot_s: float) -> clock.Plan:
    """The plan of one case, its sets bounded by what the arena was sized for."""
    fastest = opened.task.work(case) / (PHYSICS * opened.peak)
    return clock.plan(
        opened.task,
        case,
        pilot_s=max(pilot_s, fastest),
        set_s=opened.set_s[case.name],
        cache_bytes=opened.cache_bytes,
    )


def _probe_spread(opened: Opened) -> float:
    """Without a vendor line: the spread of the peak probe over several processes."""
    core = opened.workplace.core if opened.workplace.core is not None else machine.split_cores().worker
    rates = [max(machine.measure_peak(opened.cache, core=core, seconds=0.3)) for _ in range(SPREAD_PROCESSES)]
    return _spread(rates)


def _spread(values: Sequence[float]) -> float:
    """Standard deviation as a fraction of the median, by the median absolute deviation.

    One disturbed process of five does not widen every interval of the run.
    """
    middle = statistics.median(values)
    return NORMAL_MAD * statistics.median(abs(value - middle) for value in values) / middle


def describe(opened: Opened, *, cores: machine.Cores) -> wire.Device:
    """What a reader of the run's numbers may ask for."""
    vendor = opened.vendor
    line = vendor and wire.VendorLine(
        vendor.name, opened.vendor_s * 1e6, opened.utilization(opened.main, opened.vendor_s)
    )
    return wire.Device(
        name=machine.cpu_name(),
        kind="cpu",
        peak=opened.peak,
        unit=opened.task.unit,
        isolation=int(opened.workplace.isolation.level),
        spread=opened.spread,
        overhead_us=opened.overhead_s * 1e6,
        worker_core=None if cores.shared else cores.worker,
        vendor=line or None,
        details=_details(opened, cores=cores),
    )


def _details(opened: Opened, *, cores: machine.Cores) -> dict[str, str]:
    return {
        "compiler": toolchain.find_compiler().version,
        "flags": " ".join(c_builder.FLAGS),
        "cores": f"candidates on core {cores.worker}, judge on {', '.join(map(str, cores.judge))}",
        "last_level_cache": f"{opened.cache_bytes >> 20} MiB",
        "peak_probes": f"{len(opened.peaks)} probes, median {statistics.median(opened.peaks):.4g}, fastest taken",
    }

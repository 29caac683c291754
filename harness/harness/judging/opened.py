"""A task opened on this machine: arena, peak, the constant to deduct, the between-process spread, the vendor line.

All of it is measured before the first candidate, through the same workers that candidates get, and stored with the run.
"""

import math
import secrets
import statistics
import tempfile
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np

from harness.checking import inputs
from harness.compiling.built import BuildFailure, Built
from harness.contract import KEY_DIGITS, TIMING
from harness.devices import Workplace
from harness.devices.vendor import Vendor
from harness.errors import MachineError, TaskFault
from harness.judging import audit
from harness.memory import Arena
from harness.memory.layout import lay_out, sets_that_fit
from harness.task import Case, Task
from harness.timing import clock
from harness.timing.clock import Pace, Reading, Stand
from harness.timing.failure import Failed
from harness.wire import messages as wire
from harness.worker.doorbell import Profile, Worker, WorkerDied, WorkerOverdue

OVERHEAD_BATCHES: int = TIMING["calibration"]["overhead_batches"]
NO_KEY = "0" * KEY_DIGITS
"""The candidate of known length reads no inputs."""
VENDOR_TRIALS: int = TIMING["vendor"]["trials"]
"""Batches by which the better of the library's kernels is chosen."""
NORMAL_MAD = 1.4826
"""Standard deviation of a normal distribution over its median absolute deviation."""
SETS_MEASURED: int = TIMING["calibration"]["sets_measured"]
"""Enough that work which is done once a batch does not count for a call's."""
FASTEST_PILOT_S: float = TIMING["calibration"]["fastest_pilot_s"]
"""Faster than any call; the plan is then bounded by physics."""


class OpeningError(Exception):
    """A trusted program of the harness's own does not build or run."""


@dataclass(frozen=True, slots=True)
class Overhead:
    """Seconds from go to samples read beyond a candidate's own; deducted from every batch."""

    seconds: float
    scatter_s: float
    """How far apart the quantiles around it lie, for a median the quartiles: what single calls cannot resolve."""


@dataclass
class Opened:
    """What every judgement of this task needs; lives as long as the judge keeps the task open."""

    task: Task
    workplace: Workplace
    arena: Arena
    pace: Pace
    set_s: dict[str, float]
    """Seconds to refresh and verify one set, by timed case."""
    overheads: dict[str, dict[float, "Overhead"]] = field(default_factory=dict)
    """By language, and by the idle time before a batch."""
    spread: float = 0.0
    vendor: Vendor | None = None
    vendor_s: float = 0.0
    single_ratio: float = 1.0
    """The single-call time of the vendor, or of a trusted yardstick, over its time in batches of several calls."""

    @property
    def main(self) -> Case:
        """The case whose correctness call is the pilot."""
        return self.task.timed[0]

    @property
    def peak(self) -> float:
        """The denominator of utilization, units per second."""
        return self.workplace.peak(self.task.unit)

    @property
    def profile(self) -> Profile:
        """What a candidate's worker may have: its own memory beside the buffers it maps."""
        return Profile(memory_bytes=self.task.limits.memory_bytes + self.arena.mapped_bytes)

    def utilization(self, case: Case, call_s: float) -> float:
        """Achieved rate over peak, a fraction."""
        return self.task.work(case) / call_s / self.peak

    def build(self, source: Path, *, language: str) -> Built | BuildFailure:
        """Build a candidate for this task, in the sandbox, or take it from the cache."""
        return self.workplace.build(source, self.task, language=language)

    @contextmanager
    def worker(self, artifact: Path, *, seat: int = 0, profile: Profile | None = None) -> Iterator[Worker]:
        """A fresh worker on an artifact, loaded and standing still."""
        with self.workplace.hired(artifact, arena=self.arena, seat=seat, profile=profile or self.profile) as worker:
            worker.wait_ready()
            worker.stop()
            yield worker

    def stand(self, worker: Worker, case: Case, *, sets: int = 1, seat: int = 0) -> Stand:
        """Ready a worker to be timed on a case."""
        layout = lay_out(self.task, case, sets=sets)
        trusted = next(iter(self.overheads), worker.language)
        return Stand(
            self.task, case, self.arena, layout, worker, seat, self._overheads_s(worker.language),
            graph_overheads_s=self._overheads_s(trusted), idle_s=self.pace.idle_s,
            observe=lambda: dict(self.workplace.observe()),
        )  # fmt: skip

    def _overheads_s(self, language: str) -> dict[float, float]:
        return {idle_s: one.seconds for idle_s, one in self.overheads.get(language, {}).items()}

    def close(self) -> None:
        """Give the arena back."""
        self.arena.close()


def open_task(task: Task, *, workplace: Workplace, calibration_s: float) -> Opened:
    """Measure everything a run's numbers will stand beside.

    Raises:
        OpeningError: a trusted program of ours failed.
        TaskFault: the task's vendor file does not build or gives wrong outputs, or its unit has no peak here.
        MachineError: no compiler, no peak, or a worker ended before it answered.
    """
    workplace.calibrate(task.unit, seconds=calibration_s)
    workplace.peak(task.unit)
    opened = _with_arena(task, workplace=workplace)
    if fault := _calibrate(opened):
        opened.close()
        raise fault
    return opened


def _calibrate(opened: Opened) -> Exception | None:
    """Measure what is deducted and compared with; return what keeps it from being measured.

    The fault is a new exception: the traceback of the first one holds views of the arena, which then cannot be closed.
    """
    try:
        _measure_overheads(opened)
        _measure_vendor(opened)
    except Failed as error:
        return OpeningError(f"a trusted program failed during calibration: {error}")
    except (WorkerDied, WorkerOverdue) as error:
        return MachineError(f"a trusted program failed during calibration: {error}")
    except (MachineError, OpeningError, TaskFault) as error:
        return type(error)(str(error))
    return None


def _with_arena(task: Task, *, workplace: Workplace) -> Opened:
    """Size the arena for the fastest kernel that physics allows."""
    pace = workplace.pace(task)
    set_s = {case.name: _measure_set(task, case, workplace=workplace, max_bytes=pace.max_bytes) for case in task.timed}
    layouts = [lay_out(task, case, sets=1) for case in task.cases]
    for case in task.timed:
        plan = clock.plan(task, case, pace=pace, pilot_s=FASTEST_PILOT_S, set_s=set_s[case.name],
                          cache_bytes=workplace.cache_bytes)  # fmt: skip
        layouts.append(lay_out(task, case, sets=plan.sets))
    arena = workplace.arena(
        input_bytes=max(layout.input_bytes for layout in layouts),
        output_bytes=max(layout.output_bytes for layout in layouts),
    )
    return Opened(task, workplace, arena, pace, set_s)


def _measure_set(task: Task, case: Case, *, workplace: Workplace, max_bytes: int) -> float:
    """Seconds to refresh one set and verify it as a timed call is verified; the second round counts."""
    # Nobody has computed the outputs: to tell what is wrong with them would take longer than to find them right.
    task, case = replace(task, benchmark=Indulgent(task.benchmark)), replace(case, data="normal")
    sets = range(min(SETS_MEASURED, sets_that_fit(task, case, max_bytes=max_bytes)))
    layout = lay_out(task, case, sets=len(sets))
    arena = workplace.arena(input_bytes=layout.input_bytes, output_bytes=layout.output_bytes, seats=1)
    rng = np.random.default_rng(0)
    for _ in range(2):
        start = time.perf_counter()
        arena.fill(task, case, layout=layout, sets=sets, key=inputs.fresh_key())
        arena.seal(task, case, layout=layout, sets=sets)
        arena.examine(task, case, layout=layout, sets=sets, seat=0, poison=0, rng=rng, full=False)
        arena.settle()
        seconds = time.perf_counter() - start
    arena.close()
    return seconds / len(sets)


class Indulgent:
    """A benchmark by which every output is right."""

    def __init__(self, benchmark: Any) -> None:
        self._benchmark = benchmark

    def __getattr__(self, name: str) -> Any:
        return getattr(self._benchmark, name)

    def tolerance(self, sizes: Mapping[str, int]) -> dict[str, float]:
        """No error is too large, whatever a case's sizes."""
        return {"max_element": math.inf, "rms": math.inf, "mismatch": 1.0, "coarse": 1.0}


def _measure_overheads(opened: Opened) -> None:
    """With a trusted candidate in each language whose time is known."""
    for language, text in opened.workplace.standards(opened.task).items():
        artifact = _trusted(opened, text, language=language, name=f"the candidate of known length in {language}")
        with opened.worker(artifact) as worker:
            stand, pauses_s = opened.stand(worker, opened.main), {0.0, opened.pace.turn_idle_s, opened.pace.idle_s}
            overheads = {idle_s: _overhead(stand.after(idle_s), opened.pace) for idle_s in sorted(pauses_s)}
        opened.overheads[language] = overheads


def _overhead(stand: Stand, pace: Pace) -> Overhead:
    """By the quantile that makes a score, after a refresh as before a batch: who stood still wakes slowly."""
    times = []
    for _ in range(OVERHEAD_BATCHES):
        stand.refresh(range(1), NO_KEY)
        times.append(stand.run(range(1), NO_KEY, deadline_s=5.0).reading.call_s)
    around = min(0.25, pace.quantile)
    low, typical, high = np.quantile(times, [pace.quantile - around, pace.quantile, pace.quantile + around])
    return Overhead(max(0.0, float(typical) - pace.standard_s), float(high - low))


def _trusted(opened: Opened, text: str, *, language: str, name: str) -> Path:
    with tempfile.NamedTemporaryFile("w", encoding="utf-8") as source:
        source.write(text)
        source.flush()
        built = opened.build(Path(source.name), language=language)
    if isinstance(built, BuildFailure):
        raise OpeningError(f"{name} does not build: {built.detail}")
    return built.artifact


@contextmanager
def _blame(source: Path) -> Iterator[None]:
    """Turn a failure of the task's vendor file into a fault of the task."""
    try:
        yield
    except (Failed, OpeningError, OSError) as error:
        raise TaskFault(f"{source.name}: {error}") from error


def _measure_vendor(opened: Opened) -> None:
    """Choose the better of the vendor's kernels; its time, its single calls, the A/A spread of several processes."""
    variants = _vendors(opened)
    if variants:
        opened.vendor = variants[0]
    if len(variants) > 1:
        opened.vendor = min(variants, key=lambda variant: _time_of(opened, variant, batches=VENDOR_TRIALS))
    yardstick = opened.vendor or _yardstick(opened)
    if yardstick is None:
        opened.spread = _spread(opened.workplace.probe_rates(opened.task.unit, processes=opened.pace.spread[0]))
        return
    processes, batches = opened.pace.spread
    times = [_time_of(opened, yardstick, batches=batches) for _ in range(processes)]
    opened.spread = _spread(times)
    opened.single_ratio = _single_ratio(opened, yardstick, batch_s=statistics.median(times))
    if opened.vendor:
        opened.vendor_s = statistics.median(times)


def _vendors(opened: Opened) -> list[Vendor]:
    if opened.task.vendor is None:
        return []
    source = opened.workplace.vendor_source(opened.task)
    language = next(iter(opened.workplace.standards(opened.task)))
    with _blame(source):
        artifact = _trusted(opened, source.read_text(encoding="utf-8"), language=language, name="the vendor line")
    return opened.workplace.vendors(artifact, memory_bytes=opened.profile.memory_bytes)


def _yardstick(opened: Opened) -> Vendor | None:
    """Where there is no vendor line: trusted work of about the same length, whatever its outputs."""
    if (found := opened.workplace.yardstick(opened.task)) is None:
        return None
    text, language = found
    return Vendor("yardstick", _trusted(opened, text, language=language, name="the yardstick"), opened.profile)


def _time_of(opened: Opened, vendor: Vendor, *, batches: int) -> float:
    readings: list[Reading] = []
    plan = opened_plan(opened, opened.main, pilot_s=FASTEST_PILOT_S)
    with opened.worker(vendor.artifact, profile=vendor.profile) as worker:
        stand = opened.stand(worker, opened.main, sets=plan.calls)
        for _ in range(batches + 1):
            key = inputs.fresh_key()
            stand.refresh(range(plan.calls), key)
            run = stand.run(range(plan.calls), key, deadline_s=opened.task.limits.call_s)
            if vendor is opened.vendor:
                with _blame(opened.workplace.vendor_source(opened.task)):
                    run.verify(np.random.default_rng(secrets.randbits(128)))
            readings.append(run.reading)
            if plan.as_graph:
                stand = stand.capture(range(plan.calls), deadline_s=opened.task.limits.call_s)
    # The first batch loads the library's code and allocates its buffers.
    return clock.score(readings[1:], quantile=opened.pace.quantile, rng=np.random.default_rng(0)).call_s


def _single_ratio(opened: Opened, vendor: Vendor, *, batch_s: float) -> float:
    """1 where a batch is a single call anyway."""
    if opened_plan(opened, opened.main, pilot_s=batch_s).calls == 1:
        return 1.0
    with opened.worker(vendor.artifact, profile=vendor.profile) as worker:
        stand = opened.stand(worker, opened.main).after(0.0)
        is_right = vendor is opened.vendor
        return audit.single_call_s(stand, is_right=is_right) / batch_s


def opened_plan(opened: Opened, case: Case, *, pilot_s: float) -> clock.Plan:
    """The plan of one case, its sets bounded by what the arena was sized for."""
    unit, workplace = opened.task.unit, opened.workplace
    fastest = opened.task.work(case) / workplace.ceiling(unit, suspected=0.0)
    return clock.plan(
        opened.task, case, pace=opened.pace, pilot_s=max(pilot_s, fastest), set_s=opened.set_s[case.name],
        cache_bytes=workplace.cache_bytes,
    )  # fmt: skip


def _spread(values: Sequence[float]) -> float:
    """Standard deviation as a fraction of the median, by the median absolute deviation.

    One disturbed process of five does not widen every interval of the run.
    """
    middle = statistics.median(values)
    return NORMAL_MAD * statistics.median(abs(value - middle) for value in values) / middle


def describe(opened: Opened) -> wire.Device:
    """What a reader of the run's numbers may ask for."""
    vendor, workplace = opened.vendor, opened.workplace
    line = vendor and wire.VendorLine(
        vendor.name, opened.vendor_s * 1e6, opened.utilization(opened.main, opened.vendor_s)
    )
    return wire.Device(
        name=workplace.name,
        kind=opened.task.device,
        peak=opened.peak,
        unit=opened.task.unit,
        isolation=int(workplace.isolation.level),
        spread=opened.spread,
        overhead_us=next(iter(opened.overheads.values()))[opened.pace.idle_s].seconds * 1e6,
        worker_core=workplace.worker_core,
        vendor=line or None,
        details=workplace.details(),
    )

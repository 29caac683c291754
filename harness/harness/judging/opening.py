"""Open a task on a device: allocate its memory and measure its calibration (peak, overheads, spread between processes)
before the first candidate is judged.

Everything is measured through the same workers that candidates get.
"""

import statistics
import tempfile
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np

from harness.checking import inputs
from harness.compiling.built import BuildFailure
from harness.contract import KEY_DIGITS, TIMING
from harness.devices import Device
from harness.devices.vendor import Vendor
from harness.errors import MachineError, TaskFault
from harness.judging import audit
from harness.judging.calibration import Overhead, VendorTime
from harness.judging.open_task import OpenTask
from harness.judging.sizing import FASTEST_PILOT_S, Sizing
from harness.task import Task
from harness.timing.failure import CandidateFailed
from harness.timing.plan import Pace
from harness.timing.score import BatchTime, score
from harness.timing.session import TimingSession
from harness.wire import messages as wire
from harness.worker import WorkerDied, WorkerOverdue

OVERHEAD_BATCHES: int = TIMING["calibration"]["overhead_batches"]
"""Number of batches that measure one dispatch overhead."""
NO_KEY = "0" * KEY_DIGITS
"""Placeholder key for the trusted candidate of known duration, which does not read its inputs."""
VENDOR_TRIALS: int = TIMING["vendor"]["trials"]
"""Number of batches that each of the vendor library's kernels runs to find the fastest."""
NORMAL_MAD = 1.4826
"""Ratio of the standard deviation to the median absolute deviation of a normal distribution."""

Announce = Callable[[str], object]
"""Callback that receives the name of each calibration step when the step begins."""


class OpeningError(Exception):
    """Exception: a trusted program of the harness, such as the candidate of known duration, does not build or gives
    wrong outputs, so the task cannot be opened. The message says which program and why.
    """


def open_task(task: Task, *, device: Device, calibration_s: float, progress: Announce = lambda step: None) -> OpenTask:
    """Open a task on a device: allocate its memory, measure its calibration (peak probes take `calibration_s` seconds),
    and return it. The callback `progress` receives the name of each step and returns nothing. Raises OpeningError if a
    trusted program fails, TaskFault if the vendor file or the task's unit is unusable, MachineError if the machine
    cannot judge or a worker dies.
    """
    progress("peak")
    device.calibrate(task.unit, seconds=calibration_s)
    device.peak(task.unit)
    progress("memory")
    opened = Sizing(task, device).opened()
    try:
        return Calibrator(opened).calibrate(progress)
    except (CandidateFailed, WorkerDied, WorkerOverdue, MachineError, OpeningError, TaskFault) as error:
        fault = _fault(error)
    # The traceback of the first exception holds views of the memory, which keep it from being closed.
    opened.close()
    raise fault


def _fault(error: Exception) -> Exception:
    """Return (not raise) the exception that `open_task` raises when calibration failed with `error`: OpeningError for
    CandidateFailed, MachineError for a worker that ended or missed its deadline, and otherwise the same type. The new
    exception has no traceback, which would keep the task's memory alive.
    """
    if isinstance(error, CandidateFailed):
        return OpeningError(f"a trusted program failed during calibration: {error}")
    if isinstance(error, WorkerDied | WorkerOverdue):
        return MachineError(f"a trusted program failed during calibration: {error}")
    return type(error)(str(error))


class Calibrator:
    """Measures the calibration of the open task `opened` step by step and stores each result in the task's
    `calibration`. It starts the same kind of workers that candidates get. `open_task` makes one and calls `calibrate`.
    """

    def __init__(self, opened: OpenTask) -> None:
        self.opened = opened
        """The task, with the part of its calibration that is measured so far."""

    def calibrate(self, progress: Announce) -> OpenTask:
        """Measure dispatch overheads, the vendor's library and the spread between processes, and return the task with
        its complete calibration. The callback `progress` receives the name of each step. Raises CandidateFailed,
        OpeningError, WorkerDied (worker ended) or WorkerOverdue (deadline missed) if a trusted program fails, and
        TaskFault if the vendor file does.
        """
        progress("dispatch overhead")
        self._add(overheads=self._overheads())
        progress("vendor line")
        vendor = self._fastest_vendor()
        progress("process spread")
        self._add_spread(vendor)
        return self.opened

    def _add(self, **measured: Any) -> None:
        self.opened = replace(self.opened, calibration=replace(self.opened.calibration, **measured))

    # --- dispatch overhead ------------------------------------------------------------------------------------------

    def _overheads(self) -> dict[str, dict[float, Overhead]]:
        """Measure the dispatch overheads (seconds of a batch beyond the candidate's work) with trusted candidates of
        known duration. Return them as a dict from language to a dict from the idle seconds before a batch to the
        Overhead. Raises OpeningError if a trusted candidate does not build, and WorkerDied or WorkerOverdue if its
        worker ended or missed its deadline.
        """
        opened, pace = self.opened, self.opened.pace
        idle_times_s = sorted({0.0, pace.turn_idle_s, pace.idle_s})
        overheads = {}
        for language, text in opened.device.standards(opened.task).items():
            artifact = self._trusted(text, language=language, name=f"the candidate of known duration in {language}")
            with opened.worker(artifact) as worker:
                session = opened.session(worker, opened.main)
                overheads[language] = {idle_s: overhead(session.after(idle_s), pace) for idle_s in idle_times_s}
        return overheads

    def _trusted(self, text: str, *, language: str, name: str) -> Path:
        with tempfile.NamedTemporaryFile("w", encoding="utf-8") as source:
            source.write(text)
            source.flush()
            built = self.opened.build(Path(source.name), language=language)
        if isinstance(built, BuildFailure):
            raise OpeningError(f"{name} does not build: {built.detail}")
        return built.artifact

    # --- vendor line and process spread -----------------------------------------------------------------------------

    def _fastest_vendor(self) -> Vendor | None:
        """Return the fastest kernel of the vendor's library: time each one, unless there is only one. Return None if
        the task has no vendor file or the library is not installed. Raises TaskFault if the vendor file does not build
        or gives wrong outputs, WorkerDied if its worker ended, and WorkerOverdue if it missed its deadline.
        """
        variants = self._vendors()
        if len(variants) < 2:
            return next(iter(variants), None)
        return min(variants, key=lambda variant: self._time_of(variant, batches=VENDOR_TRIALS, is_vendor=True))

    def _vendors(self) -> list[Vendor]:
        """Build the task's vendor file and return a list with one Vendor for each kernel of the library to try; empty
        if the task has no vendor file or the library is not installed. Raises TaskFault if the vendor file is missing
        or does not build.
        """
        opened = self.opened
        if opened.task.vendor is None:
            return []
        source = opened.device.vendor_source(opened.task)
        with _as_task_fault(source):
            text, language = source.read_text(encoding="utf-8"), opened.calibration.trusted_language
            artifact = self._trusted(text, language=language, name="the vendor line")
        return opened.device.vendors(artifact, memory_bytes=opened.profile.memory_bytes)

    def _add_spread(self, vendor: Vendor | None) -> None:
        """Time a trusted kernel in several processes and add to the calibration the spread between processes, the ratio
        of a single call's time to the time per call in batches, and, if `vendor` (a kernel of the vendor's library) is
        not None, its seconds per call. Raises TaskFault if an output is wrong, OpeningError if the kernel does not
        build, WorkerDied or WorkerOverdue if a worker fails.

        The trusted kernel is `vendor`; without one, another trusted kernel of the device; without either, the probe of
        the peak, which gives only the spread.
        """
        opened, is_vendor = self.opened, vendor is not None
        processes, batches = opened.pace.spread
        trusted = vendor or self._trusted_kernel()
        if trusted is None:
            self._add(spread=spread_of(opened.device.probe_rates(opened.task.unit, processes=processes)))
            return
        times = [self._time_of(trusted, batches=batches, is_vendor=is_vendor) for _ in range(processes)]
        call_s = statistics.median(times)
        ratio = self._single_ratio(trusted, batch_s=call_s, is_vendor=is_vendor)
        measured = VendorTime(vendor, call_s) if vendor else None
        self._add(spread=spread_of(times), single_ratio=ratio, vendor=measured)

    def _trusted_kernel(self) -> Vendor | None:
        """Build the device's trusted kernel, which belongs to the judge and takes about as long per call as a good
        candidate, and return it as a Vendor (name, build, worker limits); None if the device has none. Only its time is
        used, so its outputs are not verified. Raises OpeningError if it does not build.
        """
        opened = self.opened
        if (kernel := opened.device.trusted_kernel(opened.task)) is None:
            return None
        text, language = kernel
        return Vendor(
            "trusted kernel", self._trusted(text, language=language, name="the trusted kernel"), opened.profile
        )

    def _time_of(self, vendor: Vendor, *, batches: int, is_vendor: bool) -> float:
        """Time a trusted kernel in the main case in a new worker process, and return its score in seconds per call: the
        quantile of `batches` batches that also scores candidates. `vendor` holds the kernel's build and the limits of
        its worker; with `is_vendor`, every output is verified, and TaskFault is raised if one is wrong. Raises
        WorkerDied if the worker ended, and WorkerOverdue if it missed its deadline.
        """
        opened, times = self.opened, list[BatchTime]()
        plan = opened.plan(opened.main, pilot_s=FASTEST_PILOT_S)
        with opened.worker(vendor.artifact, profile=vendor.profile) as worker:
            session, sets = opened.session(worker, opened.main, sets=plan.calls), range(plan.calls)
            for _ in range(batches + 1):
                key = inputs.fresh_key()
                session.refresh(sets, key)
                batch = session.run(sets, key)
                if is_vendor:
                    with _as_task_fault(opened.device.vendor_source(opened.task)):
                        batch.verify()
                times.append(batch.time)
                if plan.as_graph:
                    session = session.capture(sets)
        # The first batch also loads the library's code and allocates its buffers, so it is left out.
        return score(times[1:], quantile=opened.pace.quantile, rng=np.random.default_rng(0)).call_s

    def _single_ratio(self, vendor: Vendor, *, batch_s: float, is_vendor: bool) -> float:
        """Return the ratio of two times of a trusted kernel in the main case: seconds of a call in a batch of its own,
        divided by `batch_s`, the seconds per call in batches of many; 1.0 if a planned batch holds only one call.
        `vendor` holds the kernel's build and the limits of its worker; with `is_vendor`, every output is verified.
        Raises CandidateFailed if one is wrong, WorkerDied if the worker ended, and WorkerOverdue if it missed its
        deadline.
        """
        opened = self.opened
        if opened.plan(opened.main, pilot_s=batch_s).calls == 1:
            return 1.0
        with opened.worker(vendor.artifact, profile=vendor.profile) as worker:
            session = opened.session(worker, opened.main).after(0.0)
            return audit.single_call_s(session, is_verified=is_vendor) / batch_s


def overhead(session: TimingSession, pace: Pace) -> Overhead:
    """Time OVERHEAD_BATCHES batches of known duration (`pace.standard_s`) in `session`, and return the dispatch
    overhead as an Overhead, both fields in seconds. `seconds` is the quantile `pace.quantile` of the batch times minus
    the known duration, at least 0; `scatter_s` is the distance between the quantiles up to 0.25 below and above it.
    Raises WorkerDied if the worker ended, and WorkerOverdue if it missed its deadline.

    Inputs are refreshed before each batch, as they are for candidates, because a worker that was stopped resumes
    slowly.
    """
    times = []
    for _ in range(OVERHEAD_BATCHES):
        session.refresh(range(1), NO_KEY)
        times.append(session.run(range(1), NO_KEY).time.call_s)
    around = min(0.25, pace.quantile)
    low, typical, high = np.quantile(times, [pace.quantile - around, pace.quantile, pace.quantile + around])
    return Overhead(max(0.0, float(typical) - pace.standard_s), float(high - low))


@contextmanager
def _as_task_fault(source: Path) -> Iterator[None]:
    """Run the `with` block, which builds or runs the task's vendor file at the path `source`. A CandidateFailed,
    OpeningError or OSError from the block becomes a TaskFault with the name of the file, because the task's author must
    mend it. Yields None.
    """
    try:
        yield
    except (CandidateFailed, OpeningError, OSError) as error:
        raise TaskFault(f"{source.name}: {error}") from error


def spread_of(values: Sequence[float]) -> float:
    """Return the standard deviation of `values`, such as the seconds per call in several processes, as a fraction of
    their median. It is estimated from the median absolute deviation, so one outlier of five hardly changes it. Raises
    statistics.StatisticsError if there are no values.
    """
    middle = statistics.median(values)
    return NORMAL_MAD * statistics.median(abs(value - middle) for value in values) / middle


def describe(opened: OpenTask) -> wire.Device:
    """Return the wire message that the judge sends to the agent in answer to an `open` request: the device's name,
    kind, peak and unit, sandbox level, spread between processes, dispatch overhead, vendor's library, and further
    details as text.
    """
    calibration, device = opened.calibration, opened.device
    vendor = calibration.vendor
    return wire.Device(
        name=device.name,
        kind=device.kind,
        peak=calibration.peak,
        unit=opened.task.unit,
        isolation=int(device.isolation.level),
        spread=calibration.spread,
        overhead_us=calibration.overheads_s(calibration.trusted_language)[opened.pace.idle_s] * 1e6,
        worker_core=device.worker_core,
        vendor=wire.VendorLine(
            vendor.vendor.name, vendor.call_s * 1e6, opened.utilization(opened.main, vendor.call_s)
        ) if vendor else None,
        details=device.details(),
    )  # fmt: skip

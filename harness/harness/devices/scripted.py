"""A device that follows a script: times, failures, disturbances and ends of workers come from a file, and the clock is
simulated.

Nothing is built or run, so whole judgements and searches take milliseconds, and the same script always gives the same
numbers. Its kind is `scripted` wherever its numbers appear, because they are not measurements.
"""

import random
from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from contextlib import AbstractContextManager, contextmanager, nullcontext
from dataclasses import dataclass, replace
from pathlib import Path

from harness.compiling.built import BuildFailure, Built
from harness.contract import TIMING, pace
from harness.devices import script
from harness.devices.script import Behaviour, Script, ScriptedEvent
from harness.devices.vendor import Vendor
from harness.errors import MachineError
from harness.memory import Memory
from harness.memory.scripted import BatchOutcome, ScriptedMemory
from harness.sandbox import launcher as sandbox
from harness.task import Task
from harness.timing.plan import Pace
from harness.wire import messages as wire
from harness.worker import Profile, Worker, WorkerDied, WorkerOverdue
from harness.worker.batch_request import CAPTURE, BatchRequest

STANDARD = "candidate of known duration"
"""Source of the trusted candidate that measures the dispatch overhead."""
AS_VENDOR = {"SCRIPTED": "vendor"}
"""Environment by which the worker of the vendor line is recognized."""
PHYSICS: float = TIMING["calibration"]["physics"]
"""A rate above this multiple of the script's peak is refused as dishonest."""


class ScriptedClock:
    """A simulated clock: time passes only when a method advances it; see timing.clock.Clock."""

    def __init__(self) -> None:
        self._now_ns = 0
        self.next_ns = 0
        """Moment in nanoseconds at which the running worker finishes its batch."""

    def now_ns(self) -> int:
        """Return the nanoseconds since the clock was made."""
        return self._now_ns

    def sleep(self, seconds: float) -> None:
        """Advance the clock by a number of seconds."""
        self._now_ns += round(seconds * 1e9)

    def wait_until(self, moment_ns: int, *, or_until: Callable[[], bool]) -> None:
        """Advance the clock to a moment, or to the end of the running batch if that comes first and `or_until()` is
        then True.
        """
        if self._now_ns < self.next_ns <= moment_ns:
            self._now_ns = self.next_ns
        if not or_until():
            self._now_ns = max(self._now_ns, moment_ns)


class ScriptedDevice:
    """A device whose times and failures come from a script; see Device."""

    kind = "scripted"

    def __init__(self, device_script: Script, *, isolation: sandbox.Isolation) -> None:
        self.script = device_script
        self.isolation = isolation
        self.cache_bytes = device_script.cache_bytes
        self.clock = ScriptedClock()
        self.random_source = random.Random(device_script.seed)
        self.noise = random.Random(device_script.seed + 1)
        """Draws the variation of batch times."""
        self.disturbances: list[str] = []
        """Descriptions of other work on the device, from the batches since the last monitor was made."""
        self._sources: dict[Path, tuple[str, str]] = {}
        """Source text and language of each built candidate, by artifact."""
        self._started: Counter[tuple[str, bool]] = Counter()
        """Number of workers started so far, by source text and whether it ran as the vendor line."""
        self._checks = 0
        """Number of checks for other processes so far."""
        self._standard_s = 0.0
        """Seconds that the trusted candidate of known duration takes."""

    @classmethod
    def of_file(cls, path: Path, *, isolation: sandbox.Isolation) -> "ScriptedDevice":
        """Return the device that a script in a TOML file describes. Raises TaskFault if the file cannot be read or
        holds a wrong key or value.
        """
        return cls(script.read(path), isolation=isolation)

    @property
    def name(self) -> str:
        """Return the device's name from the script."""
        return self.script.name

    @property
    def worker_core(self) -> int | None:
        """Return None: no core is reserved, because no candidate runs."""
        return None

    def pace(self, task: Task) -> Pace:
        """Return the timing constants that the script names, or those of the task's kind of device."""
        return Pace(**pace(self.script.pace or task.device))

    def calibrate(self, unit: str, *, seconds: float) -> None:
        """Advance the clock by the seconds that a real calibration takes."""
        self.clock.sleep(seconds)

    def peak(self, unit: str) -> float:
        """Return the script's peak in units per second, the same for every unit."""
        return self.script.peak

    def ceiling(self, unit: str, *, suspected: float) -> float:
        """Return the highest honest rate: the script's peak times a constant."""
        return PHYSICS * self.script.peak

    def build(self, source: Path, task: Task, *, language: str) -> Built | BuildFailure:
        """Store the source text and return the source file as the artifact, or return the failure that the script sets
        for this source.
        """
        text = source.read_text(encoding="utf-8")
        failure = None if text == STANDARD else self.script.behaviour(text).build
        if failure:
            return BuildFailure(failure.detail, self.script.build_s, status=failure.status)
        is_cached = source in self._sources
        self.clock.sleep(0.0 if is_cached else self.script.build_s)
        self._sources[source] = (text, language)
        return Built(source, wire.Facts(), self.script.build_s, is_cached)

    def inspected(self, built: Built) -> AbstractContextManager[Callable[[], wire.Facts]]:
        """Give the `with` block a function that returns the facts of the build; there is no machine code to read."""
        return nullcontext(lambda: built.facts)

    def standards(self, task: Task) -> dict[str, str]:
        """Return the placeholder text of the trusted candidate of known duration, for every language of the task."""
        self._standard_s = self.pace(task).standard_s
        return dict.fromkeys(task.languages, STANDARD)

    def memory(self, *, input_bytes: int, output_bytes: int, slots: int = 2) -> ScriptedMemory:
        """Return memory that holds no bytes and answers as the script says."""
        return ScriptedMemory(self.clock.sleep, self.script.set_s)

    @contextmanager
    def worker(self, artifact: Path, *, memory: Memory, slot: int, profile: Profile) -> Iterator[Worker]:
        """Start a worker that behaves as the script says for its source text; see Device."""
        assert isinstance(memory, ScriptedMemory)
        is_vendor = profile.environment == AS_VENDOR
        text, language = self._sources[artifact]
        number = self._started[text, is_vendor]
        self._started[text, is_vendor] += 1
        yield ScriptedWorker(self, memory, _Role(language, self._behaviour(text, is_vendor=is_vendor), slot, number))

    def _behaviour(self, text: str, *, is_vendor: bool) -> Behaviour:
        """Return the behaviour of a source text: its entry in the script, with all matching factors on its times, or
        the time of the vendor line if `is_vendor`.
        """
        if text == STANDARD:
            return Behaviour(call_s=self._standard_s)
        if is_vendor and self.script.vendor:
            return Behaviour(call_s=self.script.vendor.call_s)
        behaviour, factor = self.script.behaviour(text), self.script.factor(text)
        return replace(behaviour, call_s=behaviour.call_s * factor, single_s=behaviour.single_s * factor)

    def vendor_source(self, task: Task) -> Path:
        """Return the path of the vendor file for the task's kind of device: vendor.c or vendor.cu."""
        return task.folder / ("vendor.c" if task.device == "cpu" else "vendor.cu")

    def vendors(self, artifact: Path, *, memory_bytes: int) -> list[Vendor]:
        """Return the script's vendor line as a list of one; empty if the script has none."""
        vendor = self.script.vendor
        return [Vendor(vendor.name, artifact, Profile(memory_bytes, environment=AS_VENDOR))] if vendor else []

    def trusted_kernel(self, task: Task) -> None:
        """Return None: the process spread comes from `probe_rates`."""

    def share_at(self, unit: str, *, clock_mhz: float) -> None:
        """Return None: a scripted device has no clock readings."""

    def probe_rates(self, unit: str, *, processes: int) -> list[float]:
        """Return the script's peak for each process, varied by the script's jitter."""
        return [self.script.peak * self.scattered(1.0) for _ in range(processes)]

    def scattered(self, seconds: float) -> float:
        """Return a number of seconds varied by the script's jitter, but at least a tenth of it."""
        return seconds * max(0.1, 1 + self.noise.gauss(0, self.script.jitter))

    def observe(self) -> Mapping[str, float]:
        """Return an empty mapping: a scripted device has no telemetry."""
        return {}

    def require_no_other_processes(self, *, workers: int = 0) -> None:
        """Raise MachineError at the checks that the script lists in `other_processes_at`."""
        check, self._checks = self._checks, self._checks + 1
        if check in self.script.other_processes_at:
            raise MachineError(f"another process computes on {self.name}, as its script says")

    def monitor(self, *workers: Worker) -> "ScriptedMonitor":
        """Forget earlier disturbances and return a monitor that reports those from now on."""
        self.disturbances.clear()
        return ScriptedMonitor(self)

    def details(self) -> dict[str, str]:
        """Return a description of the script as text by name."""
        return {"script": f"{len(self.script.candidates)} candidates, jitter {self.script.jitter:g}; nothing is run"}


@dataclass(frozen=True)
class ScriptedMonitor:
    """Reports the disturbances that the script sets; see devices.Monitor."""

    device: ScriptedDevice

    def look(self, *, batches: int = 1) -> None:
        """Do nothing: the worker stores each disturbance when it happens."""

    def disturbance(self) -> str:
        """Return what disturbed the batches since the monitor was made, in words; an empty string if nothing did."""
        return "; ".join(self.device.disturbances)


@dataclass(frozen=True, slots=True)
class _Role:
    """What one scripted worker does: its language, behaviour, slot and number."""

    language: str
    behaviour: Behaviour
    slot: int
    number: int
    """Number of workers that the same candidate had before."""


class ScriptedWorker:
    """A worker that runs nothing and behaves as the script says; see worker.Worker."""

    def __init__(self, device: ScriptedDevice, memory: ScriptedMemory, role: _Role) -> None:
        self._device, self._memory, self._role = device, memory, role
        self._batch = -1
        self._done_ns = 0
        self._orders: BatchRequest | None = None
        self._captured = False
        self._is_alive = True

    @property
    def language(self) -> str:
        """Return the language of the candidate."""
        return self._role.language

    @property
    def pid(self) -> int:
        """Return 0: there is no process."""
        return 0

    def wait_ready(self) -> None:
        """Return at once, or raise WorkerDied or WorkerOverdue if the script says so for loading."""
        self._raise(self._event)

    def send_batch(self, orders: BatchRequest) -> None:
        """Store the request for the next batch."""
        self._orders = orders
        self._batch += orders.manner != CAPTURE

    def start_batch(self) -> None:
        """Begin the requested batch and compute when it ends, or capture the calls."""
        assert self._orders is not None
        assert self._is_alive
        if self._orders.manner == CAPTURE:
            self._captured = self._role.behaviour.captures
            return
        seconds = self._device.script.overhead_s + self._call_s * len(self._orders.offsets)
        self._done_ns = self._device.clock.now_ns() + round(self._device.scattered(seconds) * 1e9)
        self._device.clock.next_ns = self._done_ns

    @property
    def is_done(self) -> bool:
        """Return whether the batch is over."""
        return self._device.clock.now_ns() >= self._done_ns

    @property
    def has_captured(self) -> bool:
        """Return whether the calls were captured as a graph."""
        return self._captured

    def wait_done(self, deadline_s: float) -> None:
        """Advance the clock to the end of the batch and store its outcome, or raise WorkerDied or WorkerOverdue if the
        script says so.
        """
        assert self._orders is not None
        if self._orders.manner == CAPTURE:
            return
        event = self._event
        self._raise(event, deadline_s=deadline_s)
        self._device.clock.wait_until(self._done_ns, or_until=lambda: False)
        self._memory.record_outcome(self._role.slot, _outcome(event))
        if event.disturbed:
            self._device.disturbances.append(event.disturbed)

    def stop(self) -> None:
        """Do nothing: no process runs."""

    def kill(self) -> None:
        """Mark the worker as ended; it starts no further batch."""
        self._is_alive = False

    @property
    def _event(self) -> ScriptedEvent:
        return self._role.behaviour.event(worker=self._role.number, batch=self._batch)

    @property
    def _call_s(self) -> float:
        behaviour = self._role.behaviour
        is_single = self._orders is not None and len(self._orders.offsets) == 1 and behaviour.single_s
        return self._event.call_s or (behaviour.single_s if is_single else behaviour.call_s)

    def _raise(self, event: ScriptedEvent, *, deadline_s: float = 0.0) -> None:
        if event.died:
            raise WorkerDied(event.died)
        if event.overdue:
            self._device.clock.sleep(deadline_s)
            raise WorkerOverdue(f"no answer within {deadline_s:.3g} s")


def _outcome(event: ScriptedEvent) -> BatchOutcome:
    return BatchOutcome(
        mistake=event.mistake,
        tampered=event.tampered,
        busy=event.busy,
        excess=event.excess,
        late_samples=event.late_samples,
        overrun=event.overrun,
    )

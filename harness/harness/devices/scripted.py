"""A device that does what a script says: readings, failures, disturbances and deaths, in time that passes by script.

Nothing is built or run, so whole judgements and searches take milliseconds and the same script gives the same numbers.
The kind of such a device is `scripted` wherever its numbers stand: they are no measurements.
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
"""Text of the trusted candidate by which the dispatch overhead is measured."""
AS_VENDOR = {"SCRIPTED": "vendor"}
"""Environment of the vendor's worker: its candidate is whatever the task ships."""
PHYSICS: float = TIMING["calibration"]["physics"]
"""A rate above this multiple of the peak cannot be honest."""


class ScriptedClock:
    """A clock that stands still until it is told that time passes; see timing.clock.Clock."""

    def __init__(self) -> None:
        self._now_ns = 0
        self.next_ns = 0
        """The moment at which a worker is done next."""

    def now_ns(self) -> int:
        """Return the nanoseconds since the clock was made."""
        return self._now_ns

    def sleep(self, seconds: float) -> None:
        """Let time pass."""
        self._now_ns += round(seconds * 1e9)

    def wait_until(self, moment_ns: int, *, or_until: Callable[[], bool]) -> None:
        """Let time pass until a moment, or until a worker is done if the condition holds then."""
        if self._now_ns < self.next_ns <= moment_ns:
            self._now_ns = self.next_ns
        if not or_until():
            self._now_ns = max(self._now_ns, moment_ns)


class ScriptedDevice:
    """See Device."""

    kind = "scripted"

    def __init__(self, doing: Script, *, isolation: sandbox.Isolation) -> None:
        self.script = doing
        self.isolation = isolation
        self.cache_bytes = doing.cache_bytes
        self.clock = ScriptedClock()
        self.random_source = random.Random(doing.seed)
        self.noise = random.Random(doing.seed + 1)
        self.disturbances: list[str] = []
        """Descriptions of other work on the device, in the batches since the last monitor was made."""
        self._sources: dict[Path, tuple[str, str]] = {}
        """Text and language of what was built."""
        self._started: Counter[tuple[str, bool]] = Counter()
        self._looks = 0
        self._standard_s = 0.0
        """Seconds that the candidate of known duration takes."""

    @classmethod
    def of_file(cls, path: Path, *, isolation: sandbox.Isolation) -> "ScriptedDevice":
        """Return the device that a script in a TOML file describes. Raises TaskFault: the file is wrong."""
        return cls(script.read(path), isolation=isolation)

    @property
    def name(self) -> str:
        """The script's name for it."""
        return self.script.name

    @property
    def worker_core(self) -> int | None:
        """None: nothing runs."""
        return None

    def pace(self, task: Task) -> Pace:
        """Return the pace of the script, or of the task's kind of device."""
        return Pace(**pace(self.script.pace or task.device))

    def calibrate(self, unit: str, *, seconds: float) -> None:
        """Let the time pass that a real calibration takes."""
        self.clock.sleep(seconds)

    def peak(self, unit: str) -> float:
        """Return the script's peak, whatever the unit."""
        return self.script.peak

    def ceiling(self, unit: str, *, suspected: float) -> float:
        """Return the highest rate that the script's physics allows."""
        return PHYSICS * self.script.peak

    def build(self, source: Path, task: Task, *, language: str) -> Built | BuildFailure:
        """Remember the text, or fail as the script says."""
        text = source.read_text(encoding="utf-8")
        failure = None if text == STANDARD else self.script.behaviour(text).build
        if failure:
            return BuildFailure(failure.detail, self.script.build_s, status=failure.status)
        is_cached = source in self._sources
        self.clock.sleep(0.0 if is_cached else self.script.build_s)
        self._sources[source] = (text, language)
        return Built(source, wire.Facts(), self.script.build_s, is_cached)

    def inspected(self, built: Built) -> AbstractContextManager[Callable[[], wire.Facts]]:
        """Return the build's facts: there is no machine code."""
        return nullcontext(lambda: built.facts)

    def standards(self, task: Task) -> dict[str, str]:
        """Return the candidate of known duration in every language of the task."""
        self._standard_s = self.pace(task).standard_s
        return dict.fromkeys(task.languages, STANDARD)

    def memory(self, *, input_bytes: int, output_bytes: int, slots: int = 2) -> ScriptedMemory:
        """Return memory without bytes."""
        return ScriptedMemory(self.clock.sleep, self.script.set_s)

    @contextmanager
    def worker(self, artifact: Path, *, memory: Memory, slot: int, profile: Profile) -> Iterator[Worker]:
        """Start a worker that does what the script says of its source."""
        assert isinstance(memory, ScriptedMemory)
        is_vendor = profile.environment == AS_VENDOR
        text, language = self._sources[artifact]
        number = self._started[text, is_vendor]
        self._started[text, is_vendor] += 1
        yield ScriptedWorker(self, memory, _Part(language, self._behaviour(text, is_vendor=is_vendor), slot, number))

    def _behaviour(self, text: str, *, is_vendor: bool) -> Behaviour:
        if text == STANDARD:
            return Behaviour(call_s=self._standard_s)
        if is_vendor and self.script.vendor:
            return Behaviour(call_s=self.script.vendor.call_s)
        behaviour, factor = self.script.behaviour(text), self.script.factor(text)
        return replace(behaviour, call_s=behaviour.call_s * factor, single_s=behaviour.single_s * factor)

    def vendor_source(self, task: Task) -> Path:
        """Return the file that the device of the task's kind takes."""
        return task.folder / ("vendor.c" if task.device == "cpu" else "vendor.cu")

    def vendors(self, artifact: Path, *, memory_bytes: int) -> list[Vendor]:
        """Return the script's vendor line, if it has one."""
        vendor = self.script.vendor
        return [Vendor(vendor.name, artifact, Profile(memory_bytes, environment=AS_VENDOR))] if vendor else []

    def trusted_kernel(self, task: Task) -> None:
        """Return None: the probe rates are the script's."""

    def share_at(self, unit: str, *, clock_mhz: float) -> None:
        """Return None: no clock is sampled."""

    def probe_rates(self, unit: str, *, processes: int) -> list[float]:
        """Return rates that scatter as batches do."""
        return [self.script.peak * self.scattered(1.0) for _ in range(processes)]

    def scattered(self, seconds: float) -> float:
        """Return a time with the script's jitter; it is never less than a tenth of itself."""
        return seconds * max(0.1, 1 + self.noise.gauss(0, self.script.jitter))

    def observe(self) -> Mapping[str, float]:
        """Return nothing: there is no telemetry."""
        return {}

    def require_no_other_processes(self, *, workers: int = 0) -> None:
        """Raise MachineError at the looks that the script names."""
        look, self._looks = self._looks, self._looks + 1
        if look in self.script.other_processes_at:
            raise MachineError(f"another process computes on {self.name}, says its script")

    def monitor(self, *workers: Worker) -> "ScriptedMonitor":
        """Return a monitor of the disturbances from now on."""
        self.disturbances.clear()
        return ScriptedMonitor(self)

    def details(self) -> dict[str, str]:
        """Return what makes its numbers."""
        return {"script": f"{len(self.script.candidates)} candidates, jitter {self.script.jitter:g}; nothing was run"}


@dataclass(frozen=True)
class ScriptedMonitor:
    """Reports the disturbances of the script; see devices.Monitor."""

    device: ScriptedDevice

    def look(self, *, batches: int = 1) -> None:
        """Do nothing: disturbances are noted when they record_outcome."""

    def disturbance(self) -> str:
        """Return what disturbed the batches since the monitor was made."""
        return "; ".join(self.device.disturbances)


@dataclass(frozen=True, slots=True)
class _Part:
    """A worker's part in the script."""

    language: str
    behaviour: Behaviour
    slot: int
    number: int
    """Workers that the candidate had before."""


class ScriptedWorker:
    """A worker that runs nothing; see worker.Worker."""

    def __init__(self, device: ScriptedDevice, memory: ScriptedMemory, part: _Part) -> None:
        self._device, self._memory, self._part = device, memory, part
        self._batch = -1
        self._done_ns = 0
        self._orders: BatchRequest | None = None
        self._captured = False
        self._is_alive = True

    @property
    def language(self) -> str:
        """Language of the candidate."""
        return self._part.language

    @property
    def pid(self) -> int:
        """Return 0: there is no process."""
        return 0

    def wait_ready(self) -> None:
        """Raise what the script says of loading."""
        self._raise(self._event)

    def send_batch(self, orders: BatchRequest) -> None:
        """Note the next batch."""
        self._orders = orders
        self._batch += orders.manner != CAPTURE

    def start_batch(self) -> None:
        """Begin the batch."""
        assert self._orders is not None
        assert self._is_alive
        if self._orders.manner == CAPTURE:
            self._captured = self._part.behaviour.captures
            return
        seconds = self._device.script.overhead_s + self._call_s * len(self._orders.offsets)
        self._done_ns = self._device.clock.now_ns() + round(self._device.scattered(seconds) * 1e9)
        self._device.clock.next_ns = self._done_ns

    @property
    def is_done(self) -> bool:
        """True if the batch is over."""
        return self._device.clock.now_ns() >= self._done_ns

    @property
    def has_captured(self) -> bool:
        """True if the calls were captured as a graph."""
        return self._captured

    def wait_done(self, deadline_s: float) -> None:
        """Let the batch's time pass, or raise what the script says of it."""
        assert self._orders is not None
        if self._orders.manner == CAPTURE:
            return
        event = self._event
        self._raise(event, deadline_s=deadline_s)
        self._device.clock.wait_until(self._done_ns, or_until=lambda: False)
        self._memory.record_outcome(self._part.slot, _outcome(event))
        if event.disturbed:
            self._device.disturbances.append(event.disturbed)

    def stop(self) -> None:
        """Do nothing: it stands still."""

    def kill(self) -> None:
        """End the worker."""
        self._is_alive = False

    @property
    def _event(self) -> ScriptedEvent:
        return self._part.behaviour.event(worker=self._part.number, batch=self._batch)

    @property
    def _call_s(self) -> float:
        behaviour = self._part.behaviour
        is_alone = self._orders is not None and len(self._orders.offsets) == 1 and behaviour.single_s
        return self._event.call_s or (behaviour.single_s if is_alone else behaviour.call_s)

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

"""A simulated device that follows a script: times, failures, disturbances and ends of workers come from a file or from
Python values, and its clock is simulated.

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
    """A simulated clock: its time in nanoseconds starts at 0 and passes only when a method advances it. It also holds
    the moment at which the running scripted worker finishes its batch, so that `wait_until` can stop there.
    ScriptedDevice makes one.
    """

    def __init__(self) -> None:
        self._now_ns = 0
        self.next_ns = 0
        """Moment in nanoseconds at which the running worker finishes its batch."""

    def now_ns(self) -> int:
        """Return the simulated nanoseconds since the clock was made."""
        return self._now_ns

    def sleep(self, seconds: float) -> None:
        """Advance the simulated clock by `seconds` seconds and return at once."""
        self._now_ns += round(seconds * 1e9)

    def wait_until(self, moment_ns: int, *, or_until: Callable[[], bool]) -> None:
        """Advance the simulated clock to the moment `moment_ns` (nanoseconds), or to the end of the running batch if
        that is earlier and the callback `or_until`, which takes no arguments, then returns True. Return at once.
        """
        if self._now_ns < self.next_ns <= moment_ns:
            self._now_ns = self.next_ns
        if not or_until():
            self._now_ns = max(self._now_ns, moment_ns)


class ScriptedDevice:
    """A simulated device that builds and runs nothing: `device_script` sets the times and failures of every candidate,
    and `isolation` is the sandbox level that verdicts report. It holds a simulated clock and seeded random generators,
    so the same script gives the same numbers.
    """

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
        """Read a script from the TOML file at `path` and return a device that follows it; `isolation` is the sandbox
        level that verdicts report. Raises TaskFault if the file cannot be read or holds a wrong key or value.
        """
        return cls(script.read(path), isolation=isolation)

    @property
    def name(self) -> str:
        """Return the device's name, which the script sets."""
        return self.script.name

    @property
    def worker_core(self) -> int | None:
        """Return None: no core is reserved for candidates, because none of them runs."""
        return None

    def pace(self, task: Task) -> Pace:
        """Return the constants by which candidates are timed: those of the kind of device that the script names (`cpu`
        or `cuda`), or else of the task's kind.
        """
        return Pace(**pace(self.script.pace or task.device))

    def calibrate(self, unit: str, *, seconds: float) -> None:
        """Advance the simulated clock by `seconds` seconds, as a real calibration would take. Nothing is measured,
        `unit` is not used, and nothing is raised.
        """
        self.clock.sleep(seconds)

    def peak(self, unit: str) -> float:
        """Return the script's peak rate in units per second (operations, or bytes for `dram`), which is the same for
        every unit.
        """
        return self.script.peak

    def ceiling(self, unit: str, *, suspected: float) -> float:
        """Return the highest rate that the judge believes, in units per second: the script's peak times PHYSICS, a
        factor slightly above 1. `unit` and `suspected` are not used.
        """
        return PHYSICS * self.script.peak

    def build(self, source: Path, task: Task, *, language: str) -> Built | BuildFailure:
        """Remember the text of the file `source` and return Built with that file as the artifact, or return the
        BuildFailure that the script sets for this text. Advances the clock by the script's build time. Raises OSError
        if the file cannot be read, and TaskFault if no entry of the script matches.
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
        """Yield a function without arguments that returns the facts of the build `built` at once; they are empty,
        because there is no machine code.
        """
        return nullcontext(lambda: built.facts)

    def standards(self, task: Task) -> dict[str, str]:
        """Return a dict from each language of `task` to a placeholder text, by which this device recognizes the trusted
        candidate of known duration. That candidate measures the dispatch overhead, the seconds of a batch beyond the
        candidate's work.
        """
        self._standard_s = self.pace(task).standard_s
        return dict.fromkeys(task.languages, STANDARD)

    def memory(self, *, input_bytes: int, output_bytes: int, slots: int = 2) -> ScriptedMemory:
        """Return simulated memory, which holds no bytes and whose checks return what the script says. The sizes and the
        number of output areas are not used.
        """
        return ScriptedMemory(self.clock.sleep, self.script.set_s)

    @contextmanager
    def worker(self, artifact: Path, *, memory: Memory, slot: int, profile: Profile) -> Iterator[Worker]:
        """Yield a simulated worker that behaves as the script says for the source text of `artifact`, and records the
        outcomes of its batches in area `slot` of `memory`. No process starts; `profile` is only used to recognize the
        vendor's worker. Raises KeyError if the artifact was not built, and TaskFault if no entry of the script matches.
        """
        assert isinstance(memory, ScriptedMemory)
        is_vendor = profile.environment == AS_VENDOR
        text, language = self._sources[artifact]
        number = self._started[text, is_vendor]
        self._started[text, is_vendor] += 1
        yield ScriptedWorker(self, memory, _Role(language, self._behaviour(text, is_vendor=is_vendor), slot, number))

    def _behaviour(self, text: str, *, is_vendor: bool) -> Behaviour:
        """Return the behaviour of a source text: its entry in the script, with times multiplied by all matching
        factors, or, with `is_vendor`, the vendor library's time. Raises TaskFault if no entry matches.
        """
        if text == STANDARD:
            return Behaviour(call_s=self._standard_s)
        if is_vendor and self.script.vendor:
            return Behaviour(call_s=self.script.vendor.call_s)
        behaviour, factor = self.script.behaviour(text), self.script.factor(text)
        return replace(behaviour, call_s=behaviour.call_s * factor, single_s=behaviour.single_s * factor)

    def vendor_source(self, task: Task) -> Path:
        """Return the path of the vendor file in the task folder: vendor.c if the task is for a CPU, and vendor.cu
        otherwise.
        """
        return task.folder / ("vendor.c" if task.device == "cpu" else "vendor.cu")

    def vendors(self, artifact: Path, *, memory_bytes: int) -> list[Vendor]:
        """Return a list with the one Vendor that the script describes, with `artifact` as its vendor file; empty if the
        script describes none. `memory_bytes` is only stored in its profile.
        """
        vendor = self.script.vendor
        return [Vendor(vendor.name, artifact, Profile(memory_bytes, environment=AS_VENDOR))] if vendor else []

    def trusted_kernel(self, task: Task) -> None:
        """Return None: on a scripted device the spread between processes comes from the method `probe_rates`, not from
        a kernel.
        """

    def share_at(self, unit: str, *, clock_mhz: float) -> None:
        """Return None for every unit and clock, because a scripted device has no clock readings."""

    def probe_rates(self, unit: str, *, processes: int) -> list[float]:
        """Return a list of `processes` rates in units per second: the script's peak, each varied at random by the
        script's jitter.
        """
        return [self.script.peak * self.scattered(1.0) for _ in range(processes)]

    def scattered(self, seconds: float) -> float:
        """Return `seconds` varied at random by the script's jitter (the standard deviation of a time, as a fraction of
        that time), but at least a tenth of `seconds`.
        """
        return seconds * max(0.1, 1 + self.noise.gauss(0, self.script.jitter))

    def observe(self) -> Mapping[str, float]:
        """Return an empty dict, because a scripted device has no clocks, power or temperature to read."""
        return {}

    def require_no_other_processes(self, *, workers: int = 0) -> None:
        """Count this call, and raise MachineError if the script lists the call's number (from 0) in
        `other_processes_at`, as if another process computed on the device; return None otherwise. `workers` is not
        used.
        """
        check, self._checks = self._checks, self._checks + 1
        if check in self.script.other_processes_at:
            raise MachineError(f"another process computes on {self.name}, as its script says")

    def monitor(self, *workers: Worker) -> "ScriptedMonitor":
        """Forget the disturbances so far and return a monitor that reports those that the script sets from now on."""
        self.disturbances.clear()
        return ScriptedMonitor(self)

    def details(self) -> dict[str, str]:
        """Return a dict with one entry, `script`: a text with the number of scripted candidates and the jitter."""
        return {"script": f"{len(self.script.candidates)} candidates, jitter {self.script.jitter:g}; nothing is run"}


@dataclass(frozen=True)
class ScriptedMonitor:
    """The Monitor of a scripted device: it reports the disturbances by other work that the script sets for batches, and
    measures nothing. The workers of `device` record each disturbance there when its batch runs.
    `ScriptedDevice.monitor` makes the object and clears earlier disturbances.
    """

    device: ScriptedDevice

    def look(self, *, batches: int = 1) -> None:
        """Do nothing, because scripted workers record each disturbance when it happens."""

    def disturbance(self) -> str:
        """Return the script's descriptions of what disturbed the batches since the monitor was made, joined to one
        text; an empty string if there are none.
        """
        return "; ".join(self.device.disturbances)


@dataclass(frozen=True, slots=True)
class _Role:
    """Role of one scripted worker: the candidate's language, its behaviour from the script, the output area (`slot`)
    that it writes, and its number among the workers of this candidate, from 0.
    """

    language: str
    behaviour: Behaviour
    slot: int
    number: int
    """Number of workers that the same candidate had before."""


class ScriptedWorker:
    """A simulated worker without a process: batches take the time, and end in the way, that the script says. It holds
    the device, whose clock it advances, the memory, in which it records outcomes, and `role`, the candidate's language
    and scripted behaviour. `ScriptedDevice.worker` makes one.
    """

    def __init__(self, device: ScriptedDevice, memory: ScriptedMemory, role: _Role) -> None:
        self._device, self._memory, self._role = device, memory, role
        self._batch = -1
        self._done_ns = 0
        self._orders: BatchRequest | None = None
        self._captured = False
        self._is_alive = True

    @property
    def language(self) -> str:
        """Return the language of the candidate, as it was given to the build: `c`, `cuda` or `triton`. It decides which
        dispatch overhead the judge deducts from the worker's batches.
        """
        return self._role.language

    @property
    def pid(self) -> int:
        """Return 0, because a scripted worker is no process."""
        return 0

    def wait_ready(self) -> None:
        """Return at once, as if the candidate were loaded. Raises WorkerDied if the script says that the worker ends
        while it loads, and WorkerOverdue if the script says that loading exceeds its deadline.
        """
        self._raise(self._event)

    def send_batch(self, orders: BatchRequest) -> None:
        """Remember `orders`, the request for the next batch, and count the batch unless it only captures calls as a
        CUDA graph.
        """
        self._orders = orders
        self._batch += orders.manner != CAPTURE

    def start_batch(self) -> None:
        """Begin the requested batch: compute the moment of the simulated clock at which it ends, or note whether its
        calls can be captured as a graph. Raises AssertionError if no batch was requested or the worker was killed.
        """
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
        """Return whether the simulated clock has reached the end of the batch that was started last."""
        return self._device.clock.now_ns() >= self._done_ns

    @property
    def has_captured(self) -> bool:
        """Return whether the last request to capture calls as a CUDA graph succeeded, which the script decides; False
        before any.
        """
        return self._captured

    def wait_done(self, deadline_s: float) -> None:
        """Advance the simulated clock to the end of the batch and record its outcome in the memory. Raises WorkerDied
        if the script ends the worker in this batch, and WorkerOverdue, after `deadline_s` seconds of simulated time, if
        the script says that the batch exceeds its deadline.
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
        """Do nothing and never raise: there is no process to suspend."""

    def kill(self) -> None:
        """Mark the worker as ended; `start_batch` fails from then on."""
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

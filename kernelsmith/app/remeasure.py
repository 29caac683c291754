"""Measure the best kernel of a resumed run again if the harness, its timing rules or the task have changed since it was
last measured.
"""

from collections.abc import Callable
from datetime import datetime

from kernelsmith.core.attempt import Attempt
from kernelsmith.core.history import History
from kernelsmith.core.result import result_of
from kernelsmith.core.run import Event, EventKind, Run
from kernelsmith.core.seams import Harness
from kernelsmith.core.verdict import Measurement, Verdict
from kernelsmith.errors import UsageError
from kernelsmith.log.store import Store

KEYS = ("harness_digest", "timing_policy", "task_digest")
"""The keys of a `resume` event that must have the same values for two times to be comparable."""


def measure_again(
    store: Store, run: Run, harness: Harness, *, now: Callable[[], datetime], say: Callable[[str], None]
) -> None:
    """Judge a run's best kernel again if it was last measured with another harness, timing policy or task than the
    present ones, because its time cannot be compared with new times; write the new times to the log `store`. Do nothing
    otherwise. `now()` returns the time in UTC, and `say(line)` shows a line to the user. Raises UsageError if the
    kernel no longer passes, HarnessError or LogError if harness or log failed.
    """
    history = store.history(run)
    best, present = history.incumbent, _present(history)
    if best is None or best.candidate is None or _is_comparable(history.measured_under(best), present):
        return
    say(f"attempt {best.number} is measured again: {_changed(history.measured_under(best), present)} changed")
    verdict = result_of(harness.submit(best.candidate, None))
    data = {"attempt": best.number, **present, **_times(best, verdict, run)}
    store.note(run, Event(EventKind.REMEASURED, now(), best.ask_number, data))


def _present(history: History) -> dict[str, object]:
    """Return a dict of what the run's times now depend on: the digests of harness and task, and the timing policy, by
    the names in KEYS. `history` holds them: in the latest `resume` event that has a value, or else in what was logged
    at the run's start.
    """
    provenance = history.run.provenance
    at_start = {"harness_digest": provenance.harness_digest, "timing_policy": provenance.timing_policy}
    present = {key: history.resumed_value(key) or at_start.get(key) for key in KEYS}
    return present | {"task_digest": history.task_digest}


def _is_comparable(measured: object, present: dict[str, object]) -> bool:
    return isinstance(measured, dict) and all(measured.get(key) == present[key] for key in KEYS)


def _changed(measured: object, present: dict[str, object]) -> str:
    words = {"harness_digest": "the harness", "timing_policy": "the timing policy", "task_digest": "the task"}
    return ", ".join(words[key] for key in KEYS if not isinstance(measured, dict) or measured.get(key) != present[key])


def _times(best: Attempt, verdict: Verdict, run: Run) -> dict[str, object]:
    measured: Measurement | None = verdict.measurement
    if measured is None:
        raise UsageError(
            f"attempt {best.number}, the best of {run.name}, is {verdict.status} now: {verdict.detail}; start a new "
            f"run with `kernelsmith best {run.name} -o FILE` and `kernelsmith run TASK --from FILE`"
        )
    fastest_us = min((batch.time_us for batch in verdict.batches), default=measured.time_us)
    return {
        "time_us": measured.time_us,
        "fastest_us": fastest_us,
        "utilization": measured.utilization,
        "vendor_ratio": measured.vendor_ratio,
    }

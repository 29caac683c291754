"""Judge the incumbent again where its recorded times would mislead: harness, timing policy or task have changed."""

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
"""What must be the same for two times to be comparable; keys of a `resume` event."""


def measure_again(
    store: Store, run: Run, harness: Harness, *, now: Callable[[], datetime], say: Callable[[str], None]
) -> None:
    """Judge the incumbent before anything else, if it was measured under another harness, policy or task.

    Raises:
        UsageError: the incumbent does not pass any more.
        HarnessError: the harness failed.
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
    """What the latest `resume` event says, or else what the run began with."""
    made = history.run.provenance
    began = {"harness_digest": made.harness_digest, "timing_policy": made.timing_policy}
    told = {key: history.last_told(key) or began.get(key) for key in KEYS}
    return told | {"task_digest": history.task_digest}


def _is_comparable(then: object, present: dict[str, object]) -> bool:
    return isinstance(then, dict) and all(then.get(key) == present[key] for key in KEYS)


def _changed(then: object, present: dict[str, object]) -> str:
    words = {"harness_digest": "the harness", "timing_policy": "the timing policy", "task_digest": "the task"}
    return ", ".join(words[key] for key in KEYS if not isinstance(then, dict) or then.get(key) != present[key])


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

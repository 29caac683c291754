"""Read a run back from the database: everything at first, then what was added since, in a handful of queries."""

import gc
from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import datetime
from typing import NamedTuple

from kernelsmith.core.attempt import Ask, Attempt
from kernelsmith.core.history import History
from kernelsmith.core.run import Device, Event, EventKind, Run
from kernelsmith.core.usage import Usage
from kernelsmith.core.verdict import Batch
from kernelsmith.log import rows
from kernelsmith.log.metric_groups import MetricGroups
from kernelsmith.log.source import Row, Transaction


class Ends(NamedTuple):
    """The last row of a run in each table, by number or id; -1 = none."""

    asks: int = -1
    attempts: int = -1
    events: int = -1
    exchanges: int = -1


NOTHING = Ends()
ORDER = {"asks": "number", "attempts": "number", "events": "id", "exchanges": "id"}
"""The column by which the rows of a run grow in each table."""


ENDS = "SELECT " + ", ".join(
    f"(SELECT coalesce(max({order}), -1) FROM {table} WHERE run_id = :run_id)" for table, order in ORDER.items()
)
NEW = {
    table: f"SELECT * FROM {table} WHERE run_id = :run_id AND {order} > :last ORDER BY {order}"
    for table, order in ORDER.items()
}
NEW_SOURCES = """
    SELECT digest, content FROM blobs
    WHERE digest IN (SELECT source_digest FROM attempts WHERE run_id = :run_id AND number > :last)"""
NEW_METRICS = """
    SELECT metrics.attempt_id, metrics.name, metrics.value
    FROM attempts JOIN metrics ON metrics.attempt_id = attempts.id
    WHERE attempts.run_id = :run_id AND attempts.number > :last"""
NEW_PROMOTED_BATCHES = """
    SELECT samples.* FROM attempts JOIN samples ON samples.attempt_id = attempts.id
    WHERE attempts.run_id = :run_id AND attempts.number > :last AND attempts.promotion IS NOT NULL
    ORDER BY samples.attempt_id, samples.position"""


@dataclass
class LoadedRun:
    """What this process has read of a run; `refresh` adds what any process has written since."""

    run: Run
    attempts: list[Attempt] = field(default_factory=list)
    events: list[Event] = field(default_factory=list)
    asks: dict[int, Ask] = field(default_factory=dict)
    usage: Usage = field(default_factory=Usage)
    devices: list[tuple[datetime, Device]] = field(default_factory=list)
    _seen: Ends = NOTHING
    _history: History | None = None

    def refresh(self, transaction: Transaction) -> History:
        """Return the run as it stands: the same object as before where nothing was added since."""
        ends = Ends._make(transaction.tuples(ENDS, run_id=self.run.id)[0])
        if self._history is None or ends != self._seen:
            with _collector_paused():
                self._read(transaction, ends)
            attempts, events, devices = tuple(self.attempts), tuple(self.events), tuple(self.devices)
            self._history = History(self.run, attempts, events, tuple(self.asks.values()), self.usage, devices)
        return self._history

    def _read(self, transaction: Transaction, ends: Ends) -> None:
        """Read the rows of each table that lie between what was seen and the present ends."""
        for row in self._new(transaction, "asks", ends):
            self.asks[row["number"]] = rows.ask_of(row)
        self._add_events(self._new(transaction, "events", ends))
        self._add_attempts(transaction, self._new(transaction, "attempts", ends))
        for row in self._new(transaction, "exchanges", ends):
            self.usage = self.usage + rows.usage_of(row)
        self._seen = ends

    def _new(self, transaction: Transaction, table: str, ends: Ends) -> Sequence[Row]:
        last, end = getattr(self._seen, table), getattr(ends, table)
        return transaction.rows(NEW[table], run_id=self.run.id, last=last) if end != last else ()

    def _add_events(self, found: Sequence[Row]) -> None:
        for row in found:
            event = rows.event_of(row)
            self.events.append(event)
            if event.kind is EventKind.OPENED:
                self.devices.append((event.at, rows.device_of(event)))

    def _add_attempts(self, transaction: Transaction, found: Sequence[Row]) -> None:
        """Add the new attempts; they come with their batches where they were promoted."""
        if not found:
            return
        new = {"run_id": self.run.id, "last": self._seen.attempts}
        sources = rows.texts_of(transaction.tuples(NEW_SOURCES, **new))
        figures = _figures(transaction.tuples(NEW_METRICS, **new))
        batches = _batches(transaction.rows(NEW_PROMOTED_BATCHES, **new))
        self.attempts += [
            rows.attempt_of(
                row,
                ask=self.asks[row["ask_number"]],
                source=sources.get(row["source_digest"]),
                batches=tuple(batches.get(row["id"], ())),
                figures=figures[row["id"]],
            )
            for row in found
        ]


@contextmanager
def _collector_paused() -> Iterator[None]:
    """Pause Python's cyclic garbage collector, which would look through a long run's objects again and again."""
    was_enabled = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if was_enabled:
            gc.enable()


def _figures(metrics: Sequence[tuple[int, str, float]]) -> Mapping[int, MetricGroups]:
    """Return the metrics of each attempt by its id."""
    found: defaultdict[int, MetricGroups] = defaultdict(MetricGroups)
    for attempt_id, name, value in metrics:
        found[attempt_id].add(name, value)
    return found


def _batches(found: Sequence[Row]) -> Mapping[int, list[Batch]]:
    """Return the batches of each attempt by its id."""
    batches: dict[int, list[Batch]] = {}
    for row in found:
        batches.setdefault(row["attempt_id"], []).append(rows.batch_of(row))
    return batches

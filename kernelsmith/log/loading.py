"""Read the history of one run from the database: all rows at first, and only the new rows at each later call."""

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


class LastKeys(NamedTuple):
    """Last rows of a run in the log: each field holds the highest number (of an ask or attempt) or id (of an event
    or model call) in that table; -1 if the run has no row there. LoadedRun compares the keys of its last reading with
    those of now to find new rows.
    """

    asks: int = -1
    attempts: int = -1
    events: int = -1
    exchanges: int = -1


NO_ROWS = LastKeys()
ORDER = {"asks": "number", "attempts": "number", "events": "id", "exchanges": "id"}
"""The column of each table that identifies the rows of a run and grows with every new row."""

LAST_KEYS = "SELECT " + ", ".join(
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
    """The part of one run that this process has read from the log so far: attempts, events, asks, devices, and the sum
    of tokens and cost. A Reader keeps one for each run; `refresh` adds the rows that any process has written since.
    """

    run: Run
    attempts: list[Attempt] = field(default_factory=list)
    events: list[Event] = field(default_factory=list)
    asks: dict[int, Ask] = field(default_factory=dict)
    usage: Usage = field(default_factory=Usage)
    devices: list[tuple[datetime, Device]] = field(default_factory=list)
    _last_read: LastKeys = NO_ROWS
    _history: History | None = None

    def refresh(self, transaction: Transaction) -> History:
        """Read the rows that were added since the last call, and return the history of the run up to now; the same
        object as last time if no row was added. Raises LogError if the database fails, KeyError, TypeError or
        ValueError if a row holds a value that this program does not know.
        """
        ends = LastKeys._make(transaction.tuples(LAST_KEYS, run_id=self.run.id)[0])
        if self._history is None or ends != self._last_read:
            with _collector_paused():
                self._read(transaction, ends)
            attempts, events, devices = tuple(self.attempts), tuple(self.events), tuple(self.devices)
            self._history = History(self.run, attempts, events, tuple(self.asks.values()), self.usage, devices)
        return self._history

    def _read(self, transaction: Transaction, ends: LastKeys) -> None:
        """Read the rows of each table that were added since the last call into this object. `ends` holds the highest
        keys of the run's rows now; it is stored, because the next call begins after them. Return nothing. Raises
        KeyError, TypeError or ValueError if a row holds a value that this program does not know.
        """
        for row in self._new(transaction, "asks", ends):
            self.asks[row["number"]] = rows.ask_of(row)
        self._add_events(self._new(transaction, "events", ends))
        self._add_attempts(transaction, self._new(transaction, "attempts", ends))
        for row in self._new(transaction, "exchanges", ends):
            self.usage = self.usage + rows.usage_of(row)
        self._last_read = ends

    def _new(self, transaction: Transaction, table: str, ends: LastKeys) -> Sequence[Row]:
        last, end = getattr(self._last_read, table), getattr(ends, table)
        return transaction.rows(NEW[table], run_id=self.run.id, last=last) if end != last else ()

    def _add_events(self, new_rows: Sequence[Row]) -> None:
        for row in new_rows:
            event = rows.event_of(row)
            self.events.append(event)
            if event.kind is EventKind.OPENED:
                self.devices.append((event.at, rows.device_of(event)))

    def _add_attempts(self, transaction: Transaction, new_rows: Sequence[Row]) -> None:
        """Add to this object the attempts that `new_rows`, rows of the table of attempts, hold. `transaction` serves to
        read their sources and metrics, and the timed batches of those attempts that became the best of the run. Raises
        KeyError, TypeError or ValueError if a row holds a value that this program does not know.
        """
        if not new_rows:
            return
        new = {"run_id": self.run.id, "last": self._last_read.attempts}
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
            for row in new_rows
        ]


@contextmanager
def _collector_paused() -> Iterator[None]:
    """Return a context manager, which yields nothing, that pauses Python's cyclic garbage collector during its block
    and then restores its former state. Without the pause the collector would scan the many new objects of a long run
    again and again.
    """
    was_enabled = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if was_enabled:
            gc.enable()


def _figures(metrics: Sequence[tuple[int, str, float]]) -> Mapping[int, MetricGroups]:
    """Return the metrics (named numbers) of each attempt as a mapping from the id of the attempt's row to a
    MetricGroups; an id without metrics gives an empty one. Each element of `metrics` is a tuple: the row id of an
    attempt, the name of a metric, and its value. Metrics that this program does not know are ignored.
    """
    figures: defaultdict[int, MetricGroups] = defaultdict(MetricGroups)
    for attempt_id, name, value in metrics:
        figures[attempt_id].add(name, value)
    return figures


def _batches(sample_rows: Sequence[Row]) -> Mapping[int, list[Batch]]:
    """Return the timed batches of each attempt, in order, as a mapping from the id of the attempt's row to a list.
    `sample_rows` are rows of the table of samples, each of which holds one batch. An attempt without batches is not in
    the mapping.
    """
    batches: dict[int, list[Batch]] = {}
    for row in sample_rows:
        batches.setdefault(row["attempt_id"], []).append(rows.batch_of(row))
    return batches

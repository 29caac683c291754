"""Insert rows, inside a transaction that the caller holds."""

from collections.abc import Sequence

from sqlalchemy import Connection, select

from kernelsmith.core.attempt import Attempt
from kernelsmith.core.run import Event, Run
from kernelsmith.core.snapshot import Snapshot
from kernelsmith.errors import LogError
from kernelsmith.log import rows, tables
from kernelsmith.log.metrics import metrics_of

COLUMNS = frozenset(tables.attempts.c.keys())


def insert_attempt(connection: Connection, run: Run, attempt: Attempt) -> None:
    """Insert an attempt with its source, metrics and batches.

    Raises:
        LogError: the trial of its ask has an attempt already.
    """
    if attempt.candidate:
        insert_blob(connection, attempt.candidate.source.encode())
    _refuse_twice(connection, run, attempt)
    row = rows.attempt_row(attempt, columns=COLUMNS)
    done = connection.execute(tables.attempts.insert(), {"run_id": run.id, **row})
    assert done.inserted_primary_key is not None
    attempt_id = done.inserted_primary_key[0]
    if metrics := [
        {"attempt_id": attempt_id, **metric._asdict()} for metric in metrics_of(attempt.verdict, columns=COLUMNS)
    ]:
        connection.execute(tables.metrics.insert(), metrics)
    if batches := [{"attempt_id": attempt_id, **row} for row in rows.batch_rows(attempt)]:
        connection.execute(tables.samples.insert(), batches)


def _refuse_twice(connection: Connection, run: Run, attempt: Attempt) -> None:
    columns = tables.attempts.c
    taken = select(columns.id).where(
        columns.run_id == run.id, columns.ask_number == attempt.ask_number, columns.trial == attempt.trial
    )
    if connection.execute(taken).first():
        raise LogError(f"run {run.name}: trial {attempt.trial} of ask {attempt.ask_number} has its attempt already")


def insert_events(connection: Connection, run: Run, events: Sequence[Event]) -> None:
    """Insert events in order."""
    if events:
        connection.execute(tables.events.insert(), [{"run_id": run.id, **rows.event_row(event)} for event in events])


def insert_blob(connection: Connection, content: bytes) -> str:
    """Insert a content, unless it is there already, and return its digest."""
    row = rows.blob(content)
    if not connection.execute(select(tables.blobs.c.digest).where(tables.blobs.c.digest == row["digest"])).first():
        connection.execute(tables.blobs.insert(), row)
    return str(row["digest"])


def insert_snapshot(connection: Connection, snapshot: Snapshot) -> None:
    """Insert the files of a folder, unless they are there already."""
    known = select(tables.snapshots.c.path).where(tables.snapshots.c.digest == snapshot.digest)
    if connection.execute(known).first():
        return
    for path, content in snapshot.files.items():
        row = {"digest": snapshot.digest, "path": path, "blob": insert_blob(connection, content)}
        connection.execute(tables.snapshots.insert(), row)

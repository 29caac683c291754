"""Insert attempts, events, blobs (compressed contents) and snapshots (files of a folder) into the log. The caller
begins and commits the transaction.
"""

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
    """Insert an attempt (a judged candidate) of `run` with its source text, metrics and timed batches into their
    tables. `connection` is in a transaction, which the caller commits. Raises LogError if the log already holds an
    attempt for the same run, ask and trial; SQLAlchemy's errors if the database fails.
    """
    if attempt.candidate:
        insert_blob(connection, attempt.candidate.source.encode())
    _check_trial_is_new(connection, run, attempt)
    row = rows.attempt_row(attempt, columns=COLUMNS)
    result = connection.execute(tables.attempts.insert(), {"run_id": run.id, **row})
    assert result.inserted_primary_key is not None
    attempt_id = result.inserted_primary_key[0]
    if metrics := [
        {"attempt_id": attempt_id, **metric._asdict()} for metric in metrics_of(attempt.verdict, columns=COLUMNS)
    ]:
        connection.execute(tables.metrics.insert(), metrics)
    if batches := [{"attempt_id": attempt_id, **row} for row in rows.batch_rows(attempt)]:
        connection.execute(tables.samples.insert(), batches)


def _check_trial_is_new(connection: Connection, run: Run, attempt: Attempt) -> None:
    columns = tables.attempts.c
    taken = select(columns.id).where(
        columns.run_id == run.id, columns.ask_number == attempt.ask_number, columns.trial == attempt.trial
    )
    if connection.execute(taken).first():
        raise LogError(f"run {run.name}: trial {attempt.trial} of ask {attempt.ask_number} already has an attempt")


def insert_events(connection: Connection, run: Run, events: Sequence[Event]) -> None:
    """Insert events of `run`, in the order of `events`; an empty sequence inserts nothing. `connection` is in a
    transaction, which the caller commits. Raises SQLAlchemy's errors if the database fails.
    """
    if events:
        connection.execute(tables.events.insert(), [{"run_id": run.id, **rows.event_row(event)} for event in events])


def insert_blob(connection: Connection, content: bytes) -> str:
    """Compress `content`, insert it into the table of blobs unless the log holds it already, and return its SHA-256
    digest in hex, by which other rows refer to it. `connection` is in a transaction, which the caller commits. Raises
    SQLAlchemy's errors if the database fails.
    """
    row = rows.blob(content)
    if not connection.execute(select(tables.blobs.c.digest).where(tables.blobs.c.digest == row["digest"])).first():
        connection.execute(tables.blobs.insert(), row)
    return str(row["digest"])


def insert_snapshot(connection: Connection, snapshot: Snapshot) -> None:
    """Insert the files of a snapshot (the contents of a folder at one moment) unless the log already holds a snapshot
    with the same digest. `connection` is in a transaction, which the caller commits. Raises SQLAlchemy's errors if the
    database fails.
    """
    known = select(tables.snapshots.c.path).where(tables.snapshots.c.digest == snapshot.digest)
    if connection.execute(known).first():
        return
    for path, content in snapshot.files.items():
        row = {"digest": snapshot.digest, "path": path, "blob": insert_blob(connection, content)}
        connection.execute(tables.snapshots.insert(), row)

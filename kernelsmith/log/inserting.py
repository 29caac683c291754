"""Insert rows, inside a transaction that the caller holds."""

from collections.abc import Sequence

from sqlalchemy import Connection, select

from kernelsmith.core.attempt import Attempt
from kernelsmith.core.run import Event, Run
from kernelsmith.errors import LogError
from kernelsmith.log import rows, tables


def insert_attempt(connection: Connection, run: Run, attempt: Attempt) -> None:
    """An attempt with its source and batches.

    Raises:
        LogError: its ask has one already.
    """
    if attempt.proposal.candidate:
        insert_blob(connection, attempt.proposal.candidate.source)
    taken = select(tables.attempts.c.id).where(
        tables.attempts.c.run_id == run.id, tables.attempts.c.number == attempt.number
    )
    if connection.execute(taken).first():
        raise LogError(f"run {run.name}: ask {attempt.number} has its attempt already")
    done = connection.execute(tables.attempts.insert().values(run_id=run.id, **rows.attempt_row(attempt)))
    assert done.inserted_primary_key is not None
    batches = [{"attempt_id": done.inserted_primary_key[0], **row} for row in rows.batch_rows(attempt)]
    if batches:
        connection.execute(tables.samples.insert(), batches)


def insert_events(connection: Connection, run: Run, events: Sequence[Event]) -> None:
    """Events in order."""
    for event in events:
        connection.execute(tables.events.insert().values(run_id=run.id, **rows.event_row(event)))


def insert_blob(connection: Connection, text: str) -> None:
    """A text, unless it is there already."""
    row = rows.blob(text)
    if not connection.execute(select(tables.blobs.c.digest).where(tables.blobs.c.digest == row["digest"])).first():
        connection.execute(tables.blobs.insert().values(row))

"""Create schema version 1: tables of runs, asks, attempts, samples, events, model calls and blobs."""

from sqlalchemy import Connection, text

DDL = (
    "CREATE TABLE schema (version INTEGER NOT NULL)",
    "CREATE TABLE blobs (digest VARCHAR(64) NOT NULL PRIMARY KEY, content BLOB NOT NULL)",
    """CREATE TABLE runs (
        id INTEGER NOT NULL PRIMARY KEY,
        name VARCHAR(100) NOT NULL UNIQUE,
        config JSON NOT NULL,
        task_digest VARCHAR(64) NOT NULL,
        created_at VARCHAR(40) NOT NULL
    )""",
    """CREATE TABLE asks (
        run_id INTEGER NOT NULL REFERENCES runs (id),
        number INTEGER NOT NULL,
        stance VARCHAR(20) NOT NULL,
        parent INTEGER,
        reason TEXT NOT NULL,
        PRIMARY KEY (run_id, number)
    )""",
    """CREATE TABLE exchanges (
        id INTEGER NOT NULL PRIMARY KEY,
        run_id INTEGER NOT NULL REFERENCES runs (id),
        ask_number INTEGER NOT NULL,
        model VARCHAR(200) NOT NULL,
        prompt_digest VARCHAR(64) NOT NULL REFERENCES blobs (digest),
        reply_digest VARCHAR(64) NOT NULL REFERENCES blobs (digest),
        reasoning_digest VARCHAR(64) NOT NULL REFERENCES blobs (digest),
        prompt_tokens INTEGER NOT NULL,
        completion_tokens INTEGER NOT NULL,
        reasoning_tokens INTEGER NOT NULL,
        cached_tokens INTEGER NOT NULL,
        cost_usd FLOAT,
        latency_s FLOAT NOT NULL,
        finish_reason TEXT NOT NULL,
        retries INTEGER NOT NULL,
        at VARCHAR(40) NOT NULL
    )""",
    "CREATE INDEX exchanges_of_ask ON exchanges (run_id, ask_number)",
    """CREATE TABLE attempts (
        id INTEGER NOT NULL PRIMARY KEY,
        run_id INTEGER NOT NULL REFERENCES runs (id),
        number INTEGER NOT NULL,
        origin VARCHAR(20) NOT NULL,
        parent INTEGER,
        stance VARCHAR(20) NOT NULL,
        hypothesis TEXT NOT NULL,
        reason TEXT NOT NULL,
        language VARCHAR(20),
        source_digest VARCHAR(64) REFERENCES blobs (digest),
        params JSON,
        status VARCHAR(20) NOT NULL,
        detail TEXT NOT NULL,
        promotion VARCHAR(20),
        isolation INTEGER,
        time_us FLOAT, time_low_us FLOAT, time_high_us FLOAT,
        utilization FLOAT, rate FLOAT, peak FLOAT, unit VARCHAR(20), pilot_us FLOAT,
        vendor_ratio FLOAT, vendor_paired BOOLEAN, single_us FLOAT, sustained_us FLOAT,
        duel_speedup FLOAT, duel_low FLOAT, duel_high FLOAT, duel_quads INTEGER,
        registers INTEGER, spill_bytes INTEGER, stack_bytes INTEGER, shared_bytes INTEGER,
        occupancy FLOAT, text_bytes INTEGER, vector_bits INTEGER,
        warnings JSON NOT NULL, instructions JSON NOT NULL, durations_s JSON NOT NULL, notes JSON NOT NULL,
        started_at VARCHAR(40) NOT NULL,
        seconds FLOAT NOT NULL,
        UNIQUE (run_id, number)
    )""",
    """CREATE TABLE samples (
        attempt_id INTEGER NOT NULL REFERENCES attempts (id),
        position INTEGER NOT NULL,
        "case" VARCHAR(100) NOT NULL,
        calls INTEGER NOT NULL,
        time_us FLOAT NOT NULL,
        "key" VARCHAR(32) NOT NULL,
        telemetry JSON NOT NULL,
        PRIMARY KEY (attempt_id, position)
    )""",
    """CREATE TABLE events (
        id INTEGER NOT NULL PRIMARY KEY,
        run_id INTEGER NOT NULL REFERENCES runs (id),
        kind VARCHAR(20) NOT NULL,
        at VARCHAR(40) NOT NULL,
        ask_number INTEGER,
        data JSON NOT NULL
    )""",
    "CREATE INDEX ix_events_run_id ON events (run_id)",
)


def up(connection: Connection) -> None:
    """Create all tables and indexes of schema version 1 in an empty database. `connection` is in a transaction, which
    the caller commits. Raises SQLAlchemy's errors if the database fails.
    """
    for statement in DDL:
        connection.execute(text(statement))

"""Migrate an attempt log from schema version 3 to 4. Each attempt then names its ask and trial, each run names its
task's files and the program that made it, and figures of attempts by which no table is sorted become rows of the table
of metrics.
"""

import uuid

from sqlalchemy import Connection, text

NAMESPACE = uuid.UUID("5f0c6a55-5f1b-4f5e-9a55-6b1d0d6c7e42")
"""Namespace of the UUIDs of migrated runs, which derive from name and start, so that copies of a log agree."""

RUNS = (
    "ALTER TABLE runs ADD COLUMN uuid VARCHAR(36) NOT NULL DEFAULT ''",
    "ALTER TABLE runs ADD COLUMN program VARCHAR(100) NOT NULL DEFAULT ''",
    "ALTER TABLE runs ADD COLUMN harness_digest VARCHAR(64) NOT NULL DEFAULT ''",
    "ALTER TABLE runs ADD COLUMN templates_digest VARCHAR(64) NOT NULL DEFAULT ''",
    "ALTER TABLE runs ADD COLUMN timing_policy JSON NOT NULL DEFAULT '{}'",
    """CREATE TABLE snapshots (
        digest VARCHAR(64) NOT NULL,
        path TEXT NOT NULL,
        blob VARCHAR(64) NOT NULL REFERENCES blobs (digest),
        PRIMARY KEY (digest, path)
    )""",
)

ASKS = (
    "ALTER TABLE asks ADD COLUMN seen INTEGER NOT NULL DEFAULT -1",
    "UPDATE asks SET seen = number - 1",
)

EXCHANGES = (
    "ALTER TABLE exchanges ADD COLUMN error TEXT NOT NULL DEFAULT ''",
    """UPDATE exchanges SET error = substr(finish_reason, 8), finish_reason = ''
        WHERE finish_reason LIKE 'error: %'""",
)

ATTEMPTS = """CREATE TABLE attempts_4 (
    id INTEGER NOT NULL PRIMARY KEY,
    run_id INTEGER NOT NULL REFERENCES runs (id),
    number INTEGER NOT NULL,
    ask_number INTEGER NOT NULL,
    trial INTEGER NOT NULL,
    line INTEGER NOT NULL,
    card TEXT NOT NULL,
    origin VARCHAR(20) NOT NULL,
    parent INTEGER,
    hypothesis TEXT NOT NULL,
    reason VARCHAR(20),
    said TEXT NOT NULL,
    language VARCHAR(20),
    source_digest VARCHAR(64) REFERENCES blobs (digest),
    params JSON,
    status VARCHAR(20) NOT NULL,
    detail TEXT NOT NULL,
    promotion VARCHAR(20),
    isolation INTEGER,
    time_us FLOAT, time_low_us FLOAT, time_high_us FLOAT,
    utilization FLOAT, rate FLOAT, peak FLOAT, unit VARCHAR(20),
    vendor_ratio FLOAT, vendor_paired BOOLEAN,
    duel_speedup FLOAT, duel_low FLOAT, duel_high FLOAT, duel_quads INTEGER,
    warnings JSON NOT NULL, notes JSON NOT NULL, disturbed JSON NOT NULL,
    started_at VARCHAR(40) NOT NULL,
    seconds FLOAT NOT NULL,
    UNIQUE (run_id, number),
    UNIQUE (run_id, ask_number, trial)
)"""

COPY = """INSERT INTO attempts_4 SELECT
    id, run_id, number, number, 0, number, '', origin, parent, hypothesis,
    CASE
        WHEN source_digest IS NOT NULL THEN NULL
        WHEN reason LIKE 'the reply was cut off%' THEN 'cut_off'
        WHEN reason LIKE 'the endpoint withheld%' THEN 'withheld'
        WHEN reason LIKE 'the fenced block never%' THEN 'unended_block'
        WHEN reason LIKE 'the fenced block is empty%' THEN 'empty_block'
        WHEN reason LIKE 'the reply was empty%' THEN 'empty_reply'
        ELSE 'no_block'
    END,
    CASE WHEN reason LIKE 'no fenced block: %' THEN substr(reason, 18) ELSE '' END,
    language, source_digest, params, status, detail, promotion, isolation,
    time_us, time_low_us, time_high_us, utilization, rate, peak, unit, vendor_ratio, vendor_paired,
    duel_speedup, duel_low, duel_high, duel_quads, warnings, notes,
    (SELECT json_group_array(figure) FROM (SELECT DISTINCT CASE
            WHEN value LIKE 'case %: disturbed, and once more when it was timed again%' THEN 'timing'
            WHEN value LIKE 'the audit: disturbed, and once more when it was timed again%' THEN 'audit'
            WHEN value LIKE 'the duel was disturbed%' THEN 'duel'
            WHEN value LIKE '%interleaved quads%; disturbed: %' THEN 'vendor'
        END AS figure FROM json_each(attempts.notes)) WHERE figure IS NOT NULL),
    started_at, seconds
    FROM attempts ORDER BY id"""

PROMOTED = """CREATE INDEX promoted_attempts ON attempts (run_id, number, utilization)
    WHERE promotion IS NOT NULL"""
"""Index of the few promoted attempts, for the list of runs with the best attempt of each run."""

METRICS = """CREATE TABLE metrics (
    attempt_id INTEGER NOT NULL REFERENCES attempts (id),
    name VARCHAR(200) NOT NULL,
    value FLOAT NOT NULL,
    unit VARCHAR(20) NOT NULL,
    PRIMARY KEY (attempt_id, name)
) WITHOUT ROWID"""

FIGURES = {
    "facts.registers": ("registers", "1"),
    "facts.spill_bytes": ("spill_bytes", "B"),
    "facts.stack_bytes": ("stack_bytes", "B"),
    "facts.shared_bytes": ("shared_bytes", "B"),
    "facts.occupancy": ("occupancy", "1"),
    "facts.text_bytes": ("text_bytes", "B"),
    "facts.vector_bits": ("vector_bits", "bit"),
    "measurement.pilot_us": ("pilot_us", "us"),
    "measurement.single_us": ("single_us", "us"),
    "measurement.sustained_us": ("sustained_us", "us"),
    "measurement.utilization_at_clock": ("utilization_at_clock", "1"),
}
"""Name of a metric -> column of version 3 that holds the value, and unit."""

TABLES = {
    "facts.instructions": ("instructions", "1"),
    "durations_s": ("durations_s", "s"),
    "guards_s": ("guards_s", "s"),
}
"""Prefix of the names of metrics -> JSON column of version 3 that holds their values by name, and unit."""

VIEWS = (
    """CREATE VIEW best_attempts AS
        SELECT runs.name AS run, a.number AS attempt, a.utilization, a.time_us, a.vendor_ratio, a.card
        FROM runs JOIN attempts a ON a.run_id = runs.id
        WHERE a.promotion IS NOT NULL AND a.number = (
            SELECT max(number) FROM attempts p WHERE p.run_id = runs.id AND p.promotion IS NOT NULL)""",
    """CREATE VIEW attempt_list AS
        SELECT runs.name AS run, a.number AS attempt, a.ask_number AS ask, a.trial, asks.stance, a.parent, a.line,
            a.status, a.promotion, a.utilization, a.time_us, a.hypothesis, a.detail
        FROM attempts a JOIN runs ON runs.id = a.run_id
        JOIN asks ON asks.run_id = a.run_id AND asks.number = a.ask_number""",
    """CREATE VIEW attempt_metrics AS
        SELECT runs.name AS run, a.number AS attempt, m.name, m.value, m.unit
        FROM metrics m JOIN attempts a ON a.id = m.attempt_id JOIN runs ON runs.id = a.run_id""",
    """CREATE VIEW costs AS
        SELECT runs.name AS run, e.model, count(*) AS calls, sum(e.error <> '') AS failed,
            sum(e.prompt_tokens) AS prompt_tokens, sum(e.completion_tokens) AS completion_tokens, sum(e.cost_usd) AS usd
        FROM exchanges e JOIN runs ON runs.id = e.run_id GROUP BY runs.name, e.model""",
)


def up(connection: Connection) -> None:
    """Add the columns, tables and views of schema version 4, move figures from the table of attempts to the table of
    metrics, and rebuild the table of attempts without them. `connection` is in a transaction, which the caller commits.
    Raises SQLAlchemy's errors if the database fails.
    """
    _run(connection, *RUNS, *ASKS, *EXCHANGES)
    _set_uuids(connection)
    _run(connection, METRICS, *_insert_figures(), *_insert_tables(), ATTEMPTS, COPY)
    _run(connection, "DROP TABLE attempts", "ALTER TABLE attempts_4 RENAME TO attempts", PROMOTED)
    _set_cards(connection)
    _set_lines(connection)
    _run(connection, *VIEWS)


def _run(connection: Connection, *statements: str) -> None:
    for statement in statements:
        # The driver's own method, because `text` would take a colon in a LIKE pattern for a parameter.
        connection.exec_driver_sql(statement)


def _set_uuids(connection: Connection) -> None:
    for row in connection.execute(text("SELECT id, name, created_at FROM runs")).all():
        value = str(uuid.uuid5(NAMESPACE, f"{row.name}\0{row.created_at}"))
        connection.execute(text("UPDATE runs SET uuid = :uuid WHERE id = :id"), {"uuid": value, "id": row.id})
    _run(connection, "CREATE UNIQUE INDEX runs_by_uuid ON runs (uuid)")


def _insert_figures() -> list[str]:
    return [
        f"INSERT INTO metrics SELECT id, '{name}', {column}, '{unit}' FROM attempts WHERE {column} IS NOT NULL"
        for name, (column, unit) in FIGURES.items()
    ]


def _insert_tables() -> list[str]:
    return [
        f"INSERT INTO metrics SELECT a.id, '{name}.' || j.key, j.value, '{unit}' "
        f"FROM attempts a, json_each(coalesce(a.{column}, '{{}}')) j WHERE j.value IS NOT NULL"
        for name, (column, unit) in TABLES.items()
    ]


def _set_cards(connection: Connection) -> None:
    """Set the column `card` of every attempt that has a candidate to the name of the device that judged it. The log's
    latest `opened` event before the start of the attempt names the device; the column stays empty if there is no such
    event.
    """
    opened = text(
        "SELECT run_id, at, json_extract(data, '$.name') AS card FROM events WHERE kind = 'opened' ORDER BY id"
    )
    update = text(
        "UPDATE attempts SET card = :card WHERE run_id = :run_id AND started_at >= :at AND source_digest IS NOT NULL"
    )
    for row in connection.execute(opened).all():
        connection.execute(update, {"card": row.card or "", "run_id": row.run_id, "at": row.at})


BEGINS_A_LINE = ("open", "restructure", "restart")


def _set_lines(connection: Connection) -> None:
    """Set the column `line` of every attempt to the number of the first attempt of its line, a chain of attempts that
    descend from one opening, restructuring or restart.
    """
    query = text(
        "SELECT a.id, a.run_id, a.number, a.parent, asks.stance FROM attempts a JOIN asks "
        "ON asks.run_id = a.run_id AND asks.number = a.ask_number ORDER BY a.run_id, a.number"
    )
    lines: dict[tuple[int, int], tuple[int, str]] = {}
    for row in connection.execute(query).all():
        line, stance = lines.get((row.run_id, row.parent), (row.number, ""))
        begins = row.stance in BEGINS_A_LINE and row.stance != stance
        lines[row.run_id, row.number] = (row.number if begins else line, row.stance)
    values = [{"run_id": run, "number": number, "line": line} for (run, number), (line, _) in lines.items()]
    if values:
        update = text("UPDATE attempts SET line = :line WHERE run_id = :run_id AND number = :number")
        connection.execute(update, values)

"""Describe the tables of the attempt log to SQLAlchemy, which inserts rows with them. migrations/ creates the tables.

Rows are inserted and never changed. Times are UTC, ISO 8601. Sources, prompts, replies and the files of snapshots are
blobs. Structured values are JSON text. rows.py converts between rows and the program's objects.
"""

from sqlalchemy import (
    Boolean,
    Column,
    Float,
    ForeignKey,
    Integer,
    LargeBinary,
    MetaData,
    String,
    Table,
    Text,
)

metadata = MetaData()

schema = Table("schema", metadata, Column("version", Integer, nullable=False))

blobs = Table(
    "blobs",
    metadata,
    Column("digest", String(64), primary_key=True),  # SHA-256 of the uncompressed content, hex
    Column("content", LargeBinary, nullable=False),  # compressed by zlib
)

snapshots = Table(
    "snapshots",
    metadata,
    Column("digest", String(64), primary_key=True),  # of all files of the snapshot: core/snapshot.py
    Column("path", Text, primary_key=True),
    Column("blob", ForeignKey("blobs.digest"), nullable=False),
)

runs = Table(
    "runs",
    metadata,
    Column("id", Integer, primary_key=True),
    Column("name", String(100), nullable=False),
    Column("config", Text, nullable=False),
    Column("task_digest", String(64), nullable=False),
    Column("created_at", String(40), nullable=False),
    Column("uuid", String(36), nullable=False),
    Column("program", String(100), nullable=False),
    Column("harness_digest", String(64), nullable=False),
    Column("templates_digest", String(64), nullable=False),
    Column("timing_policy", Text, nullable=False),
)

asks = Table(
    "asks",
    metadata,
    Column("run_id", ForeignKey("runs.id"), primary_key=True),
    Column("number", Integer, primary_key=True, autoincrement=False),
    Column("stance", String(20), nullable=False),
    Column("parent", Integer),
    Column("reason", Text, nullable=False),
    Column("seen", Integer, nullable=False),
)

exchanges = Table(
    "exchanges",
    metadata,
    Column("id", Integer, primary_key=True),
    Column("run_id", ForeignKey("runs.id"), nullable=False),
    Column("ask_number", Integer, nullable=False),
    Column("model", String(200), nullable=False),
    Column("prompt_digest", ForeignKey("blobs.digest"), nullable=False),
    Column("reply_digest", ForeignKey("blobs.digest"), nullable=False),
    Column("reasoning_digest", ForeignKey("blobs.digest"), nullable=False),
    Column("prompt_tokens", Integer, nullable=False),
    Column("completion_tokens", Integer, nullable=False),
    Column("reasoning_tokens", Integer, nullable=False),
    Column("cached_tokens", Integer, nullable=False),
    Column("cost_usd", Float),
    Column("latency_s", Float, nullable=False),
    Column("finish_reason", Text, nullable=False),
    Column("retries", Integer, nullable=False),
    Column("at", String(40), nullable=False),
    Column("error", Text, nullable=False),
)

attempts = Table(
    "attempts",
    metadata,
    Column("id", Integer, primary_key=True),
    Column("run_id", ForeignKey("runs.id"), nullable=False),
    Column("number", Integer, nullable=False),
    Column("ask_number", Integer, nullable=False),
    Column("trial", Integer, nullable=False),
    Column("line", Integer, nullable=False),
    Column("card", Text, nullable=False),
    Column("origin", String(20), nullable=False),
    Column("parent", Integer),
    Column("hypothesis", Text, nullable=False),
    Column("reason", String(20)),
    Column("said", Text, nullable=False),
    Column("language", String(20)),
    Column("source_digest", ForeignKey("blobs.digest")),
    Column("params", Text),
    Column("status", String(20), nullable=False),
    Column("detail", Text, nullable=False),
    Column("promotion", String(20)),
    Column("isolation", Integer),
    # figures of a measurement by which tables are sorted; all other figures are metrics
    Column("time_us", Float),
    Column("time_low_us", Float),
    Column("time_high_us", Float),
    Column("utilization", Float),
    Column("rate", Float),
    Column("peak", Float),
    Column("unit", String(20)),
    Column("vendor_ratio", Float),
    Column("vendor_paired", Boolean),
    Column("duel_speedup", Float),
    Column("duel_low", Float),
    Column("duel_high", Float),
    Column("duel_quads", Integer),
    Column("warnings", Text, nullable=False),
    Column("notes", Text, nullable=False),
    Column("disturbed", Text, nullable=False),
    Column("started_at", String(40), nullable=False),
    Column("seconds", Float, nullable=False),
)

metrics = Table(
    "metrics",
    metadata,
    Column("attempt_id", ForeignKey("attempts.id"), primary_key=True),
    Column("name", String(200), primary_key=True),  # `facts.registers`, `durations_s.build`, `telemetry.power_w`
    Column("value", Float, nullable=False),
    Column("unit", String(20), nullable=False),
)

samples = Table(
    "samples",
    metadata,
    Column("attempt_id", ForeignKey("attempts.id"), primary_key=True),
    Column("position", Integer, primary_key=True, autoincrement=False),
    Column("case", String(100), nullable=False),
    Column("calls", Integer, nullable=False),
    Column("time_us", Float, nullable=False),
    Column("key", String(32), nullable=False),
    Column("telemetry", Text, nullable=False),
)

events = Table(
    "events",
    metadata,
    Column("id", Integer, primary_key=True),
    Column("run_id", ForeignKey("runs.id"), nullable=False),
    Column("kind", String(20), nullable=False),
    Column("at", String(40), nullable=False),
    Column("ask_number", Integer),
    Column("data", Text, nullable=False),
)

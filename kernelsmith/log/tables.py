"""The tables of the attempt log, insert-only. Times are UTC, ISO 8601; sources, prompts and replies are blobs.

It knows what is stored, not what it means: rows.py turns rows into the domain's types and back.
"""

from sqlalchemy import (
    JSON,
    Boolean,
    Column,
    Float,
    ForeignKey,
    Index,
    Integer,
    LargeBinary,
    MetaData,
    String,
    Table,
    Text,
    UniqueConstraint,
)

metadata = MetaData()

schema = Table("schema", metadata, Column("version", Integer, nullable=False))

blobs = Table(
    "blobs",
    metadata,
    Column("digest", String(64), primary_key=True),  # SHA-256 of the text, UTF-8
    Column("content", LargeBinary, nullable=False),  # zlib
)

runs = Table(
    "runs",
    metadata,
    Column("id", Integer, primary_key=True),
    Column("name", String(100), nullable=False, unique=True),
    Column("config", JSON, nullable=False),
    Column("task_digest", String(64), nullable=False),
    Column("created_at", String(40), nullable=False),
)

asks = Table(
    "asks",
    metadata,
    Column("run_id", ForeignKey("runs.id"), primary_key=True),
    Column("number", Integer, primary_key=True, autoincrement=False),
    Column("stance", String(20), nullable=False),
    Column("parent", Integer),
    Column("reason", Text, nullable=False),
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
    Index("exchanges_of_ask", "run_id", "ask_number"),
)

attempts = Table(
    "attempts",
    metadata,
    Column("id", Integer, primary_key=True),
    Column("run_id", ForeignKey("runs.id"), nullable=False),
    Column("number", Integer, nullable=False),
    Column("origin", String(20), nullable=False),
    Column("parent", Integer),
    Column("stance", String(20), nullable=False),
    Column("hypothesis", Text, nullable=False),
    Column("reason", Text, nullable=False),
    Column("language", String(20)),
    Column("source_digest", ForeignKey("blobs.digest")),
    Column("params", JSON),
    Column("status", String(20), nullable=False),
    Column("detail", Text, nullable=False),
    Column("promotion", String(20)),
    Column("isolation", Integer),
    # measurement
    Column("time_us", Float),
    Column("time_low_us", Float),
    Column("time_high_us", Float),
    Column("utilization", Float),
    Column("rate", Float),
    Column("peak", Float),
    Column("unit", String(20)),
    Column("pilot_us", Float),
    Column("vendor_ratio", Float),
    Column("vendor_paired", Boolean),
    Column("single_us", Float),
    Column("sustained_us", Float),
    Column("utilization_at_clock", Float),
    # duel
    Column("duel_speedup", Float),
    Column("duel_low", Float),
    Column("duel_high", Float),
    Column("duel_quads", Integer),
    # facts
    Column("registers", Integer),
    Column("spill_bytes", Integer),
    Column("stack_bytes", Integer),
    Column("shared_bytes", Integer),
    Column("occupancy", Float),
    Column("text_bytes", Integer),
    Column("vector_bits", Integer),
    Column("warnings", JSON, nullable=False),
    Column("instructions", JSON, nullable=False),
    # durations
    Column("durations_s", JSON, nullable=False),
    Column("guards_s", JSON),  # None in what was written before schema 3
    Column("notes", JSON, nullable=False),
    Column("started_at", String(40), nullable=False),
    Column("seconds", Float, nullable=False),
    UniqueConstraint("run_id", "number"),
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
    Column("telemetry", JSON, nullable=False),
)

events = Table(
    "events",
    metadata,
    Column("id", Integer, primary_key=True),
    Column("run_id", ForeignKey("runs.id"), nullable=False, index=True),
    Column("kind", String(20), nullable=False),
    Column("at", String(40), nullable=False),
    Column("ask_number", Integer),
    Column("data", JSON, nullable=False),
)

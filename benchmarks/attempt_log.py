"""Measure commands on a long attempt log: opening it, and listing, showing and comparing its runs.

    python benchmarks/attempt_log.py [--rows 50000]

The log is synthetic: `--rows` attempts in runs of 5,000, inserted into a new database by SQL, with 20 metrics per
attempt, two different sources per five attempts, and batches for promoted attempts. A second log holds one run of 1,000
attempts. Each command runs in five new processes; the table shows the fastest, the median and, if there is one, the
target. `--rows 1000000` takes about 3 GB in the folder for temporary files.
"""

import argparse
import json
import os
import random
import sqlite3
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from datetime import UTC, datetime, timedelta
from hashlib import sha256
from pathlib import Path
from typing import Any

from sqlalchemy import Table

from kernelsmith.core.kinds import MeasuringKind, Unit
from kernelsmith.core.run import Device, Run, RunConfig, VendorLine
from kernelsmith.log import rows, tables
from kernelsmith.log.reader import open_reader
from kernelsmith.log.store import open_store

CLI = [sys.executable, "-m", "kernelsmith.cli"]
RUN_LENGTH = 5_000
SHOWN = 1_000
REPETITIONS = 5
AT = datetime(2026, 11, 27, 9, 0, tzinfo=UTC)
PEAK = 100e9
DEVICE = Device(
    "synthetic CPU", MeasuringKind.CPU, PEAK, Unit.FP32, isolation=3, spread=0.01, overhead_us=10.0,
    vendor=VendorLine("synthetic BLAS", 25_000.0, 0.86),
)  # fmt: skip
METRICS = {
    "facts.registers": "1", "facts.spill_bytes": "B", "facts.stack_bytes": "B", "facts.text_bytes": "B",
    "facts.vector_bits": "bit", "facts.instructions.fma": "1", "facts.instructions.load": "1",
    "facts.instructions.store": "1", "facts.instructions.spill_store": "1", "measurement.pilot_us": "us",
    "durations_s.build": "s", "durations_s.correctness": "s", "durations_s.timing": "s", "durations_s.audit": "s",
    "guards_s.poison": "s", "guards_s.guard bands": "s", "guards_s.verification": "s", "guards_s.refresh": "s",
    "telemetry.sm_mhz": "MHz", "telemetry.power_w": "W",
}  # fmt: skip
SOURCE = "\n".join(f"for (int i{n} = 0; i{n} < M; i{n} += {n}) C[i{n}] += A[i{n}] * B[{n}];" for n in range(40))


# --- the log ---


@dataclass(frozen=True, slots=True)
class Size:
    """The number of runs in a synthetic log, and of attempts in each run."""

    runs: int
    length: int
    """Attempts of each run."""


def write(path: Path, size: Size) -> None:
    """Write a new synthetic log to `path`."""
    open_store(path).close()
    with sqlite3.connect(path) as connection:
        connection.execute("PRAGMA synchronous=OFF")
        for run_id in range(1, size.runs + 1):
            _write_run(connection, run_id, size.length)
            connection.commit()
        connection.execute("PRAGMA wal_checkpoint(TRUNCATE)")
    connection.close()


def _write_run(connection: sqlite3.Connection, run_id: int, length: int) -> None:
    rng, first = random.Random(run_id), (run_id - 1) * length
    config = RunConfig(task="cpu_matmul", proposer="tuner")
    run = rows.run_row(Run(run_id, f"run-{run_id}", config, "0" * 64, AT, f"{run_id:036x}"))
    _insert(connection, tables.runs, [{"id": run_id, **run}])
    _insert(connection, tables.events, _events(run_id, length))
    _insert(connection, tables.asks, (_ask(run_id, number) for number in range(length)))
    _insert(connection, tables.blobs, map(rows.blob, {_source(first + n) for n in range(length)}))
    _insert(connection, tables.attempts, (_attempt(run_id, number, length) for number in range(length)))
    _insert(connection, tables.metrics, (row for n in range(length) for row in _metrics(first + n + 1, rng)))
    promoted = (first + n + 1 for n in range(length) if _is_promoted(n, length))
    _insert(connection, tables.samples, (row for attempt_id in promoted for row in _samples(attempt_id)))


def _insert(connection: sqlite3.Connection, table: Table, mappings: Any) -> None:
    """Insert rows given as mappings from column names to values; a column that a mapping lacks is NULL."""
    names = [name for name in table.c.keys() if name != "id" or table in (tables.runs, tables.attempts)]  # noqa: SIM118
    quoted = ", ".join(f'"{name}"' for name in names)
    statement = f"INSERT OR IGNORE INTO {table.name} ({quoted}) VALUES ({', '.join('?' * len(names))})"
    connection.executemany(statement, ([_stored(row.get(name)) for name in names] for row in mappings))


def _stored(value: object) -> object:
    return json.dumps(value) if isinstance(value, dict | list) else value


def _events(run_id: int, length: int) -> Iterator[Mapping[str, object]]:
    end = AT + timedelta(seconds=2 * length)
    yield {"run_id": run_id, "kind": "opened", "at": AT.isoformat(), "data": asdict(DEVICE)}
    for number in range(length):
        yield {"run_id": run_id, "kind": "judging", "at": _time(number), "ask_number": number, "data": {}}
    yield {"run_id": run_id, "kind": "ended", "at": end.isoformat(), "data": {"reason": "synthetic"}}


def _ask(run_id: int, number: int) -> Mapping[str, object]:
    parent = max(number - 1, 0)
    reason = f"attempt {parent} is the best"
    return {"run_id": run_id, "number": number, "stance": "refine", "parent": parent, "reason": reason, "seen": parent}


def _attempt(run_id: int, number: int, length: int) -> Mapping[str, object]:
    """Return the row of a synthetic attempt: one in nine failed to build; of the others each is 0.01 % faster."""
    attempt_id = (run_id - 1) * length + number + 1
    is_passed = number % 9 != 0
    return {
        "id": attempt_id, "run_id": run_id, "number": number, "ask_number": number, "trial": 0, "line": 0,
        "card": DEVICE.name, "origin": "tuner", "parent": max(number - 1, 0), "hypothesis": f"MR={number % 12} NR=16",
        "said": "", "language": "c", "source_digest": sha256(_source(attempt_id - 1)).hexdigest(),
        "params": {"MR": number % 12, "NR": 16, "KC": 256}, "status": "passed" if is_passed else "build_failed",
        "detail": "" if is_passed else "candidate.c:3: error: expected ';' before 'for'", "isolation": 3,
        "promotion": "clear" if _is_promoted(number, length) else None, **(_measured(number) if is_passed else {}),
        "warnings": [], "notes": ["0.8511 times as fast as the vendor line in 12 interleaved quads"], "disturbed": [],
        "started_at": _time(number), "seconds": 2.0,
    }  # fmt: skip


def _measured(number: int) -> Mapping[str, object]:
    time_us = 25_000.0 * 0.9999**number
    utilization = 2e9 / (time_us * 1e-6) / PEAK
    return {
        "time_us": time_us, "time_low_us": time_us * 0.99, "time_high_us": time_us * 1.01, "utilization": utilization,
        "rate": utilization * PEAK, "peak": PEAK, "unit": "fp32", "vendor_ratio": utilization / 0.86,
        "vendor_paired": 1,
    }  # fmt: skip


def _metrics(attempt_id: int, rng: random.Random) -> Iterator[Mapping[str, object]]:
    for name, unit in METRICS.items():
        is_whole = name.startswith("facts.")
        value = rng.randrange(512) if is_whole else rng.random()
        yield {"attempt_id": attempt_id, "name": name, "value": value, "unit": unit}


def _samples(attempt_id: int) -> Iterator[Mapping[str, object]]:
    for position in range(28):
        telemetry = {"sm_mhz": 1980.0}
        yield {
            "attempt_id": attempt_id, "position": position, "case": "main", "calls": 2, "time_us": 21_000.0 + position,
            "key": f"{attempt_id:032x}", "telemetry": telemetry,
        }  # fmt: skip


def _is_promoted(number: int, length: int) -> bool:
    return number % 9 != 0 and number % max(length // 40, 1) == 1


def _source(index: int) -> bytes:
    return f"/* {index * 2 // 5} */\nvoid matmul(void)\n{{\n{SOURCE}\n}}\n".encode()


def _time(number: int) -> str:
    return (AT + timedelta(seconds=2 * number)).isoformat()


# --- the measurements ---


@dataclass(frozen=True, slots=True)
class Line:
    """A row of the table: its label, the seconds of each repetition, and the target in seconds."""

    label: str
    seconds: Sequence[float]
    target_s: float | None = None

    def __str__(self) -> str:
        best, median = min(self.seconds), statistics.median(self.seconds)
        target = f"{self.target_s:8.3f}  {best / self.target_s:6.2f}" if self.target_s else ""
        return f"{self.label:44s}  {best:8.3f}  {median:8.3f}  {target}"


def process(label: str, *arguments: str, target_s: float | None = None) -> Line:
    """Measure a `kernelsmith` command as a whole process; `label` is its name in the table."""
    return Line(label, _repeated(lambda: _call([*CLI, *arguments])), target_s)


def opening(path: Path) -> Line:
    """Measure opening a log for reading in this process, together with its first query."""

    def once() -> None:
        with open_reader(path) as log:
            log.names()

    return Line("open for reading, in process", _repeated(once), 0.05)


def compile_to(folder: Path) -> None:
    """Let all later processes cache compiled modules in `folder`, as an installed program does."""
    os.environ.pop("PYTHONDONTWRITEBYTECODE", None)
    os.environ["PYTHONPYCACHEPREFIX"] = str(folder)


def _call(command: Sequence[str]) -> None:
    subprocess.run(command, stdout=subprocess.DEVNULL, check=True)


def _repeated(call: Callable[[], object]) -> list[float]:
    call()
    seconds = []
    for _ in range(REPETITIONS):
        start = time.perf_counter()
        call()
        seconds.append(time.perf_counter() - start)
    return seconds


def small(folder: Path) -> Iterator[Line]:
    """Measure start-up costs (interpreter, imports, --help), and reading a run of 1,000 attempts."""
    path = folder / "small.db"
    write(path, Size(1, SHOWN))
    yield Line("python -c pass", _repeated(lambda: _call([sys.executable, "-c", "pass"])))
    yield Line("import typer", _repeated(lambda: _call([sys.executable, "-c", "import typer"])))
    yield Line("import sqlalchemy", _repeated(lambda: _call([sys.executable, "-c", "import sqlalchemy"])))
    yield process("--help", "--help", target_s=0.15)
    yield opening(path)
    show = ("show", "run-1", "--db", str(path))
    yield process(f"show, {SHOWN} attempts", *show, target_s=0.5)
    yield process(f"show --json, {SHOWN} attempts", *show, "--json", target_s=0.5)


def large(folder: Path, *, attempts: int) -> Iterator[Line]:
    """Measure reading commands on a log of `attempts` attempts, at least two runs of 5,000."""
    path, size = folder / "large.db", Size(max(attempts // RUN_LENGTH, 2), RUN_LENGTH)
    write(path, size)
    db = ("--db", str(path))
    held = f"{size.runs} runs, {path.stat().st_size / 1e9:.2f} GB"
    yield process(f"runs ({held})", "runs", *db, target_s=1.55)
    yield process(f"show, {RUN_LENGTH} attempts", "show", "run-2", *db, target_s=0.79)
    yield process(f"show --json, {RUN_LENGTH} attempts", "show", "run-2", *db, "--json")
    yield process("diff of two such runs", "diff", "run-1", "run-2", *db, target_s=1.18)
    yield opening(path)


def main() -> None:
    """Write both logs, measure, and print the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rows", type=int, default=50_000, help="attempts of the large log")
    attempts = parser.parse_args().rows
    print(f"{'seconds':44s}  {'best':>8s}  {'median':>8s}  {'target':>8s}  best / target")
    with tempfile.TemporaryDirectory() as folder:
        compile_to(Path(folder) / "bytecode")
        for line in (*small(Path(folder)), *large(Path(folder), attempts=attempts)):
            print(line, flush=True)


if __name__ == "__main__":
    main()

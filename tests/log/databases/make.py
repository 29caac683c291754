"""Write a small database of the current schema version, once for each new version:
`PYTHONPATH=.:tests python tests/log/databases/make.py`.

The database is committed and never written again. tests/log/test_migrations.py migrates all of these databases.
"""

from datetime import UTC, datetime
from pathlib import Path

from kernelsmith.core.attempt import Directive, Stance
from kernelsmith.core.run import Event, EventKind, Provenance, RunConfig
from kernelsmith.log.schema import VERSION
from kernelsmith.log.store import open_store

HERE = Path(__file__).parent
PROVENANCE = Provenance("0.2.0+3fa1b2c4d5e6", "ab" * 32, "cd" * 32, {"duel": {"margin": 1.01}})


def main() -> None:
    """Write the database with one run of three attempts: a failed build, a passed and a promoted candidate."""
    from log.attempts import TASK, VERDICTS, attempt

    with open_store(HERE / f"v{VERSION}.db") as store:
        config = RunConfig(task="cpu_matmul", proposer="tuner")
        run = store.create_run(config, name="recorded", task=TASK, provenance=PROVENANCE)
        for name in ("build failed", "passed", "promoted"):
            ask = store.ask(run, Directive(Stance.REFINE, reason="recorded"))
            store.record(run, attempt(ask.number, VERDICTS[name], ask=ask))
        store.note(run, Event(EventKind.ENDED, datetime(2026, 11, 23, tzinfo=UTC), data={"reason": "3 attempts made"}))


if __name__ == "__main__":
    main()

"""The Python API and the command line start the same run: their logs hold the same config, asks and events."""

from pathlib import Path

import pytest

import kernelsmith
from kernelsmith.core.history import History

SMALL = Path(__file__).parents[1] / "tasks" / "small_matmul"
SCRIPT = Path(__file__).parents[2] / "examples" / "scripted_replies"
MEASURED = {"opened": {"name", "kind", "unit", "isolation", "worker_core"}}
"""What is compared of the events that hold figures of a machine's minute."""


def course(history: History) -> list[object]:
    """What happened in a run, without times of day and measured figures."""
    events = [
        (event.kind, event.ask_number, {k: v for k, v in event.data.items() if k in MEASURED.get(event.kind, {k})})
        for event in history.events
    ]
    attempts = [(a.number, a.trial, a.candidate and a.candidate.digest, a.verdict.status) for a in history.attempts]
    return [*events, *history.asks, *attempts]


@pytest.mark.parametrize(
    ("options", "settings"),
    [
        ([], {}),
        (["--hours", "1", "--attempts", "2", "--seed", "3"], {"hours": 1.0, "attempts": 2, "seed": 3}),
        (["--model", f"scripted:{SCRIPT}"], {"model": f"scripted:{SCRIPT}"}),
    ],
    ids=["tuner", "tuner with limits", "scripted model"],
)
def test_the_python_api_and_the_command_line_start_the_same_run(cli, card, tmp_path, monkeypatch, options, settings):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "two.toml").write_text("[budget]\nattempts = 2\n")
    done = cli("run", str(SMALL), "--name", "typed", "--config", "two.toml", *card, *options)
    assert done.returncode == 0, done.stderr
    settings = {"config": Path("two.toml"), "device": card[1], **settings}
    with kernelsmith.start(str(SMALL), name="called", **settings) as session:
        called = session.run()
    typed = kernelsmith.history("typed")
    assert typed.run.config == called.run.config
    assert typed.run.config.plateau == (8 if "model" in settings else 3)
    assert typed.run.provenance.timing_policy == called.run.provenance.timing_policy
    assert all(run.provenance.program and run.provenance.harness_digest for run in (typed.run, called.run))
    assert typed.run.task_digest == called.run.task_digest
    assert course(typed) == course(called)


def test_the_python_api_and_the_command_line_resume_the_same_run(cli, tmp_path, monkeypatch, night):
    monkeypatch.chdir(tmp_path)
    before = len(kernelsmith.history("night").events)
    assert cli("resume", "night", "--attempts", "1").returncode == 0
    with kernelsmith.resume("night", attempts=1) as session:
        history = session.run()
    kinds = [event.kind for event in history.events[before:]]
    assert kinds.count("resume") == 2
    went_on = [event.data for event in history.events if event.kind == "resume"]
    extended = [event.data for event in history.events if event.kind == "extension"]
    assert went_on[0].keys() == went_on[1].keys()
    assert went_on[0]["task_digest"] == went_on[1]["task_digest"]
    assert extended == [{"attempts": 4}, {"attempts": 5}]

"""Every setting of a run's config has a reader: each is changed, and the program does something else.

What the program does is seen in the candidates it judges, the stances it asks for, the prompts it writes, the requests
that an endpoint gets, or the command line that starts the judge.
"""

import sys
from collections.abc import Callable, Mapping
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Any

import pytest
from endpoints import FakeEndpoint
from scripted import FIRST, SLOWER, ScriptedHarness

from kernelsmith.app.session import SessionParts
from kernelsmith.app.start import start
from kernelsmith.core.history import History
from kernelsmith.core.run import Budget, RunConfig
from kernelsmith.errors import HarnessError

SMALL = Path(__file__).parents[1] / "tasks" / "small_matmul"
KERNEL = "void matmul(const float *A, const float *B, float *C, int M, int N, int K) {}\n"
REPLY = f"Hypothesis: it is fast.\n\n```c\n{KERNEL}```\n"
Observe = Callable[["Workplace", Mapping[str, Any]], object]


@dataclass(frozen=True, slots=True)
class Workplace:
    """Where a setting is observed."""

    folder: Path
    endpoint: FakeEndpoint

    def search(self, settings: Mapping[str, Any]) -> History:
        """Run a search of at most 12 asks with a harness that judges nothing."""
        given = {"task": str(SMALL), "proposer": "tuner", **settings}
        limits = {"attempts": 12} if not {"attempts", "hours", "usd"} & given.keys() else {}
        with start(parts=SessionParts(harness=ScriptedHarness(FIRST, SLOWER)), **given, **limits) as session:
            return session.run()

    def ask(self, settings: Mapping[str, Any]) -> History:
        """Run a search that asks the endpoint three times."""
        self.endpoint.bodies.clear()
        self.endpoint.headers.clear()
        usage = {"prompt_tokens": 1000, "completion_tokens": 500, "total_tokens": 1500}
        models = self.endpoint.whole({"data": [{"id": "m"}, {"id": "n"}]})
        replies = [self.endpoint.words(REPLY.replace("{}", f"{{/* {n} */}}"), usage=usage) for n in range(3)]
        self.endpoint.answers = [models, *replies]
        self.endpoint.calls = 0
        given = {"proposer": "model", "model": "m", "base_url": self.endpoint.url, "attempts": 4, **settings}
        return self.search(given)


# --- what is seen of a setting --------------------------------------------------------------------------------------


def judged(at: Workplace, settings: Mapping[str, Any]) -> object:
    """The sources that the harness gets."""
    return [attempt.candidate.source for attempt in at.search(settings).attempts if attempt.candidate]


def stances(at: Workplace, settings: Mapping[str, Any]) -> object:
    return [ask.directive.stance for ask in at.search(settings).asks]


def number_of_asks(at: Workplace, settings: Mapping[str, Any]) -> object:
    return at.search(settings).answered


def number_of_paid_asks(at: Workplace, settings: Mapping[str, Any]) -> object:
    """How many asks a search answers whose every model call costs 2 USD."""
    return at.ask({"price_per_mtok": (0.0, 4000.0), **settings}).answered


def prompt(at: Workplace, settings: Mapping[str, Any]) -> object:
    """The length of the next prompt after 12 attempts."""
    with start(
        str(SMALL),
        proposer="tuner",
        parts=SessionParts(harness=ScriptedHarness(FIRST, SLOWER)),
        attempts=12,
        **settings,
    ) as session:
        session.run()
        return len(session.prompt(session.ask()))


def requests(key: str) -> Observe:
    """Observe one key of the requests that the endpoint gets."""

    def observe(at: Workplace, settings: Mapping[str, Any]) -> object:
        at.ask(settings)
        return [body.get(key) for body in at.endpoint.bodies]

    return observe


def host(at: Workplace, settings: Mapping[str, Any]) -> object:
    """The host by which the endpoint is asked."""
    port = at.endpoint.url.rpartition(":")[2]
    at.ask({key: value.replace("PORT", port) for key, value in settings.items()})
    return {headers["host"] for headers in at.endpoint.headers}


def cost(at: Workplace, settings: Mapping[str, Any]) -> object:
    return at.ask(settings).usage.cost_usd


def judge_command(at: Workplace, settings: Mapping[str, Any]) -> object:
    """The command line that the judge is started with: the interpreter that ran, and its options."""
    command = at.folder / "command.txt"
    for name in ("one", "other"):
        interpreter = at.folder / name
        interpreter.write_text(
            f'#!/bin/sh\n[ "$2" = -c ] && exec {sys.executable} "$@"\necho "$0" "$@" > {command}\nexit 1\n'
        )
        interpreter.chmod(0o755)
    given = {"harness_python": "./one", **settings}
    with pytest.raises(HarnessError), start(str(SMALL), proposer="tuner", **given):
        pass
    changing = ("--answers-fd", "--parent", "--cache")
    return [word for word in command.read_text().split() if not word.startswith(changing)]


# --- the settings ---------------------------------------------------------------------------------------------------

SETTINGS: dict[str, tuple[Any, Any, Observe]] = {
    "task": (str(SMALL), "cpu_matmul", judged),
    "proposer": ("tuner", "folder:kernels", judged),
    "seed": (0, 1, judged),
    "model": ("m", "n", requests("model")),
    "base_url": ("http://127.0.0.1:PORT", "http://localhost:PORT", host),
    "from_file": ("kernels/a.c", "kernels/b.c", judged),
    "plateau": (3, 5, stances),
    "history_tokens": (200, 12_000, prompt),
    "temperature": (0.25, 0.75, requests("temperature")),
    "price_per_mtok": ((1.0, 2.0), (10.0, 20.0), cost),
    "calibration_s": (0.25, 0.5, judge_command),
    "trust_candidates": (False, True, judge_command),
    "harness_python": ("./one", "./other", judge_command),
    "device": ("scripted:one.toml", "scripted:other.toml", judge_command),
    "attempts": (2, 3, number_of_asks),
    "hours": (1e-9, 10.0, number_of_asks),
    "usd": (3.0, 5.0, number_of_paid_asks),
    "target": (0.09, 0.9, number_of_asks),
}
"""Every setting with two values, and where their difference is seen."""


def test_the_table_holds_every_setting_and_no_other():
    assert set(SETTINGS) == {field.name for field in (*fields(RunConfig), *fields(Budget))} - {"budget"}


@pytest.fixture
def workplace(tmp_path: Path, fake: FakeEndpoint) -> Workplace:
    """A folder with two kernels, and an endpoint on the loopback."""
    kernels = tmp_path / "kernels"
    kernels.mkdir()
    for name in ("one.toml", "other.toml"):
        (tmp_path / name).touch()
    for name in ("a.c", "b.c"):
        (kernels / name).write_text(f"/* {name} */ {KERNEL}")
    return Workplace(tmp_path, fake)


@pytest.mark.parametrize("name", SETTINGS)
def test_a_changed_setting_changes_what_the_program_does(workplace, name):
    one, other, observe = SETTINGS[name]
    extra = {"attempts": 4} if name == "hours" else {}
    seen = [observe(workplace, {name: value} | extra) for value in (one, one, other)]
    assert seen[0] == seen[1], "the same setting is seen as the same"
    assert seen[0] != seen[2]

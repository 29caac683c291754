"""Reports as JSON: every value in its plain form, and the keys that readers of earlier releases know."""

import json
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Annotated

import pytest

from kernelsmith.core.run import RunStatus
from kernelsmith.core.verdict import Interval, Status
from kernelsmith.report.model import best_report, run_report
from kernelsmith.report.model_attempt import FLAT
from kernelsmith.report.plain import plain

KEYS = {
    "run": "name status created_at task_digest config budget device usage task ended active_s best promotions",
    "attempt": "number parent origin stance asked status detail hypothesis language digest params utilization time_us "
    "interval_us rate peak unit vendor_ratio vendor_paired single_us sustained_us utilization_at_clock pilot_us "
    "promotion duel facts notes isolation durations_s guards_s seconds started_at",
    "event": "kind at ask_number data",
}


@dataclass(frozen=True)
class Outer:
    """A report with a flat part that may be missing."""

    name: str
    part: Annotated[Interval | None, FLAT]


@pytest.mark.parametrize(
    ("value", "data"),
    [
        (None, None),
        (True, True),
        (0.5, 0.5),
        (Status.PASSED, "passed"),
        (datetime(2026, 11, 23, 9, tzinfo=UTC), "2026-11-23T09:00:00+00:00"),
        ((1, [Status.CRASHED], {"at": (None,)}), [1, ["crashed"], {"at": [None]}]),
        (Interval(1.0, 2.0), {"low": 1.0, "high": 2.0}),
    ],
)
def test_every_value_has_a_plain_form(value, data):
    assert plain(value) == data
    assert json.loads(json.dumps(plain(value))) == data


def test_an_enum_becomes_a_string_and_nothing_more():
    assert type(plain(Status.PASSED)) is str


def test_a_value_without_a_json_form_is_refused():
    with pytest.raises(TypeError, match="object has no JSON form"):
        plain({"key": object()})


def test_the_keys_of_a_flat_part_stand_beside_the_others_and_are_null_without_it():
    assert plain(Outer("x", Interval(1.0, 2.0))) == {"name": "x", "low": 1.0, "high": 2.0}
    assert plain(Outer("x", None)) == {"name": "x", "low": None, "high": None}


def test_the_keys_of_earlier_releases_are_still_there(night, json_of):
    data = json_of(run_report(night(), RunStatus.ENDED))
    assert set(KEYS["run"].split()) <= set(data["run"])
    assert set(KEYS["event"].split()) == set(data["events"][0])
    for attempt in (*data["attempts"], data["run"]["best"]):
        assert set(KEYS["attempt"].split()) <= set(attempt)


def test_the_best_attempt_has_its_figures_beside_its_source(night, history_with, json_of):
    data = json_of(best_report(night()))
    assert (data["number"], data["utilization"], data["language"]) == (3, 0.4, "c")
    assert data["source"] == "/* 3 */\nvoid matmul(void) {}\n"
    assert best_report(history_with()) is None

"""The summary of a run: its outcome, and the commands that lead on."""

from dataclasses import replace
from datetime import timedelta

import pytest

from kernelsmith.core.run import Event, EventKind, StopReason, VendorLine
from kernelsmith.core.verdict import Figure, Promotion
from kernelsmith.report.model import summary_report
from kernelsmith.report.summary import summary_text


def test_the_summary_is_plain_data_with_every_promotion(night, json_of):
    data = json_of(summary_report(night()))
    assert (data["run"], data["task"], data["ended"]) == ("night", "cpu_matmul", "4 attempts made")
    assert (data["attempts"], data["passed"], data["active_s"], data["cost_usd"]) == (4, 2, 8.0, 0.0)
    assert data["best"]["vendor_ratio"] == pytest.approx(0.5)
    assert data["promotions"] == [
        {"number": 1, "utilization": 0.2, "by": "first"},
        {"number": 3, "utilization": 0.4, "by": "clear"},
    ]


def test_the_text_names_the_commands_that_lead_on(night):
    assert summary_text(summary_report(night())).splitlines()[-3:] == [
        "next   kernelsmith show night",
        "       kernelsmith best night -o best.c",
        "       kernelsmith diff night:1 night:3",
    ]


@pytest.mark.parametrize("limit", [StopReason.USER, StopReason.TROUBLE])
def test_the_first_suggested_command_resumes_a_run_that_paused(night, limit):
    paused = Event(EventKind.PAUSED, night().run.created_at, data={"reason": "words", "limit": limit})
    lines = summary_text(summary_report(night(events=(paused,)))).splitlines()[-4:]
    assert lines[0] == "next   kernelsmith resume night"
    assert lines[1] == "       kernelsmith show night"


def test_every_suggested_command_begins_with_the_name_that_the_program_was_started_by(night):
    lines = summary_text(summary_report(night()), program=".venv/bin/kernelsmith").splitlines()[-3:]
    assert all(line[7:].startswith(".venv/bin/kernelsmith ") for line in lines)


def test_the_best_is_compared_with_its_parent_and_not_with_the_first_that_passed(swept):
    assert summary_text(summary_report(swept)).endswith("kernelsmith diff night:0 night:3")
    later = [replace(a, proposal=replace(a.proposal, parent=1)) if a.number == 3 else a for a in swept.attempts]
    text = summary_text(summary_report(replace(swept, attempts=later)))
    assert text.endswith("kernelsmith diff night:1 night:3")


def test_a_best_attempt_without_a_parent_leaves_nothing_to_compare(attempt_with, history_with):
    first = attempt_with(0, utilization=0.2, promotion=Promotion.FIRST)
    text = summary_text(summary_report(history_with(first, attempt_with(1, utilization=0.3, promotion=Promotion.DUEL))))
    assert "kernelsmith best night" in text
    assert "kernelsmith diff" not in text


def test_the_outcome_is_wrapped_to_the_terminal_and_commands_are_not(night):
    *outcome, show, best, diff = summary_text(summary_report(night()), width=40, options=" --db a/b/c.db").splitlines()
    assert max(map(len, outcome)) <= 40
    assert [line.split()[-3] for line in (show, best, diff)] == ["night", "best.c", "night:3"]


def test_every_suggested_command_repeats_the_options(night):
    commands = summary_text(summary_report(night()), options=" --db other.db").splitlines()[-3:]
    assert all(command.endswith(" --db other.db") for command in commands)


def test_what_was_made_is_counted_in_asks_attempts_and_sweep_trials(swept, json_of):
    assert "2 asks, 4 attempts (2 sweep trials), 4 passed, 0:08 working, $0.00" in summary_text(summary_report(swept))
    data = json_of(summary_report(swept))
    assert (data["asks"], data["attempts"], data["sweep_trials"]) == (2, 4, 2)


def test_a_disturbed_vendor_ratio_of_the_best_is_marked(attempt_with, history_with, json_of):
    best = attempt_with(0, utilization=0.4, promotion=Promotion.FIRST, disturbed=(Figure.VENDOR,))
    report = summary_report(history_with(best))
    assert " · 50.0 % of OpenBLAS (Test) (disturbed) · " in summary_text(report)
    assert json_of(report)["best"]["vendor_disturbed"] is True


@pytest.mark.parametrize("limit", list(StopReason))
def test_why_a_run_ended_is_known_to_programs_too(night, json_of, limit):
    ended = Event(EventKind.ENDED, night().run.created_at, data={"reason": "words", "limit": limit})
    data = json_of(summary_report(night(events=(ended,))))
    assert (data["ended"], data["limit"]) == ("words", limit)


def test_an_old_log_tells_why_a_run_ended_in_words_only(night, json_of):
    data = json_of(summary_report(night()))
    assert (data["ended"], data["limit"]) == ("4 attempts made", None)


def test_time_spent_working_and_time_from_start_to_end_have_one_phrase_each(night, json_of):
    begun = night().run.created_at
    events = (Event(EventKind.ENDED, begun + timedelta(seconds=190), data={"reason": "4 attempts made"}),)
    report = summary_report(night(events=events))
    assert "2 passed, 0:08 working, 3:10 from start to end, $0.00" in summary_text(report)
    assert (json_of(report)["active_s"], json_of(report)["elapsed_s"]) == (8.0, 190.0)
    assert "0:08 working, $0.00" in summary_text(summary_report(night(events=())))
    assert json_of(summary_report(night(events=())))["elapsed_s"] is None


def test_a_run_that_goes_on_after_a_pause_has_not_ended(night):
    at = night().run.created_at
    events = (
        Event(EventKind.PAUSED, at, data={"reason": "stopped", "limit": StopReason.USER}),
        Event(EventKind.RESUME, at),
    )
    outcome = summary_report(night(events=events)).outcome
    assert (outcome.ended, outcome.limit) == ("not yet", None)


def test_a_run_without_attempts_has_a_summary(history_with, json_of):
    data = json_of(summary_report(history_with()))
    assert (data["attempts"], data["best"], data["promotions"], data["ended"]) == (0, None, [], "not yet")
    assert "none: no candidate passed" in summary_text(summary_report(history_with()))


@pytest.mark.parametrize("kind", [EventKind.ENDED, EventKind.PAUSED, EventKind.EXHAUSTED])
def test_the_last_end_counts(night, kind):
    at = night().run.created_at
    earlier = Event(EventKind.PAUSED, at, data={"reason": "stopped by the user"})
    last = Event(kind, at, data={"reason": "because"})
    assert summary_report(night(events=(earlier, Event(EventKind.RESUME, at), last))).outcome.ended == "because"


def test_what_an_endpoint_wrote_does_not_reach_the_terminal(night, hostile, assert_harmless):
    event = Event(EventKind.PAUSED, night().run.created_at, data={"reason": hostile})
    assert_harmless(summary_text(summary_report(night(events=(event,)))))


def test_an_attempt_keeps_the_vendor_line_it_was_measured_beside(history_with, attempt_with, cpu_device):
    history = history_with(attempt_with(0, utilization=0.4, promotion=Promotion.FIRST))
    later = replace(cpu_device, vendor=VendorLine("OpenBLAS (Other)", 20_000.0, 0.9))
    resumed = replace(history, devices=(*history.devices, (history.devices[0][0] + timedelta(hours=1), later)))
    assert resumed.device is later
    assert "OpenBLAS (Test)" in summary_text(summary_report(resumed))
    assert "OpenBLAS (Other)" not in summary_text(summary_report(resumed))

"""One attempt read back: figures with their denominators, facts, model calls and source."""

from dataclasses import replace
from datetime import UTC, datetime

import pytest

from kernelsmith.core.usage import Exchange, Usage
from kernelsmith.core.verdict import Duel, Facts, Figure, Interval, Status
from kernelsmith.report.attempt_page import attempt_text
from kernelsmith.report.model_attempt import attempt_report, attempt_row, known_facts

NOW = datetime(2026, 11, 23, 9, 0, tzinfo=UTC)


def _exchange(model: str = "some-model", finish_reason: str = "stop") -> Exchange:
    usage = Usage(1200, 340, cost_usd=0.017)
    return Exchange(3, model, "[]", "a reply", "", usage, 4.25, finish_reason, retries=0, at=NOW)


def test_the_page_has_every_figure_with_its_denominator(rich, history_with):
    attempt = rich(3)
    page = attempt_text(
        attempt_report(history_with(attempt), attempt, batches=attempt.verdict.batches, exchanges=(_exchange(),))
    )
    for text in (
        "night:3  passed",
        "ask 3, refine: no duel won for 8 asks",
        "tuner from attempt 0: family tiled, ROWS 4",
        "a hypothesis",
        "40.0 % of 100 GFLOP/s fp32",
        "50.0 % of OpenBLAS (Test)",
        "50.0 ms [49.5 ms, 50.5 ms]",
        "40 GFLOP/s fp32",
        "won, 1.050x [1.020, 1.080] in 24 quads (A B B A)",
        "3, of 2 calls each",
        "planned again",
        "add 2, fma 9",
        "unused i",
        "some-model, 1200 + 340 tokens, $0.02, 4.2 s, stop",
        "2.0 s: build 0.50 s, timing 1.25 s",
        "10.0% of build to verdict, for checks against cheating: verification 0.113 s, poison 0.062 s",
        f"source, {attempt.proposal.candidate.digest[:12]}",
    ):
        assert text in page
    assert page.endswith("/* 3 */\nvoid matmul(void) {}")


def test_facts_that_are_zero_are_shown_and_unknown_facts_are_left_out(rich, history_with):
    attempt = rich(3)
    lines = attempt_text(attempt_report(history_with(), attempt)).splitlines()
    assert "spill bytes   0" in lines
    assert not [line for line in lines if line.startswith("occupancy")]
    assert known_facts(Facts(spill_bytes=0)) == {"spill_bytes": 0}


def test_a_sweep_trial_says_which_trial_of_its_ask_it_is(swept):
    pages = [attempt_text(attempt_report(swept, attempt)) for attempt in swept.attempts[1:3]]
    assert "ask 1, refine: no duel won for 8 asks" in pages[0]
    assert "ask 1, trial 1, refine: no duel won for 8 asks" in pages[1]


def test_a_disturbed_vendor_ratio_is_marked(rich, history_with, json_of):
    attempt = rich(3, disturbed=(Figure.VENDOR,))
    report = attempt_report(history_with(attempt), attempt)
    assert "50.0 % of OpenBLAS (Test) (disturbed)" in attempt_text(report)
    assert json_of(report)["vendor_disturbed"] is True


def test_a_model_call_that_failed_says_why(attempt_with, history_with):
    failed = replace(_exchange(finish_reason=""), error="HTTP 503")
    page = attempt_text(attempt_report(history_with(), attempt_with(3, utilization=0.4), exchanges=(failed,)))
    assert "some-model, 1200 + 340 tokens, $0.02, 4.2 s, HTTP 503" in page


def test_a_duel_that_was_lost_is_shown(attempt_with, history_with):
    attempt = attempt_with(3, utilization=0.4, duel=Duel(0.99, Interval(0.98, 1.0), 24))
    page = attempt_text(attempt_report(history_with(), attempt))
    assert "not won, 0.990x [0.980, 1.000] in 24 quads (A B B A)" in page


@pytest.mark.parametrize("status", list(Status)[1:-1])
def test_a_failed_attempt_has_a_page_without_figures(attempt_with, history_with, json_of, status):
    attempt = attempt_with(3, status=status, detail="first line\n  second line")
    page = attempt_text(attempt_report(history_with(), attempt))
    assert f"night:3  {status}\n\nfirst line\n  second line\n" in page
    assert "of peak" not in page
    data = json_of(attempt_report(history_with(), attempt))
    assert (data["status"], data["utilization"], data["interval_us"], data["duel"]) == (status, None, None, None)


def test_an_attempt_without_a_candidate_has_a_page_without_a_source(attempt_with, history_with, json_of):
    attempt = attempt_with(3, status=Status.NO_CANDIDATE, detail="the model gave up")
    page = attempt_text(attempt_report(history_with(device=None), attempt))
    assert "the model gave up" in page
    assert "source" not in page
    data = json_of(attempt_report(history_with(), attempt))
    assert (data["source"], data["language"], data["digest"], data["params"]) == (None, None, None, {})


def test_control_characters_do_not_reach_the_terminal(rich, history_with, hostile, assert_harmless):
    attempt = rich(
        3,
        hypothesis=hostile,
        reason=hostile,
        source=f"/* {hostile} */",
        params={"family": hostile},
        notes=(hostile,),
        facts=Facts(warnings=(hostile,)),
    )
    page = attempt_text(attempt_report(history_with(), attempt, exchanges=(_exchange(hostile, hostile),)))
    assert_harmless(page)
    assert page.count("\\x1b[2J") == 8


def test_the_detail_of_a_failure_is_harmless_line_by_line(attempt_with, history_with, hostile, assert_harmless):
    attempt = attempt_with(3, status=Status.BUILD_FAILED, detail=f"candidate.c:3: error\n{hostile}")
    page = attempt_text(attempt_report(history_with(), attempt))
    assert_harmless(page)
    assert "candidate.c:3: error\n\\x1b[2J" in page


def test_the_data_holds_figures_units_facts_and_lineage(rich, json_of):
    data = json_of(attempt_row(rich(3), None))
    assert (data["number"], data["parent"], data["origin"], data["stance"]) == (3, 0, "tuner", "refine")
    assert (data["utilization"], data["peak"], data["unit"]) == (0.4, 100e9, "fp32")
    assert data["interval_us"] == pytest.approx([49_500, 50_500])
    assert data["duel"] == {"speedup": 1.05, "interval": {"low": 1.02, "high": 1.08}, "quads": 24}
    assert data["facts"]["instructions"] == {"fma": 9, "add": 2}
    assert data["params"] == {"family": "tiled", "ROWS": 4}
    assert (data["started_at"], data["seconds"]) == ("2026-11-23T09:00:00+00:00", 2.0)


def test_the_report_adds_source_batches_with_keys_and_model_calls(rich, history_with, json_of):
    attempt = rich(3)
    data = json_of(attempt_report(history_with(), attempt, batches=attempt.verdict.batches, exchanges=(_exchange(),)))
    assert data["source"] == attempt.proposal.candidate.source
    assert [int(batch["key"], 16) for batch in data["batches"]] == [0, 1, 2]
    assert data["batches"][0]["telemetry"] == {"sm_mhz": 1980.0}
    assert (data["exchanges"][0]["model"], data["exchanges"][0]["usage"]["prompt_tokens"]) == ("some-model", 1200)

"""The prompts and the replies of an attempt: each call in order, and nothing that could move a cursor."""

import json
from dataclasses import replace
from datetime import UTC, datetime

import pytest

from kernelsmith.core.attempt import Origin
from kernelsmith.core.usage import Exchange, Usage
from kernelsmith.report.exchanges_page import exchanges_text, no_exchange_line
from kernelsmith.report.model_attempt import attempt_report

NOW = datetime(2026, 11, 23, 9, 0, tzinfo=UTC)
PROMPT = json.dumps([{"role": "system", "content": "Be fast."}, {"role": "user", "content": "Go.\nNow."}])
CALL = Exchange(3, "some-model", PROMPT, "the reply", "", Usage(12, 34, cost_usd=0.017), 4.25, "stop", 0, NOW)


@pytest.fixture
def report_with(attempt_with, history_with):
    """The report of attempt 3 with these model calls."""
    return lambda *calls: attempt_report(history_with(), attempt_with(3, utilization=0.4), exchanges=calls)


def test_the_only_reply_is_printed_without_headings(report_with):
    assert exchanges_text(report_with(CALL), prompt=False, reply=True) == "the reply"


def test_each_message_of_a_prompt_is_printed_with_its_role(report_with):
    assert exchanges_text(report_with(CALL), prompt=True, reply=False) == (
        "call 1 of 1: some-model, 12 + 34 tokens, $0.02, 4.2 s, stop\n\n"
        "--- system ---\nBe fast.\n\n--- user ---\nGo.\nNow."
    )


def test_several_calls_are_printed_in_order_with_their_replies_or_faults(report_with):
    failed = replace(CALL, reply="", finish_reason="", error="HTTP 503")
    page = exchanges_text(report_with(failed, replace(CALL, reasoning="Hm.")), prompt=False, reply=True)
    assert page.split("\n\n") == [
        "call 1 of 2: some-model, 12 + 34 tokens, $0.02, 4.2 s, HTTP 503",
        "--- reply ---\nthe call brought no reply: HTTP 503",
        "call 2 of 2: some-model, 12 + 34 tokens, $0.02, 4.2 s, stop",
        "--- reasoning ---\nHm.",
        "--- reply ---\nthe reply",
    ]


@pytest.mark.parametrize("prompt", ["not json", '{"role": "user"}', "[1, 2]", '[{"role": "user"}]'])
def test_a_prompt_that_is_no_list_of_messages_is_printed_as_it_is(report_with, prompt):
    assert exchanges_text(report_with(replace(CALL, prompt=prompt)), prompt=True, reply=False) == prompt


def test_a_message_of_several_parts_is_printed_as_json(report_with):
    prompt = json.dumps([{"role": "user", "content": [{"type": "text", "text": "größer"}]}])
    assert '"text": "größer"' in exchanges_text(report_with(replace(CALL, prompt=prompt)), prompt=True, reply=False)


@pytest.mark.parametrize("origin", Origin)
def test_an_attempt_without_a_call_says_what_proposed_it(attempt_with, history_with, origin):
    attempt = attempt_with(3, utilization=0.4)
    attempt = replace(attempt, proposal=replace(attempt.proposal, origin=origin))
    line = no_exchange_line(attempt_report(history_with(), attempt))
    assert line.startswith("attempt 3 ")
    assert ("no model was asked" in line) == (origin is not Origin.MODEL)


def test_nothing_that_a_model_wrote_moves_the_cursor(report_with, hostile, assert_harmless):
    prompt = json.dumps([{"role": hostile, "content": hostile}])
    call = replace(CALL, prompt=prompt, reply=hostile, reasoning=hostile, model=hostile, error=hostile)
    assert_harmless(exchanges_text(report_with(call), prompt=True, reply=True))

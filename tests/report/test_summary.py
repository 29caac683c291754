"""What is said when a run ends: its outcome, and the commands that lead on."""

from dataclasses import replace
from datetime import timedelta

import pytest

from kernelsmith.core.run import Event, EventKind, VendorLine
from kernelsmith.core.verdict import Promotion
from kernelsmith.report.summary import summary, summary_text


def test_the_summary_is_plain_data_with_every_promotion(night, json_of):
    data = json_of(summary(night()))
    assert (data["run"], data["task"], data["ended"]) == ("night", "cpu_matmul", "4 attempts made")
    assert (data["attempts"], data["passed"], data["active_s"], data["cost_usd"]) == (4, 2, 8.0, 0.0)
    assert data["best"]["vendor_ratio"] == pytest.approx(0.5)
    assert data["promotions"] == [
        {"number": 1, "utilization": 0.2, "by": "first"},
        {"number": 3, "utilization": 0.4, "by": "clear"},
    ]


def test_the_text_names_the_commands_that_lead_on(night):
    assert summary_text(night()).splitlines()[-1].split("  ", 1)[1].strip() == (
        "kernelsmith show night | kernelsmith best night -o best.c | kernelsmith diff night:1 night:3"
    )


def test_a_single_promotion_leaves_nothing_to_compare(attempt_with, history_with):
    text = summary_text(history_with(attempt_with(0, utilization=0.2, promotion=Promotion.FIRST)))
    assert "kernelsmith best night" in text
    assert "kernelsmith diff" not in text


def test_a_run_without_attempts_has_a_summary(history_with, json_of):
    data = json_of(summary(history_with()))
    assert (data["attempts"], data["best"], data["promotions"], data["ended"]) == (0, None, [], "not yet")
    assert "none: no candidate passed" in summary_text(history_with())


@pytest.mark.parametrize("kind", [EventKind.ENDED, EventKind.PAUSED, EventKind.EXHAUSTED])
def test_the_last_end_counts(night, kind):
    at = night().run.created_at
    earlier = Event(EventKind.PAUSED, at, data={"reason": "stopped by the user"})
    last = Event(kind, at, data={"reason": "because"})
    assert summary(night(events=(earlier, Event(EventKind.RESUME, at), last)))["ended"] == "because"


def test_what_an_endpoint_wrote_does_not_reach_the_terminal(night, hostile, assert_harmless):
    event = Event(EventKind.PAUSED, night().run.created_at, data={"reason": hostile})
    assert_harmless(summary_text(night(events=(event,))))


def test_an_attempt_keeps_the_vendor_line_it_was_measured_beside(history_with, attempt_with, cpu_device):
    history = history_with(attempt_with(0, utilization=0.4, promotion=Promotion.FIRST))
    later = replace(cpu_device, vendor=VendorLine("OpenBLAS (Other)", 20_000.0, 0.9))
    resumed = replace(history, devices=(*history.devices, (history.devices[0][0] + timedelta(hours=1), later)))
    assert resumed.device is later
    assert "OpenBLAS (Test)" in summary_text(resumed)
    assert "OpenBLAS (Other)" not in summary_text(resumed)

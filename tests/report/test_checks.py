"""What judge, duel and tasks report: a verdict with its device, which candidate is faster, a task in full."""

from dataclasses import replace

import pytest

from kernelsmith.core.kinds import Unit
from kernelsmith.core.verdict import Duel, Figure, Interval, Status, Verdict
from kernelsmith.report.checks_page import duel_text, reproduction_text, verdict_text
from kernelsmith.report.model_checks import ReproductionReport, duel_report, task_report, verdict_report
from kernelsmith.report.task_page import task_text, tasks_text


def test_a_verdict_has_its_device_figures_and_facts(rich, cpu_device):
    page = verdict_text(verdict_report(rich(1).verdict, cpu_device))
    assert page.splitlines()[0] == "passed"
    for text in (
        "Test CPU",
        "40.0 % of 100 GFLOP/s fp32",
        "50.0 % of OpenBLAS (Test)",
        "50.0 ms [49.5 ms, 50.5 ms]",
        "planned again",
        "unused i",
        "add 2, fma 9",
    ):
        assert text in page


def test_a_disturbed_vendor_ratio_is_marked(rich, cpu_device, json_of):
    report = verdict_report(rich(1, disturbed=(Figure.VENDOR,)).verdict, cpu_device)
    assert "50.0 % of OpenBLAS (Test) (disturbed)" in verdict_text(report)
    assert json_of(report)["vendor_disturbed"] is True


@pytest.mark.parametrize("status", list(Status)[1:-1])
def test_a_verdict_without_a_score_is_its_status_and_detail(cpu_device, json_of, status):
    report = verdict_report(Verdict(status, "first\nsecond"), cpu_device)
    assert verdict_text(report) == f"{status}: first\nsecond"
    data = json_of(report)
    assert (data["status"], data["detail"], data["measurement"], data["utilization"]) == (
        status,
        "first\nsecond",
        None,
        None,
    )


def test_a_verdict_as_data_is_the_whole_verdict_with_device_and_telemetry(rich, cpu_device, json_of):
    data = json_of(verdict_report(rich(1).verdict, cpu_device))
    assert (data["utilization"], data["measurement"]["interval_us"]["low"]) == (0.4, pytest.approx(49_500))
    assert data["facts"]["occupancy"] is None
    assert [batch["calls"] for batch in data["batches"]] == [2, 2, 2]
    assert data["device"]["vendor"]["name"] == "OpenBLAS (Test)"
    assert data["telemetry"]["batches"] == 3


def test_what_a_candidate_wrote_does_not_reach_the_terminal(rich, cpu_device, hostile, assert_harmless):
    failed = Verdict(Status.BUILD_FAILED, hostile, notes=(hostile,))
    assert_harmless(verdict_text(verdict_report(failed, cpu_device)))
    assert_harmless(reproduction_text(ReproductionReport(correct=False, detail=hostile)))


@pytest.mark.parametrize(
    ("low", "high", "faster", "text"),
    [
        (1.02, 1.08, "a", "new.c is faster"),
        (0.92, 0.98, "b", "old.c is faster"),
        (0.98, 1.08, None, "no difference beyond 1.0 % at 95 %"),
        (1.005, 1.08, None, "no difference beyond 1.0 % at 95 %"),
    ],
)
def test_a_duel_names_the_faster_candidate_only_beyond_the_margin(json_of, low, high, faster, text):
    report = duel_report(Duel((low + high) / 2, Interval(low, high), 24), a="new.c", b="old.c")
    first, second = duel_text(report).splitlines()
    assert first == text
    quads = "24 quads (a quad runs both in turn: A B B A)"
    assert second == f"speed of new.c over old.c: {(low + high) / 2:.3f}x [{low:.3f}, {high:.3f}], {quads}"
    data = json_of(report)
    assert (data["a"], data["b"], data["faster"], data["interval"]) == (
        "new.c",
        "old.c",
        faster,
        {"low": low, "high": high},
    )


def test_a_task_is_shown_in_full(small_task):
    page = task_text(task_report(small_task))
    assert page.splitlines()[0] == f"small_matmul: {small_task.title}"
    for text in ("matmul(A float32[M, K] (input)", small_task.digest, "Cases\n", "hidden from the proposer", "timed",
                 "fp32 (utilization is the achieved part of the device's peak rate of fp32 operations)",
                 "openblas (the library that figures are compared with)"):  # fmt: skip
        assert text in page


def test_the_data_of_a_task_has_units_cases_and_signature(small_task, json_of):
    data = json_of(task_report(small_task))
    assert (data["name"], data["device"], data["unit"]) == ("small_matmul", "cpu", "fp32")
    assert data["folder"] == str(small_task.folder)
    assert data["signature"]["entry"] == "matmul"
    assert set(data["cases"][0]) == {"name", "sizes", "data", "timed", "hidden", "kind"}


def test_tasks_are_a_row_each_and_cut_to_the_terminal(small_task):
    other = replace(task_report(small_task), name="other", unit=Unit.DRAM, title="x" * 200)
    heading, *rows = tasks_text([task_report(small_task), other], width=60).splitlines()
    assert heading.split() == ["task", "device", "unit", "title"]
    assert [row.split()[:3] for row in rows] == [["small_matmul", "cpu", "fp32"], ["other", "cpu", "dram"]]
    assert max(map(len, rows)) == 60

"""A disturbed figure is measured again, and the verdict reports it."""

from types import SimpleNamespace
from typing import Any

import pytest

from harness.judging.findings import DisturbableFigure, Findings
from harness.wire.messages import Figure


@pytest.mark.parametrize(
    ("disturbances", "settled", "measurements", "notes", "figures"),
    [
        ([""], False, 1, [], []),
        (["a load"], True, 1, [], []),
        (["a load", ""], False, 2, ["the audit: measured again because it was disturbed: a load"], []),
        (
            ["a load", "two loads"],
            False,
            2,
            ["the audit: disturbed in both measurements: two loads"],
            [Figure.AUDIT],
        ),
    ],
)
def test_a_disturbed_figure_is_measured_once_more(
    disturbances: list[str], measurements: int, notes: list[str], figures: list[Figure], *, settled: bool
) -> None:
    findings, remaining = Findings(), list(disturbances)
    measured: list[Any] = []

    def monitor() -> Any:
        disturbance = remaining.pop(0)
        return SimpleNamespace(disturbance=lambda: disturbance)

    def measure(monitored: Any) -> int:
        measured.append(monitored)
        return len(measured)

    result = findings.undisturbed(DisturbableFigure(Figure.AUDIT, "the audit", measure, monitor, lambda _: settled))
    assert result == len(measured) == measurements
    assert findings.notes == notes
    assert findings.verdict("passed").disturbed == tuple(figures)


def test_a_figure_that_is_disturbed_in_two_cases_is_named_once() -> None:
    findings = Findings()
    findings.disturb(Figure.TIMING, "case main: disturbed")
    findings.disturb(Figure.TIMING, "case odd: disturbed")
    assert findings.verdict("passed").disturbed == (Figure.TIMING,)
    assert len(findings.notes) == 2

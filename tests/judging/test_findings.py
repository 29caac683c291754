"""What is measured again because something else ran, and what a verdict says of it."""

from types import SimpleNamespace
from typing import Any

import pytest

from harness.judging.findings import DisturbableFigure, Findings
from harness.wire.messages import Figure


@pytest.mark.parametrize(
    ("disturbances", "settled", "taken", "said", "figures"),
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
def test_what_was_disturbed_is_measured_once_more(
    disturbances: list[str], taken: int, said: list[str], figures: list[Figure], *, settled: bool
) -> None:
    findings, left = Findings(), list(disturbances)
    measured: list[Any] = []

    def monitor() -> Any:
        by = left.pop(0)
        return SimpleNamespace(disturbance=lambda: by)

    def measure(monitored: Any) -> int:
        measured.append(monitored)
        return len(measured)

    found = findings.undisturbed(DisturbableFigure(Figure.AUDIT, "the audit", measure, monitor, lambda _: settled))
    assert found == len(measured) == taken
    assert findings.notes == said
    assert findings.verdict("passed").disturbed == tuple(figures)


def test_a_figure_that_is_disturbed_in_two_cases_is_named_once() -> None:
    findings = Findings()
    findings.disturb(Figure.TIMING, "case main: disturbed")
    findings.disturb(Figure.TIMING, "case odd: disturbed")
    assert findings.verdict("passed").disturbed == (Figure.TIMING,)
    assert len(findings.notes) == 2

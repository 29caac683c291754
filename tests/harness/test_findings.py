"""What is measured again because something else ran, and what a verdict says of it."""

from types import SimpleNamespace
from typing import Any

import pytest

from findings import Findings


@pytest.mark.parametrize(
    ("disturbances", "settled", "taken", "said"),
    [
        ([""], False, 1, []),
        (["a load"], True, 1, []),
        (["a load", ""], False, 2, ["the audit: timed again, for it was disturbed: a load"]),
        (
            ["a load", "two loads"],
            False,
            2,
            ["the audit: disturbed, and once more when it was timed again: two loads"],
        ),
    ],
)
def test_what_was_disturbed_is_measured_once_more(
    disturbances: list[str], taken: int, said: list[str], *, settled: bool
) -> None:
    findings, left = Findings(), list(disturbances)
    measured: list[Any] = []

    def watch() -> Any:
        by = left.pop(0)
        return SimpleNamespace(disturbance=lambda: by)

    def measure(watching: Any) -> int:
        measured.append(watching)
        return len(measured)

    assert findings.undisturbed("the audit", measure, watch=watch, is_settled=lambda _: settled) == taken
    assert len(measured) == taken
    assert findings.notes == said

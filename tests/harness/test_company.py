"""Others on the device: what they may have done is nobody's fault."""

from types import SimpleNamespace
from typing import Any

import pytest

from harness.errors import MachineError
from harness.judging import duel, promote
from harness.timing.failure import Failed


class Shared:
    """A device with one process beside a judge's workers."""

    def refuse_company(self, *, workers: int) -> None:
        """See workplace.Workplace."""
        assert workers == 1
        raise MachineError("another process computes here")


OPENED: Any = SimpleNamespace(workplace=Shared())


@pytest.mark.parametrize(
    ("status", "blamed"),
    [("crashed", False), ("timed_out", False), ("tampered", False), ("incorrect", True), ("build_failed", True)],
)
def test_who_fails_beside_others_is_blamed_for_what_they_cannot_have_done(status: str, *, blamed: bool) -> None:
    with pytest.raises(Failed if blamed else MachineError), promote.alone(OPENED, workers=1):
        raise Failed(status, "")


@pytest.mark.parametrize(("status", "loses"), [("crashed", False), ("incorrect", True)])
def test_so_is_an_incumbent(status: str, *, loses: bool) -> None:
    with pytest.raises(duel.IncumbentFailed if loses else MachineError), promote.alone(OPENED, workers=1):
        raise duel.IncumbentFailed(Failed(status, ""))

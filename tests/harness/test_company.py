"""Others on the device: what they may have done is no candidate's fault."""

from types import SimpleNamespace
from typing import Any

import pytest

import duel
import judge
import promote
from failure import Failed
from findings import Findings
from workplace import MachineError


@pytest.mark.parametrize(("status", "blamed"), [("crashed", False), ("tampered", False), ("build_failed", True)])
def test_nobody_is_blamed_for_what_others_on_the_device_may_have_done(status: str, *, blamed: bool) -> None:
    def refuse_company() -> None:
        raise MachineError("another process computes here")

    opened: Any = SimpleNamespace(workplace=SimpleNamespace(refuse_company=refuse_company))
    with pytest.raises(Failed if blamed else MachineError), judge.alone(opened):
        raise Failed(status, "")


@pytest.mark.parametrize(("fault", "loses"), [("crashed", False), ("timed_out", False), ("incorrect", True)])
def test_an_incumbent_that_others_may_have_brought_down_stays(fault: str, *, loses: bool) -> None:
    watch: Any = SimpleNamespace(look=lambda: None, disturbance=lambda: "another process computed on the GPU")
    findings = Findings()
    assert promote.is_its_own_fault(duel.IncumbentFailed(Failed(fault, "")), watch, findings) == loses
    assert bool(findings.notes) != loses

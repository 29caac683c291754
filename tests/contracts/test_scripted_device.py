"""The scripted device keeps the contracts of a device."""

import pytest
from device_contracts import DeviceContract, MemoryContract, Rig, WorkerContract
from scripted_judge import FULL, SMALL

from harness.checking import benchmark_check
from harness.devices.script import Behaviour, Script, ScriptedBuildFailure, ScriptedEvent
from harness.devices.scripted import ScriptedDevice

SCRIPT = Script(
    candidates=(
        Behaviour("wrong", events=(ScriptedEvent(mistake="C[0,0] is 1"),)),
        Behaviour("dies", events=(ScriptedEvent(died="killed by SIGABRT"),)),
        Behaviour("hangs", events=(ScriptedEvent(overdue=True),)),
        Behaviour("broken", build=ScriptedBuildFailure("line 1: no")),
        Behaviour(),
    )
)


class TestScriptedDevice(DeviceContract, MemoryContract, WorkerContract):
    @pytest.fixture
    def rig(self, tmp_path) -> Rig:
        sources = {word: word for word in ("honest", "wrong", "dies", "hangs", "broken")}
        return Rig(ScriptedDevice(SCRIPT, isolation=FULL), benchmark_check.load(SMALL), sources, "c", tmp_path)

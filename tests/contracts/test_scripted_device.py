"""The scripted device keeps the contracts of a device."""

import pytest
from court import FULL, SMALL
from device_contracts import DeviceContract, MemoryContract, Rig, WorkerContract

from harness.checking import rehearsal
from harness.devices.script import Behaviour, Event, Failure, Script
from harness.devices.scripted import ScriptedDevice

SCRIPT = Script(
    candidates=(
        Behaviour("wrong", events=(Event(mistake="C[0,0] is 1"),)),
        Behaviour("dies", events=(Event(died="killed by SIGABRT"),)),
        Behaviour("hangs", events=(Event(overdue=True),)),
        Behaviour("broken", build=Failure("line 1: no")),
        Behaviour(),
    )
)


class TestScriptedDevice(DeviceContract, MemoryContract, WorkerContract):
    @pytest.fixture
    def rig(self, tmp_path) -> Rig:
        sources = {word: word for word in ("honest", "wrong", "dies", "hangs", "broken")}
        return Rig(ScriptedDevice(SCRIPT, isolation=FULL), rehearsal.load(SMALL), sources, "c", tmp_path)

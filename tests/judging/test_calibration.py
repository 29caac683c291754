"""Opening a task on a scripted device: every part of its calibration."""

import pytest
from scripted_judge import CASES, SMALL, open_scripted_judge

from harness.checking import benchmark_check
from harness.devices.script import Behaviour, Script, ScriptedBuildFailure, ScriptedEvent, VendorScript
from harness.devices.scripted import ScriptedDevice
from harness.errors import TaskFault
from harness.judging import opening
from harness.judging.opening import spread_of


def test_a_calibration_says_when_and_on_what_it_was_measured(scripted_judge):
    calibration = scripted_judge(Script(name="a card", peak=2e12)).opened.calibration
    assert (calibration.device, calibration.peak) == ("a card", 2e12)
    assert calibration.measured_at.tzinfo is not None


def test_a_calibration_cannot_be_changed(scripted_judge):
    with pytest.raises(AttributeError):
        scripted_judge().opened.calibration.peak = 1.0


def test_the_dispatch_overhead_is_measured_with_a_candidate_of_known_duration(scripted_judge):
    calibration = scripted_judge(Script(overhead_s=5e-6)).opened.calibration
    assert calibration.overheads_s("c") == {0.0: pytest.approx(5e-6, rel=1e-3)}
    assert calibration.trusted_language == "c"


def test_the_overhead_of_a_gpu_task_excludes_the_known_duration(tmp_path):
    task = benchmark_check.load(SMALL.with_name("small_gpu_matmul"))
    opened = open_scripted_judge(task, tmp_path, Script(peak=1e15, overhead_s=5e-5), {}).opened
    assert opened.calibration.overheads_s("cuda")[0.0] == pytest.approx(5e-5, rel=1e-3)


def test_the_overhead_is_measured_for_every_idle_time_of_the_pace(scripted_judge):
    opened = scripted_judge(Script(overhead_s=5e-6, pace="cuda")).opened
    assert set(opened.calibration.overheads_s("c")) == {0.0, opened.pace.turn_idle_s, opened.pace.idle_s}


def test_the_process_spread_is_measured_on_the_vendor_line(scripted_judge):
    calm, wild = (scripted_judge(Script(jitter=jitter, vendor=VendorScript(1e-3))).opened for jitter in (0.0, 0.2))
    assert calm.calibration.spread == pytest.approx(0.0, abs=1e-6)
    assert wild.calibration.spread > 0.005


def test_without_a_vendor_line_the_process_spread_is_measured_on_the_peak_probe(scripted_judge):
    calibration = scripted_judge(Script(jitter=0.01)).opened.calibration
    assert calibration.vendor is None
    assert 0 < calibration.spread < 0.05


def test_one_disturbed_process_of_five_does_not_widen_the_spread():
    assert spread_of([1.0, 1.01, 0.99, 1.0, 5.0]) == pytest.approx(opening.NORMAL_MAD * 0.01)


def test_the_calibration_holds_the_vendor_time_and_its_single_call_ratio(scripted_judge):
    calibration = scripted_judge(Script(vendor=VendorScript(2e-3, "a library"))).opened.calibration
    assert calibration.vendor.vendor.name == "a library"
    assert calibration.vendor.call_s == pytest.approx(2e-3)
    assert calibration.single_ratio == pytest.approx(1.0)


class TwoVendors(ScriptedDevice):
    """A device whose library has two kernels, the second of which gives wrong outputs."""

    def vendors(self, artifact, *, memory_bytes):
        return super().vendors(artifact, memory_bytes=memory_bytes) * 2

    def _behaviour(self, text, *, is_vendor):
        behaviour = super()._behaviour(text, is_vendor=is_vendor)
        wrong = tuple(ScriptedEvent(worker=1, batch=n, mistake="C[0,0] is 1") for n in range(9))
        return Behaviour(call_s=behaviour.call_s, events=wrong) if is_vendor else behaviour


def test_every_variant_of_the_vendor_line_is_verified(task):
    from harness.sandbox.launcher import Isolation, Level

    device = TwoVendors(Script(vendor=VendorScript(1e-3)), isolation=Isolation(Level.FULL, ""))
    with pytest.raises(TaskFault, match=r"vendor\.c: .*C\[0,0\] is 1"):
        opening.open_task(task, device=device, calibration_s=1.0)


def test_a_task_that_cannot_be_opened_releases_its_memory(task):
    from harness.sandbox.launcher import Isolation, Level

    memories = []

    class Kept(ScriptedDevice):
        def memory(self, **sizes):
            memories.append(super().memory(**sizes))
            return memories[-1]

    script = Script(vendor=VendorScript(1e-3), candidates=(Behaviour(build=ScriptedBuildFailure("no such header")),))
    with pytest.raises(TaskFault, match="the vendor line does not build: no such header"):
        opening.open_task(task, device=Kept(script, isolation=Isolation(Level.FULL, "")), calibration_s=1.0)
    assert memories
    assert all(memory.is_closed for memory in memories)


def test_each_step_of_the_calibration_is_announced(task):
    from harness.sandbox.launcher import Isolation, Level

    steps: list[str] = []
    device = ScriptedDevice(Script(), isolation=Isolation(Level.FULL, ""))
    opening.open_task(task, device=device, calibration_s=1.0, progress=steps.append)
    assert steps == ["peak", "memory", "dispatch overhead", "vendor line", "process spread"]


def test_the_answer_to_an_open_request_holds_the_calibration(scripted_judge):
    device = opening.describe(scripted_judge(Script(overhead_s=5e-6, vendor=VendorScript(2e-3))).opened)
    assert (device.kind, device.unit) == ("scripted", "fp32")
    assert device.overhead_us == pytest.approx(5.0, rel=1e-3)
    assert device.vendor.time_us == pytest.approx(2000.0)
    assert device.spread < 1e-6


def test_the_small_task_has_as_many_cases_as_other_tests_assume(task):
    assert len(task.cases) == CASES

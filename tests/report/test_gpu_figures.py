"""What a GPU adds to an attempt's page: the peak's reason, clocks and power, figures at its clock and back to back."""

from dataclasses import replace

import pytest

from kernelsmith.core.kinds import DeviceKind, Unit
from kernelsmith.core.run import Device, RunStatus
from kernelsmith.core.verdict import Batch, Facts
from kernelsmith.report.attempt_page import attempt_text
from kernelsmith.report.model import run_report
from kernelsmith.report.model_attempt import attempt_report
from kernelsmith.report.run_page import run_text
from kernelsmith.report.telemetry import telemetry_of, telemetry_rows

SKU = "H100 SXM: named NVIDIA H100 80GB HBM3, 700 W, 80 GiB, 132 SMs"
H100 = Device("NVIDIA H100 80GB HBM3", DeviceKind.CUDA, 1979e12, Unit.FP8, 3, 0.005, 90.0, details={"sku": SKU})


def batch(**telemetry: float) -> Batch:
    return Batch("main", 60, 730.0, "0" * 32, telemetry)


SAMPLED = (
    batch(sm_clock_mhz=1935, mem_clock_mhz=2619, power_w=640.4, temperature_c=58, throttle_reasons=0),
    batch(sm_clock_mhz=1905, mem_clock_mhz=2619, power_w=690.1, temperature_c=60, throttle_reasons=0x4),
    batch(sm_clock_mhz=1965, mem_clock_mhz=2619, power_w=655.0, temperature_c=61, throttle_reasons=0x24),
)


@pytest.fixture
def on_gpu(attempt_with):
    """An attempt as an H100 has it."""
    facts = Facts(registers=168, spill_bytes=0, shared_bytes=229_376, instructions={"QGMMA": 32, "UTMALDG": 4})
    attempt = attempt_with(3, utilization=0.76, peak=1979e12, facts=facts, batches=SAMPLED)
    measured = replace(attempt.verdict.measurement, unit=Unit.FP8, utilization_at_clock=0.72)
    measured = replace(measured, sustained_us=measured.time_us * 1.25)
    return replace(attempt, verdict=replace(attempt.verdict, measurement=measured))


def test_the_page_says_why_this_peak_what_the_clock_was_and_what_lasts(on_gpu, history_with):
    page = attempt_text(attempt_report(history_with(device=H100), on_gpu, batches=on_gpu.verdict.batches))
    for text in (
        "76.0 % of 1979 TFLOP/s fp8",
        SKU,
        "72.0 % of what the sampled clock allows",
        "60.8 % of peak",
        "SM 1,935 MHz, memory 2,619 MHz, 655 W, 60 °C, medians of the batches",
        "power cap in 2 of 3 batches, heat in 1 of 3 batches",
        "QGMMA 32, UTMALDG 4",
    ):
        assert text in page
    assert "registers 168" in " ".join(page.split())


def test_the_run_says_why_this_peak(on_gpu, history_with):
    assert SKU in run_text(run_report(history_with(on_gpu, device=H100), RunStatus.ENDED))
    assert "peak of" not in run_text(run_report(history_with(), RunStatus.ENDED))


def test_the_data_has_the_summary_beside_every_batch(on_gpu, history_with, json_of):
    data = json_of(attempt_report(history_with(), on_gpu, batches=on_gpu.verdict.batches))
    assert data["telemetry"] == {
        "batches": 3, "sm_clock_mhz": 1935, "mem_clock_mhz": 2619, "power_w": 655, "temperature_c": 60,
        "throttled": {"power cap": 2, "heat": 1},
    }  # fmt: skip
    assert data["batches"][0]["telemetry"]["power_w"] == 640.4
    assert (data["utilization_at_clock"], data["sustained_us"]) == (0.72, pytest.approx(data["time_us"] * 1.25))


@pytest.mark.parametrize(
    ("batches", "rows"),
    [
        ((), []),
        ((batch(), batch()), []),
        ((batch(sm_clock_mhz=1980.0), batch()), [("telemetry", "SM 1,980 MHz, medians of the batches")]),
        ((batch(throttle_reasons=8.0),), [("clock held down by", "hardware slowdown in 1 of 1 batches")]),
    ],
)
def test_what_was_not_sampled_is_left_out(batches, rows):
    assert telemetry_rows(telemetry_of(batches)) == rows
    assert (telemetry_of(batches) is None) == (not rows)

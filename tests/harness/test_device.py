"""Which peaks a card is judged against, and what is read of it while it computes."""

import subprocess
import sys
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).resolve().parent.parent.parent / "harness"))

import device
import telemetry

GIB = 1 << 30


@pytest.mark.parametrize(
    ("name", "watts", "gib", "sms", "sku", "bf16"),
    [
        ("NVIDIA H100 80GB HBM3", 700, 80, 132, "H100 SXM", 989.4),
        ("NVIDIA H100 PCIe", 350, 80, 114, "H100 PCIe", 756.4),
        ("NVIDIA H100 NVL", 400, 94, 132, "H100 NVL", 835.3),
        ("NVIDIA H200", 700, 141, 132, "H200 SXM", 989.4),
        ("NVIDIA H200 NVL", 600, 141, 132, "H200 NVL", 835.3),
        ("NVIDIA H800", 700, 80, 132, "H800 SXM", 989.4),
        ("NVIDIA H20", 500, 96, 78, "H20", 148.1),
        ("NVIDIA GH200 480GB", 900, 96, 132, "GH200 96GB", 989.4),
        ("NVIDIA GH200 144G HBM3e", 900, 144, 132, "GH200 144GB", 989.4),
    ],
)
def test_a_card_is_known_by_name_power_and_memory(name, watts, gib, sms, sku, bf16):
    found = device.pick(name, power_limit_w=watts, memory_bytes=gib * GIB, sm_count=sms)
    assert found.name == sku
    assert found.peak("bf16") / 1e12 == pytest.approx(bf16, abs=0.1)
    assert found.peak("fp8") == 2 * found.peak("bf16")
    assert found.floor("bf16") >= found.peak("bf16")
    assert name in found.why
    assert found.source


def test_only_cards_that_we_ran_on_are_called_measured():
    assert {name for name, sku in device.SKUS.items() if sku.measured} == {"H100 SXM", "H200 SXM"}


def test_an_unknown_card_or_unit_is_one_line_that_names_it():
    with pytest.raises(device.UnknownPeak, match=r"RTX 4090: no peak is known"):
        device.pick("NVIDIA GeForce RTX 4090", power_limit_w=450, memory_bytes=24 * GIB, sm_count=128)
    with pytest.raises(device.UnknownPeak, match=r"unit int4: .* known are fp8"):
        device.SKUS["H100 SXM"].peak("int4")


def test_a_part_of_a_card_is_told():
    part = device.pick("NVIDIA H100 80GB HBM3", power_limit_w=700, memory_bytes=40 * GIB, sm_count=60)
    assert "60 SMs of 132" in part.why


NVML = r"""
#include <stdlib.h>
#include <string.h>
typedef struct { unsigned pid; unsigned long long used; unsigned gi, ci; } info;
static int gone(void) { return getenv("GPU_IS_LOST") != NULL; }
int nvmlInit_v2(void) { return 0; }
int nvmlDeviceGetHandleByUUID(const char *uuid, void **h) { *h = (void *)1; return strcmp(uuid, "GPU-1") ? 6 : 0; }
int nvmlDeviceGetName(void *h, char *text, unsigned n) { strncpy(text, "NVIDIA H100 80GB HBM3", n); return 0; }
int nvmlSystemGetDriverVersion(char *text, unsigned n) { strncpy(text, "580.1", n); return 0; }
int nvmlDeviceGetEnforcedPowerLimit(void *h, unsigned *mw) { *mw = 700000; return 0; }
int nvmlDeviceGetClockInfo(void *h, int kind, unsigned *mhz) { *mhz = kind == 1 ? 1755 : 2619; return 0; }
int nvmlDeviceGetPowerUsage(void *h, unsigned *mw) { *mw = 654321; return 0; }
int nvmlDeviceGetTemperature(void *h, int kind, unsigned *c) { return 3; }
int nvmlDeviceGetCurrentClocksThrottleReasons(void *h, unsigned long long *mask) { *mask = 4; return 0; }
int nvmlDeviceGetComputeRunningProcesses_v3(void *h, unsigned *n, info *infos)
{
    *n = 1; infos[0].pid = 1; return gone() ? 15 : 0;
}
const char *nvmlErrorString(int code) { return code == 15 ? "GPU is lost" : "Not Found"; }
"""


@pytest.fixture(scope="module")
def nvml(tmp_path_factory):
    """A library with NVML's functions and one card of our invention."""
    folder = tmp_path_factory.mktemp("nvml")
    (folder / "nvml.c").write_text(NVML)
    subprocess.run(["cc", "-shared", "-fPIC", "-w", "-o", folder / "nvml.so", folder / "nvml.c"], check=True)
    return str(folder / "nvml.so")


def test_a_sample_has_units_and_leaves_out_what_cannot_be_read(nvml):
    card = telemetry.Telemetry("GPU-1", library=nvml)
    assert (card.name, card.driver_version, card.power_limit_w) == ("NVIDIA H100 80GB HBM3", "580.1", 700.0)
    assert card.sample() == {
        "sm_clock_mhz": 1755.0, "mem_clock_mhz": 2619.0, "power_w": pytest.approx(654.321), "throttle_reasons": 4.0,
    }  # fmt: skip
    assert card.processes().keys() == {1}


def test_a_card_that_is_not_there_or_disappears_is_told_in_nvmls_words(nvml, monkeypatch):
    with pytest.raises(telemetry.NoTelemetry, match="Not Found"):
        telemetry.Telemetry("GPU-2", library=nvml)
    card = telemetry.Telemetry("GPU-1", library=nvml)
    monkeypatch.setenv("GPU_IS_LOST", "1")
    import ctypes

    ctypes.CDLL(None).setenv(b"GPU_IS_LOST", b"1", 1)
    with pytest.raises(telemetry.NoTelemetry, match="GPU is lost"):
        card.processes()
    ctypes.CDLL(None).unsetenv(b"GPU_IS_LOST")


def test_a_machine_without_nvml_says_so():
    with pytest.raises(telemetry.NoTelemetry, match=r"libnothing\.so cannot be loaded"):
        telemetry.Telemetry("GPU-1", library="libnothing.so")

"""Which peaks a card is judged against, and what is read of it while it computes."""

import ctypes
import subprocess
from pathlib import Path

import pytest

from harness.devices import cards as device
from harness.devices import telemetry
from harness.errors import MachineError, TaskFault

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
        ("NVIDIA H20", 500, 96, 78, "H20", 148.0),
        ("NVIDIA H20-3e", 500, 140, 78, "H20-3e", 148.0),
        ("NVIDIA H100 80GB HBM3", 350, 80, 132, "H100 SXM", 989.4),
        ("NVIDIA H200", 500, 140, 132, "H200 SXM", 989.4),
        ("NVIDIA H800", 350, 80, 114, "H800 PCIe", 756.4),
        ("NVIDIA GH200 480GB", 900, 96, 132, "GH200 96GB", 989.4),
        ("NVIDIA GH200 144G HBM3e", 900, 144, 132, "GH200 144GB", 989.4),
    ],
)
def test_a_card_is_known_by_name_power_and_memory(name, watts, gib, sms, sku, bf16):
    found = device.pick(name, power_limit_w=watts, memory_bytes=gib * GIB, sm_count=sms)
    assert found.name == sku
    assert found.peak("bf16") / 1e12 == pytest.approx(bf16, abs=0.1)
    assert found.peak("fp8") == 2 * found.peak("bf16")
    assert found.ceiling("bf16") >= found.peak("bf16")
    assert name in found.reason
    assert found.source


def test_a_lowered_power_limit_makes_no_other_card_and_is_told():
    capped = device.pick("NVIDIA H100 80GB HBM3", power_limit_w=400, memory_bytes=80 * GIB, sm_count=132)
    assert capped.peaks == device.SKUS["H100 SXM"].peaks
    assert "400 W of 700" in capped.reason


# TFLOP/s fp8, fp32 and TB/s, from the sheets: half of the sparse figures.
SHEETS = {
    "H100 SXM": (1979, 67, 3.35), "H100 PCIe": (1513, 51, 2.0), "H100 NVL": (1671, 60, 3.9),
    "H200 SXM": (1979, 67, 4.8), "H200 NVL": (1671, 60, 4.8), "H20": (296, 39.5, 4.0), "GH200 144GB": (1979, 67, 4.9),
}  # fmt: skip


@pytest.mark.parametrize("name", SHEETS)
def test_peaks_are_the_sheets_and_nothing_honest_is_above_physics(name):
    sku, (fp8, fp32, dram) = device.SKUS[name], SHEETS[name]
    assert sku.peak("fp8") / 1e12 == pytest.approx(fp8, rel=0.002)
    assert sku.peak("fp32") / 1e12 == pytest.approx(fp32, rel=0.01)
    assert sku.peak("dram") / 1e12 == dram
    assert sku.wire_rate == pytest.approx(sku.peak("dram"), rel=0.03)
    for unit in sku.peaks:
        assert 1 <= sku.ceiling(unit) / sku.peak(unit) < 1.17


def test_utilization_at_a_clock_is_of_what_the_clock_allows():
    h100, h20 = device.SKUS["H100 SXM"], device.SKUS["H20"]
    assert h100.share_at("fp8", clock_mhz=1830) == pytest.approx(1.0)
    assert h100.share_at("bf16", clock_mhz=1372.5) == pytest.approx(0.75)
    assert h100.share_at("fp32", clock_mhz=1980) == pytest.approx(1.0)
    assert h20.share_at("bf16", clock_mhz=1853) == pytest.approx(1.0, rel=1e-3)
    assert h100.share_at("dram", clock_mhz=1000) is None


def test_only_cards_that_we_ran_on_are_called_measured():
    assert {name for name, sku in device.SKUS.items() if sku.measured} == {"H100 SXM", "H200 SXM"}
    assert device.SKUS["H200 SXM"].measured == ("bf16",)


def test_an_unknown_card_or_unit_is_one_line_that_names_it():
    with pytest.raises(device.UnknownPeak, match=r"RTX 4090: no peak is known"):
        device.pick("NVIDIA GeForce RTX 4090", power_limit_w=450, memory_bytes=24 * GIB, sm_count=128)
    with pytest.raises(TaskFault, match=r"unit int4: .* known units: fp8"):
        device.SKUS["H100 SXM"].peak("int4")


def test_a_card_of_another_architecture_than_the_tasks_is_refused_with_one_line():
    device.check_architecture("sm_90a", name="NVIDIA H100", major=9, minor=0)
    device.check_architecture("sm_120", name="a card", major=12, minor=0)
    with pytest.raises(MachineError) as refused:
        device.check_architecture("sm_90a", name="NVIDIA B200", major=10, minor=0)
    assert str(refused.value) == (
        "task.toml: arch sm_90a is compute capability 9.0, and NVIDIA B200 has 10.0: "
        "choose another card with CUDA_VISIBLE_DEVICES, or set arch to this card's"
    )


def test_a_part_of_a_card_is_told():
    part = device.pick("NVIDIA H100 80GB HBM3", power_limit_w=700, memory_bytes=40 * GIB, sm_count=60)
    assert "60 SMs of 132" in part.reason


NVML = r"""
#include <stdlib.h>
#include <string.h>
typedef struct { unsigned pid; unsigned long long used; unsigned gi, ci; } info;
static int gone(void) { return getenv("GPU_IS_LOST") != NULL; }
int nvmlInit_v2(void) { return 0; }
int nvmlDeviceGetHandleByUUID(const char *uuid, void **h)
{
    *h = (void *)1;
    return strcmp(uuid, "GPU-1") && strcmp(uuid, "MIG-3") ? 6 : 0;
}
int nvmlDeviceGetName(void *h, char *text, unsigned n) { strncpy(text, "NVIDIA H100 80GB HBM3", n); return 0; }
int nvmlSystemGetDriverVersion(char *text, unsigned n) { strncpy(text, "580.1", n); return 0; }
int nvmlDeviceGetEnforcedPowerLimit(void *h, unsigned *mw) { *mw = 700000; return 0; }
int nvmlDeviceGetClockInfo(void *h, int kind, unsigned *mhz) { *mhz = kind == 1 ? 1755 : 2619; return 0; }
int nvmlDeviceGetPowerUsage(void *h, unsigned *mw) { *mw = 654321; return 0; }
int nvmlDeviceGetTemperature(void *h, int kind, unsigned *c) { return 3; }
int nvmlDeviceGetCurrentClocksThrottleReasons(void *h, unsigned long long *mask) { *mask = 4; return 0; }
#ifndef OLD
typedef struct {
    unsigned field, scope; long long at, latency; int type, code; union { unsigned u; double d; } v;
} value;
int nvmlDeviceGetFieldValues(void *h, int n, value *v)
{
    v->code = v->field == 186 ? 0 : 3; v->v.d = 0; v->v.u = 701234; return 0;
}
int nvmlDeviceGetComputeRunningProcesses_v3(void *h, unsigned *n, info *infos)
{
    unsigned there = getenv("GPU_IS_SHARED") ? 100 : 1;
    if (gone()) return 15;
    if (*n < there) { *n = there; return 7; }
    *n = there;
    for (unsigned i = 0; i < there; i++) infos[i].pid = i + 1;
    return 0;
}
#endif
const char *nvmlErrorString(int code) { return code == 15 ? "GPU is lost" : "Not Found"; }
"""


def library(folder: Path, *options: str) -> str:
    (folder / "nvml.c").write_text(NVML)
    subprocess.run(["cc", "-shared", "-fPIC", "-w", *options, "-o", folder / "nvml.so", folder / "nvml.c"], check=True)
    return str(folder / "nvml.so")


@pytest.fixture(scope="module")
def nvml(tmp_path_factory):
    """A library with NVML's functions and one card of our invention."""
    return library(tmp_path_factory.mktemp("nvml"))


@pytest.fixture
def world():
    """The environment as a C library sees it; what is set is unset again."""
    libc = ctypes.CDLL(None)
    names = []

    def put(name: str) -> None:
        names.append(name)
        libc.setenv(name.encode(), b"1", 1)

    yield put
    for name in names:
        libc.unsetenv(name.encode())


def test_a_sample_has_units_and_leaves_out_what_cannot_be_read(nvml):
    card = telemetry.Telemetry("GPU-1", library=nvml)
    assert (card.name, card.driver_version, card.power_limit_w) == ("NVIDIA H100 80GB HBM3", "580.1", 700.0)
    assert card.sample() == {
        "sm_clock_mhz": 1755.0, "mem_clock_mhz": 2619.0, "power_w": pytest.approx(701.234), "throttle_reasons": 4.0,
    }  # fmt: skip
    assert card.processes().keys() == {1}


def test_an_older_driver_tells_average_power_and_is_named_where_it_cannot_tell_who_computes(tmp_path):
    card = telemetry.Telemetry("GPU-1", library=library(tmp_path, "-DOLD"))
    assert card.sample()["power_w"] == pytest.approx(654.321)
    with pytest.raises(telemetry.NoTelemetry, match=r"Processes_v3: .* install driver 535"):
        card.processes()


def test_however_many_processes_there_are_all_are_told(nvml, world):
    world("GPU_IS_SHARED")
    assert telemetry.Telemetry("GPU-1", library=nvml).processes().keys() == set(range(1, 101))


def test_a_card_that_is_not_there_or_disappears_is_told_in_nvmls_words(nvml, world):
    with pytest.raises(telemetry.NoTelemetry, match="Not Found"):
        telemetry.Telemetry("GPU-2", library=nvml)
    card = telemetry.Telemetry("GPU-1", library=nvml)
    world("GPU_IS_LOST")
    with pytest.raises(telemetry.NoTelemetry, match="GPU is lost"):
        card.processes()


def test_a_slice_of_a_card_is_refused(nvml):
    with pytest.raises(telemetry.NoTelemetry, match=r"MIG slice.*CUDA_VISIBLE_DEVICES"):
        telemetry.Telemetry("GPU-3", library=nvml)


def test_a_machine_without_nvml_says_so():
    with pytest.raises(telemetry.NoTelemetry, match=r"libnothing\.so cannot be loaded"):
        telemetry.Telemetry("GPU-1", library="libnothing.so")

"""What this machine offers the judge, for `kernelsmith doctor`."""

import sys
from pathlib import Path

from harness.compiling import toolchain, trusted
from harness.devices import machine
from harness.errors import MachineError
from harness.program import gpu_report
from harness.sandbox import launcher as sandbox

PROBE_S = 0.5


def report(cache: Path) -> dict[str, object]:
    """Return the findings, JSON-ready."""
    cores, isolation = machine.split_cores(), sandbox.probe()
    found: dict[str, object] = {
        "cpu": trusted.cpu_name(),
        "worker_core": None if cores.shared else cores.worker,
        "judge_cores": list(cores.judge),
        "isolation": int(isolation.level),
        "why_not_higher": isolation.why_not_higher,
        "python": sys.version.split()[0],
        "gpu": gpu_report.report(),
    }
    try:
        found["compiler"] = toolchain.find_compiler().version
        found["peaks"] = {
            unit: max(machine.measure_peak(unit, cache, core=cores.worker, seconds=PROBE_S)) for unit in machine.PROBES
        }
    except MachineError as error:
        found["problem"] = str(error)
    return found

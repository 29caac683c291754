"""Reports what this machine offers the judge (the harness process that measures kernels): cores, sandbox level,
compiler, peaks, GPU. `kernelsmith doctor` prints it.
"""

import sys
from pathlib import Path

from harness.compiling import toolchain, trusted
from harness.devices import machine
from harness.errors import MachineError
from harness.program import gpu_report
from harness.sandbox import launcher as sandbox

PROBE_S = 0.5
"""Seconds that the probe of each peak takes."""


def report(cache: Path) -> dict[str, object]:
    """Return a dict that describes this machine by topic (`cpu`, `isolation`, `compiler`, `peaks`, `gpu` ...) in JSON
    types. `cache` is the path of the folder in which the compiled programs that measure the peaks are kept. If the
    compiler is missing or a peak cannot be measured, the key `problem` holds the reason and no error is raised.
    """
    cores, isolation = machine.split_cores(), sandbox.probe()
    findings: dict[str, object] = {
        "cpu": trusted.cpu_name(),
        "worker_core": None if cores.shared else cores.worker,
        "judge_cores": list(cores.judge),
        "isolation": int(isolation.level),
        "why_not_higher": isolation.why_not_higher,
        "python": sys.version.split()[0],
        "gpu": gpu_report.report(),
    }
    try:
        findings["compiler"] = toolchain.find_compiler().version
        findings["peaks"] = {
            unit: max(machine.measure_peak(unit, cache, core=cores.worker, seconds=PROBE_S)) for unit in machine.PROBES
        }
    except MachineError as error:
        findings["problem"] = str(error)
    return findings

"""What this machine offers a run, found out one thing at a time, each with its remedy.

It knows nothing of how findings are shown.
"""

import os
import shutil
import sys
import tempfile
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from kernelsmith import paths
from kernelsmith.app import interpreter
from kernelsmith.core.kinds import Unit
from kernelsmith.errors import ConfigError, HarnessError, ModelError
from kernelsmith.judge_client import gpu
from kernelsmith.report import figures

ROOM_BYTES = 1 << 30
"""A night of attempts with their sources, replies and samples stays far below this."""
HIGHEST_LEVEL = 3
"""Of the sandbox: all of its guards."""
GPU_LIBRARIES = ("cupy", "triton")


@dataclass(frozen=True, slots=True)
class MachineFinding:
    """One thing that was looked for."""

    name: str
    found: str
    ok: bool
    remedy: str = ""
    """What to do about it; empty where nothing is to be done."""
    required: bool = False
    """Whether a run on the CPU needs it."""


def examine_machine(base_url: str | None, *, python: str | None) -> list[MachineFinding]:
    """Return everything that a run on this machine may need; `python` is the interpreter of the harness."""
    runs = paths.default_database().parent
    return [
        *machine_findings(python or sys.executable),
        *gpu_findings(python),
        endpoint_finding(base_url, os.environ),
        write_finding(runs),
        disk_finding(runs),
    ]


def machine_findings(python: str) -> list[MachineFinding]:
    """What the harness finds under this interpreter: compiler, CPU and its peak, cores, sandbox, and a GPU in words."""
    from kernelsmith.judge_client.harness import doctor

    try:
        found = doctor(python)
    except HarnessError as error:
        remedy = "reinstall kernelsmith, or name another interpreter with --harness-python"
        return [MachineFinding("harness", str(error), False, remedy, True)]
    told = [MachineFinding(topic, words, ok) for topic, (ok, words) in found["gpu"].items()]
    return [_compiler(found), _cpu(found), _cores(found), _sandbox(found), *told]


def gpu_findings(python: str | None) -> list[MachineFinding]:
    """The driver, and the libraries that the judge needs for GPU tasks under this interpreter; none is imported."""
    lack = gpu.missing()
    driver = MachineFinding(
        "GPU", lack or "an NVIDIA GPU answers", lack is None, "needed for cuda tasks only" if lack else ""
    )
    absent = interpreter.missing(python, GPU_LIBRARIES)
    found = absent.found if absent else f"{' and '.join(GPU_LIBRARIES)} found"
    remedy = f"for cuda tasks: {absent.remedy}" if absent else ""
    return [driver, MachineFinding("GPU libraries", found, absent is None, remedy)]


def endpoint_finding(option: str | None, environ: Mapping[str, str]) -> MachineFinding:
    """Whether a model endpoint is configured, and answers."""
    from kernelsmith.llm.client import reachable
    from kernelsmith.llm.endpoint import KEY_VARIABLES, api_key, base_url

    configured = option or environ.get("OPENAI_BASE_URL") or any(environ.get(name) for name in KEY_VARIABLES)
    if not configured:
        remedy = f"to search with a model: --model NAME --base-url URL, its key in {KEY_VARIABLES[0]}"
        return MachineFinding("model endpoint", "none configured; the tuner needs none", True, remedy)
    try:
        url = base_url(option, environ)
        return MachineFinding("model endpoint", f"{url}: {reachable(url, api_key(environ))}", True)
    except (ConfigError, ModelError) as error:
        return MachineFinding("model endpoint", str(error), False, "check --base-url or OPENAI_BASE_URL, and the key")


def write_finding(folder: Path) -> MachineFinding:
    """Whether runs can be written where they would be; tried, since permissions alone do not tell on every mount."""
    place = _nearest(folder)
    try:
        with tempfile.TemporaryFile(dir=place):
            return MachineFinding("write access", f"{folder.absolute()} can be written", True, required=True)
    except OSError as error:
        remedy = "work in a folder of your own, or name a database elsewhere with --db"
        return MachineFinding("write access", f"{place}: {error.strerror}", False, remedy, required=True)


def disk_finding(folder: Path) -> MachineFinding:
    """Free space where runs are written."""
    free = shutil.disk_usage(_nearest(folder)).free
    enough = free >= ROOM_BYTES
    remedy = "" if enough else "free some space, or name a database elsewhere with --db"
    return MachineFinding("disk space", f"{free / (1 << 30):.1f} GiB free", enough, remedy, required=True)


def _nearest(folder: Path) -> Path:
    """The folder, or where it would be made."""
    return next(place for place in (folder, *folder.absolute().parents) if place.is_dir())


def _compiler(found: Mapping[str, Any]) -> MachineFinding:
    if "compiler" in found:
        return MachineFinding("C compiler", found["compiler"], True, required=True)
    remedy = "install gcc or clang (Debian: apt-get install gcc libc6-dev)"
    return MachineFinding("C compiler", found.get("problem", "none found"), False, remedy, required=True)


def _cpu(found: Mapping[str, Any]) -> MachineFinding:
    if "peaks" in found:
        peaks = " and ".join(figures.rate(peak, Unit(unit)) for unit, peak in found["peaks"].items())
        return MachineFinding("CPU", f"{found['cpu']}, peak {peaks} on one core", True)
    return MachineFinding(
        "CPU", f"{found['cpu']}, peak not measured", False, f"first: {found.get('problem', 'see above')}"
    )


def _cores(found: Mapping[str, Any]) -> MachineFinding:
    if found["worker_core"] is None:
        remedy = "allow the process a second core; figures are noisier on one"
        return MachineFinding("cores", "one, shared by judge and candidates", False, remedy)
    judge = ", ".join(str(core) for core in found["judge_cores"])
    return MachineFinding("cores", f"candidates on core {found['worker_core']}, judge on {judge}", True)


def _sandbox(found: Mapping[str, Any]) -> MachineFinding:
    level, why = found["isolation"], found["why_not_higher"]
    words = f"level {level} of {HIGHEST_LEVEL}" + (f": {why}" if why else "")
    remedy = "" if level else "run where seccomp is permitted, or trust every candidate with --trust-candidates"
    return MachineFinding("sandbox", words, level > 0, remedy, required=True)

"""Examines what this machine offers a run (compiler, CPU, sandbox, GPU, model endpoint, disk), and names a remedy for
each thing that is lacking.

This module does not know how findings are shown.
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
"""Free bytes that are enough for runs: a night of attempts, with sources, replies and samples, takes far less."""
HIGHEST_LEVEL = 3
"""The highest sandbox level: all guards work."""
GPU_LIBRARIES = ("cupy", "triton")
"""Python packages that the harness needs for GPU tasks."""


@dataclass(frozen=True, slots=True)
class MachineFinding:
    """One thing that a run may need, such as a C compiler: its name, what was found on this machine, whether that is
    enough, and what the user can do if it is not. The functions of this module make it for `kernelsmith doctor`.
    """

    name: str
    found: str
    """The finding in words."""
    ok: bool
    remedy: str = ""
    """Remedy for the user; empty if nothing has to be done."""
    required: bool = False
    """Whether a run on the CPU cannot work without it."""


def examine_machine(base_url: str | None, *, python: str | None) -> list[MachineFinding]:
    """Return a list with one finding for each thing that a run on this machine may need, such as a compiler; what is
    lacking is a finding and not an exception. `base_url` is the URL of a model endpoint to try (None = the one that
    environment variables name), and `python` the path of the interpreter that would run the harness (None = the one of
    this process).
    """
    runs = paths.default_database().parent
    return [
        *machine_findings(python or sys.executable),
        *gpu_findings(python),
        endpoint_finding(base_url, os.environ),
        write_finding(runs),
        disk_finding(runs),
    ]


def machine_findings(python: str) -> list[MachineFinding]:
    """Return a list of findings about compiler, CPU and its peak, cores, sandbox and GPU of this machine. The harness
    (the program that judges candidates) collects them, started with the interpreter at the path `python`. If it does
    not start, the only finding holds its error; nothing is raised.
    """
    from kernelsmith.judge_client.harness import doctor

    try:
        facts = doctor(python)
    except HarnessError as error:
        remedy = "reinstall kernelsmith, or name another interpreter with --harness-python"
        return [MachineFinding("harness", str(error), False, remedy, True)]
    gpu_facts = [MachineFinding(topic, words, ok) for topic, (ok, words) in facts["gpu"].items()]
    return [_compiler(facts), _cpu(facts), _cores(facts), _sandbox(facts), *gpu_facts]


def gpu_findings(python: str | None) -> list[MachineFinding]:
    """Return two findings: whether an NVIDIA GPU answers, and whether the interpreter at the path `python` (None = the
    one of this process) has the Python packages for GPU tasks. The packages are not imported.
    """
    lack = gpu.missing()
    driver = MachineFinding(
        "GPU", lack or "an NVIDIA GPU answers", lack is None, "needed for cuda tasks only" if lack else ""
    )
    absent = interpreter.missing(python, GPU_LIBRARIES)
    found = absent.found if absent else f"{' and '.join(GPU_LIBRARIES)} found"
    remedy = f"for cuda tasks: {absent.remedy}" if absent else ""
    return [driver, MachineFinding("GPU libraries", found, absent is None, remedy)]


def endpoint_finding(option: str | None, environ: Mapping[str, str]) -> MachineFinding:
    """Return one finding: whether a model endpoint is configured and answers. `option` is the URL given with
    `--base-url`, or None; `environ` holds the environment variables, which may name a URL and a key. An endpoint that
    fails is a finding and not an exception.
    """
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
    """Return one finding: whether files can be written in `folder`, or in its nearest existing parent if it does not
    exist. A temporary file is created and removed to find out; a failure is a finding and not an exception.
    """
    place = _nearest(folder)
    try:
        with tempfile.TemporaryFile(dir=place):
            return MachineFinding("write access", f"{folder.absolute()} can be written", True, required=True)
    except OSError as error:
        remedy = "work in a folder of your own, or name a database elsewhere with --db"
        return MachineFinding("write access", f"{place}: {error.strerror}", False, remedy, required=True)


def disk_finding(folder: Path) -> MachineFinding:
    """Return one finding: how much space is free on the disk that holds `folder`, where runs are recorded, or its
    nearest existing parent; less than 1 GiB counts as too little. Raises OSError if the disk cannot be examined.
    """
    free = shutil.disk_usage(_nearest(folder)).free
    enough = free >= ROOM_BYTES
    remedy = "" if enough else "free some space, or name a database elsewhere with --db"
    return MachineFinding("disk space", f"{free / (1 << 30):.1f} GiB free", enough, remedy, required=True)


def _nearest(folder: Path) -> Path:
    """Return `folder`, or its nearest parent that exists, because the folder for runs is not created before the first
    run.
    """
    return next(place for place in (folder, *folder.absolute().parents) if place.is_dir())


def _compiler(facts: Mapping[str, Any]) -> MachineFinding:
    if "compiler" in facts:
        return MachineFinding("C compiler", facts["compiler"], True, required=True)
    remedy = "install gcc or clang (Debian: apt-get install gcc libc6-dev)"
    return MachineFinding("C compiler", facts.get("problem", "none found"), False, remedy, required=True)


def _cpu(facts: Mapping[str, Any]) -> MachineFinding:
    if "peaks" in facts:
        peaks = " and ".join(figures.rate(peak, Unit(unit)) for unit, peak in facts["peaks"].items())
        return MachineFinding("CPU", f"{facts['cpu']}, peak {peaks} on one core", True)
    return MachineFinding(
        "CPU", f"{facts['cpu']}, peak not measured", False, f"first: {facts.get('problem', 'see above')}"
    )


def _cores(facts: Mapping[str, Any]) -> MachineFinding:
    if facts["worker_core"] is None:
        remedy = "allow the process a second core; figures are noisier on one"
        return MachineFinding("cores", "one, shared by judge and candidates", False, remedy)
    judge = ", ".join(str(core) for core in facts["judge_cores"])
    return MachineFinding("cores", f"candidates on core {facts['worker_core']}, judge on {judge}", True)


def _sandbox(facts: Mapping[str, Any]) -> MachineFinding:
    level, why = facts["isolation"], facts["why_not_higher"]
    words = f"level {level} of {HIGHEST_LEVEL}" + (f": {why}" if why else "")
    remedy = "" if level else "run where seccomp is permitted, or trust every candidate with --trust-candidates"
    return MachineFinding("sandbox", words, level > 0, remedy, required=True)

"""One fact in one place: contract.toml against the names that both programs use, and the verdict's fields."""

import ast
import importlib
import json
import subprocess
import sys
from dataclasses import fields
from pathlib import Path
from types import ModuleType

import pytest

from kernelsmith import paths
from kernelsmith.core import caps, contract, run, verdict
from kernelsmith.core.candidate import Language
from kernelsmith.core.kinds import DataKind, DeviceKind, MeasuringKind, Role, Unit
from kernelsmith.core.task_file import TaskFile
from kernelsmith.judge_client.wire import Fault

HARNESS = paths.harness_folder() / "harness"
PACKAGE = Path(paths.__file__).parent


def module(name: str) -> ModuleType:
    return importlib.import_module(f"harness.{name}")


def test_the_agents_enums_have_the_names_of_the_contract():
    devices = contract.devices()
    assert set(DeviceKind) == set(devices)
    assert set(MeasuringKind) == {*DeviceKind, "scripted"}
    assert set(Unit) == {unit for device in devices.values() for unit in device.units}
    assert set(Language) == {language for device in devices.values() for language in device.languages}
    assert tuple(Role) == contract.names("task", "roles")
    assert tuple(DataKind) == contract.names("task", "data_kinds")
    assert tuple(Fault) == contract.names("wire", "faults")
    assert tuple(verdict.Figure) == contract.names("wire", "figures")


def test_the_harness_has_the_names_of_the_contract():
    assert tuple(module("wire.messages").Fault) == contract.names("wire", "faults")
    assert tuple(module("wire.messages").Figure) == contract.names("wire", "figures")
    assert set(module("checking.inputs")._DATA) == set(contract.names("task", "data_kinds"))
    assert {*module("devices.cards").PER_CLOCK, "dram"} == set(contract.devices()["cuda"].units)
    assert set(module("checking.rounding").NARROW) <= set(contract.dtypes())
    limits = module("task").Limits
    assert {field.name: field.default for field in fields(limits)} == {
        name: limit.default for name, limit in contract.limits().items()
    }


def test_the_table_of_limits_has_the_names_of_the_contract():
    table = TaskFile.model_fields["limits"].annotation
    assert table is not None
    assert set(table.model_fields) == set(contract.limits())
    assert contract.limits()["source_bytes"].most <= caps.FILE_BYTES


def test_a_triton_worker_which_cannot_read_the_contract_knows_the_same_element_sizes():
    known = module("worker.runtime.tensor").DTYPES
    assert {name: known[name].itemsize for name in contract.dtypes()} == {
        name: dtype.bytes for name, dtype in contract.dtypes().items()
    }


def test_the_judge_takes_its_policy_from_the_contract():
    policy = contract.timing_policy()
    margins = (
        module("judging.duel").MARGIN,
        module("judging.contention").CLEAR_FACTOR,
        module("judging.audit").ALLOWED,
    )
    assert margins == (policy["duel"]["margin"], policy["duel"]["clear_factor"], policy["audit"]["tolerance"])
    assert module("devices.cpu").PACE.noise == policy["cpu"]["noise"]
    assert policy["duel"]["margin"] == verdict.Duel.MARGIN


def test_the_policy_names_every_setting_of_a_pace():
    settings = {field.name for field in fields(module("timing.plan").Pace)}
    policy = contract.timing_policy()
    assert set(policy["cpu"]) == settings
    assert set(policy["cuda"]) == settings
    assert set(policy["cuda_dram"]) < settings


def test_the_policy_can_be_stored_as_json_and_is_read_once():
    assert json.loads(json.dumps(contract.timing_policy())) == contract.timing_policy()
    assert contract.facts() is contract.facts()


@pytest.mark.parametrize("text", ["0f" * 16, "a" * 32])
def test_a_key_is_known_by_its_form(text):
    assert contract.is_key(text)
    assert not any(map(contract.is_key, (text[:-1], text + "0", text[:-1] + "F", text[:-1] + "\n", text + "\n")))


# --- the fields of a verdict ----------------------------------------------------------------------------------------


def declarations(field: str, folder: Path) -> list[str]:
    """Return the files below a folder in which a class declares a field of this name."""
    found = []
    for path in sorted(folder.rglob("*.py")):
        classes = [node for node in ast.walk(ast.parse(path.read_text())) if isinstance(node, ast.ClassDef)]
        declared = [line for node in classes for line in node.body if isinstance(line, ast.AnnAssign)]
        found += [path.relative_to(folder).as_posix() for line in declared if ast.unparse(line.target) == field]
    return found


def test_a_field_of_the_verdict_is_declared_once_for_the_agent_and_once_for_the_harness():
    assert declarations("guards_s", PACKAGE) == ["core/verdict.py"]
    filled_by_stages = "judging/findings.py"
    assert declarations("guards_s", HARNESS) == [filled_by_stages, "wire/messages.py"]


@pytest.mark.parametrize(
    ("ours", "theirs"),
    [
        *((getattr(verdict, name), name) for name in ("Facts", "Interval", "Batch", "Measurement", "Duel", "Verdict")),
        *((getattr(run, name), name) for name in ("Device", "VendorLine")),
    ],
    ids=lambda part: part if isinstance(part, str) else "",
)
def test_both_programs_declare_the_same_fields(ours, theirs):
    written = {field.name for field in fields(getattr(module("wire.messages"), theirs))}
    assert written - {"source_digest"} == {field.name for field in fields(ours)}


def test_core_is_imported_without_pydantic():
    program = """
import pkgutil, sys, kernelsmith.core
needs_pydantic = {"task_faults", "task_file", "task_folder"}
for found in pkgutil.iter_modules(kernelsmith.core.__path__):
    if found.name not in needs_pydantic:
        __import__(f"kernelsmith.core.{found.name}")
        assert "pydantic" not in sys.modules, found.name
"""
    subprocess.run([sys.executable, "-c", program], check=True, timeout=120)

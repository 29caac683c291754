"""The runtime files of a GPU worker, its fault numbers, and the recording program of a Triton build."""

import ast
import re
import sys
from pathlib import Path
from types import SimpleNamespace

import pytest

from harness.compiling import record, trusted
from harness.errors import MachineError
from harness.worker import copies, runtime
from harness.worker.runtime import faults, layout, packages


def test_every_file_of_a_gpu_worker_is_copied_where_it_imports_it(tmp_path: Path) -> None:
    copies.lay_out(tmp_path, {"__main__.py": copies.GPU_PROGRAM, **copies.texts(copies.GPU_FILES)})
    copied = {path.name for path in (tmp_path / copies.PACKAGE).iterdir()}
    assert copied == {path.name for path in runtime.FOLDER.glob("*.py")}
    assert all(path.stat().st_mode & 0o004 for path in tmp_path.rglob("*.py"))


@pytest.mark.parametrize(
    ("error", "name"),
    [(ValueError(), "ValueError"), (UnicodeError(), "ValueError"), (KeyboardInterrupt(), "Exception")],
)
def test_an_exception_gets_the_fault_number_of_its_nearest_known_base_class(error: BaseException, name: str) -> None:
    assert faults.exception_name(faults.of_exception(error)) == name


@pytest.mark.parametrize("number", [0, 700, faults.PYTHON_FAULT - 1, faults.PYTHON_FAULT + len(faults.EXCEPTIONS)])
def test_other_fault_numbers_stand_for_no_exception(number: int) -> None:
    assert faults.exception_name(number) is None


def test_the_package_folder_is_last_in_the_import_path(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "path", ["first"])
    packages.offer("last")
    assert sys.path == ["first", "last"]


def test_addresses_of_the_recording_driver_do_not_overlap() -> None:
    driver = record.RecordingDriver({})
    first, second = driver.mem_alloc(10_000), driver.mem_alloc(1)
    assert second >= first + 10_000


def test_the_refusal_of_autotune_names_the_knob_to_write() -> None:
    triton = SimpleNamespace()
    record.refuse_autotune(triton)
    with pytest.raises(record.Refused, match="BLOCK = 128  # knob: 64 128 256"):
        triton.autotune([SimpleNamespace(kwargs={"BLOCK": 64})], key=[])


def test_an_error_of_a_candidate_is_described_with_its_line() -> None:
    with pytest.raises(ZeroDivisionError) as caught:
        exec(compile("\n1 / 0", "/private/candidate.py", "exec"))
    assert record.describe_error(caught.value) == "candidate.py:2: ZeroDivisionError: division by zero"
    with pytest.raises(SyntaxError) as broken:
        compile("\n\ndef", "/private/candidate.py", "exec")
    assert record.describe_error(broken.value).startswith("candidate.py:3: SyntaxError: ")


def test_a_layout_that_differs_from_the_c_worker_is_a_build_error(tmp_path: Path) -> None:
    definitions = [word.replace("LAYOUT_CALLS=1", "LAYOUT_CALLS=2") for word in layout.c_definitions()]
    with pytest.raises(MachineError, match=r"layout\.py places calls elsewhere"):
        trusted.program(runtime.FOLDER / "cpu.c", tmp_path, options=(*definitions, "-ldl"))


def test_the_errors_structure_is_the_same_in_kernels_cu_and_examiner() -> None:
    source = (runtime.FOLDER.parents[1] / "memory" / "kernels.cu").read_text(encoding="utf-8")
    struct = re.search(r"struct Errors \{\n(.*?)\};", source, re.DOTALL)[1]
    kinds = {"double": "f8", "u64": "u8", "float": "f4"}
    written = [(name.replace("unused", ""), kinds[kind]) for kind, name in re.findall(r"^ +(\w+) (\w+);", struct, re.M)]
    examiner = (runtime.FOLDER.parents[1] / "memory" / "examiner.py").read_text(encoding="utf-8")
    (declared,) = (
        ast.literal_eval(node.value.args[0])
        for node in ast.parse(examiner).body
        if isinstance(node, ast.Assign) and ast.unparse(node.targets[0]) == "ERRORS"
    )
    assert declared == written

"""What a worker on a GPU is made of and how it tells faults; a Triton build on paper."""

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
def test_an_exception_is_told_by_the_nearest_kind_that_has_a_number(error: BaseException, name: str) -> None:
    assert faults.exception_name(faults.of_exception(error)) == name


@pytest.mark.parametrize("number", [0, 700, faults.PYTHON_FAULT - 1, faults.PYTHON_FAULT + len(faults.EXCEPTIONS)])
def test_other_numbers_are_no_exceptions(number: int) -> None:
    assert faults.exception_name(number) is None


def test_packages_are_looked_for_after_everything_else(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "path", ["first"])
    packages.offer("last")
    assert sys.path == ["first", "last"]


def test_memory_on_paper_does_not_overlap() -> None:
    driver = record.RecordingDriver({})
    first, second = driver.mem_alloc(10_000), driver.mem_alloc(1)
    assert second >= first + 10_000


def test_a_candidate_that_tunes_is_told_what_to_write_instead() -> None:
    triton = SimpleNamespace()
    record.refuse_autotune(triton)
    with pytest.raises(record.Refused, match="BLOCK = 128  # knob: 64 128 256"):
        triton.autotune([SimpleNamespace(kwargs={"BLOCK": 64})], key=[])


def test_a_fault_of_a_candidate_is_told_with_its_line() -> None:
    with pytest.raises(ZeroDivisionError) as caught:
        exec(compile("\n1 / 0", "/private/candidate.py", "exec"))
    assert record.describe_error(caught.value) == "candidate.py:2: ZeroDivisionError: division by zero"
    with pytest.raises(SyntaxError) as broken:
        compile("\n\ndef", "/private/candidate.py", "exec")
    assert record.describe_error(broken.value).startswith("candidate.py:3: SyntaxError: ")


def test_a_layout_that_the_c_worker_does_not_have_is_a_build_error(tmp_path: Path) -> None:
    told = [word.replace("LAYOUT_CALLS=1", "LAYOUT_CALLS=2") for word in layout.c_definitions()]
    with pytest.raises(MachineError, match=r"layout\.py places calls elsewhere"):
        trusted.program(runtime.FOLDER / "cpu.c", tmp_path, options=(*told, "-ldl"))


def test_the_card_and_the_judge_lay_out_the_errors_of_an_output_alike() -> None:
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

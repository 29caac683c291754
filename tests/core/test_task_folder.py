"""A task folder: the shipped ones are whole, and every fault of a user's own is one line that names file and key."""

import shutil
from pathlib import Path

import pytest

from kernelsmith.core.task_folder import find_task, load_task, task_names
from kernelsmith.errors import TaskError

SMALL = Path(__file__).parents[1] / "tasks" / "small_matmul"


@pytest.fixture
def mine(tmp_path) -> Path:
    """A task of the user's own, whole."""
    return Path(shutil.copytree(SMALL, tmp_path / "mine"))


@pytest.mark.parametrize("name", task_names())
def test_a_shipped_task_is_whole(name):
    task = find_task(name)
    assert task.description
    assert "def reference" in task.benchmark
    assert task.families
    assert any(case.hidden for case in task.cases)
    assert any(case.timed for case in task.shown_cases)


def test_a_folder_anywhere_is_a_task(mine):
    assert find_task(str(mine)).name == "mine"
    assert load_task(mine).entry == load_task(SMALL).entry


def test_a_changed_file_makes_another_task(mine):
    before = load_task(mine).digest
    assert before == load_task(SMALL).digest
    (mine / "benchmark.py").write_text((mine / "benchmark.py").read_text() + "\n")
    assert load_task(mine).digest != before


@pytest.mark.parametrize("name", ["task.toml", "description.md", "benchmark.py", "skeleton.c"])
def test_a_missing_file_is_named(mine, name):
    (mine / name).unlink()
    with pytest.raises(TaskError, match=name):
        load_task(mine)


@pytest.mark.parametrize(
    ("old", "new", "said"),
    [
        ('device = "cpu"', 'device = "tpu"', "device"),
        ('unit = "fp32"', "unit = 32", "unit"),
        ('languages = ["c"]', 'languages = ["rust"]', "languages.0"),
        ('entry = "matmul"', 'entry = "mat mul"', "signature.entry"),
        ('dtype = "float32"', 'dtype = "float33"', "signature.arguments.0.dtype"),
        ('shape = ["M", "K"]', 'shape = ["M", "Q"]', "Q, which is no argument"),
        ("timed = 1.0", "timed = 0.0", "timed = 1.0"),
        ("timed = 1.0", "timed = inf", "cases.0.timed"),
        ('unit = "fp32"', 'unit = "fp99"', "unit: a cpu is measured in fp32, dram so far, not in fp99"),
        ('device = "cpu"', 'device = "cuda"', "languages: c does not run on a cuda; known are cuda, triton"),
        ('device = "cpu"', 'device = "cpu"\narch = "sm_90a"', "arch: a cpu is taken as it is"),
        ('device = "cpu"', 'device = "cpu"\narch = "sm_1"', "arch: Input should be 'sm_90a', not 'sm_1'"),
        ('device = "cpu"', 'device = "cpu"\narch = 90', "arch: Input should be 'sm_90a', not 90"),
        ('vendor = "openblas"', 'vendor = "cublaslt"', "vendor: cublaslt is no library of a cpu"),
        ('left = "A"', 'left = "Z"', "check.left: 'Z' is no input argument"),
        ('left = "A"', "", "check.left: None is no input argument"),
        ('output = "C"', 'output = "A"', "check.output: 'A' is no output argument"),
        ('rule = "product"', 'rule = "product"\nindependent = "M"', "check.independent: of rule product"),
        ('rule = "product"', 'rule = "elementwise"\nindependent = "K"', "check.independent: K must count the rows"),
        ('rule = "product"', 'rule = "elementwise"\nindependent = "N"', "check.independent: N must count the rows"),
        ('rule = "product"', 'rule = "elementwise"\nindependent = "R"', "check.independent: R must count the rows"),
        ('name = "B"', 'name = "A"', "two arguments are called A"),
        ('name = "odd"', 'name = "main"', "cases: two are called main"),
        ("M = 64,", "M = -64,", "cases.0.sizes.M"),
        ("M = 64,", "", "sizes must be exactly"),
        ('title = "', 'titel = "', "title"),
        ('skeleton = "skeleton.c"', 'skeleton = "skeleton.py"', "skeleton.py"),
        ("[signature]", "[signature", "not valid TOML"),
    ],
)
def test_a_wrong_value_is_named_with_its_key(mine, old, new, said):
    text = (mine / "task.toml").read_text()
    assert old in text
    (mine / "task.toml").write_text(text.replace(old, new, 1))
    with pytest.raises(TaskError) as caught:
        load_task(mine)
    message = str(caught.value)
    assert said in message
    assert str(mine) in message
    assert "\n" not in message


def test_independent_rows_are_not_timed_on_rows_of_widely_different_magnitude(mine):
    text = (mine / "task.toml").read_text().replace('rule = "product"', 'rule = "elementwise"\nindependent = "M"')
    (mine / "task.toml").write_text(text)
    load_task(mine)
    (mine / "task.toml").write_text(text.replace("timed = 1.0", 'timed = 1.0\ndata = "wide_range"', 1))
    with pytest.raises(TaskError, match=r"check\.independent: case main is timed on wide_range data"):
        load_task(mine)


def test_an_unknown_task_is_answered_with_those_there_are():
    with pytest.raises(TaskError, match="cpu_matmul"):
        find_task("cpu_matmull")

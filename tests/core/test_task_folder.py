"""A task folder: the shipped ones are whole, and every fault of a user's own is one line that names file and key."""

import shutil
from pathlib import Path

import pytest

from kernelsmith.core.task_folder import find_task, load_task, task_names
from kernelsmith.core.toml_line import MOST_LINES, line_of
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


@pytest.mark.parametrize("name", ["task.toml", "description.md", "benchmark.py", "skeleton.c", "vendor.c"])
def test_a_missing_file_is_named(mine, name):
    (mine / name).unlink()
    with pytest.raises(TaskError, match=name):
        load_task(mine)


@pytest.mark.parametrize(
    ("old", "new", "expected"),
    [
        ('device = "cpu"', 'device = "tpu"', 'task.toml:2: `device` is "tpu"; it must be one of cpu, cuda'),
        ('unit = "fp32"', "unit = 32", "task.toml:3: `unit` is 32; it must be one of fp32, dram (device cpu)"),
        ('unit = "fp32"', "", "task.toml: missing key `unit`: one of fp32, dram (device cpu) or fp8"),
        ('unit = "fp32"', 'units = "fp32"', "task.toml:3: unknown key `units`; did you mean `unit`?"),
        ('languages = ["c"]', 'languages = ["rust"]', 'languages.0` is "rust"; it must be a list of at least one of c'),
        ('entry = "matmul"', 'entry = "mat mul"', '`signature.entry` is "mat mul"; it must be a C identifier'),
        ('dtype = "float32", shape = ["N"', 'dtype = "float33", shape = ["N"',
         'task.toml:12: `signature.arguments.1.dtype` is "float33"; it must be one of float64, float32'),
        ('shape = ["M", "K"]', 'shape = ["M", "Q"]', "task.toml:10: `signature.arguments`: a shape names Q, which"),
        ("timed = 1.0", "timed = 0.0", "add `timed = 1.0` to a case that is not hidden"),
        ("timed = 1.0", "timed = inf", "task.toml:39: `cases.0.timed` is inf; it must be a weight from 0 to 1,000,000"),
        ("timed = 1.0", "timmed = 1.0", "task.toml:39: unknown key `cases.0.timmed`; did you mean `timed`?"),
        ("hidden = true", "hidden = 1", "task.toml:45: `cases.1.hidden` is 1; it must be true or false"),
        ('name = "odd"', "", "task.toml:41: missing key `cases.1.name`: a C identifier"),
        ("call_s = 2", "call_s = 0", "`limits.call_s` is 0; it must be a number of seconds above 0 and at most 86,400"),
        ("[check]", '[check]\nvendor = "openblas"',
         "task.toml:20: unknown key `check.vendor`; `vendor` belongs above the first table"),
        ("[limits]", "[limits]\nentry = 3", "`entry` belongs in the table [signature]"),
        ("[limits]", "frobnicate = 3\n[limits]", "known keys are rule, left, right, output, independent"),
        ('unit = "fp32"', 'unit = "fp99"', "`unit`: fp99 is no unit of device cpu; use one of fp32, dram"),
        ('device = "cpu"', 'device = "cuda"', "`languages`: c does not run on device cuda; use cuda, triton"),
        ('device = "cpu"', 'device = "cpu"\narch = "sm_90a"', "`arch`: sm_90a is for device cuda; remove the key"),
        ('device = "cpu"', 'device = "cpu"\narch = "sm_1"', '`arch` is "sm_1"; it must be one of sm_90a'),
        ('device = "cpu"', 'device = "cpu"\narch = 90', "`arch` is 90; it must be one of sm_90a"),
        ('vendor = "openblas"', 'vendor = "cublaslt"', "`vendor`: cublaslt is no library of device cpu; use openblas"),
        ('left = "A"', 'left = "Z"', "`check.left`: Z is no input argument; the input arguments are A, B"),
        ('left = "A"', "", "`check.left`: the rule product needs it; the input arguments are A, B"),
        ('output = "C"', 'output = "A"', "`check.output`: A is no output argument"),
        ('rule = "product"', 'rule = "product"\nindependent = "M"', "`check.independent`: the rule is product"),
        ('rule = "product"', 'rule = "elementwise"\nindependent = "K"', "`check.independent`: K must be the first"),
        ('rule = "product"', 'rule = "elementwise"\nindependent = "N"', "`check.independent`: N must be the first"),
        ('rule = "product"', 'rule = "elementwise"\nindependent = "R"', "`check.independent`: R must be the first"),
        ('name = "B"', 'name = "A"', "two arguments are called A"),
        ('name = "odd"', 'name = "main"', "`cases`: two cases are called main"),
        ("M = 64,", "M = -64,", "task.toml:38: `cases.0.sizes.M` is -64; it must be a table with a whole number"),
        ("M = 64,", "", "task.toml:38: `cases.0.sizes`: case main: must hold exactly K, M, N"),
        ('title = "', 'titel = "', "task.toml:1: unknown key `titel`; did you mean `title`?"),
        ('skeleton = "skeleton.c"', 'skeleton = "skeleton.py"', "skeleton.py"),
        ('skeleton = "skeleton.c"', 'skeleton = "benchmark.py"', "rename it to .c (c)"),
        ("[signature]", "[signature", "not valid TOML"),
    ],
)  # fmt: skip
def test_a_wrong_value_is_named_with_its_key(mine, old, new, expected):
    text = (mine / "task.toml").read_text()
    assert old in text
    (mine / "task.toml").write_text(text.replace(old, new, 1))
    with pytest.raises(TaskError) as caught:
        load_task(mine)
    message = str(caught.value)
    assert expected in message
    assert str(mine) in message
    assert "\n" not in message


def test_independent_rows_are_not_timed_on_rows_of_widely_different_magnitude(mine):
    text = (mine / "task.toml").read_text().replace('rule = "product"', 'rule = "elementwise"\nindependent = "M"')
    (mine / "task.toml").write_text(text)
    load_task(mine)
    (mine / "task.toml").write_text(text.replace("timed = 1.0", 'timed = 1.0\ndata = "wide_range"', 1))
    with pytest.raises(TaskError, match=r"`check\.independent`: case main is timed on wide_range data"):
        load_task(mine)


def test_the_error_for_an_unknown_task_lists_the_known_tasks():
    with pytest.raises(TaskError, match="cpu_matmul"):
        find_task("cpu_matmull")


def test_the_path_of_a_task_toml_is_a_task(mine):
    assert find_task(str(mine / "task.toml")).folder == load_task(mine).folder


def test_another_file_of_a_task_folder_is_refused_with_the_remedy(mine):
    with pytest.raises(TaskError, match=r"benchmark\.py: no task folder; give the path of the folder, or of its task"):
        find_task(str(mine / "benchmark.py"))


def test_a_long_or_broken_text_has_no_line_of_a_key():
    assert line_of('a = 1\n\n# why\nb = [\n    "x",\n    "y",\n]\n', ("b", 1)) == 6
    assert line_of("[t]\nx = 1", ("t", "missing")) == 1
    assert line_of("a = [", ("a",)) is None
    assert line_of("\n" * MOST_LINES + "a = 1", ("a",)) is None

"""A task of the user's own: mistakes in its benchmark.py are one line, and a repaired task goes on."""

import json
from pathlib import Path

import pytest

SMALL = Path(__file__).parents[1] / "tasks" / "small_matmul"


MISTAKES = [
    ("def flops", "def flop", "benchmark.py: no function flops(case); it must return the arithmetic operations of one"),
    ("return 2 * ", "return 0 * ", "benchmark.py:13: flops returns 0 in case main; it must return the arithmetic"),
    ('{"C": a @ b.T}', '{"D": a @ b.T}', "benchmark.py:7: reference returns D of shape [17, 9] in case odd; it must"),
    ('{"C": a @ b.T}', '{"C": b @ a.T}', "it must return C of shape [17, 9]"),
    ('{"C": a @ b.T}', '{"C": a @ q.T}', "benchmark.py:10: NameError: name 'q' is not defined in case odd; reference("),
    ("(inputs, xp):", "(inputs, xp:", "benchmark.py:7: '(' was never closed"),
    ("(inputs, xp):", "(inputs):", "benchmark.py:7: TypeError: reference() takes 1 positional argument but 2 were"),
    ('"rms": unit', '"rmse": unit', "tolerance returns the keys max_element, rmse in case main; it must return a dict"),
    ('"rms": unit', '"rms": -unit', "benchmark.py:23: tolerance returns rms = -5.96"),
    ("def tolerance", "def tolerances", "benchmark.py: no function tolerance(case); it must return a dict with max_el"),
]
"""A piece of benchmark.py, what replaces it, and a part of the line that the user reads."""


@pytest.mark.parametrize(("old", "new", "expected"), MISTAKES)
def test_a_mistake_in_benchmark_py_is_one_line(cli, mine, quick, old, new, expected):
    edit_benchmark(mine, old, new)
    done = cli("run", "mine", *quick)
    assert done.returncode == 2
    assert expected in done.stderr.splitlines()[-1]
    assert "doctor" not in done.stderr


@pytest.mark.parametrize(("old", "new", "expected"), MISTAKES)
def test_tasks_refuses_a_folder_with_the_line_of_judge(cli, mine, old, new, expected):
    edit_benchmark(mine, old, new)
    done = cli("tasks", "mine")
    assert done.returncode == 2
    assert done.stdout == ""
    (line,) = done.stderr.splitlines()
    assert expected in line


def test_tasks_shows_a_folder_that_judge_accepts(cli, mine):
    done = cli("tasks", "mine/task.toml")
    assert done.returncode == 0, done.stderr
    assert done.stderr == ""
    assert "64^3 matrix product" in done.stdout


def test_tasks_says_that_benchmark_py_was_not_checked_without_an_interpreter(cli, mine):
    edit_benchmark(mine, "def tolerance", "def tolerances")
    done = cli("tasks", "mine", "--harness-python", "/bin/false")
    assert done.returncode == 0
    assert "64^3 matrix product" in done.stdout
    assert "benchmark.py was not checked: --harness-python /bin/false" in done.stderr


def test_a_benchmark_that_writes_to_stdout_is_checked_like_any_other(cli, mine):
    edit_benchmark(mine, "def flops", "print('{}')\n\n\ndef flops")
    assert cli("tasks", "mine").returncode == 0


def edit_benchmark(mine: Path, old: str, new: str) -> None:
    text = (mine / "benchmark.py").read_text()
    assert old in text
    (mine / "benchmark.py").write_text(text.replace(old, new, 1))


@pytest.mark.parametrize(
    "command", [("run", "mine", "--attempts", "2"), ("judge", "mine", "{kernel}"), ("tasks", "mine")]
)
def test_a_task_that_does_not_fit_into_memory_is_one_line_that_names_the_case(cli, mine, command):
    text = (mine / "task.toml").read_text()
    (mine / "task.toml").write_text(text.replace("M = 64, N = 64", "M = 400000, N = 400000"))
    kernel = SMALL / "families" / "1_dot.c"
    done = cli(*(word.format(kernel=kernel) for word in command))
    assert done.returncode == 2, done.stderr
    said = done.stderr.splitlines()[-1] if command[0] != "run" else done.stderr
    assert "task.toml: case main: its arrays take 596.2 GiB and judging them about" in said
    assert "which is 80% of the free memory of this machine; make its sizes smaller" in said


def test_a_run_that_never_began_goes_on_with_the_repaired_folder(cli, mine, card):
    whole = (mine / "benchmark.py").read_text()
    (mine / "benchmark.py").write_text(whole.replace("def flops", "def flop"))
    assert cli("run", "mine", "--attempts", "2", "--name", "own", *card).returncode == 2
    (mine / "benchmark.py").write_text(whole)
    with_the_copy = cli("resume", "own")
    assert with_the_copy.returncode == 2
    assert "--task-from-disk" in with_the_copy.stderr.splitlines()[0]
    assert "no function flops" in with_the_copy.stderr.splitlines()[-1]
    done = cli("resume", "own", "--task-from-disk")
    assert done.returncode == 0, done.stderr
    assert json.loads(cli("runs", "--json").stdout)[0]["attempts"] == 2


def declare_rows(mine: Path, *, reference: str = '{"C": a @ b.T}') -> None:
    """The same product compared element by element, by secretly chosen rows."""
    task, text = (mine / "task.toml").read_text(), (mine / "benchmark.py").read_text()
    (mine / "task.toml").write_text(task.replace('rule = "product"', 'rule = "elementwise"\nindependent = "M"'))
    text = text.replace("10 * unit", "1000 * unit").replace('"rms": unit', '"rms": 100 * unit')
    (mine / "benchmark.py").write_text(text.replace('{"C": a @ b.T}', reference))


def run_one(cli, quick):
    """Judge one right kernel in a run of one attempt."""
    return cli("run", "mine", "--from", str(SMALL / "families" / "1_dot.c"), "--attempts", "1", "--json", *quick)


def test_rows_that_are_independent_can_be_declared(cli, mine, quick):
    declare_rows(mine)
    done = run_one(cli, quick)
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout)["passed"] == 1


def test_rows_that_are_not_independent_are_found_out(cli, mine, quick):
    declare_rows(mine, reference='{"C": a @ b.T - xp.mean(a @ b.T, axis=0)}')
    done = run_one(cli, quick)
    assert done.returncode == 2
    assert "task.toml: check.independent: rows of C along M depend on one another" in done.stderr.splitlines()[-1]

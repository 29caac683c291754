"""A task of the user's own: mistakes in its benchmark.py are one line, and a repaired task goes on."""

import json
from pathlib import Path

import pytest

SMALL = Path(__file__).parents[1] / "tasks" / "small_matmul"


@pytest.mark.parametrize(
    ("old", "new", "said"),
    [
        ("def flops", "def flop", "benchmark.py: no function flops"),
        ("return 2 * ", "return 0 * ", "benchmark.py: flops is 0.0 in case"),
        ('{"C": a @ b.T}', '{"D": a @ b.T}', "benchmark.py: reference returns {'D'"),
        ('{"C": a @ b.T}', '{"C": b @ a.T}', "benchmark.py: reference returns {'C'"),
        ('{"C": a @ b.T}', '{"C": a @ q.T}', "NameError: name 'q' is not defined"),
        ("def reference(inputs, xp):", "def reference(inputs, xp:", "benchmark.py:"),
        ('"rms": unit', '"rmse": unit', "benchmark.py: TypeError"),
    ],
)
def test_a_mistake_in_benchmark_py_is_one_line(cli, mine, quick, old, new, said):
    text = (mine / "benchmark.py").read_text()
    assert old in text
    (mine / "benchmark.py").write_text(text.replace(old, new, 1))
    done = cli("run", "mine", *quick)
    assert done.returncode == 2
    assert said in done.stderr.splitlines()[-1]
    assert "doctor" not in done.stderr


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
    assert "task.toml: case main: its buffers take 596.2 GiB and judging them about" in said
    assert "may be taken here, 80% of the free memory: make its sizes smaller" in said


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

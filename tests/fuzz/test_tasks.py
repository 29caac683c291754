"""A task folder, however it is mutilated: a task, or a TaskError of one line that names the path."""

import os
import shutil
import tomllib
from pathlib import Path

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from kernelsmith.core import caps
from kernelsmith.core.task import Task
from kernelsmith.core.task_folder import find_task, load_task
from kernelsmith.errors import TaskError
from kernelsmith.judge_client.harness import HarnessProcess
from kernelsmith.propose.knobs import read_family

SMALL = Path(__file__).parents[1] / "tasks" / "small_matmul"
TEXT = (SMALL / "task.toml").read_text()
FILES = ["task.toml", "description.md", "benchmark.py", "skeleton.c"]
MIB = 1 << 20


@pytest.fixture
def mine(tmp_path: Path) -> Path:
    """A whole task; each example mutilates it anew."""
    return Path(shutil.copytree(SMALL, tmp_path / "mine"))


def loaded(folder: Path) -> Task | None:
    """The task; None where it is refused, in one line that names the path."""
    try:
        return load_task(folder)
    except TaskError as error:
        assert_one_line(str(error), folder)
        return None


def assert_one_line(said: str, path: Path) -> None:
    assert said.isprintable(), said
    assert len(said) < 2000
    assert path.name in said


def written(folder: Path, text: str | bytes) -> Path:
    (folder / "task.toml").write_bytes(text.encode("utf-8", "replace") if isinstance(text, str) else text)
    return folder


@given(st.binary(max_size=400) | st.text(max_size=400).map(lambda text: text.encode("utf-8", "replace")))
@example(b"a = " + b"[" * 50_000)
@example(b"a = " + b"{a=" * 50_000)
@example(b"a." * 50_000 + b"a = 1")
@example(b"a = " + b"9" * 10_000)
@example(b"a = 1e999999999")
@example(b"a = 9999-99-99")
@example(b'a = "\x00"')
@example(b"\xff\xfe\x00")
@example(b"")
@example(b'"a\\nb\\u001b[31m" = 1')
@example(b'"' + b"k" * 1_000_000 + b'" = 1')
def test_noise_is_no_task(mine, noise):
    assert loaded(written(mine, noise)) is None


VALUES = ["0", "-1", "1", "2147483648", "9" * 400, "1e308", "nan", "inf", "-inf", "true", '"text"', '""', "[]", "{}",
          "[[[]]]", "[1, 'a']", "{a = {b = {}}}", "1979-05-27", "0x10", '"\\u202e\\u0007"', '"../../etc/passwd.c"',
          '"\\u0000.c"', '"' + "a" * 10_000 + '"']  # fmt: skip


@given(st.integers(0, TEXT.count("=") - 1), st.sampled_from(VALUES))
def test_a_value_of_another_kind_is_named_or_allowed(mine, number, value):
    """The value after the n-th equals sign, up to what ends it."""
    at = -1
    for _ in range(number + 1):
        at = TEXT.index("=", at + 1)
    end = min(place for mark in ",}\n" if (place := TEXT.find(mark, at)) >= 0)
    loaded(written(mine, f"{TEXT[: at + 1]} {value}{TEXT[end:]}"))


@given(st.integers(0, len(TEXT) - 1), st.integers(0, 40), st.text(alphabet='[]{}="\n\\\0aé', max_size=6))
@settings(max_examples=400)
def test_a_text_with_a_piece_replaced_is_a_task_or_a_fault(mine, start, length, piece):
    loaded(written(mine, TEXT[:start] + piece + TEXT[start + length :]))


@given(st.integers(0, TEXT.count("\n") - 1), st.integers(0, TEXT.count("\n") - 1))
def test_lines_that_change_places_or_stand_twice_are_a_task_or_a_fault(mine, one, other):
    lines = TEXT.split("\n")
    lines[one] = lines[other]
    loaded(written(mine, "\n".join(lines)))


@pytest.mark.parametrize("key", ["surplus", "signature.surplus", "check.surplus", "limits.surplus", "rules.surplus"])
def test_a_surplus_key_is_named(mine, key):
    table, _, name = key.rpartition(".")
    head = f"[{table}]\n" if table and table not in tomllib.loads(TEXT) else f"[{table}]"
    text = TEXT.replace(head, f"{head}\n{name} = 1", 1) if head.strip("[]") and head in TEXT else f"surplus = 1\n{TEXT}"
    with pytest.raises(TaskError, match="surplus"):
        load_task(written(mine, text))


@pytest.mark.parametrize("sizes", ["M = 2147483648", "M = 0", "M = -5", "M = 1.5", "M = nan", "M = 999999999"])
def test_a_size_that_no_machine_has_is_named_with_its_case(mine, sizes):
    text = TEXT.replace("M = 64", sizes, 1).replace("K = 64", "K = 999999999", 1)
    with pytest.raises(TaskError, match=r"case main: A would take|sizes\.M"):
        load_task(written(mine, text))


def replace_by(path: Path, kind: str) -> None:
    path.unlink()
    match kind:
        case "folder":
            path.mkdir()
        case "fifo":
            os.mkfifo(path)
        case "loop":
            path.symlink_to(path)
        case "dangling":
            path.symlink_to("absent")
        case "endless":
            path.symlink_to("/dev/zero")
        case "huge":
            path.touch()
            os.truncate(path, 1 << 40)
        case "not text":
            path.write_bytes(b"title = '\xff'")


KINDS = ["folder", "fifo", "loop", "dangling", "endless", "huge", "not text"]


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("name", FILES)
def test_what_is_no_text_file_is_named_and_not_waited_for(mine, name, kind):
    replace_by(mine / name, kind)
    with pytest.raises(TaskError, match=name.replace(".", r"\.")):
        load_task(mine)


@pytest.mark.parametrize("kind", ["folder", "fifo", "loop", "dangling"])
def test_a_family_that_is_no_file_is_none(mine, kind):
    (mine / "families" / "0_odd.c").touch()
    replace_by(mine / "families" / "0_odd.c", kind)
    task = load_task(mine)
    assert "0_odd" not in [path.stem for path in task.families]
    assert task.digest


def test_a_folder_that_links_to_itself_is_no_task(tmp_path):
    (tmp_path / "round").symlink_to("round")
    for find in (lambda: find_task(str(tmp_path / "round")), lambda: load_task(tmp_path / "round")):
        with pytest.raises(TaskError, match="round"):
            find()


@pytest.mark.parametrize("name", ["\0", "a\nb", "\x1b[2J", "x" * 100_000, "\udcff", "/", "..", ""])
def test_a_name_that_no_task_has_is_one_line(tmp_path, monkeypatch, name):
    monkeypatch.chdir(tmp_path)
    with pytest.raises(TaskError) as caught:
        find_task(name)
    assert str(caught.value).isprintable()
    assert len(str(caught.value)) < 2 * caps.NAME + 200


def test_files_with_names_that_are_no_text_belong_to_the_task(mine):
    before = load_task(mine).digest
    with open(os.fsencode(mine / "families") + b"/\xff\x1b[31m.c", "wb") as family:
        family.write(b"void matmul(void) {}\n")
    task = load_task(mine)
    assert task.digest != before
    assert all(read_family(path).name.isprintable() for path in task.families)


@given(st.text(alphabet="NAMEOTHER0123456789+-*/%<>=()[]. \x00and", max_size=40))
@example("NAME % 0 < 1")
@example("NAME // 0 < 1")
@example("NAME < 'a'")
@example("(" * 5_000)
@example("-" * 50_000 + "1")
@example("NAME" + " + NAME" * 20_000)
@example("\x00")
def test_a_requirement_is_read_or_named(tmp_path_factory, requirement):
    path = tmp_path_factory.mktemp("family") / "1_a.c"
    path.write_text(f"#define NAME 4  // knob: 2 4 8\n// require: {requirement}\nvoid matmul(void) {{}}\n")
    try:
        assert read_family(path).name == "1_a"
    except TaskError as error:
        assert_one_line(str(error), path)


def test_a_file_of_any_size_takes_no_memory(mine, grown_bytes):
    os.truncate(mine / "task.toml", 1 << 40)
    prepared = f"""
from pathlib import Path
from kernelsmith.core.task_folder import load_task
from kernelsmith.errors import TaskError
folder = Path({str(mine)!r})
"""
    body = "try: load_task(folder)\nexcept TaskError as error: assert 'KiB' in str(error)"
    assert grown_bytes(prepared, body) < 8 * MIB


# --- benchmark.py, which the harness runs ---------------------------------------------------------------------------


BENCHMARKS = {
    "empty": "",
    "no Python": "\x1b[31m)(",
    "NUL": "x = 1\0",
    "nested": "x = " + "(" * 5_000,
    "ends": "raise SystemExit(3)",
    "recurses": "def f(): f()\nf()",
    "raises text for a reader": "raise ValueError('\\x1b[2J' + 'x' * 1_000_000)",
    "an error that cannot be told": "class E(Exception):\n    def __str__(self): raise ValueError\nraise E",
    "the wrong work": "{whole}\ndef flops(sizes): return float('nan')",
    "negative work": "{whole}\ndef flops(sizes): return -1",
    "a reference of another shape": "{whole}\ndef reference(inputs, xp): return {{'C': [1]}}",
    "no reference": "{whole}\nreference = None",
    "an odd tolerance": "{whole}\ndef tolerance(case): return 'much'",
}


@pytest.mark.parametrize("kind", BENCHMARKS)
def test_a_benchmark_that_is_none_is_one_error_and_no_hang(mine, tmp_path, kind):
    whole = (mine / "benchmark.py").read_text()
    (mine / "benchmark.py").write_text(BENCHMARKS[kind].format(whole=whole))
    process = HarnessProcess(load_task(mine), folder=tmp_path, calibration_s=0.1)
    with process as harness, pytest.raises(TaskError) as caught:
        harness.open()
    assert len(str(caught.value)) < caps.TEXT
    assert "\x1b" not in str(caught.value)

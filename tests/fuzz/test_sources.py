"""Whatever a source file holds: a verdict, or one line that names the file; no traceback, no hang, no growth."""

import os
import random
from pathlib import Path

import psutil
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from kernelsmith.cli.app import run_command
from kernelsmith.core import caps
from kernelsmith.core.candidate import Candidate, Language
from kernelsmith.core.candidate_file import read_candidate, stated
from kernelsmith.core.verdict import Status
from kernelsmith.errors import Exhausted, UsageError
from kernelsmith.log.store import open_store
from kernelsmith.prompts.parse import parse
from kernelsmith.propose.folder import FolderProposer

SMALL = Path(__file__).parents[1] / "tasks" / "small_matmul"
MIB = 1 << 20
HEAD = "void matmul(const float *A, const float *B, float *C, int M, int N, int K)"
ESCAPES = "\x1b[2J\x1b]0;owned\x07\u202e\x9b1A\x08"
FAILED_EARLY = {Status.REJECTED, Status.BUILD_FAILED}

TEXTS = {
    "empty": "",
    "one NUL": "\0",
    "NULs": HEAD + "{}\n" + "\0" * 1000,
    "10 MB": f"{HEAD} {{}}\n" + "/* */\n" * (10 * MIB // 6),
    "10 MB of one line": f"{HEAD} {{}} //" + "x" * (10 * MIB),
    "lines of 10,000 characters": f"{HEAD} {{}}\n" + ("int " + "x" * 9_990 + ";\n") * 5,
    "an error in a line of 10,000 characters": f"{HEAD} {{ " + "undeclared;" * 900 + " }\n",
    "a macro of 60,000 characters": f"#define X {'1+' * 29_000}1\n{HEAD} {{ return X; }}\n",
    "escape sequences": f"{HEAD} {{ {ESCAPES} }}\n",
    "escape sequences in a message": f'#error "{ESCAPES}"\n{HEAD} {{}}\n',
    "a file name with escapes": f'#line 1 "{ESCAPES}.c"\n{HEAD} {{ oops; }}\n',
    "nested braces": f"{HEAD} " + "{" * 20_000,
    "nested parentheses": f"{HEAD} {{ C[0] = " + "(" * 20_000 + "1" + ")" * 20_000 + "; }",
    "nested includes": f'#include "candidate.c"\n{HEAD} {{}}\n',
    "macros that double": "".join(f"#define A{n + 1} A{n} A{n}\n" for n in range(14))
    + f"#define A0 +1\n{HEAD} {{ C[0] = A14; }}\n",
    "templates of another language": f"{{{{ 7 * 7 }}}} {{% include 'x' %}}\n{HEAD} {{}}\n",
    "no entry": "int x;\n",
    "unpaired marks": f'{HEAD} {{ "\n',
    "carriage returns": f"{HEAD}\r{{\r}}\r",
    "a byte order mark and nothing": "\ufeff",
    "a forbidden word": f"{HEAD} {{ forbidden_word; }}\n",
}  # fmt: skip


@pytest.mark.parametrize("kind", TEXTS)
@pytest.mark.usefixtures("no_hang")
def test_a_source_of_any_kind_gets_a_verdict_that_can_be_read(harness, kind):
    verdict = harness.evaluate(TEXTS[kind])
    assert verdict.status in FAILED_EARLY | {Status.INCORRECT}, verdict
    assert verdict.detail
    assert len(verdict.detail) < 9_000
    assert all(c.isprintable() or c in "\n\t" for c in verdict.detail), verdict.detail
    assert all(c.isprintable() for warning in verdict.facts.warnings for c in warning)


@given(st.text(max_size=300))
@settings(max_examples=15)
def test_any_text_around_an_entry_gets_a_verdict(harness, noise):
    verdict = harness.evaluate(f"{noise}\n{HEAD} {{}}\n")
    assert verdict.status in FAILED_EARLY | {Status.INCORRECT, Status.CRASHED}
    assert all(c.isprintable() or c in "\n\t" for c in verdict.detail)


@given(st.integers(0, 2**32), st.integers(1, 8))
@settings(max_examples=20)
def test_a_kernel_with_bytes_changed_gets_a_verdict(harness, small_task, seed, changes):
    chance, text = random.Random(seed), list(small_task.skeleton.source)
    for _ in range(changes):
        text[chance.randrange(len(text))] = chr(chance.randrange(1, 256))
    assert harness.evaluate("".join(text)).status in Status


def test_a_judge_does_not_grow_by_the_sources_it_refuses(harness):
    harness.evaluate(TEXTS["10 MB"])
    judge = psutil.Process(harness.process.pid)
    before = judge.memory_info().rss
    for number in range(5):
        assert harness.evaluate(f"//{number}\n{TEXTS['10 MB']}").status is Status.REJECTED
    assert judge.memory_info().rss - before < 8 * MIB


# --- files ---------------------------------------------------------------------------------------------------------


@pytest.fixture
def files(tmp_path: Path) -> Path:
    """A folder with one file of every kind that is no text."""
    folder = tmp_path / "kernels"
    folder.mkdir()
    (folder / "not_utf8.c").write_bytes(b"/* \xff\xfe */\n")
    (folder / "binary.c").write_bytes(random.Random(0).randbytes(100_000))
    (folder / "huge.c").touch()
    os.truncate(folder / "huge.c", 1 << 40)
    (folder / "loop.c").symlink_to("loop.c")
    (folder / "dangling.c").symlink_to("absent")
    (folder / "endless.c").symlink_to("/dev/zero")
    (folder / "folder.c").mkdir()
    os.mkfifo(folder / "pipe.c")
    return folder


NO_TEXT = ["not_utf8.c", "binary.c", "huge.c", "loop.c", "dangling.c", "endless.c", "folder.c", "pipe.c"]


@pytest.mark.parametrize("name", NO_TEXT)
def test_a_file_that_is_no_text_is_one_line_of_the_command_line(files, name, capsys, monkeypatch):
    monkeypatch.chdir(files.parent)
    assert run_command(["judge", str(SMALL), f"kernels/{name}"]) == 2
    said = capsys.readouterr()
    assert said.err.startswith(f"kernelsmith: kernels/{name}: ")
    assert said.err.count("\n") == 1
    assert said.out == ""


@pytest.mark.parametrize("name", ["not_utf8.c", "binary.c", "huge.c"])
def test_the_folder_proposer_names_a_file_that_is_no_text(files, name, small_task, empty_history, asked):
    for other in NO_TEXT:
        if other != name:
            path = files / other
            path.rmdir() if path.is_dir() else path.unlink()
    with pytest.raises(UsageError, match=name):
        FolderProposer(small_task, files).propose(asked(0), empty_history)


def test_the_folder_proposer_passes_over_what_is_no_file(files, small_task, empty_history, asked):
    for name in ("not_utf8.c", "binary.c", "huge.c"):
        (files / name).unlink()
    with pytest.raises(Exhausted):
        FolderProposer(small_task, files).propose(asked(0), empty_history)


def test_names_that_are_no_text_are_proposed_kept_and_shown(tmp_path, small_task, asked, monkeypatch, capsys):
    folder = tmp_path / "kernels"
    folder.mkdir()
    with open(os.fsencode(folder) + b"/\xff\x1b[2J\n[red].c", "wb") as file:
        file.write(b"void matmul(void) {}\n")
    monkeypatch.chdir(tmp_path)
    (tmp_path / "quick.toml").write_text("calibration_s = 0.1\n")
    command = ["run", str(SMALL), "--proposer", f"folder:{folder}", "--attempts", "2", "--name", "odd"]
    command += ["--config", "quick.toml"]
    assert run_command(command) == 1, "nothing passed"
    with open_store(tmp_path / "runs" / "attempts.db") as store:
        proposed = store.history(store.run("odd")).attempts[1].proposal
    assert proposed.candidate is not None
    assert proposed.candidate.params == {"file": "\\xff\\x1b[2J\\n[red].c"}
    said = capsys.readouterr()
    assert not {"\x1b", "\udcff"} & set(said.out + said.err)


COMMENTS = {
    "a comment of 10 MB": "// hypothesis: a\n" + "// more of it\n" * (10 * MIB // 14),
    "a line of 10 MB": "// hypothesis: " + "x" * (10 * MIB),
    "marks of 10 MB": "/" * (10 * MIB),
    "stars of 10 MB": "/" + "*" * (10 * MIB),
    "spaces of 10 MB": " " * (10 * MIB),
    "keys of 10 MB": "// parent: a\n" * (10 * MIB // 13),
}


@pytest.mark.parametrize("kind", COMMENTS)
@pytest.mark.usefixtures("no_hang")
def test_a_comment_of_any_length_is_read_without_a_hang(kind):
    said = stated(COMMENTS[kind])
    assert all(len(text) <= caps.COMMENT for text in said.values())


@given(st.text(max_size=200))
@example("//hypothesis:\n//parent:\x1b[2J")
def test_a_comment_of_any_text_is_read(noise):
    assert set(stated(noise)) <= {"hypothesis", "parent"}
    assert set(stated(f"// hypothesis: {noise}\n// parent: {noise}\n")) <= {"hypothesis", "parent"}


REPLIES = {
    "fences": "```" * 300_000,
    "fences by line": "```c\n" * 200_000,
    "thinking that never ends": "<think>" * 150_000,
    "ends of thinking": "</think>" * 150_000,
    "entries": "```c\n" + "matmul(" * 150_000 + "\n```",
    "spaces after an entry": "```c\nmatmul" + " " * 1_000_000 + "\n```",
    "escapes": "\x1b[" * 500_000,
    "titles": "\x1b]" * 500_000,
    "lines": "\n" * 1_000_000,
    "hypotheses": "Hypothesis:\n" * 100_000,
    "tildes": "~" * 1_000_000,
}


@pytest.mark.parametrize("kind", REPLIES)
@pytest.mark.usefixtures("no_hang")
def test_a_reply_of_a_megabyte_is_read_without_a_hang(kind):
    answer = parse(REPLIES[kind], entry="matmul", languages=[Language.C])
    assert len(answer.hypothesis) <= caps.HYPOTHESIS
    assert len(answer.said) < 500


@given(st.text(alphabet=st.sampled_from("`~<>/think\n \x1b[]matul(){};#defHypothesis:c"), max_size=300))
def test_a_reply_of_any_text_is_a_candidate_or_a_reason(noise):
    answer = parse(noise, entry="matmul", languages=[Language.C])
    assert (answer.candidate is None) == (answer.reason is not None)


def test_a_source_is_judged_as_it_was_read(tmp_path):
    (tmp_path / "a.c").write_bytes("void matmul(void) {} /* größer ✓ */\r\n".encode())
    found = read_candidate(tmp_path / "a.c", [Language.C])
    assert found == Candidate("void matmul(void) {} /* größer ✓ */\n", Language.C)

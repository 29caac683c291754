"""`show` of an attempt that a model proposed: the prompt that was sent, and the reply that came back."""

import shutil
from pathlib import Path

import pytest

RECORDED = Path(__file__).parents[1] / "log" / "databases" / "recorded" / "model_cpu.db"


@pytest.fixture
def db(tmp_path: Path) -> list[str]:
    """Options that read a recorded log with a run of a model, `llm`, and a run of the tuner, `cpu_matmul-1`."""
    shutil.copy(RECORDED, tmp_path / "recorded.db")
    return ["--db", "recorded.db"]


def test_the_reply_of_an_attempt_is_printed_as_the_model_wrote_it(cli, db):
    done = cli("show", "llm:3", "--reply", *db)
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout.startswith("Hypothesis: the micro-kernel of attempt 2 is clean")
    assert done.stdout.rstrip().endswith("```")


def test_the_prompt_of_an_attempt_is_printed_message_by_message(cli, db):
    page = cli("show", "llm:3", "--prompt", *db).stdout
    assert page.startswith(
        "call 1 of 1: bridge, 3864 + 2087 tokens, cost unknown, 92.3 s, stop\n\n--- system ---\nYou "
    )
    assert "\n\n--- user ---\n" in page
    assert "--- reply ---" not in page


def test_prompt_and_reply_are_printed_together_and_in_order(cli, db):
    page = cli("show", "llm:3", "--prompt", "--reply", *db).stdout
    assert page.index("--- system ---") < page.index("--- user ---") < page.index("--- reply ---")


@pytest.mark.parametrize("option", ["--prompt", "--reply"])
def test_an_attempt_of_the_tuner_says_that_no_model_was_asked(cli, db, option):
    done = cli("show", "cpu_matmul-1:3", option, *db)
    assert (done.returncode, done.stdout) == (1, "")
    assert done.stderr == "kernelsmith: attempt 3 was proposed by the tuner: no model was asked\n"


@pytest.mark.parametrize("option", ["--prompt", "--reply"])
def test_a_whole_run_has_no_prompt_and_the_message_names_an_attempt(cli, db, option):
    done = cli("show", "llm", option, *db)
    assert (done.returncode, done.stdout) == (2, "")
    assert done.stderr == f"kernelsmith: {option}: llm is a run; name one of its attempts, such as llm:1\n"


def test_a_pipe_gets_every_cell_in_full(cli, db):
    page = cli("show", "llm", *db, COLUMNS="60").stdout
    assert "every element is wrong [inputs main:1:648071a00e7db813971f6da9acaa235a]" in page
    assert "…" not in page

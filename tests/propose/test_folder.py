"""Tests of the folder proposer: each file once, in the order of the names, with its leading comment's statements."""

import random
from dataclasses import replace

import pytest

from kernelsmith.core.attempt import NoCandidate, Origin
from kernelsmith.core.candidate import Language
from kernelsmith.errors import Exhausted, UsageError
from kernelsmith.propose.folder import FolderProposer


@pytest.fixture
def folder(tmp_path):
    """Return the path of an empty folder for kernels."""
    path = tmp_path / "kernels"
    path.mkdir()
    return path


@pytest.fixture
def opened(ask):
    """Return a function that opens more asks in a history; all have seen the attempts so far."""

    def add(history, count: int = 1):
        first = len(history.asks)
        asks = [ask(number, seen=history.highest_attempt) for number in range(first, first + count)]
        return replace(history, asks=(*history.asks, *asks))

    return add


@pytest.fixture
def proposed(small_task, folder):
    """Return a function that lets a new proposer answer one ask of a history."""

    def answer(history, ask_number: int):
        asked = history.asks[ask_number]
        return FolderProposer(small_task, folder).propose(asked, history.as_seen_by(asked))

    return answer


@pytest.fixture
def answers(small_task, folder, ask, judged, empty):
    """Return a function that lets new proposers answer `count` asks, each judged before the next is made."""

    def until(count: int, *, history=empty):
        for _ in range(count):
            asked = ask(len(history.asks))
            history = judged(history, FolderProposer(small_task, folder).propose(asked, history))
        return history

    return until


def _names(history) -> list:
    return [attempt.candidate.params["file"] for attempt in history.attempts]


def test_files_of_the_tasks_language_are_proposed_in_the_order_of_their_names(folder, answers):
    for name in ("b.c", "a.c", "10.c", "notes.md", "b.cu"):
        (folder / name).write_text(f"// {name}\n")
    (folder / "c.c").mkdir()
    history = answers(3)
    assert _names(history) == ["10.c", "a.c", "b.c"]
    first = history.attempts[0].proposal
    assert (first.candidate.source, first.candidate.language, first.origin) == ("// 10.c\n", Language.C, Origin.FOLDER)


def test_the_folder_is_exhausted_after_its_last_file(folder, answers):
    (folder / "a.c").write_text("int a;")
    with pytest.raises(Exhausted, match=r"every file of .*kernels was judged"):
        answers(2)


def test_a_resumed_run_proposes_a_file_that_was_added_later(folder, answers):
    (folder / "b.c").write_text("int b;")
    history = answers(1)
    (folder / "a.c").write_text("int a;")
    assert _names(answers(1, history=history)) == ["b.c", "a.c"]


def test_a_file_that_was_changed_since_it_was_judged_is_proposed_again(folder, answers):
    (folder / "a.c").write_text("int a;")
    (folder / "b.c").write_text("int b;")
    history = answers(2)
    (folder / "a.c").write_text("int better;")
    history = answers(1, history=history)
    assert _names(history) == ["a.c", "b.c", "a.c"]
    assert history.attempts[2].proposal.candidate.source == "int better;"
    with pytest.raises(Exhausted):
        answers(1, history=history)


def test_the_leading_comment_holds_hypothesis_and_parent(folder, answers):
    (folder / "a.c").write_text("int a;")
    (folder / "b.c").write_text("int b;")
    (folder / "c.c").write_text("// Tiles.\n//\n// hypothesis: wider tiles\n//   load less\n// parent: b.c\n\nint c;")
    proposal = answers(3).attempts[2].proposal
    assert (proposal.hypothesis, proposal.parent) == ("wider tiles load less", 1)


def test_a_block_comment_holds_hypothesis_and_parent(folder, answers):
    (folder / "a.c").write_text("int a;")
    (folder / "b.c").write_text("/* Parent: a.c\n * HYPOTHESIS: wider tiles */\nint b;")
    proposal = answers(2).attempts[1].proposal
    assert (proposal.hypothesis, proposal.parent) == ("wider tiles", 0)


def test_the_parent_is_the_latest_attempt_made_from_that_file(folder, answers):
    (folder / "a.c").write_text("int a;")
    history = answers(1)
    (folder / "a.c").write_text("int better;")
    history = answers(1, history=history)
    (folder / "b.c").write_text("// parent: a.c\nint b;")
    assert answers(1, history=history).attempts[2].proposal.parent == 1


def test_a_parent_that_was_never_judged_is_a_user_error(folder, answers):
    (folder / "a.c").write_text("// parent: z.c\nint a;")
    with pytest.raises(UsageError, match=r"a\.c: parent: z\.c"):
        answers(1)


@pytest.mark.parametrize("source", ["int a; // hypothesis: too late", "\n// hypothesis: after an empty line", ""])
def test_a_hypothesis_outside_the_leading_comment_is_ignored(folder, answers, source):
    (folder / "a.c").write_text(source)
    assert answers(1).attempts[0].proposal.hypothesis == "a.c states no hypothesis"


def test_two_files_with_the_same_text_are_both_proposed(folder, answers):
    (folder / "a.c").write_text("int a;")
    (folder / "b.c").write_text("int a;")
    assert _names(answers(2)) == ["a.c", "b.c"]


def test_a_file_that_is_no_text_is_a_one_line_user_error(folder, answers):
    (folder / "a.c").write_bytes(b"\xff\xfe\x00")
    with pytest.raises(UsageError, match=r"kernels/a\.c: not UTF-8 text"):
        answers(1)


def test_a_folder_that_does_not_exist_is_a_one_line_user_error(small_task, tmp_path):
    with pytest.raises(UsageError, match=r"--proposer folder:.*nowhere: there is no such folder"):
        FolderProposer(small_task, tmp_path / "nowhere")


# --- several asks open ---


def test_asks_opened_together_are_answered_with_different_files(folder, answers, opened, proposed):
    for name in ("a.c", "b.c", "c.c", "d.c"):
        (folder / name).write_text(f"// {name}\n")
    history = opened(answers(1), 3)
    assert [proposed(history, number).candidate.params["file"] for number in (1, 2, 3)] == ["b.c", "c.c", "d.c"]


@pytest.mark.parametrize("seed", range(20))
def test_every_file_is_proposed_once_for_any_order_of_answers_to_open_asks(
    folder, answers, judged, opened, proposed, seed
):
    names = [f"{number:02}.c" for number in range(12)]
    for name in names:
        (folder / name).write_text(f"// {name}\n")
    chance, history = random.Random(seed), opened(answers(1))
    while len(history.attempts) < len(names):
        if len(history.asks) < len(names) and chance.random() < 0.5:
            history = opened(history)
        elif waiting := history.open_asks:
            asked = chance.choice(waiting)
            history = judged(history, proposed(history, asked.number), to=asked)
    assert sorted(_names(history)) == names


def test_the_first_file_is_proposed_while_ask_0_is_still_open(folder, empty, opened, proposed):
    (folder / "a.c").write_text("int a;")
    assert proposed(opened(empty, 2), 1).candidate.params["file"] == "a.c"


def test_the_last_ask_is_exhausted_if_more_asks_are_open_than_files_are_left(folder, answers, opened, proposed):
    for name in ("a.c", "b.c"):
        (folder / name).write_text(f"// {name}\n")
    history = opened(answers(1), 2)
    assert proposed(history, 1).candidate.params["file"] == "b.c"
    with pytest.raises(Exhausted):
        proposed(history, 2)


def test_the_parent_is_none_while_an_earlier_open_ask_will_be_answered_with_it(folder, answers, opened, proposed):
    (folder / "a.c").write_text("int a;")
    (folder / "b.c").write_text("int b;")
    (folder / "c.c").write_text("// parent: b.c\nint c;")
    history = opened(answers(1), 2)
    assert proposed(history, 2).parent is None


def test_attempt_numbers_that_differ_from_ask_numbers_do_not_change_the_order(
    folder, answers, judged, proposed, opened
):
    for name in ("a.c", "b.c", "c.c"):
        (folder / name).write_text(f"// {name}\n")
    (folder / "c.c").write_text("// parent: b.c\nint c;")
    history = answers(1)
    swept = judged(history, replace(history.attempts[0].proposal, candidate=None, reason=NoCandidate.NO_BLOCK))
    for number in range(2):
        trial = replace(history.attempts[0], number=2 + number, trial=1 + number)
        swept = replace(swept, attempts=(*swept.attempts, trial))
    swept = opened(swept)
    swept = judged(swept, proposed(swept, 2), to=swept.asks[2])
    swept = opened(swept)
    proposal = proposed(swept, 3)
    assert (proposal.candidate.params["file"], proposal.parent) == ("c.c", 4)

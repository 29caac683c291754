"""The folder proposer: each file once, in the order of the names, with what its leading comment says."""

import random
from dataclasses import replace

import pytest

from kernelsmith.core.attempt import NoCandidate, Origin
from kernelsmith.core.candidate import Language
from kernelsmith.errors import Exhausted, UsageError
from kernelsmith.propose.folder import FolderProposer


@pytest.fixture
def folder(tmp_path):
    """An empty folder of kernels."""
    path = tmp_path / "kernels"
    path.mkdir()
    return path


@pytest.fixture
def opened(ask):
    """The history with more asks that are open at once; all know the attempts so far."""

    def add(history, count: int = 1):
        first = len(history.asks)
        asks = [ask(number, seen=history.highest_attempt) for number in range(first, first + count)]
        return replace(history, asks=(*history.asks, *asks))

    return add


@pytest.fixture
def proposed(small_task, folder):
    """What a new proposer answers to an ask of a history."""

    def answer(history, ask_number: int):
        asked = history.asks[ask_number]
        return FolderProposer(small_task, folder).propose(asked, history.as_seen_by(asked))

    return answer


@pytest.fixture
def answers(small_task, folder, ask, judged, empty):
    """What a new proposer answers in turn, each answer judged before the next ask."""

    def until(count: int, *, history=empty):
        for _ in range(count):
            asked = ask(len(history.asks))
            history = judged(history, FolderProposer(small_task, folder).propose(asked, history))
        return history

    return until


def _names(history) -> list:
    return [attempt.candidate.params["file"] for attempt in history.attempts]


def test_files_are_taken_in_the_order_of_their_names_and_others_are_left_alone(folder, answers):
    for name in ("b.c", "a.c", "10.c", "notes.md", "b.cu"):
        (folder / name).write_text(f"// {name}\n")
    (folder / "c.c").mkdir()
    history = answers(3)
    assert _names(history) == ["10.c", "a.c", "b.c"]
    first = history.attempts[0].proposal
    assert (first.candidate.source, first.candidate.language, first.origin) == ("// 10.c\n", Language.C, Origin.FOLDER)


def test_after_the_last_file_the_folder_is_exhausted(folder, answers):
    (folder / "a.c").write_text("int a;")
    with pytest.raises(Exhausted, match=r"every file of .*kernels was judged"):
        answers(2)


def test_a_file_that_is_added_later_is_taken_up_by_a_resumed_run(folder, answers):
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


def test_a_block_comment_holds_them_too(folder, answers):
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


def test_a_parent_that_was_never_judged_is_the_authors_to_fix(folder, answers):
    (folder / "a.c").write_text("// parent: z.c\nint a;")
    with pytest.raises(UsageError, match=r"a\.c: parent: z\.c"):
        answers(1)


@pytest.mark.parametrize("source", ["int a; // hypothesis: too late", "\n// hypothesis: after an empty line", ""])
def test_what_is_not_in_the_leading_comment_is_code(folder, answers, source):
    (folder / "a.c").write_text(source)
    assert answers(1).attempts[0].proposal.hypothesis == "a.c says nothing about itself"


def test_two_files_with_one_text_are_both_proposed_and_the_loop_says_that_they_are_twins(folder, answers):
    (folder / "a.c").write_text("int a;")
    (folder / "b.c").write_text("int a;")
    assert _names(answers(2)) == ["a.c", "b.c"]


def test_a_file_that_is_no_text_is_one_line_for_the_user(folder, answers):
    (folder / "a.c").write_bytes(b"\xff\xfe\x00")
    with pytest.raises(UsageError, match=r"kernels/a\.c: not UTF-8 text"):
        answers(1)


def test_a_folder_that_is_not_there_is_one_line_for_the_user(small_task, tmp_path):
    with pytest.raises(UsageError, match=r"--proposer folder:.*nowhere: there is no such folder"):
        FolderProposer(small_task, tmp_path / "nowhere")


# --- several asks open ---


def test_asks_that_are_open_at_once_are_answered_with_different_files(folder, answers, opened, proposed):
    for name in ("a.c", "b.c", "c.c", "d.c"):
        (folder / name).write_text(f"// {name}\n")
    history = opened(answers(1), 3)
    assert [proposed(history, number).candidate.params["file"] for number in (1, 2, 3)] == ["b.c", "c.c", "d.c"]


@pytest.mark.parametrize("seed", range(20))
def test_every_file_is_proposed_once_in_whatever_order_open_asks_are_answered(
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


def test_an_ask_before_which_the_skeleton_is_still_open_takes_the_first_file(folder, empty, opened, proposed):
    (folder / "a.c").write_text("int a;")
    assert proposed(opened(empty, 2), 1).candidate.params["file"] == "a.c"


def test_with_more_asks_open_than_files_left_the_last_ask_finds_the_folder_exhausted(folder, answers, opened, proposed):
    for name in ("a.c", "b.c"):
        (folder / name).write_text(f"// {name}\n")
    history = opened(answers(1), 2)
    assert proposed(history, 1).candidate.params["file"] == "b.c"
    with pytest.raises(Exhausted):
        proposed(history, 2)


def test_a_parent_whose_attempt_is_still_awaited_is_left_open(folder, answers, opened, proposed):
    (folder / "a.c").write_text("int a;")
    (folder / "b.c").write_text("int b;")
    (folder / "c.c").write_text("// parent: b.c\nint c;")
    history = opened(answers(1), 2)
    assert proposed(history, 2).parent is None


def test_attempt_numbers_that_are_no_ask_numbers_change_nothing(folder, answers, judged, proposed, opened):
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

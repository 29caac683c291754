"""Tests of the parsing of a model's reply: hypothesis, source file, language, or the reason for no candidate."""

import pytest

from kernelsmith.core import caps
from kernelsmith.core.attempt import NoCandidate
from kernelsmith.core.candidate import Language
from kernelsmith.prompts.parse import parse

KERNEL = "void matmul(const float *A)\n{\n    A[0];\n}\n"
FENCED = f"```c\n{KERNEL}```\n"


def read(reply, *, languages=(Language.C,), incomplete=None):
    return parse(reply, entry="matmul", languages=languages, incomplete=incomplete)


def test_a_reply_in_the_requested_form_is_parsed():
    answer = read(f"Hypothesis: tiles of 6x16 keep the sum in registers.\n\n{FENCED}")
    assert answer.hypothesis == "tiles of 6x16 keep the sum in registers."
    assert answer.candidate.source == KERNEL
    assert answer.candidate.language is Language.C
    assert (answer.reason, answer.said) == (None, "")


@pytest.mark.parametrize(
    ("words", "hypothesis"),
    [
        ("**Hypothesis:** pack B.", "pack B."),
        ("## Hypothesis: pack B.", "pack B."),
        ("hypothesis : pack B,\nthen A.", "pack B, then A."),
        ("Let me think.\n\nHypothesis: pack B.", "pack B."),
        ("I pack B.\n\nThat is all.", "I pack B."),
        ("", ""),
    ],
)
def test_the_hypothesis_is_found_in_differently_formatted_replies(words, hypothesis):
    assert read(f"{words}\n\n{FENCED}").hypothesis == hypothesis


def test_a_hypothesis_is_one_clean_line_of_limited_length():
    hypothesis = read(f"Hypothesis: \x1b[31mred\x1b[0m \x07\u202e{'x' * 2000}\n\n{FENCED}").hypothesis
    assert hypothesis.startswith("red x")
    assert len(hypothesis) <= caps.HYPOTHESIS


def test_a_hypothesis_inside_a_code_block_is_ignored():
    assert read(f"```c\n// hypothesis: from a comment\n{KERNEL}```\nHypothesis: after it.").hypothesis == "after it."


@pytest.mark.parametrize(
    "reply",
    [
        f"draft:\n```c\nvoid matmul(int draft) {{ }}\n```\nbetter:\n{FENCED}",
        f"{FENCED}\ncall it so:\n```c\nmatmul(A, B, C, 1, 2, 3);\n```",
        f"{FENCED}\nbuild:\n```sh\ngcc -O3 matmul.c\n```",
        f"```\nint helper(void) {{ return 1; }}\n```\n{FENCED}",
        f"~~~c\n{KERNEL}~~~",
        f"````c\n{KERNEL}````",
        f"```c\r\n{KERNEL}```\r\n".replace("\n", "\r\n").replace("\r\r", "\r"),
    ],
    ids=["revised", "usage", "command", "helper", "tildes", "four", "windows"],
)
def test_the_file_is_the_last_block_that_defines_the_entry(reply):
    assert read(reply).candidate.source == KERNEL


def test_the_file_is_the_last_block_that_names_the_entry_if_none_defines_it():
    assert "DEFINE(matmul)" in read("```\n" + "x\n" * 50 + "```\n```\nDEFINE(matmul)\n```").candidate.source


def test_a_block_without_the_entry_is_still_a_candidate():
    assert read("```c\nvoid other(void) {}\n```").candidate.source == "void other(void) {}\n"


def test_the_python_block_that_defines_the_entry_is_the_file():
    reply = "```python\nmatmul(a, b, c, dev)\n```\n```python\ndef matmul(A, B, C, device):\n    pass\n```"
    candidate = read(reply, languages=(Language.TRITON,)).candidate
    assert candidate.language is Language.TRITON
    assert "def matmul" in candidate.source


def test_the_fences_tag_decides_the_language_if_a_task_has_several():
    both = (Language.CUDA, Language.TRITON)
    assert read("```python\ndef matmul(A):\n  pass\n```", languages=both).candidate.language is Language.TRITON
    assert read(f"```cpp\n{KERNEL}```", languages=both).candidate.language is Language.CUDA
    assert read(f"```\n{KERNEL}```", languages=both).candidate.language is Language.CUDA


@pytest.mark.parametrize(
    ("reply", "incomplete", "reason", "said"),
    [
        ("", None, NoCandidate.EMPTY_REPLY, ""),
        ("   \n", None, NoCandidate.EMPTY_REPLY, ""),
        ("We are at the limit.", None, NoCandidate.NO_BLOCK, "We are at the limit."),
        ("```c\n```", None, NoCandidate.EMPTY_BLOCK, ""),
        (f"```c\n{KERNEL}", None, NoCandidate.UNENDED_BLOCK, ""),
        (f"```c\n{KERNEL}", NoCandidate.CUT_OFF, NoCandidate.CUT_OFF, ""),
        ("Hypothesis: long and", NoCandidate.CUT_OFF, NoCandidate.CUT_OFF, ""),
        ("", NoCandidate.WITHHELD, NoCandidate.WITHHELD, ""),
        (f"<think>{FENCED}</think>I give up.", None, NoCandidate.NO_BLOCK, "I give up."),
        (f"<think>so I will write {FENCED}", NoCandidate.CUT_OFF, NoCandidate.CUT_OFF, ""),
    ],
)
def test_a_reply_without_a_whole_file_has_a_reason(reply, incomplete, reason, said):
    answer = read(reply, incomplete=incomplete)
    assert (answer.candidate, answer.reason, answer.said) == (None, reason, said)


@pytest.mark.parametrize("opening", ["<think>", ""])
def test_text_inside_think_tags_is_ignored(opening):
    thought = f"{opening}Hypothesis: first idea\n```c\nvoid matmul(int wrong) {{}}\n```\n</think>"
    answer = read(f"{thought}\nHypothesis: second.\n\n{FENCED}")
    assert answer.hypothesis == "second."
    assert answer.candidate.source == KERNEL


def test_a_reply_cut_off_after_the_whole_file_has_a_candidate():
    assert read(f"{FENCED}\nAnd further", incomplete=NoCandidate.CUT_OFF).candidate.source == KERNEL


@pytest.mark.parametrize("piece", ["`", "```c\n", "<think>", "matmul(", "* ", "\n"])
def test_a_malformed_reply_of_a_megabyte_is_parsed_in_linear_time(piece):
    """A reader that takes quadratic time would need hours."""
    reply = piece * (1_000_000 // len(piece))
    assert read(f"Hypothesis: x\n```c\n{reply}\n```").hypothesis == "x"
    assert read(reply).candidate is None or piece in read(reply).candidate.source

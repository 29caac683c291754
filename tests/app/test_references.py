"""`RUN` and `RUN:N`: what they name, and one line where they name nothing."""

import pytest

from kernelsmith.app.references import Reference, attempt_of, parse
from kernelsmith.core.verdict import Status
from kernelsmith.errors import UsageError


@pytest.mark.parametrize(
    ("text", "run", "number"), [("night", "night", None), ("night:0", "night", 0), ("a:17", "a", 17)]
)
def test_a_reference_names_a_run_or_one_of_its_attempts(text, run, number):
    assert parse(text) == Reference(run, number)


@pytest.mark.parametrize("text", ["night:", "night:last", "night:-1", "night:1:2", "night:²"])
def test_what_is_no_number_is_refused_with_an_example(text):
    with pytest.raises(UsageError, match="named RUN:N, such as night:0"):
        parse(text)


def test_an_attempt_is_found_by_its_number_and_not_by_its_place(history_with, attempt_with):
    history = history_with(attempt_with(3, utilization=0.1), attempt_with(7, status=Status.CRASHED))
    assert attempt_of(history, 7).number == 7
    with pytest.raises(UsageError, match="night:1: the run has no such attempt; its attempts are 0 to 7"):
        attempt_of(history, 1)


def test_a_run_without_attempts_says_so(history_with):
    with pytest.raises(UsageError, match="it has none yet"):
        attempt_of(history_with(), 0)

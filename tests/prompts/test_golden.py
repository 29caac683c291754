"""Compare every rendered template, in every stance, with a committed text, so that a changed prompt shows as a diff.

To write the texts again after an intended change: KERNELSMITH_GOLDEN=write python -m pytest tests/prompts
"""

import os
from pathlib import Path

import pytest

from kernelsmith.core.attempt import Stance
from kernelsmith.prompts.prompt import brief, directive, past_attempts, prompt_for
from kernelsmith.prompts.render import render

GOLDEN = Path(__file__).parent / "golden"


def _same_as_golden(name: str, text: str) -> None:
    path = GOLDEN / f"{name}.md"
    if os.environ.get("KERNELSMITH_GOLDEN") == "write":
        path.write_text(text, encoding="utf-8")
    assert text == path.read_text(encoding="utf-8")


def test_the_system_message_is_the_golden_text():
    _same_as_golden("system", render("system.j2"))


def test_the_brief_is_the_golden_text(task, device):
    _same_as_golden("brief", brief(task, device))


def test_the_brief_without_a_device_is_the_golden_text(task):
    _same_as_golden("brief_without_device", brief(task, None))


@pytest.mark.parametrize("stance", Stance)
def test_the_directive_of_every_stance_is_the_golden_text(task, history, story, ask, stance):
    text = directive(task, history(*story[:4]), ask(stance, number=4))
    _same_as_golden(f"directive_{stance}", text)


def test_the_directive_after_a_reply_without_a_kernel_is_the_golden_text(task, history, story, ask):
    _same_as_golden("directive_refused", directive(task, history(*story), ask(Stance.REFINE)))


def test_the_first_directive_is_the_golden_text(task, history, ask):
    text = directive(task, history(), ask(Stance.OPEN, number=0, parent=None, reason=""))
    _same_as_golden("directive_first", text)


@pytest.mark.parametrize(
    ("name", "stance", "parent"),
    [("refine", Stance.REFINE, 3), ("revive", Stance.REVIVE, 1), ("restart", Stance.RESTART, None)],
)
def test_the_past_attempts_of_a_short_run_are_the_golden_text(history, story, ask, name, stance, parent):
    _same_as_golden(f"history_{name}", past_attempts(history(*story), ask(stance, parent=parent)))


def test_the_whole_prompt_is_the_golden_text(task, history, story, ask):
    prompt = prompt_for(task, history(*story), ask=ask(Stance.REFINE))
    _same_as_golden("whole", f"{prompt.system}\n---\n\n{prompt.user}")


def test_the_text_of_a_prompt_holds_both_messages(task, history, story, ask):
    prompt = prompt_for(task, history(*story), ask=ask(Stance.REFINE))
    assert prompt.text == f"{prompt.system}\n{prompt.user}"

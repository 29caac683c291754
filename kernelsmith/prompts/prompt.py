"""Build the whole prompt for an ask (a numbered request for a candidate). It is a pure function of task, history and
ask, so the same ask repeats its prompt.

The parts that do not change within a run, system message and brief, come first, so that an endpoint can reuse its
cached prefix.
"""

from dataclasses import dataclass, replace

from kernelsmith.core import caps
from kernelsmith.core.attempt import Ask
from kernelsmith.core.history import History
from kernelsmith.core.rates import rate
from kernelsmith.core.run import Device
from kernelsmith.core.task import Task
from kernelsmith.prompts.clean import one_line
from kernelsmith.prompts.history_section import history_section
from kernelsmith.prompts.outcome import result_of
from kernelsmith.prompts.render import render
from kernelsmith.prompts.signature import signature

TAGS = {"c": "c", "cuda": "cuda", "triton": "python"}
"""The tag of a fenced code block, by the language of its code."""


@dataclass(frozen=True, slots=True)
class Prompt:
    """The two messages that are sent to a language model for one ask: `system` with the standing instructions, `user`
    with task, history and directive. `prompt_for` makes it.
    """

    system: str
    user: str

    @property
    def text(self) -> str:
        """Return both messages as one string, for an agent program that takes no separate system message."""
        return f"{self.system}\n{self.user}"


def prompt_for(task: Task, history: History, *, ask: Ask) -> Prompt:
    """Return the prompt for an ask: instructions, the task, the device, the past attempts, and what to do now.
    `history` must be the history that the ask was made from, so that the same ask always has the same prompt. Raises
    jinja2.TemplateError if a template is missing or malformed.
    """
    parts = [brief(task, history.device), directive(task, history, ask)]
    if history.attempts:
        parts.insert(1, past_attempts(history, ask))
    return Prompt(render("system.j2"), "\n".join(parts))


def brief(task: Task, device: Device | None) -> str:
    """Return, as text, the prompt's part about the task and the device; test cases that are hidden from the proposer
    are left out. `device` holds the constants that the harness measured, or is None before the harness has opened the
    task; then only the kind of device is named. Raises jinja2.TemplateError if the template is malformed.
    """
    return render(
        "brief.j2",
        task=task,
        title=one_line(task.title, caps.NAME),
        skeleton_tag=TAGS[task.skeleton.language],
        signatures=[(language.value, signature(task, language)) for language in task.languages],
        device=device and _shown(device),
        peak=device and rate(device.peak, device.unit),
    )


def _shown(device: Device) -> Device:
    """Return a copy of the device for a prompt, whose names and details are without control characters and cut to short
    lines, because these texts come from outside, for example from a driver.
    """
    vendor = device.vendor and replace(device.vendor, name=one_line(device.vendor.name, caps.NAME))
    details = {one_line(key, caps.NAME): one_line(value, caps.NAME) for key, value in device.details.items()}
    return replace(device, name=one_line(device.name, caps.NAME), vendor=vendor, details=details)


def past_attempts(history: History, ask: Ask) -> str:
    """Return, as text, the prompt's part about the attempts in `history`, which holds the run, cut to about
    `history_tokens` tokens (a key of the run's config). `ask` decides which earlier kernel's source is shown. Raises
    jinja2.TemplateError if the template is malformed.
    """
    return render("history.j2", story=history_section(history, ask, limit=history.run.config.history_tokens))


def directive(task: Task, history: History, ask: Ask) -> str:
    """Return, as text, the prompt's part that says what the model is to do now: the stance (kind of step, such as
    refine), the attempt to start from, and the kernel to beat. If the latest reply in `history` held no kernel, this
    part also says why. Raises jinja2.TemplateError if the template is malformed.
    """
    asked, best = ask.directive, history.incumbent
    return render(
        "directive.j2",
        stance=asked.stance.value,
        reason=one_line(asked.reason, 200),
        parent=asked.parent,
        best=best and f"attempt {best.number} with {result_of(best.verdict)}",
        refused=_refusal(history),
        progress=_progress(history, ask),
        entry=task.entry,
        tag=TAGS[task.languages[0]],
    )


def _refusal(history: History) -> str:
    """Return in words why the latest reply of the model held no kernel, or an empty string if it held one or no reply
    exists. The reply itself is not quoted.
    """
    reason = history.attempts[-1].proposal.reason if history.attempts else None
    return reason.words if reason else ""


def _progress(history: History, ask: Ask) -> str:
    """Return in words how far the run's budget is used: the ask's number and the spent hours with their limits, `ask 12
    of 60, 1.5 of 8 hours spent`. The hours are left out if the budget does not limit them.
    """
    budget = history.budget
    parts = [f"ask {ask.number}" + (f" of {budget.attempts}" if budget.attempts is not None else "")]
    if budget.hours is not None:
        parts.append(f"{history.active_s / 3600:.1f} of {budget.hours:g} hours spent")
    return ", ".join(parts)

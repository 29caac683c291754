"""The whole prompt for one ask: a pure function of task, history and ask, so that it can be asked again, identically.

What never changes within a run comes first (system, brief), so that an endpoint can reuse its cached prefix.
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
"""What a language's fenced blocks are tagged with."""


@dataclass(frozen=True, slots=True)
class Prompt:
    """The two messages that are sent to a model."""

    system: str
    user: str

    @property
    def text(self) -> str:
        """Return both messages as one plain text, for an agent that takes no separate system message."""
        return f"{self.system}\n{self.user}"


def prompt_for(task: Task, history: History, *, ask: Ask) -> Prompt:
    """Return the prompt for an ask. `history_tokens` of the run's config limits the part about past attempts.

    `history` is the history as seen by the ask, so that the same ask always has the same prompt.
    """
    parts = [brief(task, history.device), directive(task, history, ask)]
    if history.attempts:
        parts.insert(1, story(history, ask))
    return Prompt(render("system.j2"), "\n".join(parts))


def brief(task: Task, device: Device | None) -> str:
    """Return the part about the task and the device. It leaves hidden cases out."""
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
    """Return the device with its names cut to short lines; they come from the judge's machine."""
    vendor = device.vendor and replace(device.vendor, name=one_line(device.vendor.name, caps.NAME))
    details = {one_line(key, caps.NAME): one_line(value, caps.NAME) for key, value in device.details.items()}
    return replace(device, name=one_line(device.name, caps.NAME), vendor=vendor, details=details)


def story(history: History, ask: Ask) -> str:
    """Return the part about past attempts, within the run's `history_tokens`."""
    return render("history.j2", story=history_section(history, ask, limit=history.run.config.history_tokens))


def directive(task: Task, history: History, ask: Ask) -> str:
    """Return the part that says what to do now, and why the latest reply was no kernel where that is so."""
    wanted, best = ask.directive, history.incumbent
    return render(
        "directive.j2",
        stance=wanted.stance.value,
        reason=one_line(wanted.reason, 200),
        parent=wanted.parent,
        best=best and f"attempt {best.number} with {result_of(best.verdict)}",
        refused=_refusal(history),
        progress=_progress(history, ask),
        entry=task.entry,
        tag=TAGS[task.languages[0]],
    )


def _refusal(history: History) -> str:
    """Return why the latest reply held no kernel, without the model's own words; empty where it held one."""
    reason = history.attempts[-1].proposal.reason if history.attempts else None
    return reason.words if reason else ""


def _progress(history: History, ask: Ask) -> str:
    """Return how much of the budget is spent: `ask 12 of 60`."""
    budget = history.budget
    parts = [f"ask {ask.number}" + (f" of {budget.attempts}" if budget.attempts is not None else "")]
    if budget.hours is not None:
        parts.append(f"{history.active_s / 3600:.1f} of {budget.hours:g} hours spent")
    return ", ".join(parts)

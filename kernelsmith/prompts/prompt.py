"""The whole prompt for one ask: a pure function of task, history and ask, so that it can be asked again, identically.

What never changes within a run comes first (system, brief), so that an endpoint can reuse its cached prefix.
"""

from dataclasses import dataclass, replace

from kernelsmith.core import caps
from kernelsmith.core.attempt import Ask
from kernelsmith.core.history import History
from kernelsmith.core.run import Device
from kernelsmith.core.task import Task
from kernelsmith.core.verdict import Status
from kernelsmith.prompts.clean import one_line
from kernelsmith.prompts.outcome import result_of
from kernelsmith.prompts.render import render
from kernelsmith.prompts.signature import signature
from kernelsmith.prompts.story import tell

TAGS = {"c": "c", "cuda": "cuda", "triton": "python"}
"""What a language's fenced blocks are tagged with."""


@dataclass(frozen=True, slots=True)
class Prompt:
    """What is sent: one system and one user message."""

    system: str
    user: str


def prompt_for(task: Task, history: History, *, ask: Ask) -> Prompt:
    """The prompt for an ask; `history_tokens` of the run's config limits what is told of past attempts."""
    parts = [brief(task, history.device), directive(task, history, ask)]
    if history.attempts:
        parts.insert(1, story(history, ask))
    return Prompt(render("system.j2"), "\n".join(parts))


def brief(task: Task, device: Device | None) -> str:
    """The task and the device; hidden cases are not in it."""
    return render(
        "brief.j2",
        task=task,
        title=one_line(task.title, caps.NAME),
        skeleton_tag=TAGS[task.skeleton.language],
        signatures=[(language.value, signature(task, language)) for language in task.languages],
        device=device and _shown(device),
        peak=device and _rate(device.peak, device.unit),
    )


def _shown(device: Device) -> Device:
    """As the judge calls it, on short lines."""
    vendor = device.vendor and replace(device.vendor, name=one_line(device.vendor.name, caps.NAME))
    details = {one_line(key, caps.NAME): one_line(value, caps.NAME) for key, value in device.details.items()}
    return replace(device, name=one_line(device.name, caps.NAME), vendor=vendor, details=details)


def story(history: History, ask: Ask) -> str:
    """What was tried, within the run's `history_tokens`."""
    return render("history.j2", story=tell(history, ask, limit=history.run.config.history_tokens))


def directive(task: Task, history: History, ask: Ask) -> str:
    """What is asked for now, and the answer to a reply that held no kernel."""
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
    """Why the last reply held no kernel, in our words: what follows the colon are the model's. Empty where it did."""
    last = history.attempts[-1].verdict if history.attempts else None
    return one_line(last.detail.partition(":")[0], 200) if last and last.status is Status.NO_CANDIDATE else ""


def _progress(history: History, ask: Ask) -> str:
    """How much of the budget is spent: `attempt 12 of 60`."""
    budget = history.budget
    parts = [f"attempt {ask.number}" + (f" of {budget.attempts}" if budget.attempts is not None else "")]
    if budget.hours is not None:
        parts.append(f"{history.active_s / 3600:.1f} of {budget.hours:g} hours spent")
    return ", ".join(parts)


def _rate(peak: float, unit: str) -> str:
    """`117.4 GFLOP/s`; bytes where the unit is memory."""
    what = "B/s" if unit == "dram" else "FLOP/s"
    scale, prefix = (1e12, "T") if peak >= 1e12 else (1e9, "G")
    return f"{peak / scale:.1f} {prefix}{what}"

"""The arguments and options of the commands, each with its help text once."""

from pathlib import Path
from typing import Annotated

import typer

from kernelsmith.core.kinds import DeviceKind

TASK_HELP = "A task's name (`kernelsmith tasks`), or a task folder."

TaskArgument = Annotated[str, typer.Argument(metavar="TASK", help=TASK_HELP)]
TaskOrConfig = Annotated[str | None, typer.Argument(metavar="TASK", help=TASK_HELP)]
RunArgument = Annotated[str, typer.Argument(metavar="RUN", help="A run's name (`kernelsmith runs`).")]
RunOrAttempt = Annotated[str, typer.Argument(metavar="RUN[:N]", help="A run's name, or one of its attempts.")]
FileOrAttempt = Annotated[
    str, typer.Argument(metavar="FILE", help="A candidate's source file, or a recorded attempt RUN:N.")
]
OtherFileOrAttempt = Annotated[
    str, typer.Argument(metavar="FILE", help="Another candidate, or `vendor`: the task's vendor library.")
]

Database = Annotated[
    str | None,
    typer.Option("--db", metavar="FILE", help="Attempt log: a file, or sqlite:///FILE.  [default: runs/attempts.db]"),
]
Json = Annotated[bool, typer.Option("--json", help="Print the result as JSON.")]
Trust = Annotated[
    bool, typer.Option("--trust-candidates", help="Run candidates without a sandbox where the machine offers none.")
]

Selftest = Annotated[
    bool, typer.Option("--selftest", help="First judge candidates that cheat; do not start if one of them gains by it.")
]


ZooDevice = Annotated[
    DeviceKind | None,
    typer.Option("--device", help="Judge the candidates for this kind of device.  [default: all that answer here]"),
]
HarnessPython = Annotated[
    str | None,
    typer.Option(
        "--harness-python",
        metavar="PATH",
        help="Interpreter that runs the harness: one with numpy, and for GPU tasks cupy and triton."
        "  [default: kernelsmith's own]",
    ),
]

Device = Annotated[
    str | None,
    typer.Option(
        "--device",
        metavar="scripted:FILE",
        help="A device that does what a script says; its numbers are no measurements.  [default: the task's own kind]",
    ),
]

Proposer = Annotated[
    str | None,
    typer.Option(
        "--proposer",
        metavar="model|tuner|folder:DIR",
        help="What proposes candidates: a model, the built-in tuner, or the files of a folder in the order of their "
        "names; the folder must hold at least one, and `resume` reads files that were added later."
        "  [default: the model if --model is given, else the tuner]",
    ),
]
Model = Annotated[str | None, typer.Option("--model", metavar="NAME", help="The model, as its endpoint names it.")]
BaseUrl = Annotated[
    str | None,
    typer.Option(
        "--base-url",
        metavar="URL",
        help="OpenAI-compatible endpoint; its key comes from KERNELSMITH_API_KEY or OPENAI_API_KEY."
        "  [default: OPENAI_BASE_URL, else OpenAI's own]",
    ),
]
Attempts = Annotated[
    int | None,
    typer.Option(
        "--attempts",
        metavar="N",
        help="End after N asks, each for one new candidate; the further trials of a sweep do not count."
        "  [default: 60, or the limits below]",
    ),
]
Hours = Annotated[
    float | None, typer.Option("--hours", metavar="H", help="End after H hours of work, summed over all resumes.")
]
Usd = Annotated[float | None, typer.Option("--usd", metavar="X", help="End once the model calls have cost X USD.")]
Target = Annotated[
    str | None,
    typer.Option(
        "--target",
        metavar="U",
        help="End once a candidate reaches this part of the device's peak: 0.85, or 85%; at most 100%.",
    ),
]
Name = Annotated[
    str | None, typer.Option("--name", metavar="NAME", help="The run's name.  [default: the task's, numbered]")
]
ConfigFile = Annotated[
    Path | None,
    typer.Option("--config", metavar="FILE", help="TOML file with the run's settings; options override them."),
]
Seed = Annotated[int | None, typer.Option("--seed", metavar="S", help="Seed of every random choice.  [default: 0]")]
FromFile = Annotated[
    Path | None,
    typer.Option(
        "--from", metavar="FILE", help="Start from this kernel instead of the task's skeleton; it is attempt 0."
    ),
]
Inputs = Annotated[
    str | None,
    typer.Option(
        "--inputs",
        metavar="CASE:CALLS:KEY",
        help="Check the candidate on the inputs that a failed verdict names, without a score.",
    ),
]
Reveal = Annotated[
    bool,
    typer.Option(
        "--reveal",
        help="If the candidate fails in a hidden case, say which one, with the worst element, its value and the right "
        "value. For the owner of the task: a run never shows this to what proposes candidates.",
    ),
]
MoreAttempts = Annotated[
    int | None, typer.Option("--attempts", metavar="N", min=1, help="Allow N asks more than the run was allowed.")
]
MoreHours = Annotated[
    float | None, typer.Option("--hours", metavar="H", help="Allow H hours more than the run was allowed.")
]
MoreUsd = Annotated[float | None, typer.Option("--usd", metavar="X", help="Allow X USD more than the run was allowed.")]
TaskFromDisk = Annotated[
    bool,
    typer.Option(
        "--task-from-disk", help="Go on with the task's folder as it is now, not with the copy that the log keeps."
    ),
]
TrustTask = Annotated[
    str | None,
    typer.Option("--trust-task", metavar="DIGEST", help="Let the code of the recorded task with this digest run here."),
]
TrustRun = Annotated[
    bool,
    typer.Option(
        "--trust-run",
        help="Use the endpoint, interpreter and sandbox setting that the log names, although the run was not started "
        "on this machine.",
    ),
]


def repeated(given: str | None) -> str:
    """What a command that is proposed next must say to read the same database: ` --db URL`, or nothing."""
    return f" --db {given}" if given else ""

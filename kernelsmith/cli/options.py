"""Define the arguments and options that several commands share, with their help texts."""

from pathlib import Path
from typing import Annotated

import typer

from kernelsmith.core.kinds import DeviceKind

TASK_HELP = "The name of a task (`kernelsmith tasks` lists them), a task folder, or the path of its task.toml."

TaskArgument = Annotated[str, typer.Argument(metavar="TASK", help=TASK_HELP)]
TaskOrConfig = Annotated[str | None, typer.Argument(metavar="TASK", help=TASK_HELP)]
RunArgument = Annotated[str, typer.Argument(metavar="RUN", help="The name of a run (`kernelsmith runs` lists them).")]
RunOrAttempt = Annotated[str, typer.Argument(metavar="RUN[:N]", help="The name of a run, or one of its attempts.")]
FileOrAttempt = Annotated[
    str, typer.Argument(metavar="FILE", help="The source file of a candidate, or a recorded attempt RUN:N.")
]
OtherFileOrAttempt = Annotated[
    str,
    typer.Argument(
        metavar="FILE",
        help="Another candidate, or `vendor` for the vendor's library that the task names: OpenBLAS or cuBLASLt.",
    ),
]

Database = Annotated[
    str | None,
    typer.Option(
        "--db",
        metavar="FILE",
        help="The attempt log, a database of runs: a file, or sqlite:///FILE.  [default: runs/attempts.db]",
    ),
]
Json = Annotated[bool, typer.Option("--json", help="Print the result as JSON.")]
Trust = Annotated[
    bool,
    typer.Option(
        "--trust-candidates",
        help="Run candidates unconfined if the machine offers no sandbox (`kernelsmith doctor` shows its level); "
        "without this option they are not run there.",
    ),
]

Selftest = Annotated[
    bool,
    typer.Option(
        "--selftest", help="First judge candidates that cheat, and do not start the run if a cheat is not caught."
    ),
]


ZooDevice = Annotated[
    DeviceKind | None,
    typer.Option(
        "--device", help="Judge the candidates for this kind of device only.  [default: all kinds that work here]"
    ),
]
HarnessPython = Annotated[
    str | None,
    typer.Option(
        "--harness-python",
        metavar="PATH",
        help="Python interpreter that runs the harness, the program that judges. It needs numpy, and for GPU tasks "
        "cupy and triton.  [default: kernelsmith's own]",
    ),
]

Device = Annotated[
    str | None,
    typer.Option(
        "--device",
        metavar="scripted:FILE",
        help="Take times and failures from a file instead of a device, for tests and demonstrations.  [default: the "
        "kind of device that the task names]",
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
Model = Annotated[str | None, typer.Option("--model", metavar="NAME", help="The model's name at its endpoint.")]
BaseUrl = Annotated[
    str | None,
    typer.Option(
        "--base-url",
        metavar="URL",
        help="URL of an OpenAI-compatible endpoint; the environment variable KERNELSMITH_API_KEY or OPENAI_API_KEY "
        "holds its key.  [default: the variable OPENAI_BASE_URL, else OpenAI's endpoint]",
    ),
]
Attempts = Annotated[
    int | None,
    typer.Option(
        "--attempts",
        metavar="N",
        help="End after N asks. An ask is one request for a new candidate; trials of the same candidate with other "
        "values of its marked constants do not count.  [default: 60, or none if --hours or --usd is given]",
    ),
]
Hours = Annotated[
    float | None,
    typer.Option("--hours", metavar="H", help="End after H hours of proposing and judging, summed over all resumes."),
]
Usd = Annotated[
    float | None, typer.Option("--usd", metavar="X", help="End once the model calls have cost X US dollars.")
]
Target = Annotated[
    str | None,
    typer.Option(
        "--target",
        metavar="U",
        help="End once a candidate reaches this part of the device's peak: 0.85, or 85%; at most 100%.",
    ),
]
Name = Annotated[
    str | None,
    typer.Option("--name", metavar="NAME", help="The name of the run.  [default: the task's name with a number]"),
]
ConfigFile = Annotated[
    Path | None,
    typer.Option("--config", metavar="FILE", help="TOML file with settings of the run; options override them."),
]
Seed = Annotated[int | None, typer.Option("--seed", metavar="S", help="Seed of every random choice.  [default: 0]")]
FromFile = Annotated[
    Path | None,
    typer.Option("--from", metavar="FILE", help="Judge this kernel as attempt 0, in place of the task's skeleton."),
]
Inputs = Annotated[
    str | None,
    typer.Option(
        "--inputs",
        metavar="CASE:CALLS:KEY",
        help="Only check the candidate on the inputs of one batch, as a failed verdict names them: [inputs ...].",
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
    int | None, typer.Option("--attempts", metavar="N", min=1, help="Add N asks to the budget of the run.")
]
MoreHours = Annotated[float | None, typer.Option("--hours", metavar="H", help="Add H hours to the budget of the run.")]
MoreUsd = Annotated[float | None, typer.Option("--usd", metavar="X", help="Add X US dollars to the budget of the run.")]
TaskFromDisk = Annotated[
    bool,
    typer.Option("--task-from-disk", help="Use the task's folder in its present state instead of the copy in the log."),
]
TrustTask = Annotated[
    str | None,
    typer.Option(
        "--trust-task", metavar="DIGEST", help="Allow the code of the recorded task with this digest to run here."
    ),
]
TrustRun = Annotated[
    bool,
    typer.Option(
        "--trust-run",
        help="Use the endpoint, the interpreter and the sandbox setting from the log of a run that was started on "
        "another machine.",
    ),
]


def repeated(db: str | None) -> str:
    """Return the text ` --db DB`, which a suggested command ends with so that it reads the same attempt log as this
    command. `db` is the value of the option `--db`; if it is None, return an empty string.
    """
    return f" --db {db}" if db else ""

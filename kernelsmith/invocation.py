"""Decides how a user types this program: the one place that knows under which name a suggested command works."""

import os
import shlex
import shutil
import sys
import sysconfig
from pathlib import Path

NAME = "kernelsmith"
"""File name of the script that an installation puts into the interpreter's scripts folder."""


def command_name() -> str:
    """Return how the user starts this program from the working directory, quoted for a shell, so that suggested
    commands work: `kernelsmith`, a path of the script, or an interpreter with its arguments.
    """
    return command_for(sys.argv[0], search_path=os.environ.get("PATH", ""), scripts=sysconfig.get_path("scripts"))


def command_for(started: str, *, search_path: str, scripts: str, folder: Path | None = None) -> str:
    """Return the beginning of a suggested command: `kernelsmith` if the shell finds this program under that name on
    `search_path`, else the path of the script that started it, or an interpreter with `-m kernelsmith.cli`.

    `started` is the path that the process was started by (`sys.argv[0]`), `search_path` has the form of PATH, `scripts`
    is the scripts folder of this interpreter, and `folder` is the working directory (None: that of the process). The
    command with a path is the started script, relative to `folder` where that is shorter; if the program was not
    started by its script, the command is `INTERPRETER -m kernelsmith.cli`.
    """
    script = Path(started).absolute() if Path(started).name == NAME else None
    on_path = shutil.which(NAME, path=search_path)
    if on_path and any(_same_file(on_path, own) for own in (script, Path(scripts) / NAME) if own):
        return NAME
    if script and script.is_file():
        return shlex.quote(_shorter(script, folder or Path.cwd()))
    return f"{shlex.quote(sys.executable)} -m {NAME}.cli"


def _same_file(a: str | Path, b: str | Path) -> bool:
    return os.path.realpath(a) == os.path.realpath(b)


def _shorter(path: Path, folder: Path) -> str:
    relative = os.path.relpath(path, folder)
    if os.sep not in relative:  # without a folder in its name the shell would look on PATH
        relative = os.path.join(os.curdir, relative)
    return min(str(path), relative, key=len)

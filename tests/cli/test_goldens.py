"""Pages as a user sees them: on terminals of 60, 80 and 140 columns, with and without colour, and in a pipe.

To write the files in goldens/ anew after an intended change: KERNELSMITH_GOLDEN=write python -m pytest THIS_FILE
"""

import io
import os
import pty
import shutil
import struct
import subprocess
import sys
import termios
from dataclasses import replace
from fcntl import ioctl
from pathlib import Path

import pytest
from command_line import PROGRAM
from rich.console import Console
from rich.text import Text

from kernelsmith.app.doctor import MachineFinding
from kernelsmith.app.reading import read_history
from kernelsmith.cli.doctor import doctor_text
from kernelsmith.cli.lines import LineView
from kernelsmith.report.live_page import live_page
from kernelsmith.report.model_live import live_report

FOLDER = Path(__file__).parent / "goldens"
ESCAPE = "\u241b"
"""Stands for the escape character in a golden file, so that an editor shows colours as text."""
RECORDED = Path(__file__).parents[1] / "log" / "databases" / "recorded" / "model_cpu.db"
WIDTHS = [60, 80, 140]
DB = ["--db", "recorded.db"]
COMMANDS = {
    "show_run": ["show", "cpu_matmul-1"],
    "show_attempt": ["show", "llm:1"],
    "diff_runs": ["diff", "cpu_matmul-1", "llm"],
    "diff_attempts": ["diff", "cpu_matmul-1:1", "cpu_matmul-1:4"],
    "runs": ["runs"],
}
"""Name of a golden file -> arguments of the command; the page depends on the terminal's width."""
PROMPT = {"show_prompt_and_reply": ["show", "llm:1", "--prompt", "--reply"]}
"""The same for a page that no width changes."""
FINDINGS = [
    MachineFinding("C compiler", "gcc 13.3.0 (/usr/bin/gcc)", ok=True, required=True),
    MachineFinding("CPU", "AMD EPYC, peak 129 GFLOP/s fp32 and 26.2 GB/s dram on one core", ok=True),
    MachineFinding("cores", "one, shared by judge and candidates", ok=False, remedy="allow the process a second core"),
    MachineFinding("sandbox", "level 0 of 3: no seccomp", ok=False, remedy="run where it is permitted", required=True),
    MachineFinding("GPU", "no NVIDIA driver is loaded", ok=False, remedy="needed for cuda tasks only"),
]


def assert_golden(name: str, page: str) -> None:
    """Assert that a page equals the golden file of this name, except for blanks at the ends of lines."""
    path = FOLDER / f"{name}.txt"
    text = "\n".join(line.rstrip() for line in page.replace("\x1b", ESCAPE).splitlines()) + "\n"
    if os.environ.get("KERNELSMITH_GOLDEN") == "write":
        path.write_text(text, encoding="utf-8")
    assert text == path.read_text(encoding="utf-8")


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A working directory with a recorded log."""
    place = tmp_path_factory.mktemp("recorded")
    shutil.copy(RECORDED, place / "recorded.db")
    return place


@pytest.fixture
def scripts(tmp_path: Path) -> Path:
    """A folder for PATH with the script of this program, so that suggested commands begin with `kernelsmith`."""
    script = tmp_path / "bin" / "kernelsmith"
    script.parent.mkdir()
    script.write_text(f"#!{sys.executable}\nfrom kernelsmith.cli import main\nmain()\n")
    script.chmod(0o755)
    return script.parent


def on_terminal(command: list[str], *, folder: Path, columns: int, **variables: str) -> str:
    """Run a command in a process whose stdout is a pseudo terminal of this width; return what the terminal gets."""
    leader, follower = pty.openpty()
    ioctl(follower, termios.TIOCSWINSZ, struct.pack("HHHH", 40, columns, 0, 0))
    environment = {name: value for name, value in os.environ.items() if name not in ("COLUMNS", "NO_COLOR")} | variables
    with subprocess.Popen(command, cwd=folder, env=environment, stdout=follower, stdin=subprocess.DEVNULL) as process:
        os.close(follower)
        page = _everything(leader)
    assert process.returncode == 0
    return page.replace("\r\n", "\n")


def _everything(terminal: int) -> str:
    """Read until the last process closes the terminal, which Linux reports as an error."""
    chunks = []
    with open(terminal, "rb", buffering=0) as stream:
        try:
            while chunk := stream.read(1 << 16):
                chunks.append(chunk)
        except OSError:
            pass
    return b"".join(chunks).decode()


@pytest.mark.parametrize("columns", WIDTHS)
@pytest.mark.parametrize("name", COMMANDS)
def test_a_page_on_a_terminal_fits_its_width(folder, scripts, name, columns):
    command = [str(scripts / "kernelsmith"), *COMMANDS[name], *DB]
    page = on_terminal(command, folder=folder, columns=columns, PATH=f"{scripts}:{os.environ['PATH']}")
    assert_golden(f"{name}_{columns}", page)


@pytest.mark.parametrize("name", [*COMMANDS, *PROMPT])
def test_a_page_in_a_pipe_is_cut_nowhere(folder, scripts, name):
    command = [str(scripts / "kernelsmith"), *(COMMANDS | PROMPT)[name], *DB]
    variables = os.environ | {"COLUMNS": "60", "PATH": f"{scripts}:{os.environ['PATH']}"}
    done = subprocess.run(command, cwd=folder, env=variables, capture_output=True, text=True, check=True)
    assert_golden(f"{name}_piped", done.stdout)


@pytest.mark.parametrize("columns", WIDTHS)
def test_no_figure_and_no_row_of_a_page_is_wider_than_the_terminal(columns):
    for name in ("show_run", "runs", "doctor"):
        lines = (FOLDER / f"{name}_{columns}.txt").read_text(encoding="utf-8").splitlines()
        assert max(map(len, lines)) <= columns


def test_pages_have_no_colour_with_or_without_no_color(folder):
    command = [*PROGRAM, *COMMANDS["show_run"], *DB]
    assert "\x1b" not in on_terminal(command, folder=folder, columns=80, TERM="xterm-256color")


@pytest.mark.parametrize("columns", [*WIDTHS, None])
def test_findings_of_doctor_and_their_remedies_are_wrapped(columns):
    assert_golden(f"doctor_{columns or 'piped'}", doctor_text(FINDINGS, width=columns))


# --- the live view ---


@pytest.fixture
def history(folder: Path):
    """The recorded run of the tuner after 31 attempts."""
    whole = read_history("cpu_matmul-1", db=folder / "recorded.db")
    return replace(whole, attempts=whole.attempts[:31], events=())


def _live(history, *, columns: int, **variables: str) -> str:
    console = Console(
        file=io.StringIO(),
        width=columns,
        height=40,
        force_terminal=True,
        _environ={"TERM": "xterm-256color"} | variables,
    )
    console.print(live_page(live_report(history), Text("now 31 refine: timing 0:02", no_wrap=True)))
    return console.file.getvalue()


@pytest.mark.parametrize("columns", WIDTHS)
def test_the_live_view_fits_the_terminal_with_and_without_colour(history, columns):
    coloured, plain = _live(history, columns=columns), _live(history, columns=columns, NO_COLOR="1")
    assert_golden(f"live_{columns}", coloured)
    assert_golden(f"live_{columns}_no_color", plain)
    assert f"{ESCAPE}[38" not in (FOLDER / f"live_{columns}_no_color.txt").read_text(encoding="utf-8")


def test_the_view_in_a_pipe_has_one_line_for_each_attempt(history, capsys):
    lines = LineView()
    lines.history(history)
    for attempt in history.attempts:
        lines.attempted(attempt)
    assert_golden("live_piped", capsys.readouterr().err)

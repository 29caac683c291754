"""What happens to a run from outside: signals, a deleted log, a device that another process holds, a closed pipe."""

import json
import shutil
import signal
import subprocess
import sys
import textwrap
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from command_line import PROGRAM

from kernelsmith.cli import terminal
from kernelsmith.cli.app import run_command

SMALL = Path(__file__).parents[1] / "tasks" / "small_matmul"
KERNEL = SMALL / "families" / "1_dot.c"
HOLDER = textwrap.dedent("""
    import sys
    from kernelsmith.judge_client.lease import LeaseWait, leased
    with leased("cpu", LeaseWait("run other")):
        print("held", flush=True)
        sys.stdin.read()
""")
Start = Callable[..., "subprocess.Popen[str]"]


@pytest.fixture
def start(tmp_path: Path, environment: dict[str, str]) -> Iterator[Start]:
    """Start a command in a process of its own, with a temporary directory of the test's; it is killed in the end."""
    (tmp_path / "temporary").mkdir()
    processes = []

    def begin(*command: str) -> "subprocess.Popen[str]":
        process = subprocess.Popen(
            command, cwd=tmp_path, env=environment | {"TMPDIR": str(tmp_path / "temporary")},
            stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
        )  # fmt: skip
        processes.append(process)
        return process

    yield begin
    for process in processes:
        process.kill()
        process.communicate()


@pytest.fixture
def held(start: Start) -> "subprocess.Popen[str]":
    """Another process that holds the CPU."""
    process = start(sys.executable, "-c", HOLDER)
    assert process.stdout.readline() == "held\n"
    return process


@pytest.fixture
def endless(tmp_path: Path, card: list[str]) -> list[str]:
    """Arguments of a run named long, of 500 asks: a script answers every ask with another kernel."""
    (tmp_path / "replies").mkdir()
    for number in range(500):
        reply = f"Hypothesis: none.\n\n```c\n/* {number} */\n{KERNEL.read_text()}\n```\n"
        (tmp_path / "replies" / f"{number:03}.md").write_text(reply)
    return ["run", str(SMALL), "--attempts", "500", "--name", "long", "--model", "scripted:replies", *card]


def line_with(process: "subprocess.Popen[str]", words: str) -> str:
    """Return the next line of stderr that contains these words."""
    return next(line for line in process.stderr if words in line)


def test_the_first_lines_of_a_run_say_how_to_stop_it_and_how_to_go_on(cli, card):
    done = cli("run", str(SMALL), "--attempts", "1", "--name", "short", "--db", "other.db", *card)
    first = done.stderr.splitlines()[0]
    assert first.startswith("Ctrl-C stops after the attempt in flight, a second Ctrl-C at once; go on with `")
    assert first.endswith(" resume short --db other.db`")


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_an_interrupted_run_exits_with_130_and_offers_to_resume(start, endless, number):
    run = start(*PROGRAM, *endless)
    line_with(run, "[1/500]")
    run.send_signal(number)
    summary, errors = run.communicate(timeout=60)
    assert run.returncode == 130, (summary, errors)
    (command,) = (line for line in summary.splitlines() if line.startswith("next"))
    assert command.endswith(" resume long")


def test_an_interrupt_ends_the_wait_for_an_endpoint_that_fails_and_the_ask_stays_open(start, cli, card, fake):
    overloaded = fake.whole({"error": {"message": "overloaded"}}, status=503, retry_after="500")
    fake.answers = [fake.whole({"data": [{"id": "m"}]}), overloaded]
    model = ("--model", "m", "--base-url", fake.url)
    run = start(*PROGRAM, "run", str(SMALL), "--attempts", "3", "--name", "asked", *model, *card)
    waiting = line_with(run, "waiting")
    assert waiting.startswith("waiting 8 min 20 s to ask again, failing for 0 s so far: ")
    assert "HTTP 503: overloaded" in waiting
    run.send_signal(signal.SIGINT)
    run.communicate(timeout=60)
    assert run.returncode == 130
    shown = json.loads(cli("show", "asked", "--json").stdout)
    assert (shown["run"]["status"], len(shown["attempts"])) == ("paused", 1)
    assert fake.calls == 2


@pytest.mark.parametrize("change", ["deleted", "replaced by another file"])
def test_a_log_that_is_gone_ends_the_run_with_exit_code_1(start, endless, tmp_path, change):
    run = start(*PROGRAM, *endless)
    line_with(run, "[1/500]")
    if change == "deleted":
        shutil.rmtree(tmp_path / "runs", ignore_errors=True)
    else:
        (tmp_path / "other.db").touch()
        (tmp_path / "other.db").replace(tmp_path / "runs" / "attempts.db")
    summary, errors = run.communicate(timeout=60)
    assert (run.returncode, summary) == (1, "")
    last = errors.splitlines()[-1]
    assert last.startswith(f"kernelsmith: runs/attempts.db: the attempt log was {change} while the run wrote to it")
    assert "nothing is lost" not in last


def test_a_run_says_which_run_holds_the_device_and_a_second_interrupt_ends_the_wait(start, held):
    run = start(*PROGRAM, "run", str(SMALL), "--name", "later")
    assert line_with(run, "waiting") == f"waiting for the CPU, held by run other, pid {held.pid}\n"
    run.send_signal(signal.SIGINT)
    line_with(run, "stopping")
    run.send_signal(signal.SIGINT)
    run.communicate(timeout=60)
    assert run.returncode == 130


def test_a_judgement_says_who_holds_the_device_and_an_interrupt_ends_the_wait(start, held):
    judge = start(*PROGRAM, "judge", str(SMALL), str(KERNEL))
    assert line_with(judge, "waiting") == f"waiting for the CPU, held by run other, pid {held.pid}\n"
    judge.send_signal(signal.SIGINT)
    judge.communicate(timeout=60)
    assert judge.returncode == 130


@pytest.mark.parametrize("command", [["replay", "night"], ["show", "night"], ["runs", "--json"], ["show", "--help"]])
def test_a_reader_of_stdout_that_leaves_early_is_no_fault(start, recorded, command):
    process = start(*PROGRAM, *command)
    process.stdout.close()
    assert process.wait(timeout=60) == 0
    assert process.stderr.read() == ""


def test_a_pipe_that_closes_within_a_command_ends_it_with_exit_code_0(monkeypatch):
    def closed(text: str) -> None:
        raise BrokenPipeError(32, "Broken pipe")

    monkeypatch.setattr(terminal, "result", closed)
    monkeypatch.setattr(sys, "stdout", sys.stdout)
    monkeypatch.setattr(sys, "stderr", sys.stderr)
    assert run_command(["tasks"]) == 0

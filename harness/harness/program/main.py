"""Runs the harness as a program: `python -I harness/ serve|doctor|check ...`.

`serve` is one judge: it reads requests on stdin and writes answers to a descriptor of their own, so that prints on
stdout and stderr, which go to the log file, cannot mix with answers.
"""

import argparse
import json
import os
import signal
import sys
from pathlib import Path

from harness.program import check, doctor
from harness.program.server import Server, Settings
from harness.sandbox import launcher as sandbox
from harness.sandbox import spawn, temporary
from harness.wire import messages as wire

NO_ISOLATION = 3
"""Exit status of `serve` if the machine offers no sandbox and --trust-candidates was not given."""


def main() -> int:
    """Run the command that the command line names: `serve` (answer requests until standard input is closed), `doctor`
    (print a report on this machine as JSON) or `check` (print as JSON what is wrong with a task folder). Return the
    exit status: 0, or 3 if the machine offers no sandbox. Raises SystemExit if an option is wrong or the parent process
    has ended.
    """
    arguments = _arguments()
    cache = Path(arguments.cache)
    cache.mkdir(parents=True, exist_ok=True)
    if arguments.command == "doctor":
        print(json.dumps(doctor.report(cache)))
        return 0
    if arguments.command == "check":
        print(json.dumps({"fault": check.task_fault(Path(arguments.task))}))
        return 0
    # The terminal sends its interrupt to the judge too, but the agent lets the attempt in flight end first.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    _die_with_parent(arguments.parent)
    temporary.sweep()
    isolation = sandbox.probe(at_most=sandbox.Level(arguments.isolation_at_most))
    runs_candidates = not arguments.device.startswith("scripted:")
    if isolation.level == sandbox.Level.BARE and runs_candidates and not arguments.trust_candidates:
        print(f"no isolation: {isolation.why_not_higher}", file=sys.stderr)
        return NO_ISOLATION
    if isolation.level < sandbox.Level.FULL:
        # A judge at level 3 must not load artifacts that were built with fewer guards.
        cache = cache / f"level-{int(isolation.level)}"
        cache.mkdir(exist_ok=True)
    with os.fdopen(arguments.answers_fd, "w", encoding="utf-8") as stream:
        os.set_inheritable(stream.fileno(), False)  # noqa: FBT003 (the standard library's own signature)
        Server(wire.Answers(stream), Settings(arguments.device, cache, isolation, arguments.calibration_s)).serve()
    return 0


def _die_with_parent(parent: int) -> None:
    spawn.die_with_parent()
    if os.getppid() != parent:
        raise SystemExit("the agent that started this judge has ended")


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="harness", description=__doc__)
    parser.add_argument("command", choices=["serve", "doctor", "check"])
    parser.add_argument("--task", help="the folder that `check` examines")
    parser.add_argument("--device", default="cpu", help="cpu, cuda:N or scripted:FILE")
    parser.add_argument("--answers-fd", type=int, default=-1)
    parser.add_argument("--parent", type=int, default=-1, help="process number of the agent; the judge ends with it")
    parser.add_argument("--cache", required=True)
    parser.add_argument("--calibration-s", type=float, default=2.0)
    parser.add_argument("--trust-candidates", action="store_true")
    parser.add_argument("--isolation-at-most", type=int, choices=[*map(int, sandbox.Level)], default=3)
    return parser.parse_args()

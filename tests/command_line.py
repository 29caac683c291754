"""The command line for tests: run in this process, which saves the start of a program, or in a process of its own."""

import contextlib
import io
import os
import signal
import subprocess
import sys
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

from kernelsmith.cli.app import run_command

Done = subprocess.CompletedProcess[str]
PROGRAM = [sys.executable, "-m", "kernelsmith.cli"]
"""Start of a command line that runs `kernelsmith` in a process of its own."""


def run_here(arguments: Sequence[str], *, folder: Path, environment: Mapping[str, str]) -> Done:
    """Run a command in this process, with the folder, the environment and the pipes that a process would have.

    The caller's folder, environment, streams and signal handlers are the same afterwards. An exception that a user
    would see as a traceback is raised.
    """
    output, errors = _pipe(), _pipe()
    with _place(folder, environment), _streams(output, errors):
        code = run_command(arguments)
    return subprocess.CompletedProcess(list(arguments), code, _text(output), _text(errors))


def run_process(
    arguments: Sequence[str], *, folder: Path, environment: Mapping[str, str], timeout_s: float = 120
) -> Done:
    """Run a command in a process of its own."""
    return subprocess.run(
        [*PROGRAM, *arguments],
        cwd=folder,
        env=environment,
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=timeout_s,
        check=False,
    )


@contextlib.contextmanager
def _place(folder: Path, environment: Mapping[str, str]) -> Iterator[None]:
    """Change folder and environment; put both and the signal handlers back."""
    variables = dict(os.environ)
    handlers = {number: signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM)}
    try:
        with contextlib.chdir(folder):
            _set_environment(environment)
            yield
    finally:
        _set_environment(variables)
        for number, handler in handlers.items():
            signal.signal(number, handler)


def _set_environment(variables: Mapping[str, str]) -> None:
    for name in os.environ.keys() - variables.keys():
        del os.environ[name]
    os.environ.update(variables)


@contextlib.contextmanager
def _streams(output: io.TextIOWrapper, errors: io.TextIOWrapper) -> Iterator[None]:
    """Take over stdout and stderr, and give stdin nothing to read."""
    before = sys.stdin
    with open(os.devnull, encoding="utf-8") as nothing:
        sys.stdin = nothing
        try:
            with contextlib.redirect_stdout(output), contextlib.redirect_stderr(errors):
                yield
        finally:
            sys.stdin = before


def _pipe() -> io.TextIOWrapper:
    return io.TextIOWrapper(io.BytesIO(), encoding="utf-8", errors="replace", write_through=True)


def _text(stream: io.TextIOWrapper) -> str:
    """Return what was written, with line ends as a text pipe reads them."""
    stream.flush()
    written: bytes = stream.buffer.getvalue()  # type: ignore[attr-defined]
    return io.StringIO(written.decode(), newline=None).read()

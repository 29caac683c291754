"""Run commands of `kernelsmith` for tests: in this process, which is faster, or in a new process."""

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
"""First arguments of a command line that runs `kernelsmith` in a new process."""


def run_here(arguments: Sequence[str], *, folder: Path, environment: Mapping[str, str]) -> Done:
    """Run a command in this process, in the given working folder and environment. Return its exit status, output and
    errors. Raise an exception that a user would see as a traceback.

    Afterwards, the folder, environment, streams and signal handlers of this process are the same as before.
    """
    output, errors = _pipe(), _pipe()
    with _surroundings(folder, environment), _streams(output, errors):
        code = run_command(arguments)
    return subprocess.CompletedProcess(list(arguments), code, _text(output), _text(errors))


def run_process(
    arguments: Sequence[str], *, folder: Path, environment: Mapping[str, str], timeout_s: float = 120
) -> Done:
    """Run a command in a new process, in the given working folder and environment. Raise TimeoutExpired after
    `timeout_s`.
    """
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
def _surroundings(folder: Path, environment: Mapping[str, str]) -> Iterator[None]:
    """Return a context manager that changes the working folder and the environment of this process. At its end, it
    restores both, and the handlers of SIGINT and SIGTERM.
    """
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
    """Return a context manager that redirects stdout to `output` and stderr to `errors`, and makes stdin empty."""
    original_stdin = sys.stdin
    with open(os.devnull, encoding="utf-8") as empty:
        sys.stdin = empty
        try:
            with contextlib.redirect_stdout(output), contextlib.redirect_stderr(errors):
                yield
        finally:
            sys.stdin = original_stdin


def _pipe() -> io.TextIOWrapper:
    return io.TextIOWrapper(io.BytesIO(), encoding="utf-8", errors="replace", write_through=True)


def _text(stream: io.TextIOWrapper) -> str:
    """Return the text that was written to a stream, with `\\r\\n` as `\\n`, as a text pipe would."""
    stream.flush()
    written: bytes = stream.buffer.getvalue()  # type: ignore[attr-defined]
    return io.StringIO(written.decode(), newline=None).read()

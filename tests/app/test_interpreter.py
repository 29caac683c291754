"""Which interpreter runs the harness: what it lacks, how it is named for ever, and which one a resumed run takes."""

import sys
from pathlib import Path

import pytest

from kernelsmith.app import interpreter
from kernelsmith.app.reading import read_history
from kernelsmith.app.resume import resume
from kernelsmith.app.session import SessionParts
from kernelsmith.app.settings import configured
from kernelsmith.app.start import start
from kernelsmith.errors import UsageError

SMALL = Path(__file__).parents[1] / "tasks" / "small_matmul"


@pytest.fixture
def bare(tmp_path: Path) -> str:
    """An interpreter without any package."""
    script = tmp_path / "python"
    script.write_text(f'#!/bin/sh\nexec {sys.executable} -S "$@"\n')
    script.chmod(0o755)
    return str(script)


def test_what_an_interpreter_lacks_is_named_with_the_remedy(bare):
    lack = interpreter.missing(bare, ["json", "numpy", "cupy"])
    assert lack is not None
    assert lack.found == f"--harness-python {bare}: {bare} lacks numpy, cupy"
    assert lack.remedy.startswith(f"{bare} -m pip install numpy cupy-cuda13x")


def test_our_own_interpreter_has_what_the_cpu_task_needs():
    assert interpreter.missing(None, ["numpy"]) is None


def test_an_interpreter_that_is_too_old_is_told_its_age(tmp_path):
    script = tmp_path / "python3.9"
    script.write_text("#!/bin/sh\necho '[[3, 9], []]'\n")
    script.chmod(0o755)
    lack = interpreter.missing(str(script), [])
    assert lack is not None
    assert "is Python 3.9; the harness needs 3.11" in lack.line


def test_a_program_that_is_no_python_is_told_so(tmp_path):
    script = tmp_path / "python"
    script.write_text("#!/bin/sh\necho hello\n")
    script.chmod(0o755)
    for named in (str(script), "/no/python"):
        lack = interpreter.missing(named, [])
        assert lack is not None
        assert f"{named} does not run as a Python" in lack.line


def test_an_interpreter_is_found_again_from_another_folder_and_stays_a_link(tmp_path, monkeypatch):
    (tmp_path / "bin").mkdir()
    (tmp_path / "bin" / "python").symlink_to(sys.executable)
    for named in ("bin/python", "./bin/python"):
        kept = configured(None, {"task": "t", "harness_python": named}).harness_python
        assert kept == str(tmp_path / "bin" / "python")
    monkeypatch.setenv("PATH", str(tmp_path / "bin"))
    assert interpreter.lasting("python") == str(tmp_path / "bin" / "python")


def test_a_resumed_run_keeps_the_interpreter_that_it_was_moved_to(tmp_path, scripted):
    old, new = tmp_path / "old", tmp_path / "new"
    for link in (old, new):
        link.symlink_to(sys.executable)
    parts = SessionParts(harness=scripted)
    with start(str(SMALL), name="moved", attempts=1, harness_python=str(old), parts=parts) as session:
        session.run()
    for given in (str(new), None):
        with resume("moved", attempts=1, harness_python=given, parts=parts) as session:
            session.run()
    history = read_history("moved")
    assert history.run.config.harness_python == str(old)
    told = [event.data["harness_python"] for event in history.events if event.kind == "resume"]
    assert told == [str(new), str(new)]
    new.unlink()
    with pytest.raises(UsageError, match=f"--harness-python {new}"):
        resume("moved", attempts=1, parts=parts)

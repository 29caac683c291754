"""The application in this process: in an empty folder, with a state folder that is not the user's."""

from pathlib import Path

import pytest
from scripted import FIRST, SLOWER, ScriptedHarness


@pytest.fixture
def scripted() -> ScriptedHarness:
    """A harness whose first verdict passes; no other candidate is better."""
    return ScriptedHarness(FIRST, SLOWER)


@pytest.fixture(autouse=True)
def working_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty folder that the test works in; no model is configured, and the user's state is not touched."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path / "state"))
    for name in ("OPENAI_API_KEY", "OPENAI_BASE_URL", "KERNELSMITH_API_KEY"):
        monkeypatch.delenv(name, raising=False)
    return tmp_path

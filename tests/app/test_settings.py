"""A run's settings: the command line over the file over the defaults, and a reader for every key."""

from dataclasses import fields
from pathlib import Path

import pytest

from kernelsmith.cli.config import BudgetKeys, ConfigKeys, configured, fraction
from kernelsmith.core.run import Budget, RunConfig
from kernelsmith.errors import ConfigError

PACKAGE = Path(__file__).parents[2] / "kernelsmith"


@pytest.fixture
def file_of(tmp_path):
    """A config file with this text."""

    def write(text: str) -> Path:
        path = tmp_path / "run.toml"
        path.write_text(text)
        return path

    return write


def test_the_file_knows_exactly_the_keys_of_a_run_config():
    assert set(ConfigKeys.model_fields) == {field.name for field in fields(RunConfig)}
    assert set(BudgetKeys.model_fields) == {field.name for field in fields(Budget)}


@pytest.mark.parametrize(
    "key", [field.name for field in (*fields(RunConfig), *fields(Budget)) if field.name != "budget"]
)
def test_every_setting_has_a_reader(key):
    sources = [path for path in PACKAGE.rglob("*.py") if path.name not in ("config.py",) and path.parent.name != "core"]
    sources.append(PACKAGE / "core" / "budget.py")
    assert any(f".{key}" in path.read_text() for path in sources), f"nothing reads {key}"


def test_options_override_the_file_and_the_file_the_defaults(file_of):
    path = file_of('task = "cpu_matmul"\nseed = 3\nplateau = 5\n[budget]\nattempts = 7\ntarget = 0.5\n')
    config = configured(path, {"seed": 4, "attempts": 9, "hours": None})
    assert (config.task, config.seed, config.plateau) == ("cpu_matmul", 4, 5)
    assert config.budget == Budget(attempts=9, target=0.5)
    assert config.history_tokens == RunConfig("cpu_matmul", "tuner").history_tokens


def test_hours_or_dollars_take_the_place_of_the_default_number_of_attempts():
    assert configured(None, {"task": "t"}).budget.attempts == 60
    assert configured(None, {"task": "t", "target": 0.8}).budget.attempts == 60
    assert configured(None, {"task": "t", "hours": 8.0}).budget == Budget(attempts=None, hours=8.0)
    assert configured(None, {"task": "t", "hours": 8.0, "attempts": 5}).budget == Budget(attempts=5, hours=8.0)


def test_a_model_is_asked_where_one_is_named_and_the_tuner_otherwise():
    assert configured(None, {"task": "t"}).proposer == "tuner"
    named = configured(None, {"task": "t", "model": "m", "base_url": "http://127.0.0.1:9/v1"})
    assert (named.proposer, named.base_url) == ("model", "http://127.0.0.1:9/v1")


def test_paths_are_kept_absolute_so_that_resume_works_from_another_folder(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    config = configured(None, {"task": "t", "proposer": "folder:mine", "from_file": "k.c"})
    assert (config.proposer, config.from_file) == (f"folder:{tmp_path}/mine", f"{tmp_path}/k.c")


@pytest.mark.parametrize(("text", "value"), [("0.85", 0.85), ("85%", 0.85), (" 71.3 % ", 0.713), ("1", 1.0)])
def test_a_target_is_a_fraction_or_a_percentage(text, value):
    assert fraction(text) == pytest.approx(value)


@pytest.mark.parametrize("text", ["", "fast", "85", "-1", "0", "nan", "%", "inf"])
def test_a_target_that_is_neither_is_refused(text):
    with pytest.raises(ConfigError, match="--target"):
        fraction(text)

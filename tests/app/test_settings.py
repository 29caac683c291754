"""A run's settings: options override the file, the file overrides the defaults, and paths are kept absolute."""

from dataclasses import fields
from pathlib import Path

import pytest

from kernelsmith.app.settings import configured, fraction, limits_given, names_proposer
from kernelsmith.core.run import Budget, RunConfig
from kernelsmith.errors import ConfigError


@pytest.fixture
def file_of(tmp_path):
    """A config file with this text."""

    def write(text: str) -> Path:
        path = tmp_path / "run.toml"
        path.write_text(text)
        return path

    return write


def test_the_file_knows_exactly_the_keys_of_a_run_config(file_of):
    for table, holder in (("", RunConfig), ("[budget]\n", Budget)):
        with pytest.raises(ConfigError) as refused:
            configured(file_of(f"{table}nonsense = 1\n"), {"task": "t"})
        known = str(refused.value).partition("use one of ")[2].split(", ")
        assert known == [field.name for field in fields(holder)]


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


def test_the_proposer_is_the_model_if_one_is_named_and_else_the_tuner():
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


@pytest.mark.parametrize("text", ["", "fast", "85", "-1", "0", "nan", "%", "inf", "120%", "1.01"])
def test_a_target_that_is_neither_is_refused(text):
    with pytest.raises(ConfigError, match="--target"):
        fraction(text)


def test_a_target_above_the_peak_is_refused_in_a_file_too(file_of):
    path = file_of('task = "t"\n[budget]\ntarget = 1.2\n')
    with pytest.raises(ConfigError, match=r"budget\.target: must be above 0 and at most 1 \(100 %.*, not 1\.2"):
        configured(path, {})


def test_the_default_plateau_of_the_tuner_is_shorter_than_that_of_a_model():
    assert configured(None, {"task": "t"}).plateau == 3
    assert configured(None, {"task": "t", "model": "m"}).plateau == RunConfig("t", "model").plateau
    assert configured(None, {"task": "t", "plateau": 5}).plateau == 5


def test_the_model_of_a_file_is_left_out_where_the_proposer_asks_none(file_of):
    path = file_of('task = "t"\nmodel = "m"\n')
    assert configured(path, {"proposer": "tuner"}).model is None
    assert names_proposer(path)
    assert not names_proposer(file_of('task = "t"\n'))


def test_resume_accepts_limits_and_refuses_other_settings():
    assert limits_given({"attempts": 3, "hours": None, "target": 0.5}) == {"attempts": 3, "target": 0.5}
    with pytest.raises(ConfigError, match="--usd"):
        limits_given({"usd": float("nan")})

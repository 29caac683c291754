"""Which model a config and an environment name."""

import subprocess
import sys
from pathlib import Path

import pytest

from kernelsmith.core.run import RunConfig
from kernelsmith.errors import ConfigError, Exhausted
from kernelsmith.llm.choice import open_model
from kernelsmith.llm.endpoint import Endpoint, api_key, base_url, endpoint_for
from kernelsmith.llm.model import FinishReason, Message
from kernelsmith.llm.price import cost_known
from kernelsmith.llm.scripted import ScriptedModel, read_script
from kernelsmith.llm.spec import EndpointSpec, ScriptedSpec, parse_model

ASKED = (Message("user", "go"),)


def _config(**changes) -> RunConfig:
    return RunConfig(task="t", proposer="model", **changes)


def test_our_key_comes_before_openais_and_local_servers_need_none():
    assert api_key({"KERNELSMITH_API_KEY": "a", "OPENAI_API_KEY": "b"}) == "a"
    assert api_key({"KERNELSMITH_API_KEY": " ", "OPENAI_API_KEY": "b\n"}) == "b"
    assert api_key({}) == "EMPTY"


def test_a_key_that_no_header_can_carry_is_the_users_to_fix():
    with pytest.raises(ConfigError, match="OPENAI_API_KEY"):
        api_key({"OPENAI_API_KEY": "sk-…"})


def test_the_option_comes_before_the_environment():
    assert base_url("http://a/v1", {"OPENAI_BASE_URL": "http://b/v1"}) == "http://a/v1"
    assert base_url(None, {"OPENAI_BASE_URL": "http://b/v1"}) == "http://b/v1"
    assert base_url(None, {}) == "https://api.openai.com/v1"


def test_a_base_url_that_is_none_is_the_users_to_fix():
    with pytest.raises(ConfigError, match=r"--base-url.*localhost"):
        base_url("localhost:8000", {})


def test_a_config_becomes_an_endpoint():
    config = _config(model="m", base_url="http://a/v1", temperature=0.5, price_per_mtok=(1.0, 2.0))
    expected = Endpoint("http://a/v1", "m", key="k", temperature=0.5, price=(1.0, 2.0))
    assert endpoint_for(config, {"OPENAI_API_KEY": "k"}) == expected


def test_no_model_named_says_what_to_give():
    with pytest.raises(ConfigError, match=r"--model NAME.*--proposer tuner"):
        open_model(_config(), {})


def test_a_key_is_not_in_what_is_printed():
    assert "secret" not in repr(Endpoint("http://a", "m", key="secret"))


@pytest.mark.parametrize(
    ("changes", "known"),
    [
        ({"model": "m"}, False),
        ({"model": "m", "price_per_mtok": (1.0, 2.0)}, True),
        ({"model": "m", "base_url": "https://openrouter.ai/api/v1"}, True),
        ({"model": "m", "base_url": "https://notopenrouter.ai/api/v1"}, False),
        ({"model": "scripted:dir"}, True),
    ],
)
def test_whether_a_budget_in_usd_can_be_kept(changes, known):
    assert cost_known(_config(**changes)) is known


@pytest.mark.parametrize(
    ("name", "spec"),
    [
        ("scripted:a/b", ScriptedSpec(Path("a/b"))),
        ("gpt-scripted:1", EndpointSpec("gpt-scripted:1")),
        ("m", EndpointSpec("m")),
    ],
)
def test_a_models_name_is_a_script_or_a_model_at_an_endpoint(name, spec):
    assert parse_model(name) == spec


def test_a_script_without_a_path_is_the_users_to_fix():
    with pytest.raises(ConfigError, match="name a path behind the colon"):
        parse_model("scripted:")


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("stop", FinishReason.STOP),
        ("length", FinishReason.LENGTH),
        ("content_filter", FinishReason.CONTENT_FILTER),
        ("error", FinishReason.ERROR),
        ("", FinishReason.UNFINISHED),
        ("tool_calls", FinishReason.OTHER),
        ("error: model endpoint", FinishReason.OTHER),
    ],
)
def test_any_text_is_a_finish_reason(text, reason):
    assert FinishReason(text) is reason


def test_a_folder_of_replies_is_a_model(tmp_path):
    (tmp_path / "2.md").write_text("second")
    (tmp_path / "1.md").write_text("first")
    (tmp_path / "notes.txt").write_text("not a reply")
    model = open_model(_config(model=f"scripted:{tmp_path}"), {})
    assert [model.complete(ASKED).content for _ in range(2)] == ["first", "second"]
    with pytest.raises(Exhausted, match="2 replies"):
        model.complete(ASKED)


def test_a_resumed_script_goes_on_behind_what_was_answered(tmp_path):
    (tmp_path / "1.md").write_text("first")
    (tmp_path / "2.md").write_text("second")
    model = open_model(_config(model=f"scripted:{tmp_path}"), {}, answered=1)
    assert model.complete(ASKED).content == "second"


def test_a_script_may_be_a_function_of_what_it_is_asked():
    model = ScriptedModel(lambda messages, number: f"{messages[-1].content} {number}")
    assert [model.complete(ASKED).content for _ in range(2)] == ["go 0", "go 1"]


def test_a_script_costs_nothing_and_counts_its_tokens():
    reply = ScriptedModel(["hello"]).complete(ASKED)
    assert reply.usage.cost_usd == 0.0
    assert reply.usage.prompt_tokens > 0
    assert reply.usage.completion_tokens > 0


@pytest.mark.parametrize("name", ["missing", "empty"])
def test_a_script_without_replies_names_the_path(tmp_path, name):
    (tmp_path / "empty").mkdir()
    with pytest.raises(ConfigError, match=name):
        read_script(tmp_path / name)


def test_a_config_can_be_checked_without_importing_the_client_library():
    code = "import sys, kernelsmith.llm.endpoint, kernelsmith.llm.price; sys.exit('openai' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0

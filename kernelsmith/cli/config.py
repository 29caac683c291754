"""A run's configuration from a TOML file and the command line: the one place where either meets the program.

The command line overrides the file. Every fault is one line that names the option, or the file and its key.
"""

import os
from collections.abc import Mapping
from dataclasses import fields
from pathlib import Path
from typing import Annotated, Any

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from kernelsmith.core.run import Budget, RunConfig
from kernelsmith.core.text_file import read_toml
from kernelsmith.errors import ConfigError

Limit = Annotated[float, Field(gt=0, allow_inf_nan=False)]
Price = Annotated[float, Field(ge=0, allow_inf_nan=False)]
Words = Annotated[str, Field(min_length=1)]
TUNER_PLATEAU = 3
"""Attempts until the tuner takes another rung; its steps are smaller than a model's, and one family is soon learnt."""
SHAPES = {"budget": "a table `[budget]`", "price_per_mtok": "a list [PROMPT, COMPLETION] in USD"}
BUDGET_KEYS = tuple(field.name for field in fields(Budget))


class _Strict(BaseModel):
    model_config = ConfigDict(extra="forbid", strict=True, frozen=True)


class BudgetKeys(_Strict):
    """The keys of `[budget]`; field by field kernelsmith.core.run.Budget."""

    attempts: Annotated[int, Field(gt=0)] | None = None
    hours: Limit | None = None
    usd: Limit | None = None
    target: Annotated[float, Field(gt=0, le=1.5)] | None = None


class ConfigKeys(_Strict):
    """The keys of a config file; field by field kernelsmith.core.run.RunConfig."""

    task: Words | None = None
    proposer: Words | None = None
    budget: BudgetKeys = BudgetKeys()
    seed: int | None = None
    model: Words | None = None
    base_url: Words | None = None
    from_file: Words | None = None
    plateau: Annotated[int, Field(gt=0)] | None = None
    history_tokens: Annotated[int, Field(gt=0)] | None = None
    temperature: Annotated[float, Field(ge=0, le=2)] | None = None
    price_per_mtok: Annotated[list[Price], Field(min_length=2, max_length=2)] | None = None
    calibration_s: Annotated[float, Field(gt=0, le=60)] | None = None
    trust_candidates: bool | None = None
    harness_python: Words | None = None


def configured(path: Path | None, options: Mapping[str, Any]) -> RunConfig:
    """The run that file and command line ask for; options that are None were not given.

    Raises:
        ConfigError: a key is unknown or has the wrong type or range, or the proposer lacks what it needs.
    """
    from_file = _checked(_read(path), f"{path}: ") if path else {}
    given = {key: value for key, value in options.items() if value is not None}
    from_options = _checked(_nested(given), "--")
    budget = _budget({**from_file.pop("budget", {}), **from_options.pop("budget", {})})
    merged = {**from_file, **from_options}
    if "price_per_mtok" in merged:
        merged["price_per_mtok"] = tuple(merged["price_per_mtok"])
    if "task" not in merged:
        raise ConfigError("task: none is named; `kernelsmith run TASK`, or a `task` key in the file of --config")
    if "base_url" in merged and not merged.get("model"):
        raise ConfigError("--base-url: no model is named; add --model NAME")
    merged.setdefault("proposer", "model" if merged.get("model") else "tuner")
    if merged["proposer"] != "model":
        _without_model(merged, from_options)
    if merged["proposer"] == "tuner":
        merged.setdefault("plateau", TUNER_PLATEAU)
    return _resolved(RunConfig(**merged, budget=budget))


def _without_model(merged: dict[str, Any], from_options: Mapping[str, Any]) -> None:
    """A proposer that asks no model keeps none in its log; one that was named beside it is a contradiction."""
    for key in ("model", "base_url"):
        if key in from_options:
            raise ConfigError(
                f"--{key.replace('_', '-')}: --proposer {merged['proposer']} asks no model; leave one out"
            )
        merged.pop(key, None)


def limits_given(options: Mapping[str, Any]) -> dict[str, float]:
    """The limits among the options of `resume`.

    Raises:
        ConfigError: one is not a number above 0.
    """
    given = {key: value for key, value in options.items() if value is not None}
    limits: dict[str, float] = _checked({"budget": given}, "--").get("budget", {})
    return limits


def names_proposer(path: Path | None) -> bool:
    """Whether the config file says who proposes, or which model does."""
    return path is not None and bool({"proposer", "model"} & set(_read(path)))


def fraction(text: str) -> float:
    """`0.85` or `85%` as a fraction.

    Raises:
        ConfigError: it is neither, or not above 0.
    """
    number, percent = text.strip().removesuffix("%"), text.strip().endswith("%")
    try:
        value = float(number) / (100 if percent else 1)
    except ValueError:
        value = 0.0
    if not 0 < value <= 1.5:
        raise ConfigError(f"--target: {text!r} is not a part of peak; give a fraction such as 0.85, or 85%")
    return value


def _read(path: Path) -> dict[str, Any]:
    return read_toml(path, fault=ConfigError, remedy="; --config names a TOML file")


def _nested(options: Mapping[str, Any]) -> dict[str, Any]:
    """Options are flat, the file has a table for the budget."""
    flat = {key: value for key, value in options.items() if key not in BUDGET_KEYS}
    return flat | {"budget": {key: value for key, value in options.items() if key in BUDGET_KEYS}}


def _checked(values: Mapping[str, Any], where: str) -> dict[str, Any]:
    """The keys that were given, once all of them are known to be right."""
    try:
        return ConfigKeys.model_validate(values).model_dump(exclude_unset=True, exclude_none=True)
    except ValidationError as error:
        raise ConfigError(_said(error, where)) from error


def _said(error: ValidationError, where: str) -> str:
    first = error.errors(include_url=False)[0]
    key = ".".join(str(part) for part in first["loc"])
    if where == "--":
        key = {"from_file": "from"}.get(key, key.removeprefix("budget.").replace("_", "-"))
    if first["type"] == "extra_forbidden":
        known = ", ".join(BudgetKeys.model_fields if key.startswith("budget.") else ConfigKeys.model_fields)
        return f"{where}{key}: no such key; known are {known}"
    if first["type"] in ("model_type", "list_type", "too_short", "too_long"):
        return f"{where}{key}: {SHAPES.get(key, 'a list')} is wanted, not {first['input']!r}"
    return f"{where}{key}: {first['msg'][0].lower()}{first['msg'][1:]}, not {first['input']!r}"


def _budget(given: Mapping[str, Any]) -> Budget:
    """Hours or dollars take the place of the default number of attempts; a target alone does not."""
    unlimited = "attempts" not in given and ("hours" in given or "usd" in given)
    return Budget(**given, **({"attempts": None} if unlimited else {}))


def _resolved(config: RunConfig) -> RunConfig:
    """Paths absolute and the endpoint spelled out, so that `resume` means the same from another folder."""
    from dataclasses import replace

    from kernelsmith.cli import interpreter
    from kernelsmith.llm.choice import SCRIPTED
    from kernelsmith.llm.endpoint import base_url

    if config.model and config.model.startswith(SCRIPTED):
        config = replace(config, model=f"{SCRIPTED}{_absolute(config.model, SCRIPTED, '--model')}")
    elif config.proposer == "model":
        config = replace(config, base_url=base_url(config.base_url, os.environ))
    if config.proposer.startswith("folder:"):
        config = replace(config, proposer=f"folder:{_absolute(config.proposer, 'folder:', '--proposer')}")
    if config.from_file:
        config = replace(config, from_file=str(Path(config.from_file).resolve()))
    if config.harness_python:
        config = replace(config, harness_python=interpreter.lasting(config.harness_python))
    return config


def _absolute(value: str, kind: str, option: str) -> Path:
    """The path behind `kind`. Raises ConfigError: there is none."""
    path = value.removeprefix(kind)
    if not path:
        raise ConfigError(f"{option} {value}: name a path behind the colon")
    return Path(path).resolve()

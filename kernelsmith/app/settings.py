"""Make the settings of a run, a RunConfig, from a TOML file and from command-line options.

Options override the file, and the file overrides the defaults. The fields of core.run.RunConfig and Budget say which
keys exist, with their types and bounds. A wrong setting is reported in one line that names the option, or file and key.
"""

import os
from collections.abc import Mapping
from dataclasses import fields, replace
from functools import cache
from pathlib import Path
from typing import Any, get_type_hints

from pydantic import ConfigDict, TypeAdapter, ValidationError

from kernelsmith.app import interpreter
from kernelsmith.app.proposers import ModelSpec, TunerSpec, spec_of
from kernelsmith.core.kinds import SCRIPTED_DEVICE
from kernelsmith.core.run import Budget, RunConfig
from kernelsmith.core.text_file import read_toml
from kernelsmith.errors import ConfigError
from kernelsmith.llm.endpoint import base_url
from kernelsmith.llm.spec import ScriptedSpec, parse_model

TUNER_PLATEAU = 3
"""Default of RunConfig.plateau for the tuner, whose steps are smaller than a model's."""
OPTION_NAMES = {"from_file": "from"}
"""Names of the options that differ from their key."""
TARGET = "above 0 and at most 1 (100 % of the peak, the highest rate of the device)"
REQUIRED = {
    "budget": "a table `[budget]`",
    "price_per_mtok": "a list [PROMPT, COMPLETION] in USD",
    "target": TARGET,
}
"""The allowed values of the settings whose type alone does not say them."""
BUDGET = "budget"
LIMITS = tuple(limit.name for limit in fields(Budget))


def configured(path: Path | None, options: Mapping[str, Any]) -> RunConfig:
    """Return the settings of a run from the config file at `path` (None: no file) and from `options`, a mapping from
    key to value in which None means "not given". Options override the file. Raises ConfigError if a key is unknown, a
    value is wrong, or settings contradict one another.
    """
    from_file = _checked(_read(path), f"{path}: ") if path else {}
    from_options = _checked(_nested(options), "--")
    limits = from_file.pop(BUDGET, {}) | from_options.pop(BUDGET, {})
    return _resolved(RunConfig(**_merged(from_file, from_options), budget=_budget(limits)))


def limits_given(options: Mapping[str, Any]) -> dict[str, float]:
    """Return the new limits that options of `resume` set, as a dict with some of the keys `attempts`, `hours`, `usd`,
    `target`; `options` maps keys to values, None if not given. Raises ConfigError if a value is out of range or an
    option is no limit.
    """
    settings = _checked(_nested(options), "--")
    limits: dict[str, float] = settings.pop(BUDGET, {})
    if settings:
        raise ConfigError(f"{next(iter(settings))}: a resumed run keeps its own; {', '.join(LIMITS)} can be extended")
    return limits


def names_proposer(path: Path | None) -> bool:
    """Return whether the config file at `path` sets `proposer` or `model`; False if `path` is None. Raises ConfigError
    if the file cannot be read.
    """
    return path is not None and bool({"proposer", "model"} & set(_read(path)))


def fraction(text: str) -> float:
    """Return the target utilization that an option states as `0.85` or `85%`, as a fraction of the device's peak.
    Raises ConfigError if `text` is neither, or if the value is not above 0 and at most 1.
    """
    number, is_percent = text.strip().removesuffix("%"), text.strip().endswith("%")
    try:
        value = float(number) / (100 if is_percent else 1)
    except ValueError:
        value = 0.0
    if not 0 < value <= 1:
        raise ConfigError(f"--target {text}: must be {TARGET}, such as 0.85 or 85%")
    return value


def _merged(from_file: Mapping[str, Any], from_options: Mapping[str, Any]) -> dict[str, Any]:
    """Return one dict of a run's settings from the config file and the options; an option wins over the file. A missing
    `proposer` gets its default, and so does `plateau` (asks without improvement before a change of plan) for the tuner.
    Raises ConfigError if no task is named, or if settings of a model contradict the proposer.
    """
    merged = {**from_file, **from_options}
    if "task" not in merged:
        raise ConfigError("task: not set; give it as `kernelsmith run TASK`, or under `task` in the file of --config")
    if "base_url" in merged and "model" not in merged:
        raise ConfigError("--base-url: needs a model; add --model NAME")
    merged.setdefault("proposer", ModelSpec().text if "model" in merged else TunerSpec().text)
    if merged["proposer"] != ModelSpec().text:
        _without_model(merged, from_options)
    if merged["proposer"] == TunerSpec().text:
        merged.setdefault("plateau", TUNER_PLATEAU)
    return merged


def _without_model(merged: dict[str, Any], from_options: Mapping[str, Any]) -> None:
    """Remove the keys `model` and `base_url` from `merged`, the dict of all settings, because its proposer asks no
    model; return nothing. Raises ConfigError if one of them is in `from_options`, the user's options, because the user
    then expects a model.
    """
    for key in ("model", "base_url"):
        if key in from_options:
            option, proposer = key.replace("_", "-"), merged["proposer"]
            raise ConfigError(f"--{option}: --proposer {proposer} asks no model; leave out one of the two options")
        merged.pop(key, None)


def _budget(limits: Mapping[str, Any]) -> Budget:
    """Return the budget of a run; `limits` maps `attempts`, `hours`, `usd` and `target` to numbers. If hours or usd are
    given without attempts, the number of attempts is unlimited; without any of the three it is 60.
    """
    unlimited = "attempts" not in limits and ("hours" in limits or "usd" in limits)
    return Budget(**limits, **({"attempts": None} if unlimited else {}))


def _resolved(config: RunConfig) -> RunConfig:
    """Return a copy of the settings in which every path is absolute and the URL of the model endpoint is filled in, so
    that `resume` works from another folder. Raises ConfigError if the proposer, the model or the URL is invalid.
    """
    config = replace(config, proposer=spec_of(config.proposer).text, **_model_of(config))
    if config.from_file:
        config = replace(config, from_file=str(Path(config.from_file).resolve()))
    if config.device and config.device.startswith(SCRIPTED_DEVICE):
        script = Path(config.device.removeprefix(SCRIPTED_DEVICE)).resolve()
        config = replace(config, device=f"{SCRIPTED_DEVICE}{script}")
    if config.harness_python:
        config = replace(config, harness_python=interpreter.lasting(config.harness_python))
    return config


def _model_of(config: RunConfig) -> dict[str, Any]:
    spec = parse_model(config.model or "")
    if isinstance(spec, ScriptedSpec):
        return {"model": spec.absolute.text}
    return {"base_url": base_url(config.base_url, os.environ)} if config.proposer == ModelSpec().text else {}


# --- keys, types and bounds ---


def _read(path: Path) -> dict[str, Any]:
    return read_toml(path, fault=ConfigError, remedy="; --config needs a TOML file")


def _nested(options: Mapping[str, Any]) -> dict[str, Any]:
    """Return the options that are not None as a dict in the form of a config file: the limits (attempts, hours, usd,
    target) are in an inner dict `budget`.
    """
    settings = {key: value for key, value in options.items() if value is not None}
    flat = {key: value for key, value in settings.items() if key not in LIMITS}
    budget = {key: value for key, value in settings.items() if key in LIMITS}
    return flat | ({BUDGET: budget} if budget else {})


def _checked(values: Mapping[str, Any], where: str) -> dict[str, Any]:
    """Return a dict of the settings in `values`, converted to the types of the fields of RunConfig and Budget. `where`
    is the beginning of an error message and says where the value comes from: `--` for options, or `FILE: `. Raises
    ConfigError if a key is unknown or a value is wrong.
    """
    checked = {key: _value(RunConfig, key, value, where) for key, value in values.items() if key != BUDGET}
    if BUDGET in values:
        if not isinstance(values[BUDGET], Mapping):
            raise ConfigError(f"{where}budget: must be {REQUIRED[BUDGET]}, not {values[BUDGET]!r}")
        checked[BUDGET] = {key: _value(Budget, key, value, where) for key, value in values[BUDGET].items()}
    return checked


def _value(holder: type, key: str, value: Any, where: str) -> Any:
    """Return `value`, a setting, converted to the type of the field `key` of the class `holder`, RunConfig or Budget.
    `where` is the beginning of an error message and says where the value comes from: `--` for options, or `FILE: `.
    Raises ConfigError if there is no such field, or if the value has a wrong type or range.
    """
    inside = "budget." if holder is Budget and where != "--" else ""
    name = f"{where}{inside}{OPTION_NAMES.get(key, key.replace('_', '-')) if where == '--' else key}"
    if key not in _types(holder):
        known = [f.name for f in fields(holder)]
        raise ConfigError(f"{name}: no such key; use one of {', '.join(known)}")
    try:
        return _types(holder)[key].validate_python(tuple(value) if isinstance(value, list) else value)
    except ValidationError as error:
        raise ConfigError(f"{name}: {_requirement(error, key)}, not {value!r}") from error


def _requirement(error: ValidationError, key: str) -> str:
    """Return in words what the value of `key` must be, such as `input should be a valid integer`; `error` is pydantic's
    report on a wrong value.
    """
    if key in REQUIRED:
        return f"must be {REQUIRED[key]}"
    message = error.errors(include_url=False)[0]["msg"]
    return message[0].lower() + message[1:]


@cache
def _types(holder: type) -> Mapping[str, TypeAdapter[Any]]:
    """Return a mapping from each field name of `holder`, the class RunConfig or Budget, to the pydantic adapter that
    checks the field's value. The field `budget` is left out.
    """
    hints = get_type_hints(holder, include_extras=True)
    strict = ConfigDict(strict=True, allow_inf_nan=False)
    return {f.name: TypeAdapter(hints[f.name], config=strict) for f in fields(holder) if f.name != BUDGET}

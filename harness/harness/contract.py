"""Read contract.toml, the file of facts (element types, limits, timing constants) that the judge and the agent share.

kernelsmith/core/contract.py reads the same file for the agent.
"""

import re
import tomllib
from pathlib import Path
from typing import Any

FACTS: dict[str, Any] = tomllib.loads(Path(__file__).parent.with_name("contract.toml").read_text(encoding="utf-8"))
WIRE: dict[str, Any] = FACTS["wire"]
TIMING: dict[str, dict[str, Any]] = FACTS["timing"]
"""The timing policy: margins, durations and sample counts, in one table for each part of the judge."""
MEMORY: dict[str, float] = FACTS["memory"]
"""Factors of the memory that judging a CPU task takes: bytes for each byte of inputs and of outputs."""
LIMITS: dict[str, dict[str, Any]] = FACTS["limits"]
"""Default and highest value of each key of `[limits]` of task.toml."""
ITEM_BYTES: dict[str, int] = {name: facts["bytes"] for name, facts in FACTS["dtypes"].items()}
"""Size of an element in bytes, by dtype."""
KEY_DIGITS: int = WIRE["key_digits"]
"""Number of hexadecimal digits of a key, from which a batch's inputs are drawn."""


def type_names(language: str) -> dict[str, str]:
    """Return a dict from each dtype, such as `float32`, to its name in `language`, which is `c` or `cuda`. Dtypes that
    the language lacks are left out.
    """
    return {name: facts[language] for name, facts in FACTS["dtypes"].items() if language in facts}


def default_limit(name: str) -> Any:
    """Return the value, in seconds or bytes, of a limit such as `build_s` for a task that does not set it. Raises
    KeyError if there is no such limit.
    """
    return LIMITS[name]["default"]


def architecture(device: str) -> str | None:
    """Return the GPU architecture that candidates are built for if task.toml sets none: `sm_90a` for the kind of device
    `cuda`, None for `cpu`. Raises KeyError for another kind.
    """
    return next(iter(FACTS["devices"][device]["architectures"]), None)


def capability(architecture: str) -> int:
    """Return the compute capability of a GPU architecture as one number, major digit before minor digit: 90 for
    `sm_90a`. Raises ValueError if the text does not have the form of an nvcc architecture.
    """
    match = re.fullmatch(r"sm_(\d{2,3})[af]?", architecture)
    if match is None:
        raise ValueError(f"{architecture!r} is no architecture such as sm_90a")
    return int(match[1])


def pace(*tables: str) -> dict[str, Any]:
    """Return a dict of the arguments of the class timing.plan.Pace (durations and counts of a timing), merged from
    tables of the timing policy such as `cuda`; a later table overrides an earlier one. Raises KeyError if contract.toml
    lacks a table.
    """
    merged = {key: value for table in tables for key, value in TIMING[table].items()}
    return {key: tuple(value) if isinstance(value, list) else value for key, value in merged.items()}

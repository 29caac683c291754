"""The facts that the judge shares with the agent, from contract.toml.

kernelsmith/core/contract.py reads the same file for the agent.
"""

import re
import tomllib
from pathlib import Path
from typing import Any

FACTS: dict[str, Any] = tomllib.loads(Path(__file__).parent.with_name("contract.toml").read_text(encoding="utf-8"))
WIRE: dict[str, Any] = FACTS["wire"]
TIMING: dict[str, dict[str, Any]] = FACTS["timing"]
"""The timing policy, by the part of the judge that it decides."""
MEMORY: dict[str, float] = FACTS["memory"]
"""Memory that judging a CPU task takes, in bytes per byte of a case's buffers."""
LIMITS: dict[str, dict[str, Any]] = FACTS["limits"]
ITEM_BYTES: dict[str, int] = {name: facts["bytes"] for name, facts in FACTS["dtypes"].items()}
"""Bytes of an element by dtype."""
KEY_DIGITS: int = WIRE["key_digits"]
"""Hexadecimal digits of a key."""


def type_names(language: str) -> dict[str, str]:
    """Return the name of each dtype in a language, `c` or `cuda`; a dtype that the language lacks is left out."""
    return {name: facts[language] for name, facts in FACTS["dtypes"].items() if language in facts}


def default_limit(name: str) -> Any:
    """Return the value of a limit where task.toml does not set it."""
    return LIMITS[name]["default"]


def architecture(device: str) -> str | None:
    """Return what candidates of a kind of device are built for where task.toml names nothing; None on a CPU."""
    return next(iter(FACTS["devices"][device]["architectures"]), None)


def capability(architecture: str) -> int:
    """Return the compute capability of an architecture, major and minor in one number: 90 for `sm_90a`.

    Raises:
        ValueError: the text is no architecture of nvcc's.
    """
    found = re.fullmatch(r"sm_(\d{2,3})[af]?", architecture)
    if found is None:
        raise ValueError(f"{architecture!r} is no architecture such as sm_90a")
    return int(found[1])


def pace(*tables: str) -> dict[str, Any]:
    """Return the arguments of clock.Pace from tables of the timing policy; a later table overrides an earlier one."""
    merged = {key: value for table in tables for key, value in TIMING[table].items()}
    return {key: tuple(value) if isinstance(value, list) else value for key, value in merged.items()}

"""Find out how many tokens a call to a model used and what it cost.

The cost is what the endpoint reports, else tokens times the configured price, else unknown.
"""

import math
from urllib.parse import urlsplit

from kernelsmith.core.run import RunConfig
from kernelsmith.core.usage import BYTES_PER_TOKEN, Usage
from kernelsmith.llm.spec import ScriptedSpec, parse_model

Price = tuple[float, float]
"""USD per million prompt tokens and per million completion tokens."""

REPORTS_COST = ("openrouter.ai",)
"""Hosts that report the cost of a call in USD, as `cost` in the usage."""


def cost_known(config: RunConfig) -> bool:
    """Return True if the cost of every call of a run with these settings (`config`) will be known, which a budget in
    USD requires: prices are configured, the model is a script, or the endpoint is one that reports costs. Raises
    ConfigError if the model's name is `scripted:` without a path.
    """
    if config.price_per_mtok is not None or isinstance(parse_model(config.model or ""), ScriptedSpec):
        return True
    host = urlsplit(config.base_url or "").hostname or ""
    return any(host == known or host.endswith("." + known) for known in REPORTS_COST)


def estimate(prompt_bytes: int, reply_bytes: int, *, price: Price | None) -> Usage:
    """Return a Usage with estimated tokens and cost in USD of one model call, for an endpoint that does not count
    tokens. `prompt_bytes` and `reply_bytes` are lengths in bytes; each is divided by BYTES_PER_TOKEN (3) and rounded
    up. `price` is a pair, USD per million prompt tokens and per million completion tokens; None leaves the cost
    unknown.
    """
    prompt, completion = (math.ceil(size / BYTES_PER_TOKEN) for size in (prompt_bytes, reply_bytes))
    return Usage(prompt, completion, cost_usd=_priced(prompt, completion, price=price))


def read_usage(counted: object, *, price: Price | None) -> Usage | None:
    """Return the tokens and cost in `counted`, the usage object of an endpoint's reply, or None if it counts no tokens.
    The cost is the one that the endpoint reports; else it is computed from `price`, a pair of USD per million prompt
    tokens and per million completion tokens; else it is unknown.
    """
    prompt, completion = _count(counted, "prompt_tokens"), _count(counted, "completion_tokens")
    if prompt + completion == 0:
        return None
    reported = getattr(counted, "cost", None)
    is_known = isinstance(reported, int | float) and math.isfinite(reported) and reported >= 0
    return Usage(
        prompt,
        completion,
        reasoning_tokens=_count(getattr(counted, "completion_tokens_details", None), "reasoning_tokens"),
        cached_tokens=_count(getattr(counted, "prompt_tokens_details", None), "cached_tokens"),
        cost_usd=float(reported) if is_known and reported is not None else _priced(prompt, completion, price=price),
    )


def _count(holder: object, name: str) -> int:
    value = getattr(holder, name, None)
    return value if isinstance(value, int) and value > 0 else 0


def _priced(prompt: int, completion: int, *, price: Price | None) -> float | None:
    return (prompt * price[0] + completion * price[1]) / 1e6 if price else None

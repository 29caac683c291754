"""What a model call consumed."""

from dataclasses import dataclass
from datetime import datetime

BYTES_PER_TOKEN = 3
"""For estimates: code takes about 3 to 4 bytes a token, so this errs on the dear side, and on the full side."""


@dataclass(frozen=True, slots=True)
class Usage:
    """Tokens and money of one call or of many."""

    prompt_tokens: int = 0
    completion_tokens: int = 0
    reasoning_tokens: int = 0
    cached_tokens: int = 0
    cost_usd: float | None = 0.0
    """None = the price is not known."""

    def __add__(self, other: "Usage") -> "Usage":
        known = self.cost_usd is not None and other.cost_usd is not None
        return Usage(
            self.prompt_tokens + other.prompt_tokens,
            self.completion_tokens + other.completion_tokens,
            self.reasoning_tokens + other.reasoning_tokens,
            self.cached_tokens + other.cached_tokens,
            (self.cost_usd or 0.0) + (other.cost_usd or 0.0) if known else None,
        )


@dataclass(frozen=True, slots=True)
class Exchange:
    """One model call, kept from the moment its reply arrives, so that a paid reply is never lost."""

    ask_number: int
    model: str
    prompt: str
    """The messages as sent, JSON."""
    reply: str
    """The content as received; empty where the call failed."""
    reasoning: str
    """What the endpoint returned as thinking, apart from the content."""
    usage: Usage
    latency_s: float
    finish_reason: str
    """As the endpoint says: `stop`, `length`; empty where the call failed."""
    retries: int
    at: datetime
    """UTC."""
    error: str = ""
    """What failed, in one line; empty where the call brought a reply."""

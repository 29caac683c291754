"""Define the types of a model call: tokens and cost, prompt and reply."""

from dataclasses import dataclass
from datetime import datetime

BYTES_PER_TOKEN = 3
"""Bytes per token for estimates. Code has 3 to 4 bytes per token, so estimated token counts are rather too high."""


@dataclass(frozen=True, slots=True)
class Usage:
    """Tokens and cost in US dollars of one model call, or of several calls together. `+` adds two objects; the cost of
    the sum is None (unknown) if either cost is. llm/ makes it from an endpoint's replies.
    """

    prompt_tokens: int = 0
    completion_tokens: int = 0
    reasoning_tokens: int = 0
    cached_tokens: int = 0
    cost_usd: float | None = 0.0
    """Cost in US dollars; None if the price is unknown."""

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
    """One call of a language model for an ask (a numbered request for a kernel), as the log records it: prompt, reply,
    reasoning, tokens and cost, latency, and the error if the call failed. It is recorded as soon as the reply arrives,
    so that a reply that was paid for is never lost.
    """

    ask_number: int
    model: str
    prompt: str
    """The messages that were sent, as JSON."""
    reply: str
    """The content of the reply; empty if the call failed."""
    reasoning: str
    """The model's reasoning, if the endpoint returns it apart from the content; else empty."""
    usage: Usage
    latency_s: float
    """Seconds from the request to the reply."""
    finish_reason: str
    """The endpoint's reason for the end of the reply: `stop`, `length`; empty if the call failed."""
    retries: int
    """Number of failed requests before this reply."""
    at: datetime
    """When the call ended, in UTC."""
    error: str = ""
    """The failure in one line; empty if a reply arrived."""

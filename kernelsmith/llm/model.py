"""The seam to a model: messages in, one reply out. Knows neither HTTP nor prompts."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal, Protocol

from kernelsmith.core.usage import Usage
from kernelsmith.errors import ModelError


@dataclass(frozen=True, slots=True)
class Message:
    """One message of a conversation."""

    role: Literal["system", "user", "assistant"]
    content: str


@dataclass(frozen=True, slots=True)
class Reply:
    """What one call brought."""

    content: str
    reasoning: str
    """Thinking that the endpoint returned apart from the content."""
    usage: Usage
    """As the endpoint counted; estimated from the lengths of the texts where it does not count."""
    finish_reason: str
    """As the endpoint says: `stop`, `length`, `content_filter`."""
    latency_s: float
    model: str
    """As the endpoint names it."""


class Model(Protocol):
    """Anything that answers messages."""

    def complete(self, messages: Sequence[Message]) -> Reply:
        """One call, no retries. Raises CallFailed, or Exhausted (a script at its end)."""
        ...


class CallFailed(ModelError):
    """One call failed; carries what a retry and the log need to know about it."""

    def __init__(
        self,
        message: str,
        *,
        retryable: bool,
        retry_after_s: float | None = None,
        usage: Usage | None = None,
        latency_s: float = 0.0,
    ) -> None:
        super().__init__(message, retryable=retryable)
        self.retry_after_s = retry_after_s
        """Seconds the endpoint asked us to wait."""
        self.usage = usage or Usage()
        """What was paid all the same: a stream that was cut had begun to cost."""
        self.latency_s = latency_s

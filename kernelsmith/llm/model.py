"""The seam to a model: messages in, one reply out. Knows neither HTTP nor prompts."""

from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Literal, Protocol

from kernelsmith.core.usage import Usage
from kernelsmith.errors import ModelError


@dataclass(frozen=True, slots=True)
class Message:
    """One message of a conversation."""

    role: Literal["system", "user", "assistant"]
    content: str


class FinishReason(StrEnum):
    """Why an endpoint ended a reply, as far as the program decides by it. `FinishReason(text)` reads any text."""

    STOP = "stop"
    """The model ended the reply."""
    LENGTH = "length"
    """The reply was cut off at the token limit."""
    CONTENT_FILTER = "content_filter"
    """The endpoint withheld the reply, or a part of it."""
    ERROR = "error"
    """The endpoint failed in the middle of the reply."""
    UNFINISHED = ""
    """The endpoint never said that the reply is complete."""
    OTHER = "other"
    """Any other text, such as `tool_calls`."""

    @classmethod
    def _missing_(cls, value: object) -> "FinishReason":
        return cls.OTHER


@dataclass(frozen=True, slots=True)
class Reply:
    """What a model answered to one call."""

    content: str
    reasoning: str
    """Thinking that the endpoint returned apart from the content."""
    usage: Usage
    """As the endpoint counted; estimated from the lengths of the texts where it does not count."""
    finish_reason: str
    """As the endpoint says: `stop`, `length`, `content_filter`; FinishReason reads it."""
    latency_s: float
    model: str
    """As the endpoint names it."""


class Model(Protocol):
    """Anything that answers messages."""

    def complete(self, messages: Sequence[Message]) -> Reply:
        """Return the reply to one call, without retries. Raises CallFailed, or Exhausted (a script at its end)."""
        ...


class CallFailed(ModelError):
    """One call failed. The attributes hold what a retry and the log need to know about it."""

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

"""The protocol of a model: messages in, one reply out. It knows neither HTTP nor prompts."""

from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Literal, Protocol

from kernelsmith.core.usage import Usage
from kernelsmith.errors import ModelError


@dataclass(frozen=True, slots=True)
class Message:
    """One message of a conversation: the role of its author and its text."""

    role: Literal["system", "user", "assistant"]
    content: str


class FinishReason(StrEnum):
    """Why an endpoint ended a reply: the reasons that this program treats differently, and OTHER.

    `FinishReason(text)` accepts any text and returns OTHER for an unknown one.
    """

    STOP = "stop"
    """The model ended the reply."""
    LENGTH = "length"
    """The reply was cut off at the token limit."""
    CONTENT_FILTER = "content_filter"
    """The endpoint withheld the reply, or a part of it."""
    ERROR = "error"
    """The endpoint failed in the middle of the reply."""
    UNFINISHED = ""
    """The connection ended before the endpoint said that the reply is complete."""
    OTHER = "other"
    """Any other reason, such as `tool_calls`."""

    @classmethod
    def _missing_(cls, value: object) -> "FinishReason":
        return cls.OTHER


@dataclass(frozen=True, slots=True)
class Reply:
    """What a model answered to one call."""

    content: str
    """The text of the answer."""
    reasoning: str
    """The model's thinking, if the endpoint returned it in a field of its own; else empty."""
    usage: Usage
    """Tokens and cost as the endpoint counted them, or an estimate from the lengths of the texts if it counted none."""
    finish_reason: str
    """The endpoint's own word for why the reply ended: `stop`, `length`, `content_filter`; FinishReason reads it."""
    latency_s: float
    """Seconds from sending the request to the end of the reply."""
    model: str
    """The model's name as the endpoint reports it."""


class Model(Protocol):
    """Anything that answers messages: an endpoint's client, or a script."""

    def complete(self, messages: Sequence[Message]) -> Reply:
        """Return the reply to one call, which is not repeated if it fails.

        Raises:
            CallFailed: if the call failed.
            Exhausted: if the model is a script that has no reply left.
        """
        ...


class CallFailed(ModelError):
    """The failure of one call to a model, with its usage and latency, and whether a new call may succeed."""

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
        """Seconds for which the endpoint asked the program to wait before the next call; None if it asked for none."""
        self.usage = usage or Usage()
        """Tokens and cost of the failed call: a reply that was cut off is paid for up to the cut."""
        self.latency_s = latency_s
        """Seconds from sending the request to the failure."""

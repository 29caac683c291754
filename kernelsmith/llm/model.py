"""Define the protocol of a language model: messages in, one reply out. It knows neither HTTP nor prompts."""

from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Literal, Protocol

from kernelsmith.core.usage import Usage
from kernelsmith.errors import ModelError


@dataclass(frozen=True, slots=True)
class Message:
    """One message that is sent to a model: the role of its author (`system`, `user` or `assistant`) and its text."""

    role: Literal["system", "user", "assistant"]
    content: str


class FinishReason(StrEnum):
    """Reason why an endpoint ended a reply: complete (`stop`), cut off at the token limit (`length`), withheld, failed,
    or connection lost. `FinishReason(text)` reads the endpoint's word; it returns OTHER for an unknown word and never
    raises.
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
    """A model's answer to one call: its text (`content`), its thinking if the endpoint sends that separately
    (`reasoning`), tokens and cost, why it ended, seconds, and the model's name. Model.complete returns it.
    """

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
    """A language model that answers messages: a client of an endpoint (Client), or a script of fixed replies
    (ScriptedModel).
    """

    def complete(self, messages: Sequence[Message]) -> Reply:
        """Send `messages`, oldest first, to the model in one call and return its reply. A failed call is not repeated.
        Raises CallFailed, which says whether a new call may succeed, if the call failed; Exhausted if the model is a
        script that has no reply left.
        """
        ...


class CallFailed(ModelError):
    """One call to a model failed. `retryable` says whether a new call may succeed, `retry_after_s` how many seconds the
    endpoint asks the program to wait first (None: no wish), `usage` and `latency_s` the tokens, cost and seconds of the
    failed call. The message is one line for the user.
    """

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

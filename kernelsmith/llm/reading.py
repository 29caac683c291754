"""Put a model's reply together from what an endpoint sends: the pieces of a stream, or one whole completion.

Only the fields that a reply needs are checked; all other fields are ignored.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field
from itertools import pairwise
from typing import Annotated

from pydantic import BaseModel, BeforeValidator

from kernelsmith.core import caps


def without_halves(text: str) -> str:
    """Return `text` with each lone surrogate (half of a UTF-16 pair) replaced by U+FFFD, the replacement character. A
    model's reply in JSON can hold a lone surrogate, but a UTF-8 file, the log and a request cannot.
    """
    return text.encode("utf-16", "surrogatepass").decode("utf-16", "replace")


def _without_halves(value: object) -> object:
    return without_halves(value) if isinstance(value, str) else value


CleanText = Annotated[str, BeforeValidator(_without_halves)]
"""A text of the endpoint, without lone surrogates."""


class _Detail(BaseModel):
    text: CleanText | None = None


class _Text(BaseModel):
    """The text of one piece of a reply: the `delta` of a streamed event or the `message` of a whole completion, as the
    endpoint sent it. Endpoints use different fields for the model's thinking; the property `thinking` reads whichever
    is present.
    """

    content: CleanText | None = None
    reasoning_content: CleanText | None = None
    reasoning: CleanText | None = None
    reasoning_details: list[_Detail] | None = None

    @property
    def thinking(self) -> str:
        details = "".join(detail.text or "" for detail in self.reasoning_details or ())
        return self.reasoning_content or self.reasoning or details


class _Choice(BaseModel):
    delta: _Text | None = None
    message: _Text | None = None
    finish_reason: CleanText | None = None


class _TokenDetails(BaseModel):
    reasoning_tokens: int | None = None
    cached_tokens: int | None = None


class _Counted(BaseModel):
    prompt_tokens: int | None = None
    completion_tokens: int | None = None
    prompt_tokens_details: _TokenDetails | None = None
    completion_tokens_details: _TokenDetails | None = None
    cost: float | None = None


class _Body(BaseModel):
    model: CleanText | None = None
    choices: list[_Choice] | None = None
    usage: _Counted | None = None


@dataclass(slots=True)
class ReplyParts:
    """The parts of one reply that have arrived so far: pieces of answer (`content`) and thinking (`reasoning`), finish
    reason, model name, and token counts. The caller makes an empty object for each call and passes each event of the
    stream to `add`.
    """

    content: list[str] = field(default_factory=list)
    """Pieces of the answer, in order of arrival."""
    reasoning: list[str] = field(default_factory=list)
    """Pieces of the model's thinking, in order of arrival."""
    finish_reason: str = ""
    """The endpoint's word for why the reply ended; empty until the endpoint says that the reply is complete."""
    model: str = ""
    """The model's name as the endpoint reports it."""
    counted: _Counted | None = None
    """The endpoint's latest usage object; None until one has arrived."""

    def add(self, body: object) -> None:
        """Add one event of a stream, or a whole completion, to the parts; `body` is its decoded JSON value. If it holds
        several choices (alternative answers), only the first is read. Raises pydantic.ValidationError, and adds
        nothing, if `body` has another format.
        """
        read = _Body.model_validate(body)
        self.model = caps.cut(read.model or self.model, caps.NAME)
        self.counted = read.usage or self.counted
        for choice in (read.choices or ())[:1]:
            text = choice.delta or choice.message or _Text()
            self.content.append(text.content or "")
            self.reasoning.append(text.thinking)
            self.finish_reason = caps.cut(choice.finish_reason or self.finish_reason, caps.NAME)

    @property
    def arrived_bytes(self) -> int:
        """Return the number of UTF-8 bytes of answer and thinking that have arrived so far; 0 if nothing has."""
        return len((joined(self.content) + joined(self.reasoning)).encode())


def joined(pieces: Sequence[str]) -> str:
    """Return the text that `pieces`, the parts of a streamed reply in order of arrival, make together. Usually they are
    concatenated; if there are at least four and each repeats all text before it, as with MiniMax, the last piece is the
    whole text.
    """
    texts = [piece for piece in pieces if piece]
    steps = list(pairwise(texts))
    if len(steps) >= 3 and all(len(a) < len(b) and b.startswith(a) for a, b in steps):
        return texts[-1]
    return "".join(texts)

"""What an endpoint sends, read leniently: pieces of a stream or one whole completion, put together to a reply's parts.

Only the fields that a reply needs are looked at; whatever else an endpoint adds is passed over.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field
from itertools import pairwise
from typing import Annotated

from pydantic import BaseModel, BeforeValidator

from kernelsmith.core import caps


def without_halves(text: str) -> str:
    """Return the text with lone surrogates replaced: JSON can spell them, and no file, log or request can hold them."""
    return text.encode("utf-16", "surrogatepass").decode("utf-16", "replace")


def _sayable(value: object) -> object:
    return without_halves(value) if isinstance(value, str) else value


Said = Annotated[str, BeforeValidator(_sayable)]


class _Detail(BaseModel):
    text: Said | None = None


class _Text(BaseModel):
    """A stream's `delta` or a completion's `message`; endpoints name the thinking differently."""

    content: Said | None = None
    reasoning_content: Said | None = None
    reasoning: Said | None = None
    reasoning_details: list[_Detail] | None = None

    @property
    def thinking(self) -> str:
        details = "".join(detail.text or "" for detail in self.reasoning_details or ())
        return self.reasoning_content or self.reasoning or details


class _Choice(BaseModel):
    delta: _Text | None = None
    message: _Text | None = None
    finish_reason: Said | None = None


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
    model: Said | None = None
    choices: list[_Choice] | None = None
    usage: _Counted | None = None


@dataclass(slots=True)
class ReplyParts:
    """The parts of a reply that have arrived so far."""

    content: list[str] = field(default_factory=list)
    reasoning: list[str] = field(default_factory=list)
    finish_reason: str = ""
    """Empty until the endpoint says that the reply is complete."""
    model: str = ""
    counted: _Counted | None = None

    def add(self, body: object) -> None:
        """Add one event of a stream, or a whole completion. Raises pydantic.ValidationError: `body` is neither."""
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
        """Return the size of content and thinking together, UTF-8."""
        return len((joined(self.content) + joined(self.reasoning)).encode())


def joined(pieces: Sequence[str]) -> str:
    """Return the whole text of a stream's pieces.

    Most endpoints send only what is new. MiniMax repeats everything so far in every piece: four or more growing
    pieces, each the beginning of the next, are read that way.
    """
    texts = [piece for piece in pieces if piece]
    steps = list(pairwise(texts))
    if len(steps) >= 3 and all(len(a) < len(b) and b.startswith(a) for a, b in steps):
        return texts[-1]
    return "".join(texts)

"""What an endpoint sends, read leniently: pieces of a stream or one whole completion, put together to a reply's parts.

Only the fields that a reply needs are looked at; whatever else an endpoint adds is passed over.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field
from itertools import pairwise

from pydantic import BaseModel


class _Detail(BaseModel):
    text: str | None = None


class _Text(BaseModel):
    """A stream's `delta` or a completion's `message`; endpoints name the thinking differently."""

    content: str | None = None
    reasoning_content: str | None = None
    reasoning: str | None = None
    reasoning_details: list[_Detail] | None = None

    @property
    def thinking(self) -> str:
        details = "".join(detail.text or "" for detail in self.reasoning_details or ())
        return self.reasoning_content or self.reasoning or details


class _Choice(BaseModel):
    delta: _Text | None = None
    message: _Text | None = None
    finish_reason: str | None = None


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
    model: str | None = None
    choices: list[_Choice] | None = None
    usage: _Counted | None = None


@dataclass(slots=True)
class Pieces:
    """What has arrived of a reply so far."""

    content: list[str] = field(default_factory=list)
    reasoning: list[str] = field(default_factory=list)
    finish_reason: str = ""
    """Empty until the endpoint says that the reply is complete."""
    model: str = ""
    counted: _Counted | None = None

    def add(self, body: object) -> None:
        """One event of a stream, or a whole completion. Raises pydantic.ValidationError where it is neither."""
        read = _Body.model_validate(body)
        self.model = read.model or self.model
        self.counted = read.usage or self.counted
        for choice in (read.choices or ())[:1]:
            text = choice.delta or choice.message or _Text()
            self.content.append(text.content or "")
            self.reasoning.append(text.thinking)
            self.finish_reason = choice.finish_reason or self.finish_reason

    @property
    def arrived_bytes(self) -> int:
        """Of content and thinking together, UTF-8."""
        return len((joined(self.content) + joined(self.reasoning)).encode())


def joined(pieces: Sequence[str]) -> str:
    """The whole text.

    Most endpoints send what is new. MiniMax sends everything so far, again and again: four growing pieces, each the
    beginning of the next, are taken for that.
    """
    texts = [piece for piece in pieces if piece]
    steps = list(pairwise(texts))
    if len(steps) >= 3 and all(len(a) < len(b) and b.startswith(a) for a, b in steps):
        return texts[-1]
    return "".join(texts)

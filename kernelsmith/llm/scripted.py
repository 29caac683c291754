"""Define a model that answers from a script of fixed replies, for examples, tests, and runs without an endpoint."""

from collections.abc import Callable, Sequence
from pathlib import Path

from kernelsmith.core.usage import Usage
from kernelsmith.errors import ConfigError, Exhausted
from kernelsmith.llm.model import FinishReason, Message, Reply
from kernelsmith.llm.price import estimate
from kernelsmith.llm.reading import without_halves

Script = Callable[[Sequence[Message], int], str | None]
"""Receives the messages and the number of the call, from 0; returns the reply's text, or None at the script's end."""


class ScriptedModel:
    """A model that gives the fixed replies of `script` in order, at no cost; implements Model. `script` is a list of
    texts, or a function that receives the messages and the call's number and returns a reply, or None at the end. The
    first `answered` replies are skipped, because a resumed run received them before.

    A reply that ends within a fenced block has the finish reason `length`, as if it had been cut off.
    """

    def __init__(self, script: Sequence[str] | Script, *, answered: int = 0) -> None:
        self._script = script if callable(script) else _in_order(script)
        self._answered = answered

    def complete(self, messages: Sequence[Message]) -> Reply:
        """Return the next reply of the script, with estimated token counts and a cost of 0 USD. `messages`, oldest
        first, influence the reply only if the script is a function. Raises Exhausted if the script has no reply left.
        """
        content = self._script(messages, self._answered)
        if content is None:
            raise Exhausted(f"the script holds {self._answered} replies and all of them were given")
        self._answered += 1
        content = without_halves(content)
        sizes = estimate(sum(len(m.content.encode()) for m in messages), len(content.encode()), price=None)
        usage = Usage(sizes.prompt_tokens, sizes.completion_tokens, cost_usd=0.0)
        finish = FinishReason.LENGTH if content.count("```") % 2 else FinishReason.STOP
        return Reply(content, "", usage, finish_reason=finish, latency_s=0.0, model="scripted")


def read_script(path: Path) -> tuple[str, ...]:
    """Return the replies of a script as a tuple of texts. `path` is a folder, each *.md file of which is one reply, in
    the order of their names; or one file, which is the only reply. Raises ConfigError if the path does not exist, the
    folder holds no *.md file, or a file is not UTF-8 text.
    """
    files = sorted(path.glob("*.md")) if path.is_dir() else [path]
    if not files:
        raise ConfigError(f"model: {path} holds no *.md file; a script is a folder with one reply a file")
    try:
        return tuple(file.read_text(encoding="utf-8") for file in files)
    except OSError as error:
        raise ConfigError(f"model: {error.filename}: {error.strerror}; give scripted:FOLDER or FILE") from error
    except UnicodeDecodeError as error:
        raise ConfigError(f"model: {path}: a reply is not UTF-8 text") from error


def _in_order(replies: Sequence[str]) -> Script:
    return lambda _messages, number: replies[number] if number < len(replies) else None

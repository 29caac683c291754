"""Formats the model calls of an attempt: the prompts that were sent, and the replies that came back."""

import json
from collections.abc import Sequence

from kernelsmith.core.usage import Exchange
from kernelsmith.report import figures
from kernelsmith.report.model_attempt import AttemptReport
from kernelsmith.report.text import one_line, printable

Part = tuple[str, str]
"""Heading of a text, such as `system`, and the text."""


def exchanges_text(report: AttemptReport, *, prompt: bool, reply: bool) -> str:
    """Return the prompts, the replies, or both, of all model calls of an attempt, oldest call first.

    Each text has a heading, except if the page would hold only one text. The page is empty if no model was called.
    """
    calls = [(exchange, _parts(exchange, prompt=prompt, reply=reply)) for exchange in report.exchanges]
    if len(calls) == 1 and len(calls[0][1]) == 1:
        return printable(calls[0][1][0][1])
    pages = (
        _call_page(f"call {number} of {len(calls)}: {call_line(exchange)}", parts)
        for number, (exchange, parts) in enumerate(calls, 1)
    )
    return "\n\n".join(pages)


def no_exchange_line(report: AttemptReport) -> str:
    """Return the reason, in one line, why an attempt has no model call: what proposed it."""
    attempt = report.attempt
    if attempt.origin == "model":
        return f"attempt {attempt.number} was proposed by a model, but the log holds no call for ask {attempt.ask}"
    return f"attempt {attempt.number} {_ORIGINS[attempt.origin]}: no model was asked"


_ORIGINS = {
    "skeleton": "is the task's skeleton",
    "given": "is the kernel of --from",
    "tuner": "was proposed by the tuner",
    "folder": "was proposed by a folder of files",
    "replay": "repeats a recorded attempt",
    "told": "was handed in by a caller of the program",
}
"""Origin of a candidate -> the origin in words, as the predicate of `attempt 3`."""


def call_line(exchange: Exchange) -> str:
    """Return the model, tokens, cost and seconds of a call on one line, with its end: `stop`, or what failed."""
    usage = exchange.usage
    tokens = f"{usage.prompt_tokens} + {usage.completion_tokens} tokens"
    took = f"{exchange.latency_s:.1f} s"
    words = [exchange.model, tokens, figures.cost(usage.cost_usd), took, exchange.finish_reason, exchange.error]
    return one_line(", ".join(word for word in words if word))


def _call_page(head: str, parts: Sequence[Part]) -> str:
    return "\n\n".join([head, *(f"--- {one_line(heading)} ---\n{printable(text)}" for heading, text in parts)])


def _parts(exchange: Exchange, *, prompt: bool, reply: bool) -> list[Part]:
    return (_messages(exchange.prompt) if prompt else []) + (_reply(exchange) if reply else [])


def _messages(prompt: str) -> list[Part]:
    """Return each message of a prompt with its role; the prompt as it is if it is not the JSON of messages."""
    try:
        return [(str(message["role"]), _content(message["content"])) for message in json.loads(prompt)]
    except (ValueError, TypeError, KeyError):
        return [("prompt", prompt)]


def _content(content: object) -> str:
    """Return the text of a message; content that is no text, such as a list of parts, is shown as JSON."""
    return content if isinstance(content, str) else json.dumps(content, indent=2, ensure_ascii=False)


def _reply(exchange: Exchange) -> list[Part]:
    reasoning = [("reasoning", exchange.reasoning)] if exchange.reasoning else []
    failed = f"the call brought no reply: {exchange.error or 'it is empty'}"
    return [*reasoning, ("reply", exchange.reply or failed)]

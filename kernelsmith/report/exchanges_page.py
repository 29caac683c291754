"""Formats the calls of a language model that belong to an attempt: the prompts that were sent, and the replies that
came back.
"""

import json
from collections.abc import Sequence

from kernelsmith.core.usage import Exchange
from kernelsmith.report import figures
from kernelsmith.report.model_attempt import AttemptReport
from kernelsmith.report.text import one_line, printable

Part = tuple[str, str]
"""Heading of a text, such as `system`, and the text."""


def exchanges_text(report: AttemptReport, *, prompt: bool, reply: bool) -> str:
    """Return the calls of a language model that belong to an attempt as one string, oldest first: the prompts if
    `prompt` is true, the replies if `reply` is true. `report` is the attempt in full. Each text has a heading, unless
    there is only one, and the string is empty if no model was called.
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
    """Return one line that says why an attempt has no model call, for example that the tuner proposed its candidate.
    `report` is the attempt in full.
    """
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
    """Return one line about a model call: the model, tokens, cost and seconds, then the finish reason (why the model
    ended its reply), such as `stop`, or the error of a failed call.
    """
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
    """Return a list of pairs (role, text), one for each chat message of a model call. `prompt` is the JSON text of
    these messages as the log keeps it; if it is not such JSON, the only pair is `prompt` as the heading and the whole
    text.
    """
    try:
        return [(str(message["role"]), _content(message["content"])) for message in json.loads(prompt)]
    except (ValueError, TypeError, KeyError):
        return [("prompt", prompt)]


def _content(content: object) -> str:
    """Return the content of a chat message as text. `content` is a text, which is returned as it is, or JSON data such
    as a list of parts, which is returned as indented JSON.
    """
    return content if isinstance(content, str) else json.dumps(content, indent=2, ensure_ascii=False)


def _reply(exchange: Exchange) -> list[Part]:
    reasoning = [("reasoning", exchange.reasoning)] if exchange.reasoning else []
    failed = f"the call brought no reply: {exchange.error or 'it is empty'}"
    return [*reasoning, ("reply", exchange.reply or failed)]

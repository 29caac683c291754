"""Failed calls as CallFailed: one line with the endpoint, its message and the remedy, and whether to ask again."""

import json
import re
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime

import httpx2
import openai
from pydantic import ValidationError

from kernelsmith.llm.endpoint import Endpoint
from kernelsmith.llm.model import CallFailed

EXPECTED = (openai.APIError, httpx2.HTTPError, ValueError)
"""What a call may raise: the client's own errors, those of the layer below, and malformed JSON or text (ValueError)."""

REMEDIES = {
    400: "the request was refused: a smaller history_tokens makes the prompt shorter",
    401: "set KERNELSMITH_API_KEY to a valid key",
    402: "the account has no credit left",
    403: "the key may not use this model: set KERNELSMITH_API_KEY, or give another --model",
    404: "check --model and --base-url (it usually ends in /v1)",
    405: "check --base-url (it usually ends in /v1)",
    413: "the prompt is too long: give a smaller history_tokens",
    422: "the request was refused: check --model and temperature",
}
"""By HTTP status: what no repetition heals, and what the user can do."""


def failure(error: Exception, endpoint: Endpoint) -> CallFailed:
    """Return the CallFailed for an error of the client library or of the layers below it."""
    match error:
        case openai.APITimeoutError() | httpx2.TimeoutException():
            return _retry(
                endpoint, f"no complete reply in time ({endpoint.deadline_s:g} s, {endpoint.stall_s:g} s silent)"
            )
        case openai.APIStatusError():
            return _by_status(error, endpoint)
        case openai.APIConnectionError() | httpx2.HTTPError():
            return _retry(endpoint, f"not reached, or the connection broke: {_root(error)}")
        case openai.APIError():
            return said_error(error.body if isinstance(error.body, dict) else {"message": error.message}, endpoint)
        case ValidationError():
            first = error.errors(include_input=False)[0]
            return _retry(endpoint, f"answered in another format: {'.'.join(map(str, first['loc']))}: {first['msg']}")
        case _:
            return _retry(endpoint, f"answered malformed data: {error}")


def said_error(body: dict[str, object], endpoint: Endpoint) -> CallFailed:
    """Return the CallFailed for an error that came as HTTP 200 or in mid-stream; its `code` may be an HTTP status."""
    code = body.get("code")
    said = str(body.get("message") or body)
    status = int(str(code)) if re.fullmatch(r"[45]\d\d", str(code)) else 0
    if status in REMEDIES:
        return _final(endpoint, said, REMEDIES[status])
    if _out_of_credit(body):
        return _final(endpoint, said, REMEDIES[402])
    return _retry(endpoint, f"answered with an error: {said}")


def not_a_reply(response: httpx2.Response, endpoint: Endpoint) -> CallFailed:
    """Return the CallFailed for HTTP 200 with a page in place of JSON: no API answers at this URL."""
    kind = response.headers.get("content-type", "no content type").split(";")[0]
    return _final(endpoint, f"answered {kind} in place of JSON", REMEDIES[405])


def incomplete(what: str, endpoint: Endpoint) -> CallFailed:
    """Return the CallFailed for a reply that ended too early or holds nothing to read."""
    return _retry(endpoint, what)


def _by_status(error: openai.APIStatusError, endpoint: Endpoint) -> CallFailed:
    said = f"HTTP {error.status_code}: {_message(error)}"
    if error.status_code == 429 and _out_of_credit(error.body):
        return _final(endpoint, said, REMEDIES[402])
    if error.status_code in REMEDIES:
        return _final(endpoint, said, REMEDIES[error.status_code])
    return _retry(endpoint, said, retry_after_s=_retry_after_s(error.response.headers))


def _message(error: openai.APIStatusError) -> str:
    body = error.body
    if isinstance(body, dict):
        return str(body.get("message") or json.dumps(body))
    kind = error.response.headers.get("content-type", "")
    return "a page of HTML" if "html" in kind else str(body or error.response.reason_phrase)


def _out_of_credit(body: object) -> bool:
    return isinstance(body, dict) and "insufficient_quota" in (body.get("code"), body.get("type"))


def _retry_after_s(headers: httpx2.Headers) -> float | None:
    """Return the seconds in `Retry-After-Ms` or `Retry-After` (seconds or a date), None where absent or unreadable."""
    if re.fullmatch(r"\d+(\.\d+)?", milliseconds := headers.get("retry-after-ms", "")):
        return float(milliseconds) / 1000
    if re.fullmatch(r"\d+(\.\d+)?", asked := headers.get("retry-after", "").strip()):
        return float(asked)
    try:
        at = parsedate_to_datetime(asked)
    except ValueError:
        return None
    at = at if at.tzinfo else at.replace(tzinfo=UTC)
    return max(0.0, (at - datetime.now(UTC)).total_seconds())


def _root(error: BaseException) -> str:
    """Return the message of the innermost cause, which is the specific one: `Connection refused`."""
    while error.__cause__ or error.__context__:
        error = error.__cause__ or error.__context__ or error
    return str(error) or type(error).__name__


def _retry(endpoint: Endpoint, said: str, *, retry_after_s: float | None = None) -> CallFailed:
    return CallFailed(_line(endpoint, said), retryable=True, retry_after_s=retry_after_s)


def _final(endpoint: Endpoint, said: str, remedy: str) -> CallFailed:
    return CallFailed(f"{_line(endpoint, said)}; {remedy}", retryable=False)


def _line(endpoint: Endpoint, said: str) -> str:
    """Return one short line without the key, which some endpoints repeat in their errors."""
    text = said.replace(endpoint.key, "***") if endpoint.key != "EMPTY" else said
    printable = "".join(c if c.isprintable() else " " for c in text)
    return f"model endpoint {endpoint.base_url}: {' '.join(printable.split())[:300]}"

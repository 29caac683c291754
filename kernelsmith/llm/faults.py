"""Turn the errors of a call into CallFailed: one line with the endpoint, its message and the remedy.

A CallFailed also says whether a new call may succeed.
"""

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
"""Errors that a call may raise: openai's, those of httpx2 below it, and ValueError for malformed JSON or text."""

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
"""What the user can do, by HTTP status, for the failures that a new call cannot heal."""


def failure(error: Exception, endpoint: Endpoint) -> CallFailed:
    """Return the CallFailed for one of the EXPECTED errors of a call to the endpoint."""
    match error:
        case openai.APITimeoutError() | httpx2.TimeoutException():
            return _retryable_failure(
                endpoint, f"no complete reply in time ({endpoint.deadline_s:g} s, {endpoint.stall_s:g} s silent)"
            )
        case openai.APIStatusError():
            return _by_status(error, endpoint)
        case openai.APIConnectionError() | httpx2.HTTPError():
            return _retryable_failure(endpoint, f"not reached, or the connection broke: {_innermost_message(error)}")
        case openai.APIError():
            return reported_error(error.body if isinstance(error.body, dict) else {"message": error.message}, endpoint)
        case ValidationError():
            first = error.errors(include_input=False)[0]
            return _retryable_failure(
                endpoint, f"answered in another format: {'.'.join(map(str, first['loc']))}: {first['msg']}"
            )
        case _:
            return _retryable_failure(endpoint, f"answered malformed data: {error}")


def reported_error(body: dict[str, object], endpoint: Endpoint) -> CallFailed:
    """Return the CallFailed for an error object that came with HTTP status 200 or within a stream.

    Some endpoints put an HTTP status into the object's `code`; the remedy follows from it.
    """
    code = body.get("code")
    message = str(body.get("message") or body)
    status = int(str(code)) if re.fullmatch(r"[45]\d\d", str(code)) else 0
    if status in REMEDIES:
        return _final_failure(endpoint, message, REMEDIES[status])
    if _out_of_credit(body):
        return _final_failure(endpoint, message, REMEDIES[402])
    return _retryable_failure(endpoint, f"answered with an error: {message}")


def not_a_reply(response: httpx2.Response, endpoint: Endpoint) -> CallFailed:
    """Return the CallFailed for a page in place of JSON, with status 200: no API answers at this URL."""
    kind = response.headers.get("content-type", "no content type").split(";")[0]
    return _final_failure(endpoint, f"answered {kind} in place of JSON", REMEDIES[405])


def incomplete(fault: str, endpoint: Endpoint) -> CallFailed:
    """Return the CallFailed for a reply that ended too early or holds no answer; `fault` says in words which."""
    return _retryable_failure(endpoint, fault)


def _by_status(error: openai.APIStatusError, endpoint: Endpoint) -> CallFailed:
    message = f"HTTP {error.status_code}: {_message(error)}"
    if error.status_code == 429 and _out_of_credit(error.body):
        return _final_failure(endpoint, message, REMEDIES[402])
    if error.status_code in REMEDIES:
        return _final_failure(endpoint, message, REMEDIES[error.status_code])
    return _retryable_failure(endpoint, message, retry_after_s=_retry_after_s(error.response.headers))


def _message(error: openai.APIStatusError) -> str:
    body = error.body
    if isinstance(body, dict):
        return str(body.get("message") or json.dumps(body))
    kind = error.response.headers.get("content-type", "")
    return "a page of HTML" if "html" in kind else str(body or error.response.reason_phrase)


def _out_of_credit(body: object) -> bool:
    return isinstance(body, dict) and "insufficient_quota" in (body.get("code"), body.get("type"))


def _retry_after_s(headers: httpx2.Headers) -> float | None:
    """Return the seconds in `Retry-After-Ms` or `Retry-After` (seconds or a date); None if neither can be read."""
    if re.fullmatch(r"\d+(\.\d+)?", milliseconds := headers.get("retry-after-ms", "")):
        return float(milliseconds) / 1000
    if re.fullmatch(r"\d+(\.\d+)?", value := headers.get("retry-after", "").strip()):
        return float(value)
    try:
        at = parsedate_to_datetime(value)
    except ValueError:
        return None
    at = at if at.tzinfo else at.replace(tzinfo=UTC)
    return max(0.0, (at - datetime.now(UTC)).total_seconds())


def _innermost_message(error: BaseException) -> str:
    """Return the message of an error's innermost cause, which is the most specific: `Connection refused`."""
    while error.__cause__ or error.__context__:
        error = error.__cause__ or error.__context__ or error
    return str(error) or type(error).__name__


def _retryable_failure(endpoint: Endpoint, message: str, *, retry_after_s: float | None = None) -> CallFailed:
    return CallFailed(_line_of(endpoint, message), retryable=True, retry_after_s=retry_after_s)


def _final_failure(endpoint: Endpoint, message: str, remedy: str) -> CallFailed:
    return CallFailed(f"{_line_of(endpoint, message)}; {remedy}", retryable=False)


def _line_of(endpoint: Endpoint, message: str) -> str:
    """Return one line with the endpoint's URL and a message of at most 300 characters, with the key masked.

    Some endpoints repeat the key in their errors.
    """
    text = message.replace(endpoint.key, "***") if endpoint.key != "EMPTY" else message
    printable = "".join(c if c.isprintable() else " " for c in text)
    return f"model endpoint {endpoint.base_url}: {' '.join(printable.split())[:300]}"

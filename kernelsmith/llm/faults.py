"""Turn the errors of a call to a model into CallFailed errors: one line with the endpoint, its message and the remedy.

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
"""Remedies for the user by HTTP status, for the failures that a new call cannot heal."""


def failure(error: Exception, endpoint: Endpoint) -> CallFailed:
    """Return, not raise, a CallFailed that describes `error`, an exception of a class in EXPECTED that a call to
    `endpoint` raised: time-out, HTTP status, lost connection, or malformed data. The CallFailed says in one line what
    failed, and in `retryable` whether a new call may succeed.
    """
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
    """Return, not raise, a CallFailed for an error that the endpoint sent in place of a reply, with HTTP status 200 or
    within a stream; `body` is its JSON object. A new call is useless if the object's `code` is an HTTP status with a
    known remedy (such as 401) or the account has no credit; otherwise a new call may succeed.
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
    """Return, not raise, a CallFailed for a `response` of `endpoint` that holds a page, such as HTML, in place of JSON.
    No model answers at this URL, so a new call is useless; the message asks the user to check --base-url.
    """
    kind = response.headers.get("content-type", "no content type").split(";")[0]
    return _final_failure(endpoint, f"answered {kind} in place of JSON", REMEDIES[405])


def incomplete(fault: str, endpoint: Endpoint) -> CallFailed:
    """Return, not raise, a CallFailed for a reply of `endpoint` that ended too early or holds no answer; it says that a
    new call may succeed. `fault` is the description for the message, such as `answered without choices`.
    """
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
    """Return for how many seconds an endpoint asks the program to wait before the next call, from the HTTP response's
    headers `Retry-After-Ms` or `Retry-After` (seconds or a date; 0 for a past date). Return None if neither is there or
    can be read.
    """
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
    """Return the message of the exception at the end of the chain of causes of `error`, because the first cause is the
    most specific (`Connection refused`). If that message is empty, return the name of the exception's class.
    """
    while error.__cause__ or error.__context__:
        error = error.__cause__ or error.__context__ or error
    return str(error) or type(error).__name__


def _retryable_failure(endpoint: Endpoint, message: str, *, retry_after_s: float | None = None) -> CallFailed:
    return CallFailed(_line_of(endpoint, message), retryable=True, retry_after_s=retry_after_s)


def _final_failure(endpoint: Endpoint, message: str, remedy: str) -> CallFailed:
    return CallFailed(f"{_line_of(endpoint, message)}; {remedy}", retryable=False)


def _line_of(endpoint: Endpoint, message: str) -> str:
    """Return one printable line about a failed call: the URL of `endpoint`, then `message`, cut to 300 characters. The
    endpoint's key is replaced by `***`, because some endpoints repeat the key in their errors.
    """
    text = message.replace(endpoint.key, "***") if endpoint.key != "EMPTY" else message
    printable = "".join(c if c.isprintable() else " " for c in text)
    return f"model endpoint {endpoint.base_url}: {' '.join(printable.split())[:300]}"

"""Call a model at an OpenAI-compatible endpoint: one streamed chat completion per call, within a deadline.

This module never repeats a failed call; retry.py does. Import it only before a call, because importing openai takes
most of a second. Replies are streamed because proxies and routers cut connections that are silent for minutes. An
endpoint that sends a whole reply at once is read too.
"""

import json
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from urllib.parse import urlsplit

import httpx2
import openai

from kernelsmith.core.usage import Usage
from kernelsmith.llm import faults
from kernelsmith.llm.endpoint import Endpoint
from kernelsmith.llm.model import CallFailed, FinishReason, Message, Reply
from kernelsmith.llm.price import estimate, read_usage
from kernelsmith.llm.reading import ReplyParts, joined

EXTENSIONS: dict[str, dict[str, object]] = {
    "openrouter.ai": {"usage": {"include": True}},  # adds the cost to the usage
    "minimax.io": {"reasoning_split": True},  # separates the thinking from the content
    "minimaxi.com": {"reasoning_split": True},
}
"""Keys that are added to the request body, by host; a subdomain of a host gets the same keys."""


class Client:
    """A model at an OpenAI-compatible endpoint; implements Model. `endpoint` holds URL, model name, key, price of
    tokens and time limits. `clock` is a function that returns seconds from an arbitrary start, to measure deadlines and
    latencies. Creating a client opens no connection.
    """

    def __init__(self, endpoint: Endpoint, clock: Callable[[], float] = time.monotonic) -> None:
        self._endpoint = endpoint
        self._clock = clock
        self._openai = _connect(endpoint, clock)

    def complete(self, messages: Sequence[Message]) -> Reply:
        """Send `messages`, oldest first, to the endpoint in one call and return the model's reply. A failed call is not
        repeated. Raises CallFailed if the endpoint cannot be reached, answers with an error or too slowly, or breaks
        off; its message says why, its `retryable` whether a new call may succeed.
        """
        started = self._clock()
        pieces = ReplyParts()
        sent = [{"role": m.role, "content": m.content} for m in messages]
        try:
            self._receive(sent, pieces)
        except faults.EXPECTED as error:
            failure = faults.failure(error, self._endpoint)
            raise self._failed(failure, sent=sent, pieces=pieces, started=started) from error
        except CallFailed as failure:
            raise self._failed(failure, sent=sent, pieces=pieces, started=started) from failure
        return Reply(
            content=joined(pieces.content),
            reasoning=joined(pieces.reasoning),
            usage=self._usage(sent, pieces),
            finish_reason=pieces.finish_reason,
            latency_s=self._clock() - started,
            model=pieces.model or self._endpoint.model,
        )

    def _receive(self, sent: list[dict[str, str]], pieces: ReplyParts) -> None:
        """Send the messages `sent` (dicts of role and content) in one request, and add each part of the reply to
        `pieces` as it arrives, until the reply is complete. Return nothing. Raises CallFailed if the reply holds no
        answer or ends early, and an exception listed in faults.EXPECTED if the endpoint fails.
        """
        events = self._openai.post(
            "/chat/completions",
            # plain objects: the library's typed ones hide which fields were there
            cast_to=object,
            body=_request(self._endpoint, sent),
            stream=True,
            stream_cls=openai.Stream[object],
        )
        for event in _reply_events(events, self._endpoint):
            pieces.add(event)
        if not pieces.content:
            raise faults.incomplete("answered without choices", self._endpoint)
        if FinishReason(pieces.finish_reason) in (FinishReason.UNFINISHED, FinishReason.ERROR):
            raise faults.incomplete("the stream ended before the reply was complete", self._endpoint)

    def _usage(self, sent: list[dict[str, str]], pieces: ReplyParts) -> Usage:
        price = self._endpoint.price
        counted = read_usage(pieces.counted, price=price)
        return counted or estimate(_prompt_bytes(sent), pieces.arrived_bytes, price=price)

    def _failed(
        self, failure: CallFailed, *, sent: list[dict[str, str]], pieces: ReplyParts, started: float
    ) -> CallFailed:
        """Return a copy of the error `failure` that also holds the tokens, cost and seconds of the failed call. `sent`
        are the call's messages, `pieces` the parts of the reply that arrived, `started` the clock's seconds at its
        start. If nothing arrived, tokens and cost are zero; an unknown cost counts as 0 USD.
        """
        usage = self._usage(sent, pieces) if pieces.arrived_bytes else Usage()
        return CallFailed(
            str(failure),
            retryable=failure.retryable,
            retry_after_s=failure.retry_after_s,
            usage=replace(usage, cost_usd=usage.cost_usd or 0.0),
            latency_s=self._clock() - started,
        )


def reachable(base_url: str, key: str, *, timeout_s: float = 5.0) -> str:
    """Ask the endpoint at `base_url` with `key` for its list of models; return one line for the user, such as
    `reachable; 2 models: a, b`. Raises CallFailed if nothing answers within `timeout_s` seconds, the key is refused, or
    the answer is not that of an OpenAI-compatible endpoint.
    """
    endpoint = Endpoint(base_url, model="", key=key, connect_s=timeout_s, stall_s=timeout_s, deadline_s=timeout_s)
    try:
        body = _connect(endpoint, time.monotonic).get("/models", cast_to=object)
    except openai.NotFoundError:
        return "reachable; it lists no models"
    except faults.EXPECTED as error:
        raise faults.failure(error, endpoint) from error
    return _listed(body, endpoint)


def _listed(body: object, endpoint: Endpoint) -> str:
    match body:
        case {"data": [*models]}:
            names = [str(model["id"]) for model in models if isinstance(model, dict) and "id" in model]
            more = ", ..." if len(names) > 5 else ""
            return f"reachable; {len(names)} models: {', '.join(names[:5])}{more}"
        case {"error": dict() as error}:
            raise faults.reported_error(error, endpoint)
        case _:
            raise faults.incomplete("answers, but not with a list of models; check --base-url", endpoint)


def _connect(endpoint: Endpoint, clock: Callable[[], float]) -> openai.OpenAI:
    """Return a client object of the OpenAI library for `endpoint`, with its time limits; `clock` is a function that
    returns seconds. The library's own retries are switched off, because every call that may cost money must be in the
    log. No connection is opened yet.
    """
    return openai.OpenAI(
        base_url=endpoint.base_url,
        api_key=endpoint.key,
        max_retries=0,
        http_client=openai.DefaultHttpx2Client(
            timeout=httpx2.Timeout(endpoint.stall_s, connect=endpoint.connect_s),
            # minutes pass between two calls: a kept connection would mostly be found dead
            limits=httpx2.Limits(max_keepalive_connections=0),
            event_hooks=_deadline(endpoint.deadline_s, clock),
        ),
    )


def _deadline(seconds: float, clock: Callable[[], float]) -> dict[str, list[Callable[..., None]]]:
    """Return hooks for the HTTP library httpx2, a dict from event (`request`, `response`) to functions: they limit the
    time from a request to the end of its response to `seconds`. `clock` is a function that returns seconds. A read of
    the response after that time raises httpx2.ReadTimeout.

    The library's own timeout starts again at every read. The deadline is checked whenever bytes arrive, because a
    server can keep a connection open with comments, which are bytes but not events.
    """

    def start(request: httpx2.Request) -> None:
        request.extensions["deadline"] = clock() + seconds

    def guard(response: httpx2.Response) -> None:
        if isinstance(response.stream, httpx2.SyncByteStream):
            response.stream = _StreamUntilDeadline(response.stream, response.request.extensions["deadline"], clock)

    return {"request": [start], "response": [guard]}


class _StreamUntilDeadline(httpx2.SyncByteStream):
    """The bytes of an HTTP response (`stream`), with a deadline, in place of the library's own stream. Iterating yields
    the parts as they arrive, and raises httpx2.ReadTimeout at the first part that arrives when the function `clock`
    returns more than `until` seconds.
    """

    def __init__(self, stream: httpx2.SyncByteStream, until: float, clock: Callable[[], float]) -> None:
        self._stream, self._until, self._clock = stream, until, clock

    def __iter__(self) -> Iterator[bytes]:
        for part in self._stream:
            if self._clock() > self._until:
                raise httpx2.ReadTimeout("the deadline of the call has passed")
            yield part

    def close(self) -> None:
        """Close the response's connection; the HTTP library calls this when it is done with the response."""
        self._stream.close()


def _request(endpoint: Endpoint, sent: list[dict[str, str]]) -> dict[str, object]:
    request: dict[str, object] = {
        "model": endpoint.model,
        "messages": sent,
        "stream": True,
        "stream_options": {"include_usage": True},
    }
    if endpoint.temperature is not None:
        request["temperature"] = endpoint.temperature
    host = urlsplit(endpoint.base_url).hostname or ""
    for known, extension in EXTENSIONS.items():
        if host == known or host.endswith("." + known):
            request |= extension
    return request


def _reply_events(events: openai.Stream[object], endpoint: Endpoint) -> Iterator[object]:
    """Yield each of `events`, the parts of a streamed reply, as a JSON value when it arrives; or one JSON value, the
    whole reply, if the endpoint does not stream. Raises CallFailed if the endpoint sent an error or an HTML page with
    status 200, ValueError if the reply is not JSON. `endpoint` is named in the messages.
    """
    response = events.response
    kind = response.headers.get("content-type", "")
    if "event-stream" in kind:
        yield from events
        return
    try:
        text = response.read()
    finally:
        response.close()
    if "html" in kind:
        raise faults.not_a_reply(response, endpoint)
    match body := json.loads(text):
        case {"error": dict() as error}:
            raise faults.reported_error(error, endpoint)
        case {"error": str() as error}:
            raise faults.reported_error({"message": error}, endpoint)
        case _:
            yield body


def _prompt_bytes(sent: list[dict[str, str]]) -> int:
    return sum(len(message["content"].encode()) for message in sent)

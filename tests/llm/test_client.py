"""The client against a real endpoint on the loopback: every way in which one answers, and fails to."""

import itertools
from collections.abc import Callable

import pytest

from kernelsmith.llm.client import Client, reachable
from kernelsmith.llm.endpoint import Endpoint
from kernelsmith.llm.model import CallFailed, Message

ASKED = (Message("system", "You write kernels."), Message("user", "Write one."))
USAGE = {"prompt_tokens": 100, "completion_tokens": 20}


def _ticking(step_s: float) -> Callable[[], float]:
    """A clock that moves by one step whenever it is read."""
    return itertools.count(0.0, step_s).__next__


def _fails(client: Client) -> CallFailed:
    with pytest.raises(CallFailed) as caught:
        client.complete(ASKED)
    assert "\n" not in str(caught.value)
    return caught.value


def test_a_stream_is_put_together(fake):
    fake.answers = [fake.words("Hypothesis: ", "tiles", usage=USAGE)]
    reply = Client(fake.endpoint(deadline_s=1e6), _ticking(0.5)).complete(ASKED)
    assert reply.content == "Hypothesis: tiles"
    assert (reply.finish_reason, reply.model) == ("stop", "m-1")
    assert (reply.usage.prompt_tokens, reply.usage.completion_tokens) == (100, 20)
    assert reply.latency_s > 0.5


def test_what_is_sent_is_the_common_denominator(fake):
    fake.answers = [fake.words("x")]
    Client(fake.endpoint(temperature=0.3)).complete(ASKED)
    assert fake.bodies[0] == {
        "model": "some-model",
        "messages": [{"role": m.role, "content": m.content} for m in ASKED],
        "stream": True,
        "stream_options": {"include_usage": True},
        "temperature": 0.3,
    }
    assert fake.headers[0]["authorization"] == "Bearer sk-secret-123"


def test_an_endpoint_that_answers_whole_is_read_as_well(fake):
    message = {"role": "assistant", "content": "all at once", "reasoning_content": "hm"}
    choice = {"index": 0, "message": message, "finish_reason": "length"}
    fake.answers = [fake.whole({"model": "m", "choices": [choice], "usage": USAGE})]
    reply = Client(fake.endpoint()).complete(ASKED)
    assert (reply.content, reply.reasoning, reply.finish_reason) == ("all at once", "hm", "length")


@pytest.mark.parametrize(
    "delta",
    [{"reasoning_content": "because"}, {"reasoning": "because"}, {"reasoning_details": [{"text": "because"}]}],
)
def test_thinking_is_kept_apart_from_the_content(fake, delta):
    events = [{"choices": [{"delta": delta}]}, {"choices": [{"delta": {"content": "so"}, "finish_reason": "stop"}]}]
    fake.answers = [fake.stream(*events)]
    reply = Client(fake.endpoint()).complete(ASKED)
    assert (reply.reasoning, reply.content) == ("because", "so")


def test_pieces_that_repeat_everything_so_far_are_not_doubled(fake):
    fake.answers = [fake.words("a", "a b", "a b c", "a b c d")]
    assert Client(fake.endpoint()).complete(ASKED).content == "a b c d"


def test_cost_is_the_endpoints_own_word_else_the_price_else_unknown(fake):
    said = {**USAGE, "cost": 0.0125}
    fake.answers = [fake.words("x", usage=said), fake.words("x", usage=USAGE), fake.words("x", usage=USAGE)]
    assert Client(fake.endpoint(price=(1.0, 2.0))).complete(ASKED).usage.cost_usd == 0.0125
    assert Client(fake.endpoint(price=(1.0, 2.0))).complete(ASKED).usage.cost_usd == pytest.approx(140e-6)
    assert Client(fake.endpoint()).complete(ASKED).usage.cost_usd is None


def test_reasoning_and_cached_tokens_are_read(fake):
    details = {"prompt_tokens_details": {"cached_tokens": 64}, "completion_tokens_details": {"reasoning_tokens": 7}}
    fake.answers = [fake.words("x", usage=USAGE | details)]
    usage = Client(fake.endpoint()).complete(ASKED).usage
    assert (usage.cached_tokens, usage.reasoning_tokens) == (64, 7)


def test_missing_usage_is_estimated_so_that_a_budget_still_binds(fake):
    fake.answers = [fake.words("x" * 300)]
    usage = Client(fake.endpoint(price=(1.0, 2.0))).complete(ASKED).usage
    assert usage.completion_tokens == 100
    assert usage.prompt_tokens > 0
    assert usage.cost_usd > 200e-6


@pytest.mark.parametrize(
    ("body", "retryable", "said"),
    [
        ({"error": {"message": "overloaded", "code": 503}}, True, "overloaded"),
        ({"error": "try later"}, True, "try later"),
        ({"error": {"message": "No auth", "code": 401}}, False, "KERNELSMITH_API_KEY"),
        ({"error": {"message": "spent", "type": "insufficient_quota"}}, False, "credit"),
        ({"choices": []}, True, "without choices"),
        ({"choices": None}, True, "without choices"),
        ({"choices": "many"}, True, "another format: choices"),
        ('{"choices": [', True, "malformed"),
        ("[]", True, "another format"),
    ],
)
def test_a_fault_that_arrives_as_success_is_a_fault(fake, body, retryable, said):
    fake.answers = [fake.whole(body)]
    failure = _fails(Client(fake.endpoint()))
    assert failure.retryable is retryable
    assert said in str(failure)
    assert fake.url in str(failure)


def test_a_web_page_is_not_an_endpoint(fake):
    fake.answers = [fake.whole("<html>welcome</html>", kind="text/html; charset=utf-8")]
    failure = _fails(Client(fake.endpoint()))
    assert not failure.retryable
    assert "text/html" in str(failure)
    assert "--base-url" in str(failure)


@pytest.mark.parametrize(
    ("status", "retryable", "said"),
    [
        (400, False, "history_tokens"),
        (401, False, "KERNELSMITH_API_KEY"),
        (402, False, "credit"),
        (403, False, "KERNELSMITH_API_KEY"),
        (404, False, "--model"),
        (408, True, "408"),
        (429, True, "429"),
        (500, True, "500"),
        (503, True, "503"),
    ],
)
def test_every_http_status_says_whether_to_ask_again_and_what_to_do(fake, status, retryable, said):
    fake.answers = [fake.whole({"error": {"message": "told so"}}, status=status)]
    failure = _fails(Client(fake.endpoint()))
    assert failure.retryable is retryable
    assert said in str(failure)
    assert "told so" in str(failure)
    assert fake.calls == 1, "retries are not the client's business"


def test_a_spent_account_is_not_asked_again(fake):
    fake.answers = [fake.whole({"error": {"message": "no", "code": "insufficient_quota"}}, status=429)]
    assert not _fails(Client(fake.endpoint())).retryable


def test_a_key_that_the_endpoint_echoes_is_not_repeated(fake):
    fake.answers = [fake.whole({"error": {"message": "bad key sk-secret-123\n\x1b[31m!"}}, status=401)]
    failure = _fails(Client(fake.endpoint()))
    assert "sk-secret-123" not in str(failure)
    assert "\x1b" not in str(failure)


@pytest.mark.parametrize(
    ("headers", "wait_s"),
    [({"Retry_After": "7"}, 7.0), ({"retry_after_ms": "1500"}, 1.5), ({"Retry_After": "soon"}, None), ({}, None)],
)
def test_retry_after_is_read(fake, headers, wait_s):
    fake.answers = [fake.whole({"error": {"message": "slow down"}}, status=429, **headers)]
    assert _fails(Client(fake.endpoint())).retry_after_s == wait_s


def test_retry_after_may_be_a_date(fake):
    fake.answers = [fake.whole({}, status=503, Retry_After="Fri, 31 Dec 2100 23:59:59 GMT")]
    assert _fails(Client(fake.endpoint())).retry_after_s > 1e9


def test_an_error_in_mid_stream_is_a_fault_and_what_was_paid_is_counted(fake):
    first = {"choices": [{"delta": {"content": "y" * 300}}]}
    fake.answers = [fake.stream(first, {"error": {"message": "worker died"}})]
    failure = _fails(Client(fake.endpoint(price=(1.0, 2.0))))
    assert failure.retryable
    assert "worker died" in str(failure)
    assert failure.usage.completion_tokens == 100
    assert failure.usage.cost_usd > 0


def test_a_stream_that_is_cut_is_a_fault(fake):
    fake.answers = [fake.stream({"choices": [{"delta": {"content": "half a ker"}}]}, done=False)]
    failure = _fails(Client(fake.endpoint()))
    assert failure.retryable
    assert "ended before the reply was complete" in str(failure)


def test_a_connection_that_breaks_is_a_fault(fake):
    def breaks(handler):
        handler.send_response(200)
        handler.send_header("Content-Type", "text/event-stream")
        handler.send_header("Content-Length", "100000")
        handler.end_headers()
        fake.send(handler, {"choices": [{"delta": {"content": "half"}}]})

    fake.answers = [breaks]
    failure = _fails(Client(fake.endpoint()))
    assert failure.retryable
    assert "connection broke" in str(failure)


def test_malformed_json_in_a_stream_is_a_fault(fake):
    fake.answers = [fake.stream('{"choices": [')]
    failure = _fails(Client(fake.endpoint()))
    assert failure.retryable
    assert "malformed" in str(failure)


def test_a_call_that_nothing_was_paid_for_costs_nothing(fake):
    fake.answers = [fake.whole({}, status=500)]
    assert _fails(Client(fake.endpoint())).usage.cost_usd == 0.0


@pytest.mark.parametrize("drip", [b": still here\n\n", b'data: {"choices": [{"delta": {"content": "."}}]}\n\n'])
def test_a_stream_that_drips_for_ever_meets_the_deadline(fake, drip):
    def drips(handler):
        fake.begin(handler, "text/event-stream")
        for _ in range(100):
            fake.closed.wait(0.01)
            handler.wfile.write(drip)
            handler.wfile.flush()

    fake.answers = [drips]
    failure = _fails(Client(fake.endpoint(deadline_s=4.0, stall_s=30.0), _ticking(1.0)))
    assert failure.retryable
    assert "in time" in str(failure), "else the stream would have come to its end"
    assert 4.0 < failure.latency_s < 10.0, "of the clock that came in: the stream was left soon after the deadline"


def test_silence_meets_the_stall_limit(fake):
    fake.answers = [lambda _handler: fake.closed.wait(30)]
    failure = _fails(Client(fake.endpoint(stall_s=0.3)))
    assert failure.retryable
    assert "in time" in str(failure), "else the server would have closed the connection"


def test_nobody_at_the_address_is_one_line_and_may_pass(fake):
    failure = _fails(Client(Endpoint("http://127.0.0.1:1/v1", "m")))
    assert failure.retryable
    assert "refused" in str(failure)


def test_a_local_server_needs_no_key(fake):
    fake.answers = [fake.words("x")]
    Client(fake.endpoint(key="EMPTY")).complete(ASKED)
    assert fake.headers[0]["authorization"] == "Bearer EMPTY"


def test_reachable_lists_the_models(fake):
    fake.answers = [fake.whole({"data": [{"id": "alpha"}, {"id": "beta"}]})]
    assert reachable(fake.url, "EMPTY") == "reachable; 2 models: alpha, beta"


def test_reachable_accepts_an_endpoint_without_a_list(fake):
    fake.answers = [fake.whole({"error": {"message": "no"}}, status=404)]
    assert "lists no models" in reachable(fake.url, "EMPTY")


@pytest.mark.parametrize(
    ("status", "body", "said"),
    [
        (401, {"error": {"message": "no"}}, "KERNELSMITH_API_KEY"),
        (200, {"hello": 1}, "--base-url"),
        (200, {"error": {"message": "no", "code": 401}}, "KERNELSMITH_API_KEY"),
        (200, "<html>", "malformed"),
    ],
)
def test_reachable_gives_the_reason_and_the_remedy(fake, status, body, said):
    fake.answers = [fake.whole(body, status=status)]
    with pytest.raises(CallFailed, match=said):
        reachable(fake.url, "wrong")


def test_reachable_does_not_wait_for_ever(fake):
    fake.answers = [lambda _handler: fake.closed.wait(30)]
    with pytest.raises(CallFailed, match="in time"):  # the server would close the connection, which reads otherwise
        reachable(fake.url, "EMPTY", timeout_s=0.3)

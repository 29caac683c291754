"""Asking again: with a clock, a sleep and a randomness that the test owns."""

import itertools
import random
from dataclasses import replace

import pytest

from kernelsmith.core.usage import Usage
from kernelsmith.errors import ModelError, Stopped
from kernelsmith.llm.model import CallFailed, Reply
from kernelsmith.llm.retry import RetryPolicy, interruptible_sleep, persist

REPLY = Reply("x", "", Usage(), finish_reason="stop", latency_s=0.1, model="m")


class Time:
    """A clock that only sleeping moves."""

    def __init__(self) -> None:
        self.now, self.slept = 0.0, []

    def sleep(self, seconds: float) -> None:
        self.slept.append(seconds)
        self.now += seconds

    def patience(self, **changes) -> RetryPolicy:
        return RetryPolicy(sleep=self.sleep, clock=lambda: self.now, random=random.Random(7), **changes)


class Fails:
    """Fails a number of times, then answers."""

    def __init__(self, times: float, **fault) -> None:
        self.times, self.fault, self.calls = times, {"retryable": True} | fault, 0

    def __call__(self) -> Reply:
        self.calls += 1
        if self.calls <= self.times:
            raise CallFailed("it said no", **self.fault)
        return REPLY


def test_a_call_that_succeeds_is_made_once():
    time, call = Time(), Fails(0)
    assert persist(call, time.patience(), failed=lambda *_: None) is REPLY
    assert (call.calls, time.slept) == (1, [])


def test_waits_grow_with_jitter_up_to_the_longest():
    time = Time()
    persist(Fails(9), time.patience(total_s=1e9, longest_s=60), failed=lambda *_: None)
    for number, waited in enumerate(time.slept):
        assert min(60, 2**number) / 2 <= waited <= min(60, 2**number)
    assert time.slept[:4] != [1, 2, 4, 8], "no jitter"


def test_the_wait_an_endpoint_asks_for_is_kept():
    time = Time()
    persist(Fails(1, retry_after_s=200.0), time.patience(), failed=lambda *_: None)
    assert time.slept == [200.0]


def test_an_endpoint_that_asks_for_more_than_the_patience_is_given_up_at_once():
    time, call = Time(), Fails(9, retry_after_s=86_400.0)
    with pytest.raises(ModelError) as caught:
        persist(call, time.patience(), failed=lambda *_: None)
    assert caught.value.retryable
    assert (call.calls, time.slept) == (1, [])


def test_patience_ends_and_says_how_to_go_on():
    time, call = Time(), Fails(float("inf"))
    with pytest.raises(ModelError, match=r"it said no .*resume") as caught:
        persist(call, time.patience(total_s=100), failed=lambda *_: None)
    assert caught.value.retryable
    assert 50 < time.now <= 100
    assert str(call.calls) in str(caught.value)


def test_what_no_repetition_heals_is_not_repeated():
    time, call = Time(), Fails(9, retryable=False)
    with pytest.raises(ModelError, match="it said no") as caught:
        persist(call, time.patience(), failed=lambda *_: None)
    assert not caught.value.retryable
    assert call.calls == 1


def test_every_failure_is_heard_of_with_the_calls_before_it():
    heard = []
    persist(Fails(3), Time().patience(), failed=lambda failure, before: heard.append((str(failure), before)))
    assert heard == [("it said no", 0), ("it said no", 1), ("it said no", 2)]


def test_a_wait_shows_the_answer_of_the_endpoint_and_when_it_is_asked_again():
    time, shown = Time(), []
    patience = time.patience(total_s=1e9, on_progress=lambda stage, step: shown.append((stage, step)))
    persist(Fails(2, retry_after_s=8.0), replace(patience, clock=lambda: 23 * time.now), failed=lambda *_: None)
    assert shown == [
        ("waiting", "8 s to ask again, failing for 0 s so far: it said no"),
        ("proposing", ""),
        ("waiting", "8 s to ask again, failing for 3 min 4 s so far: it said no"),
        ("proposing", ""),
    ]


@pytest.mark.parametrize("looks", [1, 2])
def test_a_stop_during_a_call_that_fails_or_during_the_wait_ends_asking(looks):
    time, call, answers = Time(), Fails(9), iter([False] * (looks - 1) + [True, True])
    with pytest.raises(Stopped, match="it said no"):
        persist(call, time.patience(stopped=answers.__next__), failed=lambda *_: None)
    assert (call.calls, len(time.slept)) == (1, looks - 1)


def test_a_sleep_that_can_be_interrupted_returns_when_the_user_asks_to_stop():
    looks = itertools.count()
    interruptible_sleep(lambda: next(looks) == 2)(3600.0)
    assert next(looks) == 3

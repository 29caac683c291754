"""Tests of the model proposer: what it logs, when it calls again, how it reads a reply; two tests use a real server."""

import json
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

import pytest

from kernelsmith.core.attempt import Ask, Attempt, Directive, NoCandidate, Origin, Proposal, Stance
from kernelsmith.core.history import History
from kernelsmith.core.run import Budget, Run, RunConfig
from kernelsmith.core.task import Task
from kernelsmith.core.task_folder import find_task
from kernelsmith.core.usage import Exchange, Usage
from kernelsmith.core.verdict import Status, Verdict
from kernelsmith.errors import Exhausted, LogError, ModelError
from kernelsmith.llm.model import CallFailed, Reply
from kernelsmith.llm.retry import RetryPolicy
from kernelsmith.llm.scripted import ScriptedModel, read_script
from kernelsmith.propose.model import ModelProposer, model_proposer

AT = datetime(2026, 1, 1, tzinfo=UTC)
KERNEL = "void matmul(const float *A, const float *B, float *C, int M, int N, int K)\n{\n}\n"
REPLY = f"Hypothesis: nothing is faster.\n\n```c\n{KERNEL}```\n"
ASK = Ask(1, Directive(Stance.REPAIR, parent=0, reason="the skeleton is incorrect"), seen=0)


class Kept:
    """A log of model calls in memory, in the order of the calls."""

    def __init__(self, *exchanges: Exchange) -> None:
        self.all = list(exchanges)

    def exchanges(self, ask_number: int) -> tuple[Exchange, ...]:
        return tuple(e for e in self.all if e.ask_number == ask_number)

    def keep(self, exchange: Exchange) -> None:
        self.all.append(exchange)


class Failing:
    """A model whose first `times` calls fail; the model `then` answers the later ones."""

    def __init__(self, times: float, then: ScriptedModel | None = None, **fault) -> None:
        self.left, self.then, self.fault = times, then, {"retryable": True} | fault

    def complete(self, messages):
        if self.left <= 0:
            return self.then.complete(messages)
        self.left -= 1
        raise CallFailed("model endpoint http://x: HTTP 503: busy", **self.fault)


@pytest.fixture(scope="module")
def task() -> Task:
    return find_task("cpu_matmul")


@pytest.fixture
def history(task) -> History:
    config = RunConfig(task="cpu_matmul", proposer="model", model="some-model")
    opening = Ask(0, Directive(Stance.OPEN))
    broken = Verdict(Status.INCORRECT, "C[0,0] is NaN")
    skeleton = Attempt(0, opening, 0, Proposal(Origin.SKELETON, "", task.skeleton), broken, AT, 1.0)
    return History(Run(1, "r", config, "0" * 64, AT), attempts=(skeleton,), asks=(opening, ASK))


def _retry_policy(**changes) -> RetryPolicy:
    """Return a retry policy that never waits and whose clock stands still."""
    return RetryPolicy(sleep=lambda _seconds: None, clock=lambda: 0.0, **changes)


def _proposer(task, model, kept, **changes) -> ModelProposer:
    return ModelProposer(task, model, exchanges=kept, retry_policy=_retry_policy(**changes), now=lambda: AT)


def test_a_reply_becomes_a_proposal(task, history):
    proposal = _proposer(task, ScriptedModel([REPLY]), Kept()).propose(ASK, history)
    assert proposal.origin is Origin.MODEL
    assert proposal.hypothesis == "nothing is faster."
    assert proposal.candidate.source == KERNEL
    assert proposal.parent == 0


def test_a_call_is_logged_with_its_prompt_and_its_cost(task, history):
    kept = Kept()
    _proposer(task, ScriptedModel([REPLY]), kept).propose(ASK, history)
    (exchange,) = kept.all
    assert (exchange.ask_number, exchange.reply, exchange.finish_reason) == (1, REPLY, "stop")
    assert (exchange.usage.cost_usd, exchange.retries, exchange.at) == (0.0, 0, AT)
    system, user = json.loads(exchange.prompt)
    assert (system["role"], user["role"]) == ("system", "user")
    assert task.benchmark.strip() in user["content"]
    assert "C[0,0] is NaN" in user["content"]


def test_a_reply_is_logged_before_it_is_parsed(task, history):
    class Full(Kept):
        def keep(self, exchange):
            raise LogError("disk full")

    with pytest.raises(LogError):
        _proposer(task, ScriptedModel(["no code at all"]), Full()).propose(ASK, history)


@pytest.mark.parametrize(
    ("reply", "reason", "words"),
    [
        ("I am done: no gain.", NoCandidate.NO_BLOCK, "no fenced block: I am done: no gain."),
        (f"Hypothesis: x\n\n```c\n{KERNEL}", NoCandidate.CUT_OFF, "the reply was cut off at the token limit"),
    ],
)
def test_a_reply_without_a_kernel_has_a_reason_and_is_not_requested_again(task, history, reply, reason, words):
    kept = Kept()
    proposal = _proposer(task, ScriptedModel([reply, REPLY]), kept).propose(ASK, history)
    assert (proposal.candidate, proposal.reason, proposal.why_empty) == (None, reason, words)
    assert len(kept.all) == 1


@pytest.mark.parametrize(
    ("finish_reason", "reason"),
    [
        ("length", NoCandidate.CUT_OFF),
        ("content_filter", NoCandidate.WITHHELD),
        ("stop", NoCandidate.EMPTY_REPLY),
        ("tool_calls", NoCandidate.EMPTY_REPLY),
        ("", NoCandidate.EMPTY_REPLY),
    ],
)
def test_the_finish_reason_explains_a_reply_without_a_kernel(task, history, finish_reason, reason):
    class Says:
        def complete(self, messages):
            return Reply("", "", Usage(), finish_reason=finish_reason, latency_s=0.0, model="m")

    kept = Kept()
    assert _proposer(task, Says(), kept).propose(ASK, history).reason is reason
    assert kept.all[0].finish_reason == finish_reason


def test_the_next_prompt_states_why_a_reply_held_no_kernel(task, history):
    nothing = Proposal(Origin.MODEL, "", None, reason=NoCandidate.NO_BLOCK, said="I quit")
    refused = Attempt(1, ASK, 0, nothing, Verdict(Status.NO_CANDIDATE, nothing.why_empty), AT, 1.0)
    kept = Kept()
    longer = replace(history, attempts=(*history.attempts, refused))
    _proposer(task, ScriptedModel([REPLY]), kept).propose(replace(ASK, number=2), longer)
    assert "Your last reply held no kernel: no fenced block." in json.loads(kept.all[0].prompt)[1]["content"]


def test_a_logged_reply_is_used_again_without_a_call(task, history):
    kept = Kept()
    first = _proposer(task, ScriptedModel([REPLY]), kept).propose(ASK, history)
    resumed = _proposer(task, ScriptedModel([]), kept).propose(ASK, history)
    assert resumed == first
    assert len(kept.all) == 1


def test_every_failed_call_is_logged_and_the_reply_counts_them(task, history):
    kept = Kept()
    paid = Usage(10, 2, cost_usd=0.5)
    model = Failing(2, ScriptedModel([REPLY]), usage=paid, latency_s=3.0)
    assert _proposer(task, model, kept).propose(ASK, history).candidate
    assert [(e.retries, e.reply != "", e.latency_s) for e in kept.all] == [
        (0, False, 3.0),
        (1, False, 3.0),
        (2, True, 0.0),
    ]
    assert [(e.finish_reason, e.error) for e in kept.all] == [
        *[("", "model endpoint http://x: HTTP 503: busy")] * 2,
        ("stop", ""),
    ]
    assert (kept.all[0].usage, kept.all[0].model) == (paid, "some-model")


def test_a_logged_failed_call_is_not_used_as_a_reply_on_resume(task, history):
    kept = Kept()
    with pytest.raises(ModelError):
        _proposer(task, Failing(1, retryable=False), kept).propose(ASK, history)
    assert len(kept.all) == 1
    assert _proposer(task, ScriptedModel([REPLY]), kept).propose(ASK, history).candidate


def test_an_endpoint_that_keeps_failing_raises_a_model_error_after_the_retries(task, history):
    with pytest.raises(ModelError, match="resume") as caught:
        _proposer(task, Failing(float("inf")), Kept(), total_s=0.4).propose(ASK, history)
    assert caught.value.retryable


def test_the_same_ask_always_sends_the_same_prompt(task, history):
    kept = Kept()
    for _ in range(2):
        _proposer(task, ScriptedModel([REPLY]), Kept()).propose(ASK, history)
        _proposer(task, Failing(1, ScriptedModel([REPLY])), kept).propose(ASK, history)
    assert len({exchange.prompt for exchange in kept.all}) == 1


def test_a_budget_in_usd_with_unknown_cost_is_refused_before_the_call(task, history):
    budget = Budget(usd=1.0)
    run = replace(history.run, config=replace(history.run.config, budget=budget))
    unknown = replace(history, run=run, usage=Usage(100, 100, cost_usd=None))
    kept = Kept()
    with pytest.raises(ModelError, match="price_per_mtok"):
        _proposer(task, ScriptedModel([REPLY]), kept).propose(ASK, unknown)
    assert kept.all == []


def test_a_scripted_model_continues_after_the_replies_in_the_log(task, history, tmp_path):
    for number in (1, 2):
        (tmp_path / f"{number}.md").write_text(REPLY.replace("nothing", f"idea {number}"))
    config = replace(history.run.config, model=f"scripted:{tmp_path}")
    history = replace(history, run=replace(history.run, config=config))
    kept = Kept()
    hypotheses = []
    for number in (1, 2):
        asked = replace(ASK, number=number)
        proposer = model_proposer(task, history, exchanges=kept, environ={})
        hypotheses.append(proposer.propose(asked, history).hypothesis)
        history = replace(history, asks=(*history.asks[:number], asked))
    assert hypotheses == ["idea 1 is faster.", "idea 2 is faster."]
    with pytest.raises(Exhausted):
        model_proposer(task, history, exchanges=kept, environ={}).propose(replace(ASK, number=3), history)


def test_the_example_script_holds_two_kernels_around_a_refusal(task, history):
    script = Path(__file__).parents[2] / "examples" / "scripted_replies"
    proposer = _proposer(task, ScriptedModel(read_script(script)), Kept())
    proposals = [proposer.propose(replace(ASK, number=number), history) for number in (1, 2, 3)]
    assert [p.candidate is not None for p in proposals] == [True, False, True]
    assert all(p.hypothesis for p in proposals)


@pytest.mark.server
def test_a_real_server_is_reachable(server_url):
    from kernelsmith.llm.client import reachable

    assert "smollm2" in reachable(f"{server_url}/v1", "EMPTY")


@pytest.mark.server
def test_a_prompt_too_long_for_a_real_server_is_a_final_error_that_names_history_tokens(task, history, server_url):
    config = replace(history.run.config, model="smollm2", base_url=f"{server_url}/v1")
    task = replace(task, description="x y z " * 10_000)
    history = replace(history, run=replace(history.run, config=config))
    with pytest.raises(ModelError, match=r"HTTP 400.*history_tokens") as caught:
        model_proposer(task, history, exchanges=Kept(), environ={}).propose(ASK, history)
    assert not caught.value.retryable

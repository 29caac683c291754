"""The model proposer: it sends a prompt to a language model, logs the reply, and parses the reply into a proposal.

The reply is logged before it is parsed, so that a resumed run takes it from the log and does not pay again. A reply
without a kernel is not requested a second time: it becomes an attempt, and the next prompt states what was wrong.
This module contains no HTTP, no template and no SQL.
"""

import json
from collections.abc import Callable, Mapping
from dataclasses import asdict
from datetime import UTC, datetime

from kernelsmith.core.attempt import Ask, NoCandidate, Origin, Proposal
from kernelsmith.core.history import History
from kernelsmith.core.seams import Exchanges
from kernelsmith.core.task import Task
from kernelsmith.core.usage import Exchange
from kernelsmith.errors import ModelError
from kernelsmith.llm.choice import open_model
from kernelsmith.llm.model import CallFailed, FinishReason, Message, Model, Reply
from kernelsmith.llm.retry import RetryPolicy, persist
from kernelsmith.prompts.parse import parse
from kernelsmith.prompts.prompt import Prompt, prompt_for

INCOMPLETE = {FinishReason.LENGTH: NoCandidate.CUT_OFF, FinishReason.CONTENT_FILTER: NoCandidate.WITHHELD}
"""The reason for a reply without a kernel, by the finish reason that the endpoint gives."""


class ModelProposer:
    """A proposer that answers an ask with a language model's reply to the ask's prompt. `model` makes the calls,
    `exchanges` stores each call (prompt, reply, tokens, cost) in the log, `retry_policy` says how long a failing
    endpoint is called again (None = the default policy), and `now()` returns the time in UTC.
    """

    def __init__(
        self,
        task: Task,
        model: Model,
        *,
        exchanges: Exchanges,
        retry_policy: RetryPolicy | None = None,
        now: Callable[[], datetime] = lambda: datetime.now(UTC),
    ) -> None:
        self._task = task
        self._model = model
        self._exchanges = exchanges
        self._retry_policy = retry_policy or RetryPolicy()
        self._now = now

    def propose(self, ask: Ask, history: History) -> Proposal:
        """Return a proposal with the model's hypothesis and candidate, or with the reason why the reply holds no
        candidate. A reply to this ask that is already in the log is used without a call. Raises ModelError if the
        endpoint failed for good, or the budget is in USD and the calls' cost is unknown; Stopped if the user asked to
        stop while the endpoint failed; Exhausted if the model is a script without a further reply; LogError if the
        reply cannot be logged.
        """
        exchange = self._kept(ask) or self._call(ask, history)
        answer = parse(
            exchange.reply,
            entry=self._task.entry,
            languages=self._task.languages,
            incomplete=INCOMPLETE.get(FinishReason(exchange.finish_reason)),
        )
        parent = ask.directive.parent
        return Proposal(Origin.MODEL, answer.hypothesis, answer.candidate, parent, answer.reason, answer.said)

    def _kept(self, ask: Ask) -> Exchange | None:
        """Return the latest model call for `ask` in the log that got a reply, so that a resumed run need not pay for it
        again; or None if there is none. Raises LogError if the log cannot be read.
        """
        kept = self._exchanges.exchanges(ask.number)
        return next((e for e in reversed(kept) if answered(e)), None)

    def _call(self, ask: Ask, history: History) -> Exchange:
        _refuse_unknown_cost(history)
        messages = messages_of(prompt_for(self._task, history, ask=ask))
        prompt = json.dumps([asdict(message) for message in messages], ensure_ascii=False)
        model_name = history.run.config.model or ""
        failures = 0

        def keep_failure(failure: CallFailed, calls_before: int) -> None:
            nonlocal failures
            failures = calls_before + 1
            self._exchanges.keep(self._failed(failure, ask, model=model_name, prompt=prompt, retries=calls_before))

        reply = persist(lambda: self._model.complete(messages), self._retry_policy, failed=keep_failure)
        exchange = self._answered(reply, ask, prompt=prompt, retries=failures)
        self._exchanges.keep(exchange)
        return exchange

    def _answered(self, reply: Reply, ask: Ask, *, prompt: str, retries: int) -> Exchange:
        return Exchange(
            ask_number=ask.number,
            model=reply.model,
            prompt=prompt,
            reply=reply.content,
            reasoning=reply.reasoning,
            usage=reply.usage,
            latency_s=reply.latency_s,
            finish_reason=reply.finish_reason,
            retries=retries,
            at=self._now(),
        )

    def _failed(self, failure: CallFailed, ask: Ask, *, model: str, prompt: str, retries: int) -> Exchange:
        return Exchange(
            ask_number=ask.number,
            model=model,
            prompt=prompt,
            reply="",
            reasoning="",
            usage=failure.usage,
            latency_s=failure.latency_s,
            finish_reason="",
            retries=retries,
            at=self._now(),
            error=str(failure),
        )


def model_proposer(
    task: Task,
    history: History,
    *,
    exchanges: Exchanges,
    environ: Mapping[str, str],
    retry_policy: RetryPolicy | None = None,
) -> ModelProposer:
    """Return the model proposer of a new or resumed run, with the model that the run's config in `history` names.
    `exchanges` stores the model calls in the log, `environ` are the environment variables with the endpoint's URL and
    API key, and `retry_policy` says how long a failing endpoint is called again (None = the default). Raises
    ConfigError if no model is named or its URL or script is invalid.
    """
    kept = (exchange for ask in history.asks for exchange in exchanges.exchanges(ask.number))
    replies = sum(answered(exchange) for exchange in kept)
    model = open_model(history.run.config, environ, answered=replies)
    return ModelProposer(task, model, exchanges=exchanges, retry_policy=retry_policy)


def answered(exchange: Exchange) -> bool:
    """Return True if a model call in the log got a reply, and False if the call failed with an error."""
    return not exchange.error


def messages_of(prompt: Prompt) -> tuple[Message, ...]:
    """Return a prompt as the tuple of chat messages that is sent to a model: the standing instructions with the role
    `system`, then the question with the role `user`.
    """
    return Message("system", prompt.system), Message("user", prompt.user)


def _refuse_unknown_cost(history: History) -> None:
    """Check that the cost of the run's model calls so far is known if its budget is in USD, because a budget whose
    spending cannot be counted would never end the run; return nothing. Raises ModelError (not retryable) if the cost is
    unknown.
    """
    if history.budget.usd is not None and history.usage.cost_usd is None:
        raise ModelError(
            "usd: the endpoint did not say what a call cost, so the budget cannot be kept; "
            "start a run with price_per_mtok in the config, or without --usd",
            retryable=False,
        )

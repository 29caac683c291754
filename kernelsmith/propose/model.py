"""The model proposer: prompt, call, keep, parse. It knows no HTTP, no template and no database.

The proposer keeps a reply before it reads it, so that a resumed run finds the reply and does not pay again. A reply
without a kernel is not repeated: it is an attempt, and the next prompt says what was wrong with it.
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
"""Which finish reasons explain a reply without a kernel."""


class ModelProposer:
    """Propose what a model answers to the prompt for an ask."""

    def __init__(
        self,
        task: Task,
        model: Model,
        *,
        exchanges: Exchanges,
        patience: RetryPolicy | None = None,
        now: Callable[[], datetime] = lambda: datetime.now(UTC),
    ) -> None:
        self._task = task
        self._model = model
        self._exchanges = exchanges
        self._patience = patience or RetryPolicy()
        self._now = now

    def propose(self, ask: Ask, history: History) -> Proposal:
        """Return the model's candidate, or none with the reason.

        Raises:
            ModelError: the endpoint failed for good, or a budget in USD can no longer be kept.
            Stopped: the user asked to stop while the endpoint failed.
            Exhausted: the model is a script, and at its end.
            LogError: the reply could not be kept.
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
        """Return the latest reply that the log holds for the ask, if any; it is not paid for again."""
        kept = self._exchanges.exchanges(ask.number)
        return next((e for e in reversed(kept) if answered(e)), None)

    def _call(self, ask: Ask, history: History) -> Exchange:
        _refuse_unknown_cost(history)
        messages = messages_of(prompt_for(self._task, history, ask=ask))
        sent = json.dumps([asdict(message) for message in messages], ensure_ascii=False)
        named = history.run.config.model or ""
        failures = 0

        def keep_failure(failure: CallFailed, calls_before: int) -> None:
            nonlocal failures
            failures = calls_before + 1
            self._exchanges.keep(self._failed(failure, ask, model=named, prompt=sent, retries=calls_before))

        reply = persist(lambda: self._model.complete(messages), self._patience, failed=keep_failure)
        exchange = self._answered(reply, ask, prompt=sent, retries=failures)
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
    patience: RetryPolicy | None = None,
) -> ModelProposer:
    """Return the proposer for a new or a resumed run, with the model that its config names.

    Raises:
        ConfigError: no model is named, the base URL is no URL, or the script's path holds no reply.
    """
    kept = (exchange for ask in history.asks for exchange in exchanges.exchanges(ask.number))
    replies = sum(answered(exchange) for exchange in kept)
    model = open_model(history.run.config, environ, answered=replies)
    return ModelProposer(task, model, exchanges=exchanges, patience=patience)


def answered(exchange: Exchange) -> bool:
    """Return whether the call brought a reply."""
    return not exchange.error


def messages_of(prompt: Prompt) -> tuple[Message, ...]:
    """Return a prompt as the messages of a conversation."""
    return Message("system", prompt.system), Message("user", prompt.user)


def _refuse_unknown_cost(history: History) -> None:
    """Raise ModelError where the budget is in USD and a call's cost is unknown: the budget would never end the run."""
    if history.budget.usd is not None and history.usage.cost_usd is None:
        raise ModelError(
            "usd: the endpoint did not say what a call cost, so the budget cannot be kept; "
            "start a run with price_per_mtok in the config, or without --usd",
            retryable=False,
        )

"""The contract of every model client. A subclass provides two fixtures and inherits the tests.

`answering` builds a model that answers with given texts, in order; `silent` holds models whose calls bring no reply.
"""

from collections.abc import Callable, Sequence

import pytest

from kernelsmith.errors import Exhausted
from kernelsmith.llm.model import CallFailed, FinishReason, Message, Model

ASKED = (Message("system", "You write kernels."), Message("user", "Write one."))

Answering = Callable[..., Model]


class ModelContract:
    """What the model proposer and the log rely on."""

    @pytest.fixture
    def answering(self) -> Answering:
        """Build a model that answers with these texts."""
        raise NotImplementedError

    @pytest.fixture
    def silent(self) -> Sequence[Model]:
        """Models that fail, or have nothing more to say."""
        raise NotImplementedError

    def test_a_reply_has_content_and_usage_and_says_how_it_ended(self, answering: Answering) -> None:
        reply = answering("Hypothesis: tiles.").complete(ASKED)
        assert (reply.content, reply.reasoning) == ("Hypothesis: tiles.", "")
        assert reply.usage.prompt_tokens > 0
        assert reply.usage.completion_tokens > 0
        assert FinishReason(reply.finish_reason) is FinishReason.STOP
        assert reply.latency_s >= 0
        assert reply.model

    def test_every_call_brings_one_reply(self, answering: Answering) -> None:
        model = answering("one", "two", "three")
        assert [model.complete(ASKED).content for _ in range(3)] == ["one", "two", "three"]

    @pytest.mark.parametrize("text", ["", "Bᵀ\t\u202e\x1b[2J\r\n", "a kernel\n" * 10_000])
    def test_a_text_arrives_as_it_was_said(self, answering: Answering, text: str) -> None:
        assert answering(text).complete(ASKED).content == text

    @pytest.mark.parametrize("half", ["\ud800", "x\udfff\ud800y"])
    def test_a_reply_holds_no_half_of_a_character(self, answering: Answering, half: str) -> None:
        content = answering(f"before {half} after").complete(ASKED).content
        assert content.encode().startswith(b"before ")
        assert content.endswith(" after")

    def test_a_call_without_a_reply_raises_what_the_caller_expects_again_and_again(
        self, silent: Sequence[Model]
    ) -> None:
        assert silent
        for model in silent:
            for _ in range(2):
                with pytest.raises((CallFailed, Exhausted)) as caught:
                    model.complete(ASKED)
                assert str(caught.value)
                assert "\n" not in str(caught.value)
                assert isinstance(caught.value, Exhausted) or caught.value.retryable in (True, False)

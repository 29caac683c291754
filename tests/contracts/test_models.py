"""Every model client keeps the contract of models."""

from collections.abc import Sequence

import pytest
from contracts.model import ASKED, Answering, ModelContract
from endpoints import FakeEndpoint

from kernelsmith.errors import Exhausted
from kernelsmith.llm.client import Client
from kernelsmith.llm.endpoint import Endpoint
from kernelsmith.llm.model import CallFailed, Model
from kernelsmith.llm.scripted import ScriptedModel


class TestScriptedModel(ModelContract):
    """A model that answers from a script."""

    @pytest.fixture
    def answering(self) -> Answering:
        return lambda *texts: ScriptedModel(texts)

    @pytest.fixture
    def silent(self) -> Sequence[Model]:
        return [ScriptedModel([]), ScriptedModel(["the only one"], answered=1)]

    def test_the_end_of_the_script_is_exhaustion(self, answering: Answering) -> None:
        model = answering("one")
        model.complete(ASKED)
        with pytest.raises(Exhausted):
            model.complete(ASKED)


class TestClient(ModelContract):
    """The client, at an endpoint on the loopback."""

    @pytest.fixture
    def answering(self, fake: FakeEndpoint) -> Answering:
        def build(*texts: str) -> Model:
            fake.answers = [fake.words(text) for text in texts]
            return Client(fake.endpoint())

        return build

    @pytest.fixture
    def silent(self, fake: FakeEndpoint) -> Sequence[Model]:
        fake.answers = [fake.whole({"error": {"message": "busy"}}, status=503)]
        return [Client(fake.endpoint()), Client(Endpoint("http://127.0.0.1:1/v1", "m"))]

    @pytest.mark.parametrize(("status", "retryable"), [(503, True), (401, False)])
    def test_a_failed_call_says_whether_to_ask_again(self, fake, status, retryable):
        fake.answers = [fake.whole({"error": {"message": "no"}}, status=status)]
        with pytest.raises(CallFailed) as caught:
            Client(fake.endpoint()).complete(ASKED)
        assert caught.value.retryable is retryable

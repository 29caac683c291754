"""Which model a run's config names: a script, or one behind an endpoint."""

from collections.abc import Mapping
from pathlib import Path

from kernelsmith.core.run import RunConfig
from kernelsmith.llm.endpoint import endpoint_for
from kernelsmith.llm.model import Model

SCRIPTED = "scripted:"
"""How the name of a scripted model begins; the rest is the path of its replies."""


def open_model(config: RunConfig, environ: Mapping[str, str], *, answered: int = 0) -> Model:
    """The model that `--model` names: `scripted:PATH`, or a name at an endpoint.

    `answered` counts the replies this run has had before: a script goes on behind them.

    Raises:
        ConfigError: no model is named, the base URL is no URL, or the script's path holds no reply.
    """
    if config.model and config.model.startswith(SCRIPTED):
        from kernelsmith.llm.scripted import ScriptedModel, read_script

        return ScriptedModel(read_script(Path(config.model.removeprefix(SCRIPTED))), answered=answered)
    endpoint = endpoint_for(config, environ)
    # openai costs most of a second to import; only a run that asks an endpoint pays it.
    from kernelsmith.llm.client import Client

    return Client(endpoint)

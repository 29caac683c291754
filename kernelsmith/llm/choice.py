"""Which model a run's config names: a script, or one behind an endpoint."""

from collections.abc import Mapping

from kernelsmith.core.run import RunConfig
from kernelsmith.llm.endpoint import endpoint_for
from kernelsmith.llm.model import Model
from kernelsmith.llm.spec import ScriptedSpec, parse_model


def open_model(config: RunConfig, environ: Mapping[str, str], *, answered: int = 0) -> Model:
    """Return the model that `--model` names: `scripted:PATH`, or a name at an endpoint.

    `answered` is the number of replies that the run received before: a script continues after them.

    Raises:
        ConfigError: no model is named, the base URL is no URL, or the script's path holds no reply.
    """
    spec = parse_model(config.model or "")
    if isinstance(spec, ScriptedSpec):
        from kernelsmith.llm.scripted import ScriptedModel, read_script

        return ScriptedModel(read_script(spec.path), answered=answered)
    endpoint = endpoint_for(config, environ)
    # openai costs most of a second to import; only a run that asks an endpoint pays it.
    from kernelsmith.llm.client import Client

    return Client(endpoint)

"""Open the model that a run's config names: a script, or a model at an endpoint."""

from collections.abc import Mapping

from kernelsmith.core.run import RunConfig
from kernelsmith.llm.endpoint import endpoint_for
from kernelsmith.llm.model import Model
from kernelsmith.llm.spec import ScriptedSpec, parse_model


def open_model(config: RunConfig, environ: Mapping[str, str], *, answered: int = 0) -> Model:
    """Return the model that `config`, a run's settings, names: a script for `scripted:PATH`, else a client of an
    endpoint, which is not called yet. `environ` holds the environment variables with key and base URL. `answered` is
    the number of replies that the run received before; a script skips them. Raises ConfigError if the model, base URL,
    key or script is invalid.
    """
    spec = parse_model(config.model or "")
    if isinstance(spec, ScriptedSpec):
        from kernelsmith.llm.scripted import ScriptedModel, read_script

        return ScriptedModel(read_script(spec.path), answered=answered)
    endpoint = endpoint_for(config, environ)
    # openai costs most of a second to import; only a run that asks an endpoint pays it.
    from kernelsmith.llm.client import Client

    return Client(endpoint)

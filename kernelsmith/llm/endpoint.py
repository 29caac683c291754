"""Find the endpoint of a model, its key and its limits in a run's config and in environment variables."""

from collections.abc import Mapping
from dataclasses import dataclass, field

from kernelsmith.core.run import RunConfig
from kernelsmith.errors import ConfigError
from kernelsmith.llm.price import Price

DEFAULT_BASE_URL = "https://api.openai.com/v1"
KEY_VARIABLES = ("KERNELSMITH_API_KEY", "OPENAI_API_KEY")
"""Environment variables that may hold the key; the first one that is set counts."""


@dataclass(frozen=True, slots=True)
class Endpoint:
    """Everything that a call to an OpenAI-compatible endpoint needs: base URL, model name, key, sampling temperature,
    price (USD per million prompt tokens and per million completion tokens), and time limits in seconds. `endpoint_for`
    makes it from a run's config.
    """

    base_url: str
    model: str
    key: str = field(default="EMPTY", repr=False)
    """The key; `EMPTY` for local servers, because the client library refuses an empty key."""
    temperature: float | None = None
    """Sampling temperature; None leaves the choice to the endpoint."""
    price: Price | None = None
    """USD per million prompt and completion tokens; None if unknown."""
    connect_s: float = 10.0
    """The most seconds to open a connection."""
    stall_s: float = 180.0
    """The most seconds of silence before the reply begins, and between two pieces of a reply."""
    deadline_s: float = 1800.0
    """The most seconds of one call. A reply that arrives slowly but steadily never exceeds `stall_s`."""


def endpoint_for(config: RunConfig, environ: Mapping[str, str]) -> Endpoint:
    """Return the endpoint for the model, base URL, temperature and price in `config`, a run's settings. `environ` holds
    the environment variables with the key and the default URL. Raises ConfigError if no model is named, the URL is not
    an http(s) URL, or the key holds characters that an HTTP header cannot carry.
    """
    if not config.model:
        raise ConfigError("model: none is named; give --model NAME, or --proposer tuner to search without a model")
    return Endpoint(
        base_url=base_url(config.base_url, environ),
        model=config.model,
        key=api_key(environ),
        temperature=config.temperature,
        price=config.price_per_mtok,
    )


def base_url(option: str | None, environ: Mapping[str, str]) -> str:
    """Return the base URL of the endpoint: `option` (the value of --base-url) if given, else the variable
    OPENAI_BASE_URL in `environ`, else the URL of OpenAI. Raises ConfigError if it does not begin with http:// or
    https://.
    """
    url = option or environ.get("OPENAI_BASE_URL") or DEFAULT_BASE_URL
    if not url.startswith(("http://", "https://")):
        raise ConfigError(f"--base-url {url!r}: not a URL; it looks like http://127.0.0.1:8000/v1")
    return url


def api_key(environ: Mapping[str, str]) -> str:
    """Return the key from the environment variables `environ`: KERNELSMITH_API_KEY, else OPENAI_API_KEY, else the text
    `EMPTY`, which local servers accept. Raises ConfigError if the key holds characters that an HTTP header cannot
    carry.
    """
    for name in KEY_VARIABLES:
        if key := environ.get(name, "").strip():
            if not (key.isascii() and key.isprintable()):
                raise ConfigError(f"{name}: holds characters that no key has; copy the key again")
            return key
    return "EMPTY"

"""Where a model is and how to ask it, from the config and the environment."""

from collections.abc import Mapping
from dataclasses import dataclass, field

from kernelsmith.core.run import RunConfig
from kernelsmith.errors import ConfigError
from kernelsmith.llm.price import Price

DEFAULT_BASE_URL = "https://api.openai.com/v1"
KEY_VARIABLES = ("KERNELSMITH_API_KEY", "OPENAI_API_KEY")


@dataclass(frozen=True, slots=True)
class Endpoint:
    """An OpenAI-compatible endpoint and what to ask it for."""

    base_url: str
    model: str
    key: str = field(default="EMPTY", repr=False)
    """`EMPTY` for local servers: the client library refuses an empty key."""
    temperature: float | None = None
    price: Price | None = None
    connect_s: float = 10.0
    stall_s: float = 180.0
    """Longest silence: before the reply begins, and between two pieces of it."""
    deadline_s: float = 1800.0
    """Wall clock of one call; a reply that drips never stalls."""


def endpoint_for(config: RunConfig, environ: Mapping[str, str]) -> Endpoint:
    """Return the endpoint that a config names.

    Raises:
        ConfigError: no model is named, or the base URL is not a URL.
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
    """Return the option, else OPENAI_BASE_URL, else OpenAI's own URL.

    Raises:
        ConfigError: it is not an http or https URL.
    """
    url = option or environ.get("OPENAI_BASE_URL") or DEFAULT_BASE_URL
    if not url.startswith(("http://", "https://")):
        raise ConfigError(f"--base-url {url!r}: not a URL; it looks like http://127.0.0.1:8000/v1")
    return url


def api_key(environ: Mapping[str, str]) -> str:
    """Return the key from KERNELSMITH_API_KEY, else OPENAI_API_KEY, else `EMPTY`, which local servers accept.

    Raises:
        ConfigError: the key holds characters that a header cannot carry.
    """
    for name in KEY_VARIABLES:
        if key := environ.get(name, "").strip():
            if not (key.isascii() and key.isprintable()):
                raise ConfigError(f"{name}: holds characters that no key has; copy the key again")
            return key
    return "EMPTY"

"""Parse a model's name in a config: `scripted:PATH` names a script, any other name a model at an endpoint."""

from dataclasses import dataclass
from pathlib import Path

from kernelsmith.errors import ConfigError

_SCRIPTED = "scripted:"


@dataclass(frozen=True, slots=True)
class ScriptedSpec:
    """The model named `scripted:PATH`, which answers from a script."""

    path: Path
    """A folder of *.md files with one reply each, or a file with one reply."""

    @property
    def text(self) -> str:
        """Return `scripted:PATH`, the name as a config keeps it."""
        return f"{_SCRIPTED}{self.path}"

    @property
    def absolute(self) -> "ScriptedSpec":
        """Return the same script with an absolute path."""
        return ScriptedSpec(self.path.resolve())


@dataclass(frozen=True, slots=True)
class EndpointSpec:
    """A model at an endpoint, by the name that the endpoint knows."""

    name: str


def parse_model(name: str) -> ScriptedSpec | EndpointSpec:
    """Return the script or the endpoint's model that a name means. Raises ConfigError if `scripted:` lacks a path."""
    if name == _SCRIPTED:
        raise ConfigError(f"--model {name}: name a path behind the colon")
    if name.startswith(_SCRIPTED):
        return ScriptedSpec(Path(name.removeprefix(_SCRIPTED)))
    return EndpointSpec(name)

"""What a model's name in the config means: a script, or a model behind an endpoint. The name is parsed here only."""

from dataclasses import dataclass
from pathlib import Path

from kernelsmith.errors import ConfigError

_SCRIPTED = "scripted:"


@dataclass(frozen=True, slots=True)
class ScriptedSpec:
    """`scripted:PATH`: a model that answers from a script."""

    path: Path
    """A folder with one reply a file, or a file with one reply."""

    @property
    def text(self) -> str:
        """Return the name as a config keeps it."""
        return f"{_SCRIPTED}{self.path}"

    @property
    def absolute(self) -> "ScriptedSpec":
        """Return the same script by its absolute path."""
        return ScriptedSpec(self.path.resolve())


@dataclass(frozen=True, slots=True)
class EndpointSpec:
    """Any other name: a model behind an endpoint."""

    name: str


def parse_model(name: str) -> ScriptedSpec | EndpointSpec:
    """Return what a model's name means. Raises ConfigError: a script without a path."""
    if name == _SCRIPTED:
        raise ConfigError(f"--model {name}: name a path behind the colon")
    if name.startswith(_SCRIPTED):
        return ScriptedSpec(Path(name.removeprefix(_SCRIPTED)))
    return EndpointSpec(name)

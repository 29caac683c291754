"""Parse a model's name in a config: `scripted:PATH` names a script, any other name a model at an endpoint."""

from dataclasses import dataclass
from pathlib import Path

from kernelsmith.errors import ConfigError

_SCRIPTED = "scripted:"


@dataclass(frozen=True, slots=True)
class ScriptedSpec:
    """A model's name of the form `scripted:PATH`, parsed: the model answers from the script at `path`. The file may be
    missing; opening the model checks that.
    """

    path: Path
    """A folder of *.md files with one reply each, or a file with one reply."""

    @property
    def text(self) -> str:
        """Return the name as a config stores it: the text `scripted:PATH`."""
        return f"{_SCRIPTED}{self.path}"

    @property
    def absolute(self) -> "ScriptedSpec":
        """Return a copy whose path is absolute, based on the present working directory, so that a run that is resumed
        in another folder finds the script.
        """
        return ScriptedSpec(self.path.resolve())


@dataclass(frozen=True, slots=True)
class EndpointSpec:
    """The setting `model` when it names a model at an OpenAI-compatible endpoint. `name` is the model's name in the
    endpoint's own spelling, sent in each request unchanged. `parse_model` makes it.
    """

    name: str


def parse_model(name: str) -> ScriptedSpec | EndpointSpec:
    """Parse a model's name from a config: return a ScriptedSpec for `scripted:PATH`, and an EndpointSpec for any other
    name, even an empty one. No file is read. Raises ConfigError if no path follows `scripted:`.
    """
    if name == _SCRIPTED:
        raise ConfigError(f"--model {name}: name a path behind the colon")
    if name.startswith(_SCRIPTED):
        return ScriptedSpec(Path(name.removeprefix(_SCRIPTED)))
    return EndpointSpec(name)

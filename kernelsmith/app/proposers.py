"""Every kind of proposer: how its text reads, what it needs before a run exists, and how it is built.

The text is what `--proposer` takes and what a run's config keeps: `model`, `tuner`, `folder:DIR`, `replay:RUN`.
"""

import os
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, ClassVar, Protocol

from kernelsmith.core.candidate_file import read_candidate
from kernelsmith.core.run import Run, RunConfig
from kernelsmith.core.seams import Proposer
from kernelsmith.core.task import Task
from kernelsmith.errors import ConfigError, ModelError, UsageError

if TYPE_CHECKING:
    from kernelsmith.log.store import Store


class Spec(Protocol):
    """A proposer as the user names it."""

    asks_a_model: ClassVar[bool]
    """Whether its answers are paid for; those of the others can be foreseen and built ahead."""

    @property
    def text(self) -> str:
        """As a config keeps it: paths are absolute."""
        ...

    def check(self, config: RunConfig, task: Task, log: "Store") -> None:
        """Find the user's faults before a run exists, or goes on. Raises UsageError."""
        ...

    def build(self, run: Run, task: Task, log: "Store") -> Proposer:
        """Return the proposer of a run. Raises UsageError: what it needs is missing."""
        ...


def spec_of(text: str) -> Spec:
    """Return the proposer that a text names.

    Raises:
        ConfigError: there is no such proposer, or what follows the colon is missing or has no meaning.
    """
    kind, _, argument = text.partition(":")
    if (read := _KINDS.get(kind)) is None:
        raise ConfigError(f"--proposer {text}: known are model, tuner, folder:DIR and replay:RUN")
    return read(text, argument)


@dataclass(frozen=True, slots=True)
class ModelSpec:
    """A language model behind an endpoint, or a script."""

    asks_a_model: ClassVar[bool] = True
    text: str = "model"

    def check(self, config: RunConfig, task: Task, log: "Store") -> None:
        """Ask the endpoint whether it is there: it must not be found dead after a run's patience with it."""
        from kernelsmith.llm.choice import open_model
        from kernelsmith.llm.price import cost_known

        open_model(config, os.environ)
        if config.budget.usd is not None and not cost_known(config):
            raise UsageError(
                "--usd: no price is known for this model; give price_per_mtok = [PROMPT, COMPLETION] in --config"
            )
        if config.base_url:
            _reach(config.base_url)

    def build(self, run: Run, task: Task, log: "Store") -> Proposer:
        """Return the proposer with the replies that the run has had already behind it."""
        from kernelsmith.propose.model import model_proposer

        proposer = model_proposer(task, log.history(run), exchanges=log.exchanges_of(run), environ=os.environ)
        return _after_opening(run, task, proposer)


@dataclass(frozen=True, slots=True)
class TunerSpec:
    """The search over the knobs of a task's families."""

    asks_a_model: ClassVar[bool] = False
    text: str = "tuner"

    def check(self, config: RunConfig, task: Task, log: "Store") -> None:
        """Read the families."""
        from kernelsmith.propose.tuner import Tuner

        _refuse_usd(config)
        Tuner(task, seed=config.seed)

    def build(self, run: Run, task: Task, log: "Store") -> Proposer:
        """Return the tuner."""
        from kernelsmith.propose.tuner import Tuner

        return _after_opening(run, task, Tuner(task, seed=run.config.seed))


@dataclass(frozen=True, slots=True)
class FolderSpec:
    """Files that somebody else writes."""

    asks_a_model: ClassVar[bool] = False
    folder: Path

    @property
    def text(self) -> str:
        """As a config keeps it."""
        return f"folder:{self.folder}"

    def check(self, config: RunConfig, task: Task, log: "Store") -> None:
        """Look for the folder. Raises UsageError if it is missing or holds no candidate in a language of the task."""
        from kernelsmith.propose.folder import FolderProposer

        _refuse_usd(config)
        FolderProposer(task, self.folder)
        endings = [language.suffix for language in task.languages]
        if not any(path.suffix in endings for path in self.folder.iterdir()):
            raise UsageError(
                f"--proposer {self.text}: no file of the folder ends in {' or '.join(endings)}; write a candidate "
                "there first, and use `kernelsmith resume RUN` after you add more"
            )

    def build(self, run: Run, task: Task, log: "Store") -> Proposer:
        """Return the proposer."""
        from kernelsmith.propose.folder import FolderProposer

        return _after_opening(run, task, FolderProposer(task, self.folder))


@dataclass(frozen=True, slots=True)
class ReplaySpec:
    """The candidates of a recorded run, which begin with its own opening."""

    asks_a_model: ClassVar[bool] = False
    run: str
    selection: str

    @property
    def text(self) -> str:
        """As a config keeps it."""
        return f"replay:{self.run}:{self.selection}"

    def check(self, config: RunConfig, task: Task, log: "Store") -> None:
        """Look for the run in the same log."""
        _refuse_usd(config)
        self._proposer(log)

    def build(self, run: Run, task: Task, log: "Store") -> Proposer:
        """Return the proposer."""
        return self._proposer(log)

    def _proposer(self, log: "Store") -> Proposer:
        from kernelsmith.propose.replay import ReplayProposer, selection_named

        return ReplayProposer(log.history(log.run(self.run)), selection_named(self.selection))


def _model(text: str, argument: str) -> Spec:
    return ModelSpec() if not argument else _no_such(text)


def _tuner(text: str, argument: str) -> Spec:
    return TunerSpec() if not argument else _no_such(text)


def _folder(text: str, argument: str) -> Spec:
    if not argument:
        raise ConfigError(f"--proposer {text}: name a path behind the colon")
    return FolderSpec(Path(argument).resolve())


def _replay(text: str, argument: str) -> Spec:
    run, _, selection = argument.partition(":")
    if not run:
        raise ConfigError(f"--proposer {text}: name a run behind the colon")
    return ReplaySpec(run, selection or "all")


def _no_such(text: str) -> Spec:
    raise ConfigError(f"--proposer {text}: known are model, tuner, folder:DIR and replay:RUN")


_KINDS = {"model": _model, "tuner": _tuner, "folder": _folder, "replay": _replay}


def _after_opening(run: Run, task: Task, then: Proposer) -> Proposer:
    """Let attempt 0 be the skeleton, or the kernel that the user gave."""
    from kernelsmith.propose.opening import OpeningProposer

    return OpeningProposer(task, from_file=run.config.from_file, then=then)


def check_opening(config: RunConfig, task: Task) -> None:
    """Read the kernel that the user gave. Raises UsageError: it is no candidate for the task."""
    if config.from_file:
        read_candidate(Path(config.from_file), task.languages)


def _refuse_usd(config: RunConfig) -> None:
    if config.budget.usd is not None:
        raise UsageError(f"--usd: {config.proposer} costs nothing; limit it with --attempts or --hours")


def _reach(base_url: str) -> None:
    from kernelsmith.llm.client import reachable
    from kernelsmith.llm.endpoint import api_key

    try:
        reachable(base_url, api_key(os.environ))
    except ModelError as error:
        raise UsageError(f"--base-url: {error}") from error

"""The kinds of proposer that `--proposer` accepts: `model`, `tuner`, `folder:DIR` and `replay:RUN`.

Each kind has a class that checks what the proposer needs before a run starts, and that builds the proposer of a run.
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
from kernelsmith.llm.retry import RetryPolicy

if TYPE_CHECKING:
    from kernelsmith.log.store import Store


class Spec(Protocol):
    """The setting `proposer` of a run after it was read: one kind of proposer with its argument."""

    asks_a_model: ClassVar[bool]
    """Whether a language model answers. The answers of other proposers can be computed in advance, and built ahead."""

    @property
    def text(self) -> str:
        """Return the setting as the run's config keeps it, with absolute paths: `tuner`, `folder:/a/kernels`."""
        ...

    def check(self, config: RunConfig, task: Task, log: "Store") -> None:
        """Check, before a run starts or is resumed, that the proposer has what it needs.

        Raises UsageError if something is missing, or if a setting contradicts the kind of proposer.
        """
        ...

    def build(self, run: Run, task: Task, log: "Store", *, retry_policy: RetryPolicy) -> Proposer:
        """Return the proposer of a run that `log` holds. Raises UsageError if the proposer lacks something.

        `retry_policy` says how a failing endpoint is asked again; proposers that ask no model ignore it.
        """
        ...


def spec_of(text: str) -> Spec:
    """Return the kind of proposer that the setting `proposer` names, with its argument.

    Raises:
        ConfigError: if there is no such kind, or if the part after the colon is missing or not allowed.
    """
    kind, _, argument = text.partition(":")
    if (read := _KINDS.get(kind)) is None:
        raise _no_such(text)
    return read(text, argument)


@dataclass(frozen=True, slots=True)
class ModelSpec:
    """The setting `model`: a language model behind an endpoint, or a script of replies."""

    asks_a_model: ClassVar[bool] = True
    text: str = "model"

    def check(self, config: RunConfig, task: Task, log: "Store") -> None:
        """Check that the model is configured, that its price is known if `--usd` limits it, and that the endpoint
        answers. Raises UsageError if not.
        """
        from kernelsmith.llm.choice import open_model
        from kernelsmith.llm.price import cost_known

        open_model(config, os.environ)
        if config.budget.usd is not None and not cost_known(config):
            raise UsageError(
                "--usd: no price is known for this model; give price_per_mtok = [PROMPT, COMPLETION] in --config"
            )
        if config.base_url:
            _reach(config.base_url)

    def build(self, run: Run, task: Task, log: "Store", *, retry_policy: RetryPolicy) -> Proposer:
        """Return the model proposer of a run. Replies that the run has recorded are not requested again."""
        from kernelsmith.propose.model import model_proposer

        history, exchanges = log.history(run), log.exchanges_of(run)
        proposer = model_proposer(task, history, exchanges=exchanges, environ=os.environ, retry_policy=retry_policy)
        return _after_opening(run, task, proposer)


@dataclass(frozen=True, slots=True)
class TunerSpec:
    """The setting `tuner`: the search over the knobs of a task's families."""

    asks_a_model: ClassVar[bool] = False
    text: str = "tuner"

    def check(self, config: RunConfig, task: Task, log: "Store") -> None:
        """Read the task's families. Raises UsageError if there is none or one is malformed, or if `--usd` is set."""
        from kernelsmith.propose.tuner import Tuner

        _refuse_usd(config)
        Tuner(task, seed=config.seed)

    def build(self, run: Run, task: Task, log: "Store", *, retry_policy: RetryPolicy) -> Proposer:
        """Return the tuner for a task with the run's seed; attempt 0 comes from the skeleton or the user's kernel."""
        from kernelsmith.propose.tuner import Tuner

        return _after_opening(run, task, Tuner(task, seed=run.config.seed))


@dataclass(frozen=True, slots=True)
class FolderSpec:
    """The setting `folder:DIR`: the candidates are files of a folder, in the order of their names."""

    asks_a_model: ClassVar[bool] = False
    folder: Path

    @property
    def text(self) -> str:
        """Return `folder:` and the absolute path."""
        return f"folder:{self.folder}"

    def check(self, config: RunConfig, task: Task, log: "Store") -> None:
        """Check that the folder holds a file in a language of the task. Raises UsageError if not, or if usd is set."""
        from kernelsmith.propose.folder import FolderProposer

        _refuse_usd(config)
        FolderProposer(task, self.folder)
        endings = [language.suffix for language in task.languages]
        if not any(path.suffix in endings for path in self.folder.iterdir()):
            raise UsageError(
                f"--proposer {self.text}: no file of the folder ends in {' or '.join(endings)}; write a candidate "
                "there first, and use `kernelsmith resume RUN` after you add more"
            )

    def build(self, run: Run, task: Task, log: "Store", *, retry_policy: RetryPolicy) -> Proposer:
        """Return the folder proposer; attempt 0 comes from the skeleton or the user's kernel."""
        from kernelsmith.propose.folder import FolderProposer

        return _after_opening(run, task, FolderProposer(task, self.folder))


@dataclass(frozen=True, slots=True)
class ReplaySpec:
    """The setting `replay:RUN:SELECTION`: the candidates of a recorded run are judged again, attempt 0 included."""

    asks_a_model: ClassVar[bool] = False
    run: str
    """Name of the recorded run."""
    selection: str
    """Which attempts to judge again: `all`, `improvements` or `best`."""

    @property
    def text(self) -> str:
        """Return `replay:`, the name of the recorded run, and the selection."""
        return f"replay:{self.run}:{self.selection}"

    def check(self, config: RunConfig, task: Task, log: "Store") -> None:
        """Check that the log holds the recorded run. Raises UsageError if not, or if `--usd` is set."""
        _refuse_usd(config)
        self._proposer(log)

    def build(self, run: Run, task: Task, log: "Store", *, retry_policy: RetryPolicy) -> Proposer:
        """Return the replay proposer; its first candidate is attempt 0 of the recorded run."""
        return self._proposer(log)

    def _proposer(self, log: "Store") -> Proposer:
        from kernelsmith.propose.replay import ReplayProposer, selection_named

        return ReplayProposer(log.history(log.run(self.run)), selection_named(self.selection))


def _model(text: str, argument: str) -> Spec:
    if argument:
        raise _no_such(text)
    return ModelSpec()


def _tuner(text: str, argument: str) -> Spec:
    if argument:
        raise _no_such(text)
    return TunerSpec()


def _folder(text: str, argument: str) -> Spec:
    if not argument:
        raise ConfigError(f"--proposer {text}: add the path of a folder after the colon")
    return FolderSpec(Path(argument).resolve())


def _replay(text: str, argument: str) -> Spec:
    run, _, selection = argument.partition(":")
    if not run:
        raise ConfigError(f"--proposer {text}: add the name of a run after the colon")
    return ReplaySpec(run, selection or "all")


def _no_such(text: str) -> ConfigError:
    return ConfigError(f"--proposer {text}: no such proposer; use model, tuner, folder:DIR or replay:RUN")


_KINDS = {"model": _model, "tuner": _tuner, "folder": _folder, "replay": _replay}


def _after_opening(run: Run, task: Task, then: Proposer) -> Proposer:
    """Return a proposer whose first candidate is the skeleton, or the kernel of `--from`; `then` makes all others."""
    from kernelsmith.propose.opening import OpeningProposer

    return OpeningProposer(task, from_file=run.config.from_file, then=then)


def check_opening(config: RunConfig, task: Task) -> None:
    """Check that the kernel of `--from`, if any, is a candidate for the task. Raises UsageError if not."""
    if config.from_file:
        read_candidate(Path(config.from_file), task.languages)


def _refuse_usd(config: RunConfig) -> None:
    """Raise UsageError if the budget limits the cost of a proposer that costs nothing."""
    if config.budget.usd is not None:
        raise UsageError(f"--usd: {config.proposer} costs nothing; limit it with --attempts or --hours")


def _reach(base_url: str) -> None:
    """Raise UsageError if the endpoint does not answer."""
    from kernelsmith.llm.client import reachable
    from kernelsmith.llm.endpoint import api_key

    try:
        reachable(base_url, api_key(os.environ))
    except ModelError as error:
        raise UsageError(f"--base-url: {error}") from error

"""Read the setting `proposer` of a run, which says what suggests kernels: `model`, `tuner`, `folder:DIR` or
`replay:RUN`.

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
    """The protocol of the setting `proposer` after it was read: one kind of proposer (what suggests kernels) with its
    argument. It checks that the proposer has what it needs, and builds it. `spec_of` makes it from text.
    """

    asks_a_model: ClassVar[bool]
    """Whether a language model answers. The answers of other proposers can be computed in advance, and built ahead."""

    @property
    def text(self) -> str:
        """Return the setting `proposer` as text, as a run's config keeps it: `tuner`, or `folder:/a/kernels` with an
        absolute path, so that `resume` works from any folder.
        """
        ...

    def check(self, config: RunConfig, task: Task, log: "Store") -> None:
        """Check that the proposer has what it needs, before a run is started or resumed; return nothing. `config` holds
        the run's settings, `task` the task, and `log` the open attempt log. Raises UsageError if something is missing,
        or if a setting contradicts this kind of proposer.
        """
        ...

    def build(self, run: Run, task: Task, log: "Store", *, retry_policy: RetryPolicy) -> Proposer:
        """Return the proposer for `run`, which the attempt log `log` holds, and its task. `retry_policy` says how long
        a failing model endpoint is called again; proposers that ask no model ignore it. Raises UsageError if the
        proposer lacks something, LogError if the log cannot be read.
        """
        ...


def spec_of(text: str) -> Spec:
    """Return an object that stands for the value `text` of the setting `proposer`: its kind and argument,
    `spec_of("folder:DIR")` is a FolderSpec. Raises ConfigError if there is no such kind, or if the part after the colon
    is missing or not allowed.
    """
    kind, _, argument = text.partition(":")
    if (read := _KINDS.get(kind)) is None:
        raise _no_such(text)
    return read(text, argument)


@dataclass(frozen=True, slots=True)
class ModelSpec:
    """The setting `model`: a language model at an endpoint, or a script of replies, suggests the kernels. `spec_of`
    makes it.
    """

    asks_a_model: ClassVar[bool] = True
    text: str = "model"

    def check(self, config: RunConfig, task: Task, log: "Store") -> None:
        """Check that `config` (the run's settings) names a valid model, that the model's price is known if the budget
        limits US dollars, and that its endpoint answers; return nothing. Raises UsageError if not. `task` and `log` are
        not used.
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
        """Return the proposer that asks the model that the run's settings name; replies that the log already holds for
        the run are not requested again. `retry_policy` says how long a failing endpoint is called again. Raises
        UsageError if model or key is invalid, LogError if the log cannot be read.
        """
        from kernelsmith.propose.model import model_proposer

        history, exchanges = log.history(run), log.exchanges_of(run)
        proposer = model_proposer(task, history, exchanges=exchanges, environ=os.environ, retry_policy=retry_policy)
        return _after_opening(run, task, proposer)


@dataclass(frozen=True, slots=True)
class TunerSpec:
    """The setting `proposer = "tuner"`: the Tuner, a built-in search, varies the values of the marked constants (knobs)
    in the task's kernels, without a model. `check` refuses a run that the Tuner cannot do, and `build` makes the Tuner.
    `spec_of` makes this object.
    """

    asks_a_model: ClassVar[bool] = False
    text: str = "tuner"

    def check(self, config: RunConfig, task: Task, log: "Store") -> None:
        """Check that the task has kernels with marked constants, whose values the tuner varies, and that `config` (the
        run's settings) sets no budget in US dollars; return nothing. Raises UsageError if not, or if one of the kernels
        is malformed. `log` is not used.
        """
        from kernelsmith.propose.tuner import Tuner

        _refuse_usd(config)
        Tuner(task, seed=config.seed)

    def build(self, run: Run, task: Task, log: "Store", *, retry_policy: RetryPolicy) -> Proposer:
        """Return the tuner for the task, with the run's seed for its random choices. Its first candidate is the kernel
        that the run starts from: the task's skeleton, or the user's file. Raises UsageError if the task has no kernels
        with marked constants; `log` and `retry_policy` are not used.
        """
        from kernelsmith.propose.tuner import Tuner

        return _after_opening(run, task, Tuner(task, seed=run.config.seed))


@dataclass(frozen=True, slots=True)
class FolderSpec:
    """The setting `folder:DIR`: the kernel files of a folder, in the order of their names, are the candidates.
    `spec_of` makes it with the folder's absolute path.
    """

    asks_a_model: ClassVar[bool] = False
    folder: Path

    @property
    def text(self) -> str:
        """Return the setting as text: `folder:` and the absolute path of the folder."""
        return f"folder:{self.folder}"

    def check(self, config: RunConfig, task: Task, log: "Store") -> None:
        """Check that the folder exists and holds a file in a language of the task, and that `config` (the run's
        settings) sets no budget in US dollars; return nothing. Raises UsageError if not. `log` is not used.
        """
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
        """Return the proposer that proposes the folder's files. Its first candidate is the kernel that the run starts
        from: the task's skeleton, or the user's file. Raises UsageError if the folder is missing; `log` and
        `retry_policy` are not used.
        """
        from kernelsmith.propose.folder import FolderProposer

        return _after_opening(run, task, FolderProposer(task, self.folder))


@dataclass(frozen=True, slots=True)
class ReplaySpec:
    """The setting `replay:RUN:SELECTION`: the candidates of the recorded run RUN that SELECTION chooses (`best`,
    `improvements` or `all`) are judged again, in their order. `spec_of` makes it.
    """

    asks_a_model: ClassVar[bool] = False
    run: str
    """Name of the recorded run."""
    selection: str
    """Selection of attempts to judge again: `all`, `improvements` or `best`."""

    @property
    def text(self) -> str:
        """Return the setting as text: `replay:`, the name of the recorded run, a colon and the selection."""
        return f"replay:{self.run}:{self.selection}"

    def check(self, config: RunConfig, task: Task, log: "Store") -> None:
        """Check that the attempt log `log` holds the recorded run with at least one attempt that the selection
        includes, and that `config` (the run's settings) sets no budget in US dollars; return nothing. Raises UsageError
        if not. `task` is not used.
        """
        _refuse_usd(config)
        self._proposer(log)

    def build(self, run: Run, task: Task, log: "Store", *, retry_policy: RetryPolicy) -> Proposer:
        """Return the proposer that proposes the recorded candidates again, beginning with the first selected attempt of
        the recorded run in `log`. Raises UsageError if the log lacks that run or nothing is selected. `run`, `task` and
        `retry_policy` are not used.
        """
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
    """Return a proposer whose first candidate is the kernel that the run starts from: the task's skeleton, or the file
    that the option `--from` names. The proposer `then` makes all later candidates.
    """
    from kernelsmith.propose.opening import OpeningProposer

    return OpeningProposer(task, from_file=run.config.from_file, then=then)


def check_opening(config: RunConfig, task: Task) -> None:
    """Check that the file with the user's starting kernel, which the option `--from` names, can be read and is in a
    language of the task; return nothing. Nothing is checked if `config` names no such file. Raises UsageError if the
    check fails.
    """
    if config.from_file:
        read_candidate(Path(config.from_file), task.languages)


def _refuse_usd(config: RunConfig) -> None:
    """Check that the budget in `config` has no limit in US dollars, because the run's proposer costs nothing and would
    never reach it; return nothing. Raises UsageError if it has one.
    """
    if config.budget.usd is not None:
        raise UsageError(f"--usd: {config.proposer} costs nothing; limit it with --attempts or --hours")


def _reach(base_url: str) -> None:
    """Check that the model endpoint at the URL `base_url` answers a request with the key from the environment
    variables; return nothing. Raises UsageError if it does not.
    """
    from kernelsmith.llm.client import reachable
    from kernelsmith.llm.endpoint import api_key

    try:
        reachable(base_url, api_key(os.environ))
    except ModelError as error:
        raise UsageError(f"--base-url: {error}") from error

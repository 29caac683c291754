"""A run that is open in this process: its lock, its harness, its observers. It implements core.seams.Session.

A session is a context manager. Inside it, every step is written down before the next one begins; what goes wrong is
written down too, and the exception says how to go on.
"""

from collections.abc import Callable
from contextlib import AbstractContextManager, ExitStack, suppress
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from types import TracebackType

from kernelsmith import loop, paths
from kernelsmith.app.preflight import open_harness
from kernelsmith.app.proposers import spec_of
from kernelsmith.app.remeasure import measure_again
from kernelsmith.core.attempt import Ask, Attempt, Origin, Proposal, Trial
from kernelsmith.core.candidate import Candidate
from kernelsmith.core.history import History
from kernelsmith.core.run import Event, EventKind, Run, StopReason
from kernelsmith.core.seams import Harness, Observer, Proposer, Receipt, ReceiptState, Strategy
from kernelsmith.core.task import Task
from kernelsmith.core.verdict import Verdict
from kernelsmith.errors import (
    HarnessError,
    JudgeDied,
    KernelsmithError,
    LogError,
    LogReplaced,
    TaskError,
    UsageError,
)
from kernelsmith.judge_client.harness import HarnessProcess
from kernelsmith.llm.retry import RetryPolicy, interruptible_sleep
from kernelsmith.log.store import Store
from kernelsmith.propose.lookahead import Lookahead
from kernelsmith.search import Ladder


class SilentObserver:
    """An observer that shows nothing."""

    def history(self, history: History) -> None:
        """Show nothing."""

    def asked(self, ask: Ask) -> None:
        """Show nothing."""

    def attempted(self, attempt: Attempt) -> None:
        """Show nothing."""

    def stage(self, stage: str, step: str = "") -> None:
        """Show nothing."""

    def say(self, text: str) -> None:
        """Show nothing."""


@dataclass(frozen=True, slots=True)
class SessionInputs:
    """Everything that a session needs to open a run."""

    store: Store
    """The session closes it."""
    run: Run
    task: Task
    """As the log keeps it."""
    events: tuple[Event, ...]
    """Written down once the harness is open: what could not be opened has neither started nor gone on."""
    resume_command: str
    """How a user goes on with the run."""


@dataclass(frozen=True, slots=True)
class SessionParts:
    """Parts that replace those which the run's config names."""

    strategy: Strategy | None = None
    """None = the plateau ladder."""
    proposer: Proposer | None = None
    """None = the config's `proposer`."""
    harness: AbstractContextManager[Harness] | None = None
    """None = the judge of this machine."""


class Session:
    """An open run; a context manager. `run` searches until the budget ends."""

    def __init__(
        self,
        opening: SessionInputs,
        *,
        parts: SessionParts = SessionParts(),
        observer: Observer | None = None,
        stopped: Callable[[], bool] = lambda: False,
        now: Callable[[], datetime] = lambda: datetime.now(UTC),
    ) -> None:
        self._opening = opening
        self._store, self._run, self._task = opening.store, opening.run, opening.task
        self._observer: Observer = observer or SilentObserver()
        self._stopped = stopped
        self._now = now
        self._parts = parts
        self._strategy: Strategy = parts.strategy or Ladder(opening.run.config)
        self._stack = ExitStack()
        self._is_held = False
        self._since: dict[int, datetime] = {}
        """When each open ask was handed out, UTC."""

    # --- the context ---

    def __enter__(self) -> "Session":
        try:
            self._open()
        except BaseException as error:
            self.__exit__(type(error), error, None)
            raise
        return self

    def _open(self) -> None:
        """Take the lock, start the harness, write down what begins.

        Raises:
            UsageError: another process works on the run, or the machine lacks something.
            HarnessError: the harness does not open.
        """
        self._stack.callback(self._store.close)
        self._stack.enter_context(self._store.hold(self._run))
        self._is_held = True
        self.history()
        self._harness = self._stack.enter_context(self._parts.harness or self._judge())
        device = open_harness(self._harness)
        opened = Event(EventKind.OPENED, self._now(), data=asdict(device))
        self._store.note_all(self._run, (*self._opening.events, opened))
        measure_again(self._store, self._run, self._harness, now=self._now, say=self._observer.say)
        self._proposer, self._foresee = self._answering()

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        try:
            if error and self._is_held:  # what another process holds is not ours to write to
                self._tell(error)
        finally:
            self._stack.close()

    def _tell(self, error: BaseException) -> None:
        """Write a fault down, and say how to go on."""
        way_on = f"go on with `{self._opening.resume_command}`"
        if isinstance(error, TaskError):
            way_on += " (with --task-from-disk after you have changed the task's folder)"
        if isinstance(error, LogReplaced):
            return
        if isinstance(error, KernelsmithError):
            self._note_trouble(error)
            error.args = (f"{error}; nothing is lost, {way_on}",)
        elif isinstance(error, KeyboardInterrupt):
            self._observer.say(f"stopped at once; {way_on}")

    def _judge(self) -> HarnessProcess:
        config = self._run.config
        return HarnessProcess(
            self._task,
            folder=paths.run_folder(self._store.path, self._run.name),
            calibration_s=config.calibration_s,
            trust_candidates=config.trust_candidates,
            python=config.harness_python,
            device=config.device,
            holder=f"run {self._run.name}",
            on_progress=self._observer.stage,
        )

    def _answering(self) -> tuple[Proposer, Lookahead | None]:
        """Return the proposer, and what builds ahead where asking ahead costs nothing."""
        if self._parts.proposer:
            return self._parts.proposer, None
        spec = spec_of(self._run.config.proposer)
        proposer = spec.build(self._run, self._task, self._store, patience=self._patience())
        if spec.asks_a_model:
            return proposer, None
        return proposer, Lookahead(self._strategy, proposer, prepare=self._harness.prepare)

    def _patience(self) -> RetryPolicy:
        """Return the retry policy whose waits end when the user asks to stop and are shown by the observer."""
        stopped = self._stopped
        return RetryPolicy(sleep=interruptible_sleep(stopped), stopped=stopped, on_progress=self._observer.stage)

    def _note_trouble(self, error: KernelsmithError) -> None:
        """Write the fault down, unless the log itself is at fault."""
        what = {"limit": StopReason.TROUBLE, "reason": f"{type(error).__name__}: {error}"}
        with suppress(LogError, UsageError):
            for kind in (EventKind.TROUBLE, EventKind.PAUSED):
                self._store.note(self._run, Event(kind, self._now(), data=what))

    # --- core.seams.Session ---

    @property
    def resume_command(self) -> str:
        """The command line that goes on with this run."""
        return self._opening.resume_command

    def run(self) -> History:
        """Search until the budget ends or the user stops; return the history as it then stands.

        Raises:
            UsageError, ModelError, HarnessError, LogError: as loop.optimize says; the run is paused.
        """
        return loop.optimize(self, self._proposer)

    def history(self) -> History:
        """Return the run as it stands."""
        history = self._store.history(self._run)
        self._observer.history(history)
        return history

    def stopped(self) -> bool:
        """Return whether the user asked to end after the attempt in flight."""
        return self._stopped()

    def ask(self) -> Ask:
        """Return the oldest open ask; where none is open, write down the strategy's next one."""
        history, at = self._store.history(self._run), self._now()
        ask = history.open_asks[0] if history.open_asks else self._new_ask(history, at)
        self._since.setdefault(ask.number, at)
        self._observer.asked(ask)
        return ask

    def prompt(self, ask: Ask) -> str:
        """Return what a model is told for an ask."""
        from kernelsmith.prompts.prompt import prompt_for

        return prompt_for(self._task, self._store.history(self._run).as_seen_by(ask), ask=ask).text

    def answer(self, ask: Ask, proposal: Proposal) -> None:
        """Judge every trial of a proposal that has no verdict yet, and record each verdict."""
        made = {attempt.trial for attempt in self._store.history(self._run).trials_of(ask.number)}
        missing = [trial for trial in proposal.trials if trial.number not in made]
        if made and not missing:
            raise UsageError(f"ask {ask.number}: its answer has fewer trials now than when it was given first")
        if proposal.candidate is None:
            return self._record(ask, 0, proposal, loop.verdict_on_nothing(proposal))
        if proposal.sweep and not made:
            self.note(EventKind.SWEEP, ask, trials=len(proposal.trials))
        for trial in missing:
            self._record(ask, trial.number, proposal.of(trial), self._verdict(ask, trial, proposal))
        return None

    def tell(self, ask: Ask, *, hypothesis: str, source: str, parent: int | None = None) -> Receipt:
        """Answer an open ask with a source in the task's first language, judge it, and return what became of it.

        Raises:
            UsageError: the ask is not open, or the parent is no attempt of the run.
        """
        history = self._store.history(self._run)
        if ask not in history.open_asks:
            raise UsageError(f"ask {ask.number} of {self._run.name} is not open; `Session.ask` returns one that is")
        if parent is not None and history.attempt(parent) is None:
            raise UsageError(f"parent {parent}: {self._run.name} has no such attempt")
        candidate = Candidate(source, self._task.languages[0])
        self.answer(ask, Proposal(Origin.TOLD, hypothesis, candidate, parent))
        attempt = self._store.history(self._run).trials_of(ask.number)[0]
        return Receipt(ask.number, attempt.trial, ReceiptState.JUDGED, attempt.number)

    def note(self, kind: EventKind, ask: Ask | None = None, **data: object) -> None:
        """Write down an event."""
        self._store.note(self._run, Event(kind, self._now(), ask.number if ask else None, data))

    # --- steps ---

    def _new_ask(self, history: History, at: datetime) -> Ask:
        number = len(history.asks)
        directive = self._strategy.ask(history, number)
        return self._store.ask(self._run, directive, *loop.steps_to(directive, history, number=number, at=at))

    def _verdict(self, ask: Ask, trial: Trial, proposal: Proposal) -> Verdict:
        """Return the verdict on a trial; the harness is asked only where it must be."""
        history = self._store.history(self._run)
        if known := loop.verdict_without_judging(history, ask, trial):
            return known
        self.note(EventKind.JUDGING, ask, trial=trial.number)
        try:
            verdict = self._harness.submit(trial.candidate, history.opponent)
            if self._foresee:
                self._foresee(history, ask, proposal.of(trial))
            return verdict.result()
        except JudgeDied as death:
            self.note(EventKind.JUDGE_DIED, ask, trial=trial.number, reason=str(death))
            raise
        except (HarnessError, KeyboardInterrupt) as error:
            self.note(EventKind.TROUBLE, ask, trial=trial.number, reason=f"{type(error).__name__}: {error}")
            raise

    def _record(self, ask: Ask, trial: int, proposal: Proposal, verdict: Verdict) -> None:
        history, at = self._store.history(self._run), self._now()
        number, since = history.highest_attempt + 1, self._since.get(ask.number, at)
        line = history.line_of(ask, proposal, number=number)
        card = history.device.name if history.device and proposal.candidate else ""
        attempt = Attempt(number, ask, trial, proposal, verdict, since, (at - since).total_seconds(), line, card)
        self._since[ask.number] = at
        self._store.record(self._run, attempt, *loop.consequences_of(attempt, at))
        self._observer.attempted(attempt)
        self.history()

"""Holds a run open in this process, with the run's lock, harness and observer. It implements the protocol
core.seams.Session, which the search loop uses.

A session is a context manager. Within its block each step is recorded in the log before the next one begins. An
exception that leaves the block is recorded too, and its message says how to go on with the run.
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
from kernelsmith.core.result import result_of
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
    """An observer that shows nothing: its methods, which a session calls while a run goes on, do nothing and raise
    nothing. It serves runs that a Python program starts without a view.
    """

    def history(self, history: History) -> None:
        """Ignore a history, which the session passes whenever it has read the run from the log."""

    def asked(self, ask: Ask) -> None:
        """Ignore an ask, a numbered request for a candidate, which the session passes before a proposer answers it."""

    def attempted(self, attempt: Attempt) -> None:
        """Ignore an attempt, a candidate with its verdict, which the session passes after it was recorded."""

    def stage(self, stage: str, step: str = "") -> None:
        """Ignore what happens now: the name of a stage that the harness or a proposer begins, such as `proposing`, and
        of a step within the stage.
        """

    def say(self, text: str) -> None:
        """Ignore one line of text for the user."""


@dataclass(frozen=True, slots=True)
class SessionInputs:
    """Inputs of a session that opens a run: the attempt log, the run, its task, the events to record when the harness
    has started, and the shell command that resumes the run. `create_run` and `resume` make it.
    """

    store: Store
    """The log, open for writing; the session closes it."""
    run: Run
    task: Task
    """The task, loaded from the files that the log keeps."""
    events: tuple[Event, ...]
    """Events such as `started` or `resume`, to be recorded once the harness is open and not before."""
    resume_command: str
    """The command line that goes on with the run."""


@dataclass(frozen=True, slots=True)
class SessionParts:
    """The strategy, proposer and harness that a session uses in place of the default ones: tests and Python programs
    pass it. Where a part is None, the session uses the plateau ladder, the proposer that the run's config names, and a
    judge process on this machine.
    """

    strategy: Strategy | None = None
    """The strategy; None selects the plateau ladder."""
    proposer: Proposer | None = None
    """The proposer; None selects the proposer that the config names."""
    harness: AbstractContextManager[Harness] | None = None
    """The harness; None starts a judge process on this machine."""


class Session:
    """A run that is open in this process; a context manager that yields itself. Entering the block takes the run's lock
    and starts the harness; leaving it releases both and closes the log. `observer` shows the run (None = silently),
    `stopped()` returns True once the user has asked to stop, and `now()` returns the time in UTC. `start` and `resume`
    make it.
    """

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
        """Start of the attempt in flight of each open ask, UTC, by ask number."""

    # --- the context ---

    def __enter__(self) -> "Session":
        try:
            self._open()
        except BaseException as error:
            self.__exit__(type(error), error, None)
            raise
        return self

    def _open(self) -> None:
        """Take the run's lock (only one process may work on a run), start the harness, and record that the run starts
        or goes on. Raises UsageError if another process holds the lock or the machine lacks something, HarnessError if
        the harness does not start or cannot measure its device, and LogError if the log cannot be written.
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
        self._proposer, self._foresee = self._proposer_and_lookahead()

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        try:
            if error and self._is_held:  # without the lock, another process writes to this run
                self._explain(error)
        finally:
            self._stack.close()

    def _explain(self, error: BaseException) -> None:
        """Handle an error that ended the `with` block: if it is kernelsmith's own, record it in the log and add to its
        message the command that resumes the run; for a KeyboardInterrupt, only show that command to the user. Other
        exceptions are left as they are. Nothing is raised here; Python raises the error after the block.
        """
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

    def _proposer_and_lookahead(self) -> tuple[Proposer, Lookahead | None]:
        """Return a pair: the proposer, which is the one that the caller passed in `parts`, otherwise the one that the
        run's config names; and a Lookahead or None. The Lookahead guesses the next candidates, so that they are built
        while the present one is judged. It is None if the caller passed the proposer, or if the proposer asks a model,
        because each guess would be a model call.
        """
        if self._parts.proposer:
            return self._parts.proposer, None
        spec = spec_of(self._run.config.proposer)
        proposer = spec.build(self._run, self._task, self._store, retry_policy=self._retry_policy())
        if spec.asks_a_model:
            return proposer, None
        return proposer, Lookahead(self._strategy, proposer, prepare=self._harness.prepare)

    def _retry_policy(self) -> RetryPolicy:
        """Return the rules by which a proposer calls a failing model endpoint again. A wait between two calls ends when
        the user asks to stop, and the observer shows that the run waits.
        """
        stopped = self._stopped
        return RetryPolicy(sleep=interruptible_sleep(stopped), stopped=stopped, on_progress=self._observer.stage)

    def _note_trouble(self, error: KernelsmithError) -> None:
        """Record two events in the log: the error, and the pause of the run that it causes. Nothing is raised if the
        log cannot be written, so that the caller can report the error itself.
        """
        data = {"limit": StopReason.TROUBLE, "reason": f"{type(error).__name__}: {error}"}
        with suppress(LogError, UsageError):
            for kind in (EventKind.TROUBLE, EventKind.PAUSED):
                self._store.note(self._run, Event(kind, self._now(), data=data))

    # --- core.seams.Session ---

    @property
    def resume_command(self) -> str:
        """Return the shell command that goes on with this run, as one line."""
        return self._opening.resume_command

    def run(self) -> History:
        """Try candidates until the budget ends, the proposer has none left or the user stops; return the run's history.
        Raises UsageError, ModelError, HarnessError or LogError if something failed for good; what was recorded before
        is kept, the run is paused, and `resume` goes on.
        """
        return loop.optimize(self, self._proposer)

    def history(self) -> History:
        """Return the run's present history from the log, after passing it to the observer. Raises LogError if the log
        cannot be read.
        """
        history = self._store.history(self._run)
        self._observer.history(history)
        return history

    def stopped(self) -> bool:
        """Return True once the user has asked to stop the run after the attempt in flight."""
        return self._stopped()

    def ask(self) -> Ask:
        """Return the oldest ask (a numbered request for a candidate) without a complete answer. If there is none,
        record the strategy's next directive as a new ask and return it. Raises LogError if the log fails.
        """
        history, at = self._store.history(self._run), self._now()
        ask = history.open_asks[0] if history.open_asks else self._new_ask(history, at)
        self._since.setdefault(ask.number, at)
        self._observer.asked(ask)
        return ask

    def prompt(self, ask: Ask) -> str:
        """Return, as text, the prompt that a model would receive for `ask`. Raises LogError if the log cannot
        be read.
        """
        from kernelsmith.prompts.prompt import prompt_for

        return prompt_for(self._task, self._store.history(self._run).as_seen_by(ask), ask=ask).text

    def answer(self, ask: Ask, proposal: Proposal) -> None:
        """Judge every trial (candidate) of a proposal that has no verdict yet, and record each as an attempt of `ask`;
        return nothing. Raises UsageError if an earlier answer to the ask had more trials, HarnessError if the harness
        failed (the ask stays open), and LogError if the log cannot be written.
        """
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
        """Answer an open ask with a kernel: its text `source`, in the task's first language, and its idea in words,
        `hypothesis`. Judge and record it, and return a receipt with the numbers of ask, trial and attempt. `parent` is
        the number of the attempt that it was made from (None = from scratch). Raises UsageError if the ask is not open
        or `parent` does not exist, HarnessError if the harness failed (the ask stays open), and LogError.
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
        """Record an event of this kind in the log with the present time. `ask` is the ask to which it belongs (None =
        the whole run), and `data` are further values by name. Raises LogError if the log cannot be written.
        """
        self._store.note(self._run, Event(kind, self._now(), ask.number if ask else None, data))

    # --- steps ---

    def _new_ask(self, history: History, at: datetime) -> Ask:
        number = len(history.asks)
        directive = self._strategy.ask(history, number)
        return self._store.ask(self._run, directive, *loop.steps_to(directive, history, number=number, at=at))

    def _verdict(self, ask: Ask, trial: Trial, proposal: Proposal) -> Verdict:
        """Return the verdict on `trial`, one candidate of `proposal`, which answers `ask`. No judging is needed if the
        candidate equals an earlier one or has repeatedly ended the judge's process; otherwise the harness judges it.
        Raises HarnessError if the harness failed, JudgeDied if its judge ended; either is recorded first.

        While the judge works, the lookahead builds candidates that may come next.
        """
        history = self._store.history(self._run)
        if known := loop.verdict_without_judging(history, ask, trial):
            return known
        self.note(EventKind.JUDGING, ask, trial=trial.number)
        try:
            verdict = self._harness.submit(trial.candidate, history.opponent)
            if self._foresee:
                self._foresee(history, ask, proposal.of(trial))
            return result_of(verdict)
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

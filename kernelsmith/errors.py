"""Every exception kernelsmith raises on purpose.

    KernelsmithError
    ├── UsageError            the user can fix it: one line, exit 2
    │   ├── ConfigError       an option or a config file
    │   └── TaskError         a task folder
    ├── ModelError            the endpoint failed; `retryable` is decided where it is raised
    ├── HarnessError          our evaluator failed; never stored as a verdict, never shown to the model as its fault
    │   ├── MachineRefusal    this machine cannot judge now: compiler, sandbox, or another program on the GPU
    │   └── JudgeDied         the judge's process ended in the middle of a request
    ├── LogError              the attempt log could not be read or written
    │   └── LogReplaced       the log's file was deleted or replaced while a run wrote to it
    ├── Exhausted             a proposer has nothing more to offer; ends a run, `resume` may find more
    └── Stopped               the user asked to stop while a proposer waited; pauses a run

A kernel that is wrong, slow or crashes is not an error: it is a `Verdict`.
"""


class KernelsmithError(Exception):
    """The root: everything below is raised on purpose and carries a message for a person."""


class UsageError(KernelsmithError):
    """The user can fix it; the message is one line that names the key or path and the remedy."""


class ConfigError(UsageError):
    """An option or a key of a config file has no meaning, or the wrong one."""


class TaskError(UsageError):
    """A task folder is missing a file or a key, or holds a wrong value."""


class ModelError(KernelsmithError):
    """The model endpoint failed; `retryable` says whether the same request may succeed later."""

    def __init__(self, message: str, *, retryable: bool) -> None:
        super().__init__(message)
        self.retryable = retryable


class HarnessError(KernelsmithError):
    """The harness itself failed: no verdict about the candidate exists."""


class MachineRefusal(HarnessError):
    """This machine cannot judge now: it lacks a compiler or a sandbox, or another program computes on its GPU."""


class JudgeDied(HarnessError):
    """The judge's process ended before it answered; a candidate may have taken it along."""


class LogError(KernelsmithError):
    """The attempt log could not be read or written; nothing that was in it is lost."""


class LogReplaced(LogError):
    """The attempt log's file was deleted or replaced while a run wrote to it; what the run recorded is lost with it."""


class Stopped(KernelsmithError):
    """The user asked to stop while a proposer waited to ask its endpoint again; the ask stays open for `resume`."""


class Exhausted(KernelsmithError):
    """A proposer has nothing more to offer (folder, replay, a finished grid)."""

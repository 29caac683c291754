"""Defines every exception class that kernelsmith raises on purpose, as a tree below `KernelsmithError`.

    KernelsmithError
    ├── UsageError            the user can fix it: the program prints one line and exits with 2
    │   ├── ConfigError       an option or a config file is wrong
    │   └── TaskError         a task folder is wrong
    ├── ModelError            the model endpoint failed; `retryable` says whether to try again
    ├── HarnessError          the harness failed; never stored as a verdict, never shown to the model as its fault
    │   ├── MachineRefusal    this machine cannot judge now: no compiler or sandbox, or its GPU is in use
    │   └── JudgeDied         the judge's process ended in the middle of a request
    ├── LogError              the attempt log could not be read or written
    │   └── LogReplaced       the log's file was deleted or replaced while a run wrote to it
    ├── Exhausted             a proposer has no more candidates; this ends a run, which `resume` may continue
    └── Stopped               the user asked to stop while a proposer waited; this pauses a run

A kernel that is wrong, slow or crashes is not an error: it gets a `Verdict`.
"""


class KernelsmithError(Exception):
    """The base class of all exceptions that kernelsmith raises on purpose; the message is written for the user."""


class UsageError(KernelsmithError):
    """An error that the user can fix. Its message is one line that names the key or path and the remedy; the program
    prints it and exits with code 2.
    """


class ConfigError(UsageError):
    """An option of a command or a key of a config file does not exist, or its value is wrong. The user can fix it."""


class TaskError(UsageError):
    """A task folder is missing a file or a key of task.toml, or one of its files holds a wrong value. The user can fix
    it.
    """


class ModelError(KernelsmithError):
    """The endpoint of the language model failed. The attribute `retryable` (a bool) states whether the same request may
    succeed later.
    """

    def __init__(self, message: str, *, retryable: bool) -> None:
        super().__init__(message)
        self.retryable = retryable


class HarnessError(KernelsmithError):
    """The harness (the separate program that builds, checks and times candidates) failed itself, so there is no verdict
    on the candidate.
    """


class MachineRefusal(HarnessError):
    """A harness error that says that this machine cannot judge candidates now: it lacks a compiler or a sandbox, or
    another program uses its GPU.
    """


class JudgeDied(HarnessError):
    """The judge (the harness's process that judges candidates) ended before it answered a request. The candidate that
    it judged may have caused that.
    """


class LogError(KernelsmithError):
    """The attempt log (the database of all runs) could not be read or written. Attempts that were already in it are not
    lost.
    """


class LogReplaced(LogError):
    """The attempt log's file was deleted or replaced while a run wrote to it; what the run recorded is lost with it."""


class Stopped(KernelsmithError):
    """The user asked to stop while a proposer waited to call a failing model endpoint again. The ask, a numbered
    request for a candidate, stays open; `resume` answers it.
    """


class Exhausted(KernelsmithError):
    """A proposer (the part that supplies candidates) has no more of them: all files, recorded attempts, scripted
    replies or knob values were tried.
    """

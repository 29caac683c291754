"""Define the exceptions that end a request without a verdict. A failure of a candidate is another exception,
`timing.failure.CandidateFailed`, and becomes a verdict.

MachineError            the machine cannot judge; the message says what is missing and the remedy
├── NoCompiler          compiling/toolchain.py, with NoToolkit (nvcc.py) and NoTriton (triton.py)
├── SandboxError        sandbox/spawn.py: a guard could not be set up
├── NoTelemetry         devices/telemetry.py
└── UnknownPeak         devices/cards.py
TaskFault               a file of the task folder is wrong
"""


class MachineError(Exception):
    """The machine cannot judge now, for example without a compiler; the message says what is missing and what to do
    about it. The agent reports it to the user and stores no verdict.
    """


class TaskFault(Exception):
    """A file of the task folder is wrong. The message is one line that names the file and the line, key or function to
    change; the agent shows it to the user.
    """

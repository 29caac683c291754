"""The exceptions that end a request without a verdict. A failure of a candidate is `timing.failure.CandidateFailed`.

MachineError            the machine cannot judge; the message says what is missing and the remedy
├── NoCompiler          compiling/toolchain.py, with NoToolkit (nvcc.py) and NoTriton (triton.py)
├── SandboxError        sandbox/spawn.py: a guard could not be set up
├── NoTelemetry         devices/telemetry.py
└── UnknownPeak         devices/cards.py
TaskFault               a file of the task folder is wrong
"""


class MachineError(Exception):
    """The machine cannot judge now; the message says what is missing and what to do about it."""


class TaskFault(Exception):
    """A file of the task folder is wrong; the message names the file and the line, key or function to change."""

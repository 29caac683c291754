"""How much text from outside is taken, and how it is shortened: the caps of the agent's side, in characters.

What a candidate, a compiler, a model or a file name says is capped where it enters; whoever shows it makes its control
characters harmless (report/text.py for terminals, prompts/clean.py for models). The harness caps what it sends by
harness/harness/wire/text.py, below these.
"""

TEXT = 20_000
"""A detail, a note, a warning as a judge may send it."""
NAME = 500
"""A stage, a device, a case, a class of instructions."""
HYPOTHESIS = 500
"""What a proposer says of its candidate."""
LINE = 4_000
"""One line on a terminal."""
FILE_BYTES = 32 << 20
"""A text file that is read at all; a candidate's own limit is its task's."""
TOML_BYTES = 256 << 10
"""Of a task.toml, or a config file."""
PATH = 1_000
"""Of a path in an error."""
COMMENT = 20_000
"""The beginning of a source in which its author may speak of it."""
QUOTED = 60
"""A wrong value, or a key, in an error that names it."""


def cut(text: str, most: int) -> str:
    """At most this many characters; a text that was longer ends in an ellipsis."""
    return text if len(text) <= most else text[: most - 1] + "…"

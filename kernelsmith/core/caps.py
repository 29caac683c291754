"""Define the greatest lengths of texts that come from outside the agent, such as from compilers and models: in
characters, or in bytes if the name says so.

Texts from candidates, compilers, models and file names are cut where the agent receives them. Their control characters
are replaced where they are shown: by report/text.py for terminals, and by prompts/clean.py for models. The harness cuts
what it sends to less than these lengths (harness/harness/wire/text.py).
"""

TEXT = 20_000
"""A detail, a note or a warning that a judge sends."""
NAME = 500
"""The name of a stage, a device, a case or a class of instructions."""
HYPOTHESIS = 500
"""A proposer's hypothesis about its candidate."""
LINE = 4_000
"""One line on a terminal."""
FILE_BYTES = 32 << 20
"""A text file; larger ones are not read. A task sets its own, lower limit for candidates."""
TOML_BYTES = 256 << 10
"""A task.toml or a config file; larger ones are not read."""
PATH = 1_000
"""A path in an error message."""
COMMENT = 20_000
"""The beginning of a source in which a leading comment is looked for."""
QUOTED = 60
"""A wrong value or a key that an error message quotes."""


def cut(text: str, most: int) -> str:
    """Return `text` unchanged if it has at most `most` characters; else return its first `most` - 1 characters followed
    by an ellipsis (one character).
    """
    return text if len(text) <= most else text[: most - 1] + "…"

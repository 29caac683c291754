"""Extract the first error and the warnings from a compiler's messages, for the engineer or the model that reads the
verdict.

The messages quote the candidate, so they are data: control characters are removed and the length is limited.
"""

import re

MAX_DETAIL = 2000
MAX_WARNINGS = 10
MAX_WARNING = 240

_ERROR = re.compile(
    r"^(?!collect2).*: (?:fatal )?error: |: internal compiler error|: Error: "
    r"|undefined reference to|multiple definition of|: file not recognized"
    r"|signal terminated program|out of memory|memory exhausted"
)
_NEXT = re.compile(
    r"^\S.*: (?:warning|error|fatal error|Error|Warning): |: In function |collect2: |^compilation |^ptxas "
    r"|^\d+ errors? detected in the compilation|^Error limit reached"
)
_WARNING = re.compile(
    r"^candidate\.(?:c:|cu[:(])(\d+)(?::\d+:|\):) warning(?: (#\d+)-D)?: (.+)$|^\S*ld: (warning: .+)$", re.MULTILINE
)
_TEMPORARY = re.compile(r"\bcc[A-Za-z0-9]{6}\.(s|o)\b")
_STAGE = re.compile(r"\bcandidate\.cudafe1\.cpp\b")
"""File name in nvcc's messages from the host compiler, which stands for candidate.cu."""
_LINKER = re.compile(r"^\S*/(?:\S*-)?ld(?:\.\w+)?: ", re.MULTILINE)


def clean(text: str) -> str:
    """Return `text`, a compiler's messages, without control characters, without random names of temporary files, and
    without the linker's path, so that the same fault of a candidate always gives the same text."""
    text = "".join(c for c in text if c.isprintable() or c in "\n\t")
    return _STAGE.sub("candidate.cu", _LINKER.sub("ld: ", _TEMPORARY.sub(r"candidate.\1", text)))


def first_error(messages: str) -> str:
    """Return the first error in a compiler's `messages` (a string of lines) with the source excerpt below it and the
    number of further errors, at most 2,000 characters; if no error is recognised, the beginning of `messages`."""
    lines = messages.splitlines()
    errors = [number for number, line in enumerate(lines) if _ERROR.search(line)]
    if not errors:
        return messages.strip()[:MAX_DETAIL]
    first = errors[0]
    end = next((n for n in range(first + 1, len(lines)) if _NEXT.search(lines[n])), len(lines))
    more = len(errors) - 1
    ending = f"\n({more} more error{'s' if more > 1 else ''})" if more else ""
    while lines[end - 1].startswith("In file included from"):
        end -= 1  # this line begins the next message
    detail = "\n".join(lines[first:end])
    if "File size limit exceeded" in detail:
        detail = "error: the compiled code or its data are larger than a build may write"
    return detail[: MAX_DETAIL - len(ending)].rstrip() + ending


def warnings(messages: str) -> tuple[str, ...]:
    """Return a tuple of at most ten warnings from `messages`, the lines that a compiler printed, without repeats. Each
    is at most 240 characters long, such as `line 3: unused parameter 'N' [-Wunused-parameter]`. The facts of a build
    hold them."""
    texts = (
        f"line {m[1]}: {m[3]}{(m[2] and f' [{m[2]}]') or ''}" if m[1] else m[4] for m in _WARNING.finditer(messages)
    )
    return tuple(warning[:MAX_WARNING] for warning in list(dict.fromkeys(texts))[:MAX_WARNINGS])

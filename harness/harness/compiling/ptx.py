"""Rewrites the CUDA assembler's messages with the PTX that they refer to: lines of candidate.cu, plain kernel names.

The compiler writes the PTX, but the PTX quotes assembly of the candidate; its content is not trusted.
"""

import bisect
import re
from collections.abc import Iterator

_FILE = re.compile(r'^\s*\.file\s+(\d+) "(?:[^"]*/)?candidate\.cu"')
_LOCATION = re.compile(r"^\s*\.loc\s+(\d+) (\d{1,9}) ")
_ENTRY = re.compile(r"\.entry ([\w$]+)\(")
_THREADS = re.compile(r"^\.(?:maxntid|reqntid) (\d{1,9})(?:, (\d{1,9}))?(?:, (\d{1,9}))?")
_DYNAMIC_SHARED = re.compile(r"^\s*\.extern\s+\.shared\b", re.MULTILINE)
_PLACED = re.compile(r"^ptxas \S+\.ptx, line (\d{1,9}); (?:error|fatal)\s*: (.*)$")
_UNPLACED = re.compile(r"^(?:ptxas|nvlink) (?:error|fatal)\s*: ", re.MULTILINE)
_NEAR = re.compile(r"^(ptxas .* around) line (\d{1,9})\b", re.MULTILINE)
_ABORTED = re.compile(r"^ptxas fatal\s*: Ptx assembly aborted due to errors\n?", re.MULTILINE)
_MANGLED = re.compile(r"_Z[NLKVS]*(\d+\w+)")


def located(messages: str, ptx: str) -> str:
    """Return the assembler's messages with lines of candidate.cu in place of PTX lines, as far as the PTX has line
    information."""
    line_table = _line_table(ptx)
    messages = "\n".join(_errors(_ABORTED.sub("", messages).split("\n"), line_table))
    messages = _NEAR.sub(lambda m: f"{m[1]} {_source_line(line_table, int(m[2]))}", messages)
    return _MANGLED.sub(lambda m: _plain_name(m[1]), _UNPLACED.sub("ptxas: error: ", messages))


def _errors(lines: list[str], line_table: list[tuple[int, int]]) -> Iterator[str]:
    """Merge errors of one line of candidate.cu into one message, because the first of them may not be the helpful
    one."""
    last = ""
    for line in lines:
        error = _PLACED.match(line)
        place = _source_line(line_table, int(error[1])) if error else ""
        yield line if error is None else f"  {error[2]}" if place == last else f"{place}: error: {error[2]}"
        last = place


def block_sizes(ptx: str) -> dict[str, int]:
    """Return the largest block of each kernel with `__launch_bounds__`, in threads, by the kernel's mangled name."""
    sizes, kernel = dict[str, int](), ""
    for line in ptx.splitlines():
        if entry := _ENTRY.search(line):
            kernel = entry[1]
        elif kernel and (bounds := _THREADS.match(line)):
            sizes[kernel] = int(bounds[1]) * int(bounds[2] or 1) * int(bounds[3] or 1)
    return sizes


def has_dynamic_shared(ptx: str) -> bool:
    """Return whether any kernel uses shared memory whose size only the launch sets (`extern __shared__`).

    nvcc leaves declarations that no kernel uses out of the PTX.
    """
    return bool(_DYNAMIC_SHARED.search(ptx))


def _line_table(ptx: str) -> list[tuple[int, int]]:
    """Return (line of the PTX, line of candidate.cu) in order; lines that come from headers are left out."""
    lines = ptx.splitlines()
    candidate_files = {file[1] for line in lines if (file := _FILE.match(line))}
    locations = ((number, _LOCATION.match(line)) for number, line in enumerate(lines, start=1))
    return [(number, int(place[2])) for number, place in locations if place and place[1] in candidate_files]


def _source_line(line_table: list[tuple[int, int]], number: int) -> str:
    """Return the line of candidate.cu that a line of the PTX belongs to, such as `candidate.cu(12)`."""
    index = bisect.bisect(line_table, (number, 0))
    return f"candidate.cu({line_table[index - 1][1]})" if index else "candidate.cu"


def _plain_name(encoded: str) -> str:
    """Return the innermost plain name in a mangled name: `kernel` for `6kernelILi4EEvPf`. Other texts are returned
    unchanged."""
    name, rest = "", encoded
    while length := re.match(r"\d{1,4}", rest):
        end = length.end() + int(length[0])
        name, rest = rest[length.end() : end], rest[end:]
    return name or encoded

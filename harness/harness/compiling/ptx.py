"""Rewrite the messages of the CUDA assembler (ptxas) with the help of the PTX, the GPU assembly that nvcc writes: lines
of candidate.cu and plain kernel names.

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
    """Return the assembler's `messages` (a string of lines) with `candidate.cu(LINE)` in place of lines of the PTX, and
    with plain kernel names. `ptx` is the text of the assembly; without line information in it, only `candidate.cu` is
    named."""
    line_table = _line_table(ptx)
    messages = "\n".join(_errors(_ABORTED.sub("", messages).split("\n"), line_table))
    messages = _NEAR.sub(lambda m: f"{m[1]} {_source_line(line_table, int(m[2]))}", messages)
    return _MANGLED.sub(lambda m: _plain_name(m[1]), _UNPLACED.sub("ptxas: error: ", messages))


def _errors(lines: list[str], line_table: list[tuple[int, int]]) -> Iterator[str]:
    """Yield the assembler's messages `lines` with every error placed in candidate.cu. Errors of the same source line
    follow the first one as indented lines, because the first one may not be the helpful one. `line_table` maps lines of
    the PTX to lines of candidate.cu, as `_line_table` returns it."""
    last = ""
    for line in lines:
        error = _PLACED.match(line)
        place = _source_line(line_table, int(error[1])) if error else ""
        yield line if error is None else f"  {error[2]}" if place == last else f"{place}: error: {error[2]}"
        last = place


def block_sizes(ptx: str) -> dict[str, int]:
    """Return a dict from the mangled name of each kernel with `__launch_bounds__` to its largest number of threads per
    block. `ptx` is the text of the GPU assembly."""
    sizes, kernel = dict[str, int](), ""
    for line in ptx.splitlines():
        if entry := _ENTRY.search(line):
            kernel = entry[1]
        elif kernel and (bounds := _THREADS.match(line)):
            sizes[kernel] = int(bounds[1]) * int(bounds[2] or 1) * int(bounds[3] or 1)
    return sizes


def has_dynamic_shared(ptx: str) -> bool:
    """Return True if any kernel in `ptx`, the text of the GPU assembly, uses shared memory whose size is only set at
    the launch (`extern __shared__`).

    nvcc leaves declarations that no kernel uses out of the PTX.
    """
    return bool(_DYNAMIC_SHARED.search(ptx))


def _line_table(ptx: str) -> list[tuple[int, int]]:
    """Return a list of pairs (line number in the PTX, line number in candidate.cu), in ascending order, from `ptx`, the
    text of the GPU assembly, whose `.loc` directives hold the source lines. Lines that come from headers are left
    out."""
    lines = ptx.splitlines()
    candidate_files = {file[1] for line in lines if (file := _FILE.match(line))}
    locations = ((number, _LOCATION.match(line)) for number, line in enumerate(lines, start=1))
    return [(number, int(place[2])) for number, place in locations if place and place[1] in candidate_files]


def _source_line(line_table: list[tuple[int, int]], number: int) -> str:
    """Return the place in candidate.cu, such as `candidate.cu(12)`, of the PTX line with the given number; only
    `candidate.cu` if `line_table`, from `_line_table`, has no line before it."""
    index = bisect.bisect(line_table, (number, 0))
    return f"candidate.cu({line_table[index - 1][1]})" if index else "candidate.cu"


def _plain_name(encoded: str) -> str:
    """Return the innermost plain name in a mangled C++ name without its prefix: `kernel` for `6kernelILi4EEvPf`. Return
    `encoded` unchanged if it contains no name."""
    name, rest = "", encoded
    while length := re.match(r"\d{1,4}", rest):
        end = length.end() + int(length[0])
        name, rest = rest[length.end() : end], rest[end:]
    return name or encoded

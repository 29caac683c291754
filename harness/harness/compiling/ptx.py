"""What the assembler says, read back through the PTX it read: lines of candidate.cu, kernels by their plain names.

The PTX is the compiler's, but its text quotes the candidate's assembly: nothing of it is trusted but for being text.
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


def located(said: str, ptx: str) -> str:
    """The assembler's messages with lines of candidate.cu instead of the PTX's, where -lineinfo tells them."""
    places = _places(ptx)
    said = "\n".join(_errors(_ABORTED.sub("", said).split("\n"), places))
    said = _NEAR.sub(lambda m: f"{m[1]} {_at(places, int(m[2]))}", said)
    return _MANGLED.sub(lambda m: _plain(m[1]), _UNPLACED.sub("ptxas: error: ", said))


def _errors(lines: list[str], places: list[tuple[int, int]]) -> Iterator[str]:
    """Several errors in one line of the candidate make one message, for the first of them may be the least telling."""
    last = ""
    for line in lines:
        error = _PLACED.match(line)
        place = _at(places, int(error[1])) if error else ""
        yield line if error is None else f"  {error[2]}" if place == last else f"{place}: error: {error[2]}"
        last = place


def block_sizes(ptx: str) -> dict[str, int]:
    """The largest block of each kernel that says so (`__launch_bounds__`), threads, by its mangled name."""
    found, kernel = dict[str, int](), ""
    for line in ptx.splitlines():
        if entry := _ENTRY.search(line):
            kernel = entry[1]
        elif kernel and (bounds := _THREADS.match(line)):
            found[kernel] = int(bounds[1]) * int(bounds[2] or 1) * int(bounds[3] or 1)
    return found


def has_dynamic_shared(ptx: str) -> bool:
    """Return whether a kernel uses shared memory whose size only its launch tells (`extern __shared__`).

    nvcc leaves out of the PTX what no kernel uses.
    """
    return bool(_DYNAMIC_SHARED.search(ptx))


def _places(ptx: str) -> list[tuple[int, int]]:
    """(line of the PTX, line of candidate.cu), in order; what headers contribute is left out."""
    lines = ptx.splitlines()
    own = {found[1] for line in lines if (found := _FILE.match(line))}
    told = ((number, _LOCATION.match(line)) for number, line in enumerate(lines, start=1))
    return [(number, int(found[2])) for number, found in told if found and found[1] in own]


def _at(places: list[tuple[int, int]], number: int) -> str:
    """The last place before a line of the PTX."""
    index = bisect.bisect(places, (number, 0))
    return f"candidate.cu({places[index - 1][1]})" if index else "candidate.cu"


def _plain(encoded: str) -> str:
    """`kernel` of `6kernelILi4EEvPf`, the innermost of nested names; the whole where it is not so written."""
    name, rest = "", encoded
    while length := re.match(r"\d{1,4}", rest):
        end = length.end() + int(length[0])
        name, rest = rest[length.end() : end], rest[end:]
    return name or encoded

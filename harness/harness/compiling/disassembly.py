"""Extract facts about a CPU kernel from its disassembly: code size, width of vector arithmetic, and counts of important
instructions.

Instructions are counted as they appear in the code, not as they are executed. The input is the output of `objdump -h
-d` for an object file; its content is not trusted.
"""

import re
from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass

_INSTRUCTION = re.compile(r"^\s+[0-9a-f]+:\t(?:\{\w+\} )?(\S+)\s*([^#<]*)")
_SECTION = re.compile(r"^\s*\d+ \S+\s+([0-9a-f]{8,16}) ")

_X86_MOVE = re.compile(r"v?mov(?:[au]p[sd]|dq[au]\d*|s[sd])$")
_X86_SCALAR_MOVE = re.compile(r"v?movs[sd]$")
_X86_PACKED = re.compile(r"v?(?:add|sub|mul|div|max|min|sqrt)p[sdh]$|vfn?m\w+p[sdh]$|vp(?:add|sub|mul|madd|dp)\w+$")
_X86_WIDTHS = (("%zmm", 512), ("%ymm", 256), ("%xmm", 128))
_X86_STACK = re.compile(r"\(%rsp\)|\(%rsp,|-0x[0-9a-f]+\(%rbp")
_X86_COUNTED = (
    ("fma", re.compile(r"vfn?m(?:add|sub)\w+$")),
    ("broadcast", re.compile(r"v(?:p?broadcast\w+|movddup)$")),
    ("gather", re.compile(r"vp?gather\w+$")),
    ("prefetch", re.compile(r"prefetch\w+$")),
    ("divide", re.compile(r"v?div[ps][sdh]$")),
)

_ARM_MOVE = re.compile(r"(?:ld|st)(?:r|p|ur|1|nt1\w|1\w)$")
_ARM_VECTOR = re.compile(r"\bq\d+|\bv\d+\.|\bz\d+\.")
_ARM_PACKED = re.compile(r"f(?:add|sub|mul|div|mla|mls|max|min|mlal2?)$")
_ARM_COUNTED = (
    ("fma", re.compile(r"fn?m(?:la|ls|add|sub|lal2?)$")),
    ("broadcast", re.compile(r"(?:dup|ld1r\w*)$")),
    ("prefetch", re.compile(r"prf\w+$")),
    ("divide", re.compile(r"fdiv$")),
)


@dataclass(frozen=True, slots=True)
class CodeFacts:
    """Facts about one object file for a CPU, which `read` makes: bytes of machine code, bits of the widest vector
    register in use, and a dict from class of instruction, such as `fma` or `spill_store`, to its number of
    occurrences."""

    text_bytes: int
    vector_bits: int
    """Bits of the widest register used by packed arithmetic; 0 if all arithmetic is scalar."""
    instructions: dict[str, int]


def read(lines: Iterable[str]) -> CodeFacts:
    """Return the CodeFacts of a disassembly. `lines` are the lines that `objdump -h -d` printed for x86-64 (AT&T
    syntax) or 64-bit ARM; lines that are not recognised are ignored."""
    size, code_follows, width = 0, 0, 0
    counts: Counter[str] = Counter()
    for line in lines:
        if instruction := _INSTRUCTION.match(line):
            name, operands = instruction[1], instruction[2]
            counts.update(_classes(name, operands))
            width = max(width, _width(name, operands))
        elif section := _SECTION.match(line):
            code_follows = int(section[1], 16)
        elif "CODE" in line:
            size, code_follows = size + code_follows, 0
    return CodeFacts(size, width, dict(sorted(counts.items())))


def _classes(name: str, operands: str) -> list[str]:
    if _X86_MOVE.match(name) and "%" in operands:
        return _x86_move(name, operands)
    if _ARM_MOVE.match(name) and _ARM_VECTOR.search(operands):
        direction = "load" if name.startswith("ld") else "store"
        return [f"{'spill' if '[sp' in operands else 'vector'}_{direction}"]
    counted = _X86_COUNTED if "%" in operands else _ARM_COUNTED
    kinds = [kind for kind, pattern in counted if pattern.match(name)]
    # x86 arithmetic may read an operand from memory, which counts as a load.
    return kinds + (_x86_move(name, operands) if _X86_PACKED.match(name) else [])


def _x86_move(name: str, operands: str) -> list[str]:
    """Return a list with the class, such as `vector_load` or `spill_store`, by which an x86 move instruction is counted
    if it reads or writes memory; an empty list for a move between registers and for a scalar move. `name` is the
    instruction's name, `operands` the text after it."""
    if "(" not in operands:
        return []
    direction = "store" if operands.rstrip().endswith(")") else "load"
    if _X86_STACK.search(operands):
        return [f"spill_{direction}"]
    return [] if _X86_SCALAR_MOVE.match(name) else [f"vector_{direction}"]


def _width(name: str, operands: str) -> int:
    if _X86_PACKED.match(name):
        return next((bits for register, bits in _X86_WIDTHS if register in operands), 0)
    return 128 if _ARM_PACKED.match(name) and _ARM_VECTOR.search(operands) else 0

"""Families: kernels whose marked constants are knobs, and the combinations of values that make sense.

A knob is a line `#define NAME 4  // knob: 2 4 8` (Python: `NAME = 4  # knob: 2 4 8`); its value is the default. A line
`// require: NAME * OTHER <= 12` rules combinations out. Nothing else of the file is understood.
"""

import ast
import itertools
import math
import operator
import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

from kernelsmith.core import caps
from kernelsmith.core.candidate import Candidate, Language
from kernelsmith.core.candidate_file import stated
from kernelsmith.core.text_file import read_text, shown
from kernelsmith.errors import TaskError
from kernelsmith.prompts.clean import one_line

Value = int | float | str
Values = Mapping[str, Value]

MOST_COMBINATIONS = 1_000_000
"""The most combinations that a family may have: all are listed in memory, and no budget tries as many."""
FAMILY = "family"
"""Key in a candidate's parameters: the name of its family. The other keys are its knobs."""
KNOB = {
    Language.TRITON: re.compile(
        r"^(?P<name>\w+)(?P<between>\s*=\s*)(?P<value>\S+)(?P<rest>\s*#\s*knob:(?P<values>.*))$"
    ),
    Language.C: re.compile(
        r"^#define\s+(?P<name>\w+)(?P<between>\s+)(?P<value>\S+)(?P<rest>\s*//\s*knob:(?P<values>.*))$"
    ),
}
KNOB[Language.CUDA] = KNOB[Language.C]
REQUIRE = re.compile(r"^\s*(?://|#)\s*require:(?P<expression>.*)$")


@dataclass(frozen=True, slots=True)
class Knob:
    """One marked constant."""

    name: str
    default: Value
    values: tuple[Value, ...]


@dataclass(frozen=True)
class Family:
    """A parametrized kernel."""

    name: str
    source: str
    language: Language
    knobs: tuple[Knob, ...]
    requirements: tuple[ast.expr, ...]
    hypothesis: str

    @property
    def defaults(self) -> dict[str, Value]:
        """Return the values as the file has them."""
        return {knob.name: knob.default for knob in self.knobs}

    @cached_property
    def combinations(self) -> tuple[dict[str, Value], ...]:
        """Return every allowed combination of values, in the order of the file."""
        return tuple(values for values in self._all() if self.allows(values))

    def allows(self, values: Values) -> bool:
        """Return whether the values meet every requirement. A requirement that cannot be computed is not met."""
        try:
            return all(_value_of(requirement, values) for requirement in self.requirements)
        except (TypeError, ArithmeticError):
            return False

    def candidate(self, values: Values) -> Candidate:
        """Return the kernel with these values in place of the defaults."""
        pattern = KNOB[self.language]
        lines = [_with_value(line, pattern, values) for line in self.source.split("\n")]
        return Candidate("\n".join(lines), self.language, {FAMILY: self.name, **values})

    def _all(self) -> Iterator[dict[str, Value]]:
        names = [knob.name for knob in self.knobs]
        for values in itertools.product(*(knob.values for knob in self.knobs)):
            yield dict(zip(names, values, strict=True))


def read_family(path: Path) -> Family:
    """Return the family that one file of a task's families/ holds.

    Raises:
        TaskError: a knob or a requirement cannot be read (the message names file and line), or the file is no text.
    """
    language = next(known for known in Language if known.suffix == path.suffix)
    source = read_text(path, fault=TaskError)
    knobs, requirements = [], []
    for number, line in enumerate(source.split("\n"), start=1):
        where = f"{shown(path)}:{number}"
        if found := KNOB[language].match(line):
            knobs.append(_knob(found, where))
        elif found := REQUIRE.match(line):
            requirements.append(_requirement(found["expression"], {k.name for k in knobs}, where))
    hypothesis = one_line(stated(source).get("hypothesis", ""), caps.HYPOTHESIS) or f"the {shown(path.stem)} family"
    family = Family(shown(path.stem), source, language, tuple(knobs), tuple(requirements), hypothesis)
    if math.prod(len(knob.values) for knob in knobs) > MOST_COMBINATIONS:
        raise TaskError(f"{shown(path)}: more than {MOST_COMBINATIONS:,} combinations of knobs; list fewer values")
    try:
        allowed = family.allows(family.defaults)
    except RecursionError as error:
        raise TaskError(f"{shown(path)}: a `require:` line is nested too deeply") from error
    if not allowed:
        raise TaskError(f"{shown(path)}: the default values break a `require:` line; change one or the other")
    return family


def _knob(found: re.Match[str], where: str) -> Knob:
    name, default = found["name"], _value(found["value"])
    values = tuple(_value(word) for word in found["values"].split())
    if len(set(values)) != len(values) or default not in values:
        among = f"the default {caps.cut(shown(str(default)), caps.QUOTED)} among them"
        raise TaskError(f"{where}: knob {name}: list its values once each, {among}")
    return Knob(name, default, values)


def _value(word: str) -> Value:
    """Return a word of a knob's line as a number where it reads as one."""
    for kind in (int, float):
        try:
            return kind(word)
        except ValueError:
            continue
    return word


def _with_value(line: str, pattern: re.Pattern[str], values: Values) -> str:
    found = pattern.match(line)
    if not found or found["name"] not in values:
        return line
    start, end = found.span("value")
    return f"{line[:start]}{values[found['name']]}{line[end:]}"


# --- requirements: arithmetic and comparisons of knobs, nothing that could call or look up anything ---------------

_BINARY: Mapping[type[ast.operator], Callable[..., object]] = {
    ast.Add: operator.add,
    ast.Sub: operator.sub,
    ast.Mult: operator.mul,
    ast.FloorDiv: operator.floordiv,
    ast.Mod: operator.mod,
}
_COMPARE: Mapping[type[ast.cmpop], Callable[..., bool]] = {
    ast.Lt: operator.lt,
    ast.LtE: operator.le,
    ast.Gt: operator.gt,
    ast.GtE: operator.ge,
    ast.Eq: operator.eq,
    ast.NotEq: operator.ne,
}
_KNOWN = frozenset((ast.Constant, ast.Name, ast.BinOp, ast.BoolOp, ast.Compare, *_BINARY, *_COMPARE))


def _requirement(text: str, known: set[str], where: str) -> ast.expr:
    try:
        expression = ast.parse(text.strip(), mode="eval").body
        _check(expression, known)
    except (SyntaxError, LookupError, ValueError, RecursionError, MemoryError) as error:
        names = ", ".join(sorted(known)) or "none above it"
        said = caps.cut(shown(text.strip()), caps.QUOTED)
        fault = f"require: {said}: compare sums and products of knobs; the knobs are {names}"
        raise TaskError(f"{where}: {fault}") from error
    return expression


def _check(expression: ast.expr, known: set[str]) -> None:
    """Raise LookupError where any part of the expression is a name or an operation that requirements do not know."""
    for node in ast.walk(expression):
        match node:
            case ast.Name(id=name) if name not in known:
                raise LookupError(name)
            case ast.expr() | ast.operator() | ast.cmpop() if type(node) not in _KNOWN:
                raise LookupError(ast.dump(node))


def _value_of(node: ast.expr, values: Values) -> object:
    """Return the expression's value. Raises LookupError: a name or an operation that requirements do not know."""
    match node:
        case ast.Constant(value=value):
            return value
        case ast.Name(id=name):
            return values[name]
        case ast.BinOp(left=left, op=op, right=right):
            return _BINARY[type(op)](_value_of(left, values), _value_of(right, values))
        case ast.BoolOp(op=op, values=parts):
            return (all if isinstance(op, ast.And) else any)(_value_of(part, values) for part in parts)
        case ast.Compare(left=first, ops=ops, comparators=rest):
            terms = [_value_of(term, values) for term in (first, *rest)]
            return all(_COMPARE[type(op)](a, b) for op, (a, b) in zip(ops, itertools.pairwise(terms), strict=True))
    raise LookupError(ast.dump(node))

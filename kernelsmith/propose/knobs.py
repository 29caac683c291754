"""Read families (kernel sources with marked constants, called knobs) and list the allowed combinations of knob values.

A knob is a line `#define NAME 4  // knob: 2 4 8` (in Python: `NAME = 4  # knob: 2 4 8`); the defined value, 4, is the
default. A line `// require: NAME * OTHER <= 12` forbids the combinations for which the expression is false. No other
line of the source is interpreted, apart from `hypothesis:` in its leading comment.
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
"""The largest number of combinations that a family may have, those included that a requirement forbids: all are listed
in memory."""
FAMILY = "family"
"""Key in a candidate's parameters; its value is the name of the family. Every other key is the name of a knob."""
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
    """A marked constant in the source of a family of kernels: its name, its default value, and a tuple of every value
    that the tuner may give it. `read_family` makes it.
    """

    name: str
    default: Value
    values: tuple[Value, ...]


@dataclass(frozen=True)
class Family:
    """A kernel source with knobs (marked constants that the tuner varies), requirements (expressions of the knobs that
    must be true), and a hypothesis in words. `read_family` makes it from a file.
    """

    name: str
    source: str
    language: Language
    knobs: tuple[Knob, ...]
    requirements: tuple[ast.expr, ...]
    hypothesis: str

    @property
    def defaults(self) -> dict[str, Value]:
        """Return a dict with the default value of every knob, by the knob's name."""
        return {knob.name: knob.default for knob in self.knobs}

    @cached_property
    def combinations(self) -> tuple[dict[str, Value], ...]:
        """Return a tuple with every combination of knob values that meets all requirements. Each combination is a dict
        of values by knob name; the last knob of the file varies fastest.
        """
        return tuple(values for values in self._all() if self.allows(values))

    def allows(self, values: Values) -> bool:
        """Return True if the knob values `values`, by knob name, meet every requirement of the family. A requirement
        that cannot be computed for them, for example because of a division by zero, counts as not met.
        """
        try:
            return all(_value_of(requirement, values) for requirement in self.requirements)
        except (TypeError, ArithmeticError):
            return False

    def candidate(self, values: Values) -> Candidate:
        """Return the family's kernel as a candidate whose source holds `values` (by knob name) in place of the
        defaults. The candidate's parameters hold the family's name and the values, by which the tuner recognizes it
        later.
        """
        pattern = KNOB[self.language]
        lines = [_with_value(line, pattern, values) for line in self.source.split("\n")]
        return Candidate("\n".join(lines), self.language, {FAMILY: self.name, **values})

    def _all(self) -> Iterator[dict[str, Value]]:
        names = [knob.name for knob in self.knobs]
        for values in itertools.product(*(knob.values for knob in self.knobs)):
            yield dict(zip(names, values, strict=True))


def read_family(path: Path) -> Family:
    """Read a kernel source with marked constants (knobs) from a file of a task's `families/` folder and return it as a
    Family; the file's ending decides the language. Raises TaskError if the file is no text, a knob or a requirement is
    malformed, the defaults break a requirement, or there are more than MOST_COMBINATIONS combinations.
    """
    language = next(known for known in Language if known.suffix == path.suffix)
    source = read_text(path, fault=TaskError)
    knobs, requirements = [], []
    for number, line in enumerate(source.split("\n"), start=1):
        where = f"{shown(path)}:{number}"
        if knob_line := KNOB[language].match(line):
            knobs.append(_knob(knob_line, where))
        elif require_line := REQUIRE.match(line):
            requirements.append(_requirement(require_line["expression"], {k.name for k in knobs}, where))
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


def _knob(line: re.Match[str], where: str) -> Knob:
    name, default = line["name"], _value(line["value"])
    values = tuple(_value(word) for word in line["values"].split())
    if len(set(values)) != len(values) or default not in values:
        quoted = caps.cut(shown(str(default)), caps.QUOTED)
        raise TaskError(f"{where}: knob {name}: list each value once, including the default {quoted}")
    return Knob(name, default, values)


def _value(word: str) -> Value:
    """Return the value that one word in the list of a knob's values stands for: an int or a float if the word is a
    number, otherwise the word itself.
    """
    for kind in (int, float):
        try:
            return kind(word)
        except ValueError:
            continue
    return word


def _with_value(line: str, pattern: re.Pattern[str], values: Values) -> str:
    knob_line = pattern.match(line)
    if not knob_line or knob_line["name"] not in values:
        return line
    start, end = knob_line.span("value")
    return f"{line[:start]}{values[knob_line['name']]}{line[end:]}"


# --- requirements: arithmetic and comparisons of knobs; a call or an attribute is refused, since a task is not trusted

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
        quoted = caps.cut(shown(text.strip()), caps.QUOTED)
        knobs = f"the knobs above this line are {', '.join(sorted(known))}" if known else "no knob is above this line"
        fault = f"require: {quoted}: compare sums and products of knobs; {knobs}"
        raise TaskError(f"{where}: {fault}") from error
    return expression


def _check(expression: ast.expr, known: set[str]) -> None:
    """Check that a requirement's parsed `expression` uses only names in `known` (the knobs' names) and only
    comparisons, `and`, `or`, and the operators `+`, `-`, `*`, `//` and `%`; return nothing. Calls are refused because a
    task's files are not trusted. Raises LookupError if it holds anything else.
    """
    for node in ast.walk(expression):
        match node:
            case ast.Name(id=name) if name not in known:
                raise LookupError(name)
            case ast.expr() | ast.operator() | ast.cmpop() if type(node) not in _KNOWN:
                raise LookupError(ast.dump(node))


def _value_of(node: ast.expr, values: Values) -> object:
    """Return the value (a number, a text or a bool) of `node`, the syntax tree of a requirement or a part of it, for
    the knob values `values`. Raises LookupError if it contains an unknown name or an operation that is not allowed, and
    TypeError or ArithmeticError if it cannot be computed.
    """
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

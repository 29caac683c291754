"""Read a reply: a hypothesis and one whole file, or the reason why there is no candidate.

Read leniently, by these rules:
- `<think>...</think>` is not part of the reply; neither is what comes before a `</think>` that nothing opened.
- The hypothesis is the paragraph that begins with `Hypothesis:`, else the first paragraph outside of code.
- Of several complete fenced blocks the last one that defines the entry is the file; failing that, the last one that
  names it; failing that, the largest.
- A block that never ends is never a file: half a kernel that happens to build would waste an attempt.
"""

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from kernelsmith.core import caps
from kernelsmith.core.attempt import NoCandidate
from kernelsmith.core.candidate import Candidate, Language
from kernelsmith.prompts.clean import one_line

SAID = 160
"""Characters that are kept of a reply without a fenced block."""

_THINKING = re.compile(r"<think(?:ing)?>.*?(?:</think(?:ing)?>|\Z)", re.DOTALL | re.IGNORECASE)
_THOUGHT_BEFORE = re.compile(r"\A.*</think(?:ing)?>", re.DOTALL | re.IGNORECASE)
_FENCE = re.compile(r"^ {0,3}(?P<marks>`{3,}|~{3,})(?P<info>[^`]*)$")
_HYPOTHESIS = re.compile(r"^[\s*_#>-]*hypothesis[\s*_]*:[\s*_]*(?P<text>.*)$", re.IGNORECASE)
_LANGUAGES = {
    Language.C: {"c", "h"},
    Language.CUDA: {"cuda", "cu", "cpp", "c++", "cxx"},
    Language.TRITON: {"python", "py", "triton"},
}


@dataclass(frozen=True, slots=True)
class ParsedReply:
    """What a reply holds."""

    hypothesis: str
    candidate: Candidate | None
    reason: NoCandidate | None = None
    """Why there is no candidate; present exactly when there is none."""
    said: str = ""
    """The beginning of a reply without a fenced block, one line."""


@dataclass(frozen=True, slots=True)
class _Block:
    tag: str
    source: str
    complete: bool


def parse(
    reply: str, *, entry: str, languages: Sequence[Language], incomplete: NoCandidate | None = None
) -> ParsedReply:
    """Return what a reply's content holds.

    `incomplete` is the endpoint's reason for a reply that is not whole, CUT_OFF or WITHHELD. Where no file is found, it
    is the reason that is returned.
    """
    visible = _without_thinking(reply)
    words, blocks = _split(visible)
    hypothesis = _hypothesis(words)
    block = _the_file([b for b in blocks if b.complete and b.source.strip()], entry)
    if block is None:
        reason = incomplete or _why(visible, blocks)
        return ParsedReply(hypothesis, None, reason, one_line(visible, SAID) if reason is NoCandidate.NO_BLOCK else "")
    return ParsedReply(hypothesis, Candidate(block.source, _language(block.tag, languages)))


def _without_thinking(reply: str) -> str:
    return _THOUGHT_BEFORE.sub("", _THINKING.sub("", reply.replace("\r\n", "\n")))


def _split(text: str) -> tuple[str, list[_Block]]:
    """Return the words outside of code, and the fenced blocks in their order."""
    words: list[str] = []
    blocks: list[_Block] = []
    lines = iter(text.split("\n"))
    for line in lines:
        if fence := _FENCE.match(line):
            blocks.append(_read_block(fence, lines))
            words.append("")
        else:
            words.append(line)
    return "\n".join(words), blocks


def _read_block(fence: re.Match[str], lines: Iterator[str]) -> _Block:
    """Return the block up to its closing fence: the same mark, at least as often, and nothing behind it."""
    marks, tag = fence["marks"], fence["info"].strip().split(" ")[0].lower()
    inside: list[str] = []
    for line in lines:
        closing = line.strip()
        if len(closing) >= len(marks) and set(closing) == {marks[0]}:
            return _Block(tag, "\n".join(inside) + "\n", complete=True)
        inside.append(line)
    return _Block(tag, "\n".join(inside), complete=False)


def _hypothesis(words: str) -> str:
    paragraphs = [p.strip() for p in re.split(r"\n\s*\n", words) if p.strip()]
    for paragraph in paragraphs:
        lines = paragraph.split("\n")
        for number, line in enumerate(lines):
            if stated := _HYPOTHESIS.match(line):
                return one_line(" ".join([stated["text"], *lines[number + 1 :]]), caps.HYPOTHESIS)
    return one_line(paragraphs[0], caps.HYPOTHESIS) if paragraphs else ""


def _the_file(blocks: Sequence[_Block], entry: str) -> _Block | None:
    name = re.escape(entry)
    # no parenthesis within the parameters, and bounds: a hostile reply must not cost quadratic time
    body = r"\([^;{}()]{0,4000}\)[^;{}()]{0,200}\{"
    defines = re.compile(rf"\b{name}\s*{body}|^[ \t]*def\s+{name}\s*\(", re.MULTILINE)
    names = re.compile(rf"\b{name}\b")
    for pattern in (defines, names):
        if found := [block for block in blocks if pattern.search(block.source)]:
            return found[-1]
    return max(blocks, key=lambda block: len(block.source), default=None)


def _language(tag: str, languages: Sequence[Language]) -> Language:
    """Return the task's language that the fence names; the task's first where the fence names none of them."""
    return next((language for language in languages if tag in _LANGUAGES[language]), languages[0])


def _why(visible: str, blocks: Sequence[_Block]) -> NoCandidate:
    """Return why a reply that arrived whole holds no file."""
    if any(not block.complete for block in blocks):
        return NoCandidate.UNENDED_BLOCK
    if blocks:
        return NoCandidate.EMPTY_BLOCK
    return NoCandidate.NO_BLOCK if one_line(visible, SAID) else NoCandidate.EMPTY_REPLY

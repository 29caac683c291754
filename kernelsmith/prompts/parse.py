"""What a reply holds: a hypothesis and one whole file, or the reason why there is no candidate.

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
from kernelsmith.core.candidate import Candidate, Language
from kernelsmith.prompts.clean import one_line

CUT_OFF = "the reply was cut off at the token limit"

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
class Answer:
    """A reply, read."""

    hypothesis: str
    candidate: Candidate | None
    reason: str = ""
    """Why there is no candidate."""


@dataclass(frozen=True, slots=True)
class _Block:
    tag: str
    source: str
    complete: bool


def parse(reply: str, *, entry: str, languages: Sequence[Language], finish_reason: str) -> Answer:
    """Read a reply's content; `finish_reason` as the endpoint gave it."""
    visible = _without_thinking(reply)
    words, blocks = _split(visible)
    hypothesis = _hypothesis(words)
    block = _the_file([b for b in blocks if b.complete and b.source.strip()], entry)
    if block is None:
        return Answer(hypothesis, None, _why(visible, blocks, finish_reason))
    return Answer(hypothesis, Candidate(block.source, _language(block.tag, languages)))


def _without_thinking(reply: str) -> str:
    return _THOUGHT_BEFORE.sub("", _THINKING.sub("", reply.replace("\r\n", "\n")))


def _split(text: str) -> tuple[str, list[_Block]]:
    """The words outside of code and the fenced blocks in order."""
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
    """The lines up to a closing fence: the same mark, at least as often, and nothing behind it."""
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
    """The task's language that the fence names; the task's first where it names none of them."""
    return next((language for language in languages if tag in _LANGUAGES[language]), languages[0])


def _why(visible: str, blocks: Sequence[_Block], finish_reason: str) -> str:
    if finish_reason == "length":
        return CUT_OFF
    if finish_reason == "content_filter":
        return "the endpoint withheld the reply (content_filter)"
    if any(not block.complete for block in blocks):
        return "the fenced block never ends"
    if blocks:
        return "the fenced block is empty"
    said = one_line(visible, 160)
    return f"no fenced block: {said}" if said else "the reply was empty"

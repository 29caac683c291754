"""Parse the reply of a language model into a hypothesis and one source file, or into the reason why the reply holds no
file.

The rules are lenient:
- Text in `<think>...</think>` is ignored, and so is all text before a `</think>` without an opening tag.
- The hypothesis is the paragraph that begins with `Hypothesis:`, or else the first paragraph outside of code.
- The file is the last complete fenced block that defines the entry function, or else the last one that names it, or
  else the largest one.
- A fenced block without an end is never the file: half a kernel that happens to build would waste an attempt.
"""

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from kernelsmith.core import caps
from kernelsmith.core.attempt import NoCandidate
from kernelsmith.core.candidate import Candidate, Language
from kernelsmith.prompts.clean import one_line

EXCERPT_CHARS = 160
"""The number of characters that are kept of a reply without a fenced block."""

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
    """Content of a model's reply as `parse` read it: a hypothesis (empty if none), and either a candidate or the reason
    why there is none.
    """

    hypothesis: str
    candidate: Candidate | None
    reason: NoCandidate | None = None
    """Reason why the reply has no candidate; None if it has one."""
    said: str = ""
    """The beginning of a reply without a fenced block, on one line; otherwise empty."""


@dataclass(frozen=True, slots=True)
class _Block:
    tag: str
    source: str
    complete: bool


def parse(
    reply: str, *, entry: str, languages: Sequence[Language], incomplete: NoCandidate | None = None
) -> ParsedReply:
    """Return the hypothesis and the candidate in a model's reply, or the reason why it holds no candidate; nothing is
    raised. `entry` is the name of the function that the source must define, and `languages` are the task's.
    `incomplete` (CUT_OFF or WITHHELD if the endpoint says that the reply is not whole, else None) becomes the reason if
    no source is found.
    """
    visible = _without_thinking(reply)
    prose, blocks = _split(visible)
    hypothesis = _hypothesis(prose)
    block = _file_block([b for b in blocks if b.complete and b.source.strip()], entry)
    if block is None:
        reason = incomplete or _reason(visible, blocks)
        excerpt = one_line(visible, EXCERPT_CHARS) if reason is NoCandidate.NO_BLOCK else ""
        return ParsedReply(hypothesis, None, reason, excerpt)
    return ParsedReply(hypothesis, Candidate(block.source, _language(block.tag, languages)))


def _without_thinking(reply: str) -> str:
    return _THOUGHT_BEFORE.sub("", _THINKING.sub("", reply.replace("\r\n", "\n")))


def _split(text: str) -> tuple[str, list[_Block]]:
    """Return a pair: the text of a model's reply outside of its fenced code blocks, with an empty line in place of each
    block, and the list of the blocks in their order.
    """
    prose: list[str] = []
    blocks: list[_Block] = []
    lines = iter(text.split("\n"))
    for line in lines:
        if fence := _FENCE.match(line):
            blocks.append(_read_block(fence, lines))
            prose.append("")
        else:
            prose.append(line)
    return "\n".join(prose), blocks


def _read_block(fence: re.Match[str], lines: Iterator[str]) -> _Block:
    """Take lines from `lines`, which follow the opening line of a fenced code block, up to its closing line, and return
    the block. `fence` is the regular-expression match of the opening line, for example three backticks and a tag; the
    closing line has at least as many of its marks and nothing else. A block without a closing line is returned as not
    complete.
    """
    marks, tag = fence["marks"], fence["info"].strip().split(" ")[0].lower()
    inside: list[str] = []
    for line in lines:
        closing = line.strip()
        if len(closing) >= len(marks) and set(closing) == {marks[0]}:
            return _Block(tag, "\n".join(inside) + "\n", complete=True)
        inside.append(line)
    return _Block(tag, "\n".join(inside), complete=False)


def _hypothesis(prose: str) -> str:
    paragraphs = [p.strip() for p in re.split(r"\n\s*\n", prose) if p.strip()]
    for paragraph in paragraphs:
        lines = paragraph.split("\n")
        for number, line in enumerate(lines):
            if stated := _HYPOTHESIS.match(line):
                return one_line(" ".join([stated["text"], *lines[number + 1 :]]), caps.HYPOTHESIS)
    return one_line(paragraphs[0], caps.HYPOTHESIS) if paragraphs else ""


def _file_block(blocks: Sequence[_Block], entry: str) -> _Block | None:
    name = re.escape(entry)
    # The parameters may hold no parenthesis, and repetitions are bounded: a hostile reply must not take quadratic time.
    body = r"\([^;{}()]{0,4000}\)[^;{}()]{0,200}\{"
    defines = re.compile(rf"\b{name}\s*{body}|^[ \t]*def\s+{name}\s*\(", re.MULTILINE)
    names = re.compile(rf"\b{name}\b")
    for pattern in (defines, names):
        if matching := [block for block in blocks if pattern.search(block.source)]:
            return matching[-1]
    return max(blocks, key=lambda block: len(block.source), default=None)


def _language(tag: str, languages: Sequence[Language]) -> Language:
    """Return the language of a code block: the one of the task's `languages` that its tag (the word after the opening
    marks, such as `cuda` or `py`) names, or the first of them if the tag names none.
    """
    return next((language for language in languages if tag in _LANGUAGES[language]), languages[0])


def _reason(visible: str, blocks: Sequence[_Block]) -> NoCandidate:
    """Return why a reply holds no source file, the first that applies: a code block without an end, an empty block, no
    block, or no text. `visible` is the reply without the model's thoughts, and `blocks` are its code blocks.
    """
    if any(not block.complete for block in blocks):
        return NoCandidate.UNENDED_BLOCK
    if blocks:
        return NoCandidate.EMPTY_BLOCK
    return NoCandidate.NO_BLOCK if one_line(visible, EXCERPT_CHARS) else NoCandidate.EMPTY_REPLY

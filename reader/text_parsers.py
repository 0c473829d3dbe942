"""The words of HTML, Markdown and Word files, as plain text in the order in which a person reads them.

Nothing is fetched, run or drawn. `reader.texts` checks size and beginning of the file before and turns `UNREADABLE`
into a sentence; `reader.text_pdf` does the same for PDF.
"""

from __future__ import annotations

import re
import zlib
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from zipfile import BadZipFile

from reader.errors import BadData

LARGEST_TEXT = 5_000_000  # characters

# What the parsers raise on broken files; pypdf documents that it may be any of these beside its own.
# lxml's own are syntax errors.
UNREADABLE: tuple[type[Exception], ...] = (ArithmeticError, AttributeError, EOFError, LookupError, RuntimeError)
UNREADABLE += (SyntaxError, TypeError, ValueError, BadZipFile, zlib.error)


@dataclass(frozen=True, slots=True)
class Parsed:
    """A text, the offset at which each of its pages begins (none where there are no pages), and what to tell of it."""

    text: str
    pages: tuple[int, ...] = ()
    notes: tuple[str, ...] = ()


# A text that grows

_SPACE, _LINE, _PARAGRAPH = _GAPS = (" ", "\n", "\n\n")
_BLANKS = re.compile(r"[ \t\r\n\f]+")
# Soft hyphens, zero-width spaces and byte order marks inside a word would hide it from a reader.
_CLEAN = {0xA0: " ", 0xAD: None, 0x200B: None, 0xFEFF: None, **dict.fromkeys([*range(9), 11, *range(14, 32), 127])}


class _Growing:
    """A text to which words and gaps are added; of the gaps between two words, the widest counts."""

    def __init__(self) -> None:
        self.parts: list[str] = []
        self.size = 0
        self.pending = ""
        self.mark = ""  # of a list item, written with its first word
        self.flat = 0  # how many cells around here are written in one line

    def gap(self, wanted: str) -> None:
        wanted = _SPACE if self.flat else wanted
        if wanted == _SPACE and self.parts and self.parts[-1] == "\t":
            return  # a tab is enough
        if not self.pending or _GAPS.index(wanted) > _GAPS.index(self.pending):
            self.pending = wanted

    def line_break(self) -> None:
        self.gap(_PARAGRAPH if self.pending == _LINE else _LINE)

    def words(self, text: str) -> None:
        """Add running text: each run of white space counts as one space, as in a browser."""
        text = _BLANKS.sub(" ", text)
        if text.startswith(" "):
            self.gap(_SPACE)
        self.verbatim(text.strip(" "))
        if text.endswith(" "):
            self.gap(_SPACE)

    def verbatim(self, text: str) -> None:
        text = text.translate(_CLEAN)
        if text:
            self._add((self.pending if self.parts else "") + self.mark + text)
            self.pending = self.mark = ""

    def next_cell(self) -> None:
        """Separate two cells of a row; empty cells leave their tab, so that columns stay columns."""
        if self.flat:
            self.gap(_SPACE)
        else:
            if self.pending != _SPACE and self.parts:
                self._add(self.pending)
            self._add("\t")
            self.pending = ""

    def text(self) -> str:
        text = re.sub(r"(?<![ \t])[ \t]++(?=\n)", "", "".join(self.parts))
        return re.sub(r"\n{3,}", _PARAGRAPH, text).strip("\n").rstrip()

    def _add(self, text: str) -> None:
        self.parts.append(text)
        self.size += len(text)
        if self.size > LARGEST_TEXT:
            raise BadData(too_long(f"more than {LARGEST_TEXT:,}"))


def reason(error: Exception) -> str:
    """Return what an error says, in one short line."""
    said = str(error.args[0] if isinstance(error, KeyError) and error.args else error)
    said = " ".join(said.split()).rstrip(".")
    return (said if len(said) <= 120 else said[:119] + "…") or type(error).__name__


def is_want_of_memory(error: Exception) -> bool:
    """Whether lxml could not go on for want of memory, which it says in a syntax error."""
    from lxml import etree  # type: ignore[import-untyped]

    return isinstance(error, etree.XMLSyntaxError) and error.code == etree.ErrorTypes.ERR_NO_MEMORY


def too_long(count: str) -> str:
    return f"holds {count} characters of text; the limit is {LARGEST_TEXT:,}. Split it."


# HTML and Markdown

_HIDDEN = {"script", "style", "template", "noscript", "head", "svg", "canvas", "iframe", "object", "audio", "video"}
_HIDDEN |= {"select", "datalist", "textarea", "annotation", "rt", "rp"}
_PARAGRAPHS = {"p", "h1", "h2", "h3", "h4", "h5", "h6", "ul", "ol", "dl", "table", "pre", "blockquote", "section"}
_PARAGRAPHS |= {"article", "figure", "hr", "details", "fieldset", "form", "header", "footer", "main", "nav", "aside"}
_LINES = {"div", "li", "tr", "dt", "dd", "caption", "figcaption", "summary", "legend", "address", "center"}
_UNSEEN = re.compile(r"display\s*:\s*none|visibility\s*:\s*hidden", re.IGNORECASE)
_INSIDE_A_LAYOUT = {"table", "ul", "ol", "pre", "h1", "h2", "h3", "h4", "h5", "h6"}


def parse_html(markup: str) -> Parsed:
    """Return what a browser would show of a page: blocks in lines, cells separated by tabs, list items marked."""
    from lxml import etree

    # Without the limit on sizes the depth is still limited, to 2048; what is deeper would be lost silently.
    parser = etree.HTMLParser(encoding="utf-8", no_network=True, remove_comments=True, remove_pis=True, huge_tree=True)
    root = etree.fromstring(markup.replace("\r\n", "\n").encode("utf-8", "replace"), parser)
    if any("depth" in error.message.lower() for error in parser.error_log):
        raise BadData("nests its elements too deeply. Open it in a browser and save what it shows as text.")
    growing = _Growing()
    if root is not None:
        _read_html(etree.iterwalk(root, events=("start", "end")), growing)
    return Parsed(growing.text())


def _read_html(walk: Iterable[tuple[str, Any]], growing: _Growing) -> None:
    lists: list[int | None] = []  # the number of the next item, None where items are not numbered
    hidden: Any = None
    kept = 0  # how many elements around here keep their white space
    flat: set[Any] = set()
    for event, element in walk:
        name = element.tag if isinstance(element.tag, str) else ""
        if hidden is not None and element is not hidden:
            continue
        if event == "start":
            if name in _HIDDEN or "hidden" in element.attrib or _UNSEEN.search(element.get("style", "")):
                hidden = element
                continue
            _begin_block(name, growing, nested=bool(lists))
            if name in ("ul", "ol"):
                start = element.get("start", "1")
                lists.append((int(start) if start.isdecimal() else 1) if name == "ol" else None)
            elif name == "li":
                growing.mark = _next_mark(lists)
            elif name == "br":
                growing.line_break()
            elif name in ("td", "th"):
                if element.getprevious() is not None:
                    growing.next_cell()
                if not any(each.tag in _INSIDE_A_LAYOUT for each in element.iterdescendants()):
                    flat.add(element)
                    growing.flat += 1
            kept += name == "pre"
            text = element.text
            if name == "pre" and text:
                text = text.removeprefix("\n")
        else:
            text = element.tail
            if hidden is not None:
                hidden = None
            else:
                kept -= name == "pre"
                if name in ("ul", "ol"):
                    lists.pop()
                elif name == "li":
                    growing.mark = ""  # of an empty item
                if element in flat:
                    flat.discard(element)
                    growing.flat -= 1
                _begin_block(name, growing, nested=bool(lists))
        if text and kept:
            growing.verbatim(text)
        elif text:
            growing.words(text)


def _begin_block(name: str, growing: _Growing, *, nested: bool) -> None:
    if name in _PARAGRAPHS:
        growing.gap(_LINE if nested and name in ("ul", "ol") else _PARAGRAPH)
    elif name in _LINES:
        growing.gap(_LINE)


def _next_mark(lists: list[int | None]) -> str:
    number = lists[-1] if lists else None
    if number is None:
        return "• "
    lists[-1] = number + 1
    return f"{number}. "


_FRONT_MATTER = re.compile(r"\A---[ \t]*\n.*?\n(?:---|\.\.\.)[ \t]*(?:\n|\Z)", re.DOTALL)


def parse_markdown(source: str) -> Parsed:
    """Return a Markdown text without its marks; front matter (the part between --- on top) is left out."""
    from markdown_it import MarkdownIt

    source = source.replace("\r\n", "\n")
    body = _FRONT_MATTER.sub("", source, count=1)
    notes = () if body == source else ("The front matter on top (between the lines ---) is left out.",)
    markup = MarkdownIt("commonmark", {"maxNesting": 100}).enable(["table", "strikethrough"]).render(body)
    return Parsed(parse_html(markup).text, notes=notes)


# Word

_W = "{http://schemas.openxmlformats.org/wordprocessingml/2006/main}"
_NOT_SHOWN = {f"{_W}del", f"{_W}moveFrom", "{http://schemas.openxmlformats.org/markup-compatibility/2006}Fallback"}
_TEXTS = {f"{_W}t", "{http://schemas.openxmlformats.org/officeDocument/2006/math}t"}


def parse_docx(path: Path) -> Parsed:
    """Return a Word document's paragraphs, lists and tables in order, and its foot- and endnotes behind them.

    Tracked changes count as accepted. Headers, footers and comments are no part of the text.
    """
    from docx import Document
    from docx.oxml.ns import qn
    from docx.oxml.parser import parse_xml

    document = Document(str(path))
    listed = {
        style.style_id
        for style in document.styles
        if style.element.find(f".//{_W}numPr") is not None and style.element.find(f".//{_W}outlineLvl") is None
    }
    growing = _Growing()
    cited: list[tuple[str, str]] = []
    _read_word(document.element.body, growing, listed, cited)
    notes = {
        (kind, note.get(qn("w:id"))): note
        for kind in ("footnote", "endnote")
        for relation in document.part.rels.values()
        if relation.reltype.endswith(f"/{kind}s") and not relation.is_external
        for note in parse_xml(relation.target_part.blob)
    }
    for number, key in enumerate(cited, start=1):
        if key in notes:
            growing.gap(_PARAGRAPH)
            growing.verbatim(f"[{number}]")
            _read_word(notes[key], growing, listed, [], between=_SPACE)
    return Parsed(growing.text())


def _read_word(
    root: Any, growing: _Growing, listed: set[str], cited: list[tuple[str, str]], between: str = _PARAGRAPH
) -> None:
    from lxml import etree

    hidden: Any = None
    flat: set[Any] = set()
    after_item = False
    for event, element in etree.iterwalk(root, events=("start", "end")):
        name = element.tag
        if hidden is not None:
            hidden = None if element is hidden and event == "end" else hidden
        elif event == "end":
            if name == f"{_W}tr":
                growing.gap(_LINE)
            elif name == f"{_W}tbl":
                growing.gap(_PARAGRAPH)
            elif element in flat:
                flat.discard(element)
                growing.flat -= 1
        elif name in _NOT_SHOWN or (name == f"{_W}r" and element.find(f"{_W}rPr/{_W}vanish") is not None):
            hidden = element
        elif name == f"{_W}p":
            item = _is_item(element, listed)
            growing.gap(_LINE if item and after_item else between)
            between, after_item = _PARAGRAPH, item
            growing.mark = "• " if item else ""
        elif name == f"{_W}tbl":
            growing.gap(_PARAGRAPH)
        elif name == f"{_W}tc":
            before = element.getprevious()
            if before is not None and before.tag == name:
                growing.next_cell()
            # A short cell is a line of a table; a long one is a column of a page that a table lays out.
            if len(element.findall(f"{_W}p")) <= 3 and element.find(f".//{_W}tbl") is None:
                flat.add(element)
                growing.flat += 1
        elif name in _TEXTS:
            growing.words(element.text or "")
        elif name == f"{_W}tab" and element.getparent().tag == f"{_W}r":
            growing.next_cell()
        elif name in (f"{_W}br", f"{_W}cr"):
            growing.line_break()
        elif name == f"{_W}noBreakHyphen":
            growing.verbatim("-")
        elif name in (f"{_W}footnoteReference", f"{_W}endnoteReference"):
            cited.append((name.removeprefix(_W).removesuffix("Reference"), element.get(f"{_W}id", "")))
            growing.verbatim(f"[{len(cited)}]")


def _is_item(paragraph: Any, listed: set[str]) -> bool:
    style = paragraph.find(f"{_W}pPr/{_W}pStyle")
    number = paragraph.find(f"{_W}pPr/{_W}numPr/{_W}numId")
    if number is not None:
        return number.get(f"{_W}val") != "0"
    return style is not None and style.get(f"{_W}val") in listed

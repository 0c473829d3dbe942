"""Files that a person drops in, turned into the text that a reader reads: .txt, .md, .html, .pdf and .docx.

The text is what is read and what is shown, so offsets count in it. A file that cannot be read, is not what its
ending says or would not fit raises `BadData` with a sentence that names it and says what to do.

Parsing a stranger's file may take forever, or all the memory: `read_text_safely` does it in a process of its own.
"""

from __future__ import annotations

import codecs
import json
import logging
import os
import re
import signal
import subprocess
import sys
import warnings
from bisect import bisect_right
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from zipfile import ZipFile

from reader.errors import BadData
from reader.sources import refuse_large, short
from reader.text_parsers import (
    LARGEST_TEXT,
    UNREADABLE,
    Parsed,
    is_want_of_memory,
    parse_docx,
    parse_html,
    parse_markdown,
    reason,
    too_long,
)
from reader.text_pdf import parse_pdf

_REPOSITORY = Path(__file__).resolve().parents[1]
_MEMORY = 2 * 1024**3  # bytes that the process of a parser may use


@dataclass(frozen=True, slots=True)
class FileText:
    """The text of a file: its name, the text, the offset at which each page begins, and what to tell of it.

    ``pages`` is empty where the file has none. ``notes`` are sentences: what was left out or guessed.
    """

    name: str
    text: str
    pages: tuple[int, ...] = ()
    notes: tuple[str, ...] = ()

    def page_of(self, offset: int) -> int | None:
        """Return the page, from 1, that holds the letter at an offset; None where there are no pages."""
        return max(1, bisect_right(self.pages, offset)) if self.pages else None


def read_text(path: Path) -> FileText:
    """Return the text of a file in one of `ENDINGS`; anything that is in the way raises `BadData`.

    Parses in this process, without limits: for files of one's own. `MemoryError` may come out of it.
    """
    parse = _parser(path)
    try:
        parsed = parse(path)
    except BadData as error:
        raise BadData(f"{path.name} {error}") from None
    except OSError as error:
        raise BadData(f"{path.name} cannot be read: {error.strerror or error}.") from None
    except UNREADABLE as error:
        if is_want_of_memory(error):
            raise MemoryError from None
        raise BadData(f"{path.name} is a broken {path.suffix.lower()} file ({reason(error)}).") from None
    if len(parsed.text) > LARGEST_TEXT:
        raise BadData(f"{path.name} {too_long(f'{len(parsed.text):,}')}")
    if not parsed.text.strip():
        raise BadData(f"{path.name} holds no text.")
    return FileText(path.name, parsed.text, parsed.pages, parsed.notes)


def read_text_safely(path: Path, seconds: float = 60) -> FileText:
    """Do as `read_text`, in a process of its own that ends after ``seconds`` and, on Linux, at 2 GB of memory.

    Plain text needs no process. What kills the process raises `BadData` as well.
    """
    if path.suffix.lower() == ".txt":
        return read_text(path)
    _parser(path)
    command = [sys.executable, "-m", "reader.texts", str(path.absolute()), str(seconds)]
    try:
        ran = subprocess.run(
            command, cwd=_REPOSITORY, env=_environment(), stdin=subprocess.DEVNULL, capture_output=True, timeout=seconds
        )
    except subprocess.TimeoutExpired:
        raise BadData(_too_slow(path.name, seconds)) from None
    if ran.returncode != 0:
        raise BadData(_why_it_died(path.name, ran, seconds))
    answer = json.loads(ran.stdout)
    if "problem" in answer:
        raise BadData(answer["problem"])
    return FileText(path.name, answer["text"], tuple(answer["pages"]), tuple(answer["notes"]))


# What a file is


def _parser(path: Path) -> Callable[[Path], Parsed]:
    """Return what reads this kind of file; refuse what is no file, too large, empty, or not what its ending says."""
    ending = path.suffix.lower()
    if not path.exists():
        raise BadData(f"There is no file {path.name}.")
    if not path.is_file():
        raise BadData(f"{path.name} is {'a folder' if path.is_dir() else 'no plain file'}; a file was expected.")
    if ending not in _PARSERS:
        said = _SAVE_AS.get(ending, f"expected one of: {', '.join(ENDINGS)}")
        raise BadData(f"{path.name} {f'is a {ending} file' if ending else 'has no ending'}; {said}.")
    try:
        size = path.stat().st_size
        with path.open("rb") as file:
            beginning = file.read(1024)
    except OSError as error:
        raise BadData(f"{path.name} cannot be read: {error.strerror or error}.") from None
    if size == 0:
        raise BadData(f"{path.name} is empty (0 bytes).")
    refuse_large(path.name, size)
    _refuse_disguised(path.name, ending, beginning)
    return _PARSERS[ending]


_WORD = "open it in Word or LibreOffice and save it as .docx"
_PICTURE = "a picture holds no text; run it through text recognition (OCR) first"
_SAVE_AS = {
    **dict.fromkeys((".doc", ".odt", ".rtf", ".dot", ".docm", ".dotx", ".wpd"), _WORD),
    ".pages": "open it in Pages and export it as .docx or .pdf",
    ".epub": "convert it to .html or .txt first, with Calibre for example",
    **dict.fromkeys((".ppt", ".pptx", ".odp", ".key"), "open it and export it as .pdf"),
    **dict.fromkeys((".xls", ".xlsx", ".ods", ".csv"), "save what is to be read as .txt"),
    **dict.fromkeys((".png", ".jpg", ".jpeg", ".gif", ".webp", ".tif", ".tiff", ".heic"), _PICTURE),
}
_BEGINNINGS = {
    b"%PDF-": "a PDF",
    b"PK\x03\x04": "a zip or Office file",
    b"\xd0\xcf\x11\xe0": "an old or password-protected Office file",
    b"{\\rtf": "a rich text (RTF) file",
    b"\x89PNG": "a PNG picture",
    b"\xff\xd8\xff": "a JPEG picture",
    b"GIF8": "a GIF picture",
    b"II*\0": "a TIFF picture",
    b"\x1f\x8b": "a gzip file",
    b"7z\xbc\xaf": "a 7-Zip file",
}


def _refuse_disguised(name: str, ending: str, beginning: bytes) -> None:
    found = next((kind for begin, kind in _BEGINNINGS.items() if beginning.startswith(begin)), None)
    if ending == ".pdf" and b"%PDF-" in beginning:
        return
    if ending == ".docx" and found == "a zip or Office file":
        return
    if ending == ".docx" and found == "an old or password-protected Office file":
        raise BadData(f"{name} is {found}. Open it in Word, and save it as .docx without a password.")
    if found is None and ending in (".pdf", ".docx"):
        looks = "a web page" if re.match(rb"\s*<(?:!doctype|html)", beginning, re.IGNORECASE) else "something else"
        raise BadData(f"{name} is called {ending}, but is {looks}. Give it its own ending, or save it as {ending}.")
    if found is not None:
        raise BadData(f"{name} is called {ending}, but is {found}. Give it its own ending, or save it as {ending}.")


# From bytes to letters

_BYTE_ORDER_MARKS = {
    codecs.BOM_UTF8: "utf-8-sig",
    codecs.BOM_UTF32_LE: "utf-32",
    codecs.BOM_UTF32_BE: "utf-32",
    codecs.BOM_UTF16_LE: "utf-16",
    codecs.BOM_UTF16_BE: "utf-16",
}
_GUESSED = (
    "It is not UTF-8, and was read as Windows-1252 (Latin-1). "
    "If letters look wrong, save it with the encoding UTF-8, and drop it again."
)
# As browsers do: pages that say Latin-1 or ASCII are written in Windows-1252.
_LATIN = {"iso-8859-1": "cp1252", "latin-1": "cp1252", "latin1": "cp1252", "us-ascii": "cp1252", "ascii": "cp1252"}
_CHARSET = re.compile(rb"<(?:meta|\?xml)[^>]{0,300}?(?:charset|encoding)\s*=\s*[\"']?\s*([\w:.-]{1,40})", re.IGNORECASE)


def _decode(data: bytes, declared: str = "") -> tuple[str, tuple[str, ...]]:
    """Return a text and notes: by its byte order mark, as declared, as UTF-8, or as Windows-1252, which is noted.

    Windows-1252 fits nearly any bytes, so it is believed only where most letters are plain ones.
    """
    mark = next((mark for mark in _BYTE_ORDER_MARKS if data.startswith(mark)), None)
    for encoding in (_BYTE_ORDER_MARKS[mark],) if mark else (_LATIN.get(declared.lower(), declared), "utf-8"):
        try:
            if encoding:
                return _printable(data.decode(encoding)), ()
        except (UnicodeDecodeError, LookupError):
            continue
    text = _printable(data.decode("utf-8", "replace"))
    lost = text.count("�")
    if sum(letter > "\x7f" for letter in text) > 2 * lost:
        return text, (f"{lost:,} of its letters are broken UTF-8, and shown as �.",)
    text = data.decode("cp1252", "replace")
    if mark or "�" in text or sum(letter > "\x7f" for letter in text) > 0.3 * len(text):
        raise BadData("is not UTF-8 text. Open it in an editor, save it with the encoding UTF-8, and drop it again.")
    return text, (_GUESSED,)


def _printable(text: str) -> str:
    if "\0" in text:
        raise BadData("is a binary file, not UTF-8 text.")
    return text


def _parse_txt(path: Path) -> Parsed:
    if path.stat().st_size > 4 * LARGEST_TEXT:  # a letter has four bytes at most
        raise BadData(too_long(f"more than {LARGEST_TEXT:,}"))
    text, notes = _decode(path.read_bytes())
    return Parsed(text, notes=notes)


def _parse_markdown(path: Path) -> Parsed:
    source, notes = _decode(path.read_bytes())
    parsed = parse_markdown(source)
    return Parsed(parsed.text, notes=(*notes, *parsed.notes))


def _parse_html(path: Path) -> Parsed:
    data = path.read_bytes()
    declared = _CHARSET.search(data[:4096])
    markup, notes = _decode(data, declared[1].decode("ascii", "replace") if declared else "")
    return Parsed(parse_html(markup).text, notes=notes)


def _parse_docx(path: Path) -> Parsed:
    """Look into the zip before it is unpacked: what it is, and how large it would become."""
    with ZipFile(path) as package:
        names = set(package.namelist())
        if "word/document.xml" not in names and not any(name.startswith("word/") for name in names):
            raise BadData("is called .docx, but is no Word file. Save it as .docx, or give it its own ending.")
        unpacked = sum(part.file_size for part in package.infolist())
    refuse_large("unpacked", unpacked)
    return parse_docx(path)


_PARSERS: dict[str, Callable[[Path], Parsed]] = {
    ".txt": _parse_txt,
    ".md": _parse_markdown,
    ".markdown": _parse_markdown,
    ".html": _parse_html,
    ".htm": _parse_html,
    ".pdf": parse_pdf,
    ".docx": _parse_docx,
}
ENDINGS = tuple(_PARSERS)


# The process of its own


def _main(path: Path, seconds: float) -> None:
    """Read one file, and print what it holds, or the problem, as JSON."""
    if sys.platform == "linux":
        import resource

        resource.setrlimit(resource.RLIMIT_AS, (_MEMORY, _MEMORY))
        resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
        # It ends by itself, even where whoever waits for it was killed.
        resource.setrlimit(resource.RLIMIT_CPU, (int(seconds) + 1, int(seconds) + 1))
    logging.disable()
    warnings.simplefilter("ignore")
    answer: dict[str, object]
    try:
        found = read_text(path)
        answer = {"text": found.text, "pages": found.pages, "notes": found.notes}
    except BadData as error:
        answer = {"problem": str(error)}
    except MemoryError:
        answer = {"problem": _too_much_memory(path.name)}
    print(json.dumps(answer))


def _environment() -> dict[str, str]:
    """Return what Python needs to start, and none of the secrets that the server may hold."""
    wanted = ("PATH", "PYTHONPATH", "PYTHONHOME", "LD_LIBRARY_PATH", "SYSTEMROOT", "TMPDIR", "READER_MAX_DATA_MB")
    return {name: os.environ[name] for name in wanted if name in os.environ}


def _too_slow(name: str, seconds: float) -> str:
    return f"{name} takes longer than {seconds:g} s to read. Drop a smaller part of it, or copy its text."


def _too_much_memory(name: str) -> str:
    return f"{name} needs more memory to read than there is. Drop a smaller part of it, or copy its text."


def _why_it_died(name: str, ran: subprocess.CompletedProcess[bytes], seconds: float) -> str:
    if sys.platform != "win32":
        if ran.returncode == -signal.SIGXCPU:
            return _too_slow(name, seconds)
        if ran.returncode == -signal.SIGKILL:
            return _too_much_memory(name)
    last = ran.stderr.decode("utf-8", "replace").strip().rpartition("\n")[2]
    return (
        f"{name} cannot be read: it is broken in a way that ends the program that reads it ({short(last) or 'crash'})."
    )


if __name__ == "__main__":
    _main(Path(sys.argv[1]), float(sys.argv[2]))

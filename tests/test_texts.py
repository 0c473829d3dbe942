"""Files that people drop: their words in reading order, their pages, and a sentence for what cannot be read."""

from __future__ import annotations

import json
import random
import subprocess
import sys
import textwrap
import time
import zipfile
import zlib
from collections.abc import Callable
from pathlib import Path

import pytest
from docx import Document
from docx.oxml import OxmlElement
from pypdf import PdfReader, PdfWriter

from reader.errors import BadData
from reader.texts import ENDINGS, FileText, read_text, read_text_safely
from tests.made_pdf import COLUMN, assemble, make_pdf

Read = Callable[[str, bytes | str], FileText]
Refused = Callable[[str, bytes | str], str]
ROOT = Path(__file__).parents[1]
WORD = 'xmlns:w="http://schemas.openxmlformats.org/wordprocessingml/2006/main"'


@pytest.fixture
def read(tmp_path: Path) -> Read:
    """Read these bytes (or this text) under this name."""

    def read_as(name: str, content: bytes | str) -> FileText:
        path = tmp_path / name
        path.write_bytes(content.encode() if isinstance(content, str) else content)
        return read_text(path)

    return read_as


@pytest.fixture
def refused(read: Read) -> Refused:
    """Return the sentence that refuses these bytes under this name; it begins with the name."""

    def refused_as(name: str, content: bytes | str) -> str:
        with pytest.raises(BadData) as caught:
            read(name, content)
        assert str(caught.value).startswith(name)
        assert str(caught.value).endswith(".")
        return str(caught.value)

    return refused_as


# Plain text


def test_plain_text_is_kept_as_it_is(read: Read) -> None:
    text = "Étretat\r\n\tRouen  🙂\n\n"
    assert read("t.txt", text) == FileText("t.txt", text)
    assert read("t.TXT", b"\xef\xbb\xbf" + text.encode()).text == text
    for encoding in ("utf-16", "utf-32"):
        assert read("t.txt", text.encode(encoding)).text == text


def test_windows_1252_is_read_and_said(read: Read, refused: Refused) -> None:
    text = "The “Café” in Étretat charges 5 € for a coffee."
    found = read("t.txt", text.encode("cp1252"))
    assert found.text == text
    assert "Windows-1252" in found.notes[0] and "UTF-8" in found.notes[0]
    assert "encoding UTF-8" in refused("t.txt", "Москва — столица".encode("cp1251"))
    assert "encoding UTF-8" in refused("t.txt", "東京は日本".encode("shift-jis"))


def test_a_few_broken_letters_do_not_make_utf_8_another_encoding(read: Read) -> None:
    found = read("t.txt", "Été à Étretat".encode() + b" \xff.")
    assert found.text == "Été à Étretat �."
    assert "1 of its letters" in found.notes[0]


# Markdown and HTML


def test_markdown_shows_no_marks(read: Read) -> None:
    source = """---
title: hidden
---
# The *head*

One line
and `two` [with a link](http://example.org) and ![a picture](a.png).

- one
- two

| Year | People |
|---|---|
| 1911 | **7** |

```py
if x:

    y
```

> said &copy;<script>alert()</script>
"""
    found = read("a.md", source)
    assert found.text == (
        "The head\n\nOne line and two with a link and .\n\n• one\n• two\n\nYear\tPeople\n1911\t7\n\n"
        "if x:\n\n    y\n\nsaid ©"
    )
    assert found.notes == ("The front matter on top (between the lines ---) is left out.",)
    assert read("a.markdown", "# Head\n\n---\n\nText\n\n---\n").text == "Head\n\nText"


def test_html_reads_as_a_browser_shows_it(read: Read) -> None:
    page = """<!doctype html><html><head><title>T</title><style>p { }</style></head><body>
<h1>A  <b>b</b>old</h1><p>x<br>y &amp; z&nbsp;&eacute;co&shy;op
<p>second <!-- no --><em>em</em>, ok<template>no</template>
<div hidden>no</div><div style="color:red; display : none">no <p>no</div><script>no()</script>
<ul><li>a<ul><li>b</ul><li><p>c</ul><ol start=3><li>q<li>r</ol>
<table><tr><th> A <th>B<tr><td><td><p>2</p><p>3</p></table>
<pre>
one
  two <i>x</i>

end
</pre><div>d1</div><div>d2<div>d3</div>tail</div></body></html>"""
    assert read("a.html", page).text == (
        "A bold\n\nx\ny & z écoop\n\nsecond em, ok\n\n• a\n• b\n\n• c\n\n3. q\n4. r\n\n"
        "A\tB\n\t2 3\n\none\n  two x\n\nend\n\nd1\nd2\nd3\ntail"
    )


def test_a_table_that_lays_out_a_page_keeps_its_paragraphs(read: Read) -> None:
    page = "<table><tr><td><h1>Head</h1><p>One</p><p>Two</p></td></tr></table>"
    assert read("a.htm", page).text == "Head\n\nOne\n\nTwo"


@pytest.mark.parametrize(
    "page",
    [
        '<meta charset="iso-8859-1"><p>“Été”'.encode("cp1252"),
        b'<meta http-equiv="Content-Type" content="text/html; charset=windows-1252"><p>\x93\xc9t\xe9\x94',
        '<?xml version="1.0" encoding="utf-8"?><html><p>“Été”'.encode(),
        "<p>“Été”".encode("utf-16"),
        b"\xef\xbb\xbf" + '<meta charset="latin-1"><p>“Été”'.encode(),
    ],
)
def test_html_is_decoded_as_it_says(page: bytes, read: Read) -> None:
    assert read("a.html", page) == FileText("a.html", "“Été”")


def test_html_that_is_nested_too_deeply_is_refused_and_not_cut(read: Read, refused: Refused) -> None:
    assert read("a.html", "<div>" * 1000 + "deep").text == "deep"
    assert "too deeply" in refused("a.html", "<p>begin" + "<div>" * 5000 + "deep")


# Word


def docx(tmp_path: Path) -> bytes:
    document = Document()
    document.add_heading("Rouen", 1)
    paragraph = document.add_paragraph("It lies on ")
    paragraph.add_run("the Sei")
    paragraph.add_run("ne").bold = True
    paragraph.add_run(". ")
    paragraph.add_run("secret").font.hidden = True
    paragraph.add_run("Old.")
    for item in ("one", "two"):
        document.add_paragraph(item, style="List Bullet")
    table = document.add_table(2, 2)
    table.cell(0, 0).text, table.cell(0, 1).text, table.cell(1, 1).text = "Year", "People\nin all", "7"
    document.add_paragraph("The end.")
    document.save(str(tmp_path / "made.docx"))
    return (tmp_path / "made.docx").read_bytes()


def with_part(package: bytes, tmp_path: Path, name: str, content: str | bytes) -> bytes:
    (tmp_path / "old.zip").write_bytes(package)
    with zipfile.ZipFile(tmp_path / "old.zip") as old, zipfile.ZipFile(tmp_path / "new.zip", "w", 8) as new:
        for part in old.namelist():
            new.writestr(part, content if part == name else old.read(part))
    return (tmp_path / "new.zip").read_bytes()


def word(body: str) -> str:
    return f"<w:document {WORD}><w:body>{body}</w:body></w:document>"


def test_word_in_the_order_of_the_document(read: Read, tmp_path: Path) -> None:
    found = read("a.docx", docx(tmp_path))
    assert found == FileText(
        "a.docx",
        "Rouen\n\nIt lies on the Seine. Old.\n\n• one\n• two\n\nYear\tPeople in all\n\t7\n\nThe end.",
    )


def test_word_counts_tracked_changes_as_accepted_and_reads_content_controls(read: Read, tmp_path: Path) -> None:
    body = (
        "<w:p><w:r><w:t>Now </w:t></w:r><w:ins><w:r><w:t>new</w:t></w:r></w:ins>"
        "<w:del><w:r><w:delText>old</w:delText></w:r></w:del></w:p>"
        "<w:sdt><w:sdtContent><w:p><w:hyperlink><w:r><w:t>a</w:t><w:tab/><w:t>link</w:t><w:br/><w:t>x</w:t></w:r>"
        "</w:hyperlink></w:p></w:sdtContent></w:sdt>"
    )
    found = read("a.docx", with_part(docx(tmp_path), tmp_path, "word/document.xml", word(body)))
    assert found.text == "Now new\n\na\tlink\nx"


def test_the_footnotes_of_word_stand_behind(read: Read, tmp_path: Path) -> None:
    from docx.opc.constants import RELATIONSHIP_TYPE
    from docx.opc.packuri import PackURI
    from docx.opc.part import Part

    document = Document()
    run = document.add_paragraph("Claimed").add_run()
    reference = OxmlElement("w:footnoteReference")
    reference.set("{http://schemas.openxmlformats.org/wordprocessingml/2006/main}id", "2")
    run._r.append(reference)
    run.add_text(" often.")
    notes = (
        f'<w:footnotes {WORD}><w:footnote w:id="1"><w:p><w:r><w:t>unused</w:t></w:r></w:p></w:footnote>'
        '<w:footnote w:id="2"><w:p><w:r><w:t>By Ada.</w:t></w:r></w:p></w:footnote></w:footnotes>'
    )
    package = document.part.package
    part = Part(PackURI("/word/footnotes.xml"), "application/xml", notes.encode(), package)
    document.part.relate_to(part, RELATIONSHIP_TYPE.FOOTNOTES)
    document.save(str(tmp_path / "made.docx"))
    assert read("a.docx", (tmp_path / "made.docx").read_bytes()).text == "Claimed[1] often.\n\n[1] By Ada."


def test_word_fetches_and_expands_nothing(read: Read, refused: Refused, tmp_path: Path) -> None:
    (tmp_path / "secret").write_text("root:x:0")
    outside = f'<!DOCTYPE d [<!ENTITY x SYSTEM "{(tmp_path / "secret").as_uri()}">]>' + word(
        "<w:p><w:r><w:t>a &x; b</w:t></w:r></w:p>"
    )
    assert "root" not in read("a.docx", with_part(docx(tmp_path), tmp_path, "word/document.xml", outside)).text
    laughs = "".join(f'<!ENTITY l{n + 1} "{f"&l{n};" * 10}">' for n in range(9))
    billion = f'<!DOCTYPE d [<!ENTITY l0 "ha">{laughs}]>' + word("<w:p><w:r><w:t>&l9;</w:t></w:r></w:p>")
    assert "broken .docx" in refused("a.docx", with_part(docx(tmp_path), tmp_path, "word/document.xml", billion))


def test_a_zip_bomb_is_refused_before_it_is_unpacked(
    refused: Refused, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("READER_MAX_DATA_MB", "5")
    bomb = with_part(docx(tmp_path), tmp_path, "word/document.xml", b" " * 6_000_000)
    assert len(bomb) < 100_000
    assert "unpacked holds 7 MB; the limit is 5 MB" in refused("a.docx", bomb)


# PDF

SET = """The capital city of Normandy lies on the river
Seine, where the merchants met, and the offi-
cial information about its long history was hy-
phenated by the typesetter in the usual, well-
known way that readers of newspapers have seen
for as long as columns were narrow."""
PARAGRAPH = (
    "The capital city of Normandy lies on the river Seine, where the merchants met, and the official information "
    "about its long history was hyphenated by the typesetter in the usual, well-known way that readers of newspapers "
    "have seen for as long as columns were narrow."
)


def test_a_pdf_has_paragraphs_words_and_pages(read: Read) -> None:
    ligatures = SET.replace("fi", "ﬁ")
    found = read("a.pdf", make_pdf([f"History\n\n{ligatures}\n\nA second paragraph (short).", "", "The third page."]))
    assert found.text == f"History\n\n{PARAGRAPH}\n\nA second paragraph (short).\n\nThe third page."
    third = found.text.index("The third page.")
    assert found.pages == (0, third, third)
    assert (found.page_of(0), found.page_of(third - 1), found.page_of(third)) == (1, 1, 3)
    assert found.notes == ("Page 2 holds no text (pictures, or empty).",)


@pytest.mark.parametrize(
    ("above", "below", "joined"),
    [
        ("a very old kind of infor-", "mation for", "information"),
        ("a very old and well-", "known kind for", "well-known"),
        ("the people are high-", "ly welcome to", "highly"),
        ("there is state-of-the-", "art design of", "state-of-the-art"),
        ("it has to be OP-", "TIONAL in all", "OPTIONAL"),  # "Optional" stands elsewhere
        ("by the great Anglo-", "Saxon kings of", "Anglo-Saxon"),
        ("in the years of 1939-", "1945 and so on", "1939-1945"),
        ("made only of a co-", "operation that", "co-operation"),  # "co-operation" stands elsewhere
        ("he calls a windy-", "day kite as we", "windy-day"),  # both halves are words elsewhere
        ("the air was so very cold -", "and it was wet", "cold - and"),
    ],
)
def test_a_hyphen_is_taken_out_only_where_the_line_put_it_in(above: str, below: str, joined: str, read: Read) -> None:
    text = f"A co-operation on a windy day.\n\nOptional.\n\n{above}\n{below}"
    assert joined in read("a.pdf", make_pdf([text])).text


def test_lines_that_a_person_ended_stay_lines(read: Read) -> None:
    long = textwrap.fill(
        "What follows is an address, as it stands on the letters that were sent to the house. " * 3, 80
    )
    address = "Ada Lovelace\n12 St James's Square\nLondon"
    items = "1. one of them\n2. two of them"
    found = read("a.pdf", make_pdf([f"{long}\n\n{address}\n\n{items}"]))
    assert found.text == f"{' '.join(long.split())}\n\n{address}\n\n{items}"


def test_a_sentence_goes_on_over_the_page_without_the_running_lines(read: Read) -> None:
    filling = "\n".join(["This line fills the page up to the end of what there is to say on it."] * 5)
    pages = [
        f"The Annals\n\nand {number} begins, {filling} and the sentence is not yet fin-\n\n– {number + 1} –"
        for number in range(3, 7)
    ]
    pages = [page.replace("and ", "ished in 3, ", 1) if number else page for number, page in enumerate(pages)]
    found = read("a.pdf", make_pdf(pages))
    assert found.text.count("The Annals") == 1
    assert found.text.startswith("The Annals\n\nand 3 begins")
    assert "not yet finished in 3, 4 begins" in found.text
    assert "–" not in found.text
    assert found.notes == (
        "The page numbers are left out.",
        "“The Annals”, which stands on 4 pages, is read once.",
    )
    assert [found.text[offset : offset + 3] for offset in found.pages] == ["The", "ish", "ish", "ish"]


def test_forty_pages_that_begin_alike_lose_no_word(read: Read) -> None:
    pages = [f"Page {number}: the code word is w{number}.\nThe weather was fine." for number in range(1, 41)]
    found = read("a.pdf", make_pdf(pages))
    assert len(found.pages) == 40 and found.notes == ()
    for number in range(1, 41):
        assert found.page_of(found.text.index(f"w{number}.")) == number
    assert found.text.count("The weather was fine.") == 40


def test_no_letter_of_a_pdf_is_lost_or_made_up(read: Read, tmp_path: Path) -> None:
    rng = random.Random(7)
    words = PARAGRAPH.split()
    pages = [
        "\n\n".join(f"So {' '.join(rng.choices(words, k=rng.randint(1, 60)))}." for _ in range(4)) for _ in range(5)
    ]
    found = read("a.pdf", make_pdf(pages))
    assert found.text.split() == " ".join(pages).split()
    assert found.text.count("\n\n") == 19


def test_a_pdf_of_pictures_says_what_to_do(refused: Refused, read: Read) -> None:
    assert "its 12 pages are pictures" in refused("scan.pdf", make_pdf([""] * 12))
    assert "(OCR)" in refused("scan.pdf", make_pdf([""]))
    notes = read("part.pdf", make_pdf(["", "word", "", "", "", "word", ""])).notes
    assert notes == ("Pages 1, 3–5 and 7 hold no text (pictures, or empty).",)


def test_a_password_is_asked_for_only_where_one_is_needed(read: Read, refused: Refused, tmp_path: Path) -> None:
    (tmp_path / "plain.pdf").write_bytes(make_pdf(["Locked against changes."]))
    for password in ("", "secret"):
        writer = PdfWriter(clone_from=PdfReader(tmp_path / "plain.pdf"))
        writer.encrypt(password, "owner", algorithm="RC4-128")
        writer.write(tmp_path / f"locked{password}.pdf")
    assert read("a.pdf", (tmp_path / "locked.pdf").read_bytes()).text == "Locked against changes."
    assert "needs a password" in refused("a.pdf", (tmp_path / "lockedsecret.pdf").read_bytes())


def test_one_broken_page_does_not_lose_the_others(read: Read) -> None:
    bomb = zlib.compress(b" " * 80_000_000)
    resources = b"/Resources << /Font << /F1 5 0 R >> >> /Parent 2 0 R /MediaBox [0 0 595 842]"
    made = assemble(
        [
            b"<< /Type /Catalog /Pages 2 0 R >>",
            b"<< /Type /Pages /Count 2 /Kids [3 0 R 4 0 R] >>",
            b"<< /Type /Page %s /Contents 6 0 R >>" % resources,
            b"<< /Type /Page %s /Contents 7 0 R >>" % resources,
            b"<< /Type /Font /Subtype /Type1 /BaseFont /Helvetica >>",
            b"<< /Length %d /Filter /FlateDecode >>\nstream\n%s\nendstream" % (len(bomb), bomb),
            b"<< /Length 44 >>\nstream\nBT /F1 11 Tf 60 700 Td (Still here.) Tj ET    \nendstream",
        ]
    )
    found = read("a.pdf", made)
    assert found == FileText("a.pdf", "Still here.", (0, 0), ("Page 1 cannot be read and is left out.",))


# What is refused


@pytest.mark.parametrize(
    ("name", "content", "says"),
    [
        ("a.pdf", b"\x89PNG\r\n\x1a\n" + bytes(50), "is called .pdf, but is a PNG picture"),
        ("a.txt", b"%PDF-1.4 ...", "is called .txt, but is a PDF"),
        ("a.html", b"PK\x03\x04" + bytes(20), "is called .html, but is a zip or Office file"),
        ("a.pdf", b"<html><body>Please log in", "is called .pdf, but is a web page"),
        ("a.docx", b"plain words", "is called .docx, but is something else"),
        ("a.docx", b"\xd0\xcf\x11\xe0" + bytes(50), "save it as .docx without a password"),
        ("a.docx", b"PK\x03\x04 and no more", "is a broken .docx file"),
        ("a.pdf", b"%PDF-1.4\nand no more", "is a broken PDF"),
        ("a.txt", b"MZ\x90\x00\x03", "is a binary file, not UTF-8 text"),
        ("a.doc", b"\xd0\xcf\x11\xe0", "save it as .docx"),
        ("a.odt", b"PK", "save it as .docx"),
        ("a.rtf", b"{\\rtf1", "save it as .docx"),
        ("a.epub", b"PK", ".html or .txt"),
        ("a.png", b"\x89PNG", "(OCR)"),
        ("a.xyz", b"words", "expected one of: .txt, .md"),
        ("words", b"words", "has no ending; expected one of"),
        *((f"empty{ending}", b"", "is empty (0 bytes)") for ending in ENDINGS),
        *((f"blank{ending}", b" \n ", "holds no text") for ending in (".txt", ".md", ".html")),
    ],
)
def test_it_says_what_it_found_and_what_to_do(name: str, content: bytes, says: str, refused: Refused) -> None:
    assert says in refused(name, content)


def test_no_file_and_a_folder_are_sentences(tmp_path: Path) -> None:
    (tmp_path / "folder.txt").mkdir()
    for path, says in ((tmp_path / "none.txt", "no file none.txt"), (tmp_path / "folder.txt", "is a folder")):
        with pytest.raises(BadData, match=says):
            read_text(path)


def test_a_text_over_the_limit_is_refused(read: Read, refused: Refused, monkeypatch: pytest.MonkeyPatch) -> None:
    assert len(read("a.txt", "a" * 5_000_000).text) == 5_000_000
    assert "5,000,001 characters of text; the limit is 5,000,000" in refused("a.txt", "a" * 5_000_001)
    assert "more than 5,000,000 characters" in refused("a.txt", "a" * 20_000_001)
    assert "the limit is 5,000,000" in refused("a.html", f"<pre>{'a' * 5_000_001}</pre>")
    monkeypatch.setenv("READER_MAX_DATA_MB", "1")
    assert "READER_MAX_DATA_MB" in refused("a.txt", "a" * 1_600_000)


def test_damaged_files_are_read_or_refused_and_nothing_else(tmp_path: Path) -> None:
    rng = random.Random(3)
    good = {"a.pdf": make_pdf(["One page (here)", "and another"]), "a.docx": docx(tmp_path)}
    outcomes = {"read": 0, "refused": 0}
    for round_ in range(60):
        for name, content in good.items():
            damaged = bytearray(content)
            for _ in range(3):
                damaged[rng.randrange(len(damaged))] = rng.randrange(256)
            (tmp_path / name).write_bytes(damaged[: rng.randrange(len(damaged)) if round_ % 3 == 0 else None])
            try:
                read_text(tmp_path / name)
                outcomes["read"] += 1
            except BadData:
                outcomes["refused"] += 1
    assert min(outcomes.values()) > 5


# In a process of its own


def test_the_process_answers_as_the_function_does(tmp_path: Path) -> None:
    contents = {"a.pdf": make_pdf(["One “two”", ""]), "a.html": "<p>Été".encode(), "a.txt": b"x"}
    for name, content in contents.items():
        (tmp_path / name).write_bytes(content)
        assert read_text_safely(tmp_path / name) == read_text(tmp_path / name)
    (tmp_path / "b.pdf").write_bytes(make_pdf(["", ""]))
    with pytest.raises(BadData, match=r"b\.pdf holds no text .*OCR"):
        read_text_safely(tmp_path / "b.pdf")


def test_plain_text_and_what_is_refused_at_once_start_no_process(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(subprocess, "run", lambda *words, **more: pytest.fail("a process was started"))
    (tmp_path / "a.txt").write_text("words")
    (tmp_path / "a.doc").write_text("words")
    assert read_text_safely(tmp_path / "a.txt").text == "words"
    with pytest.raises(BadData, match=r"\.docx"):
        read_text_safely(tmp_path / "a.doc")


def test_a_file_that_takes_too_long_is_refused_in_time(tmp_path: Path) -> None:
    (tmp_path / "a.html").write_text("<i></i>" * 4_000_000)
    began = time.monotonic()
    with pytest.raises(BadData, match=r"a\.html takes longer than 1 s to read\."):
        read_text_safely(tmp_path / "a.html", seconds=1)
    assert time.monotonic() - began < 5


@pytest.mark.skipif(sys.platform == "win32", reason="signals and shell scripts")
@pytest.mark.parametrize(
    ("script", "says"),
    [
        ("kill -9 $$", "needs more memory"),
        ("kill -XCPU $$", "takes longer than 60 s"),
        ("kill -SEGV $$", "broken in a way that ends the program"),
        ("echo 'OddError: bad thing' >&2; exit 1", r"\(OddError: bad thing\)"),
    ],
)
def test_what_kills_the_process_is_a_sentence(
    script: str, says: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    program = tmp_path / "python"
    program.write_text(f"#!/bin/sh\nulimit -c 0\n{script}\n")
    program.chmod(0o755)
    (tmp_path / "a.html").write_text("<p>words")
    monkeypatch.setattr(sys, "executable", str(program))
    with pytest.raises(BadData, match=rf"a\.html .*{says}"):
        read_text_safely(tmp_path / "a.html")


@pytest.mark.skipif(sys.platform != "linux", reason="only Linux limits the memory of a process")
def test_the_memory_of_the_process_is_limited(tmp_path: Path) -> None:
    (tmp_path / "a.html").write_text("words " * 20_000_000)
    script = (
        "import sys; from pathlib import Path; from reader import texts; texts._MEMORY = 200 * 2**20; "
        "texts._main(Path(sys.argv[1]), 20)"
    )
    ran = subprocess.run(
        [sys.executable, "-c", script, str(tmp_path / "a.html")], cwd=ROOT, capture_output=True, timeout=60
    )
    assert "needs more memory" in json.loads(ran.stdout)["problem"]


def test_the_process_knows_no_secret(monkeypatch: pytest.MonkeyPatch) -> None:
    from reader.texts import _environment

    monkeypatch.setenv("HF_TOKEN", "hf_secret")
    assert "hf_secret" not in _environment().values() and "PATH" in _environment()


def test_a_page_is_found_for_every_offset() -> None:
    found = FileText("a.pdf", "one two", (0, 0, 4, 7))
    assert [found.page_of(offset) for offset in (0, 3, 4, 6)] == [2, 2, 3, 3]
    assert FileText("a.txt", "one").page_of(1) is None
    assert COLUMN > 40

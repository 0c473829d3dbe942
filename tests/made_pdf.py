"""PDFs with real text, written by hand, so that their words and places are known."""

from __future__ import annotations

import textwrap
from collections.abc import Sequence

SIZE, LEADING, COLUMN = 11, 14, 90  # points, points, letters
TOP, LEFT = 780, 60
# The ligatures are glyphs of their own, as typesetters use them.
LIGATURES = {"ﬁ": "\x01", "ﬂ": "\x02", "ﬀ": "\x03"}


def make_pdf(pages: Sequence[str]) -> bytes:
    """Return a PDF with one page for each text: its lines as they are (long ones wrapped), an empty one as a gap."""
    objects = [
        b"<< /Type /Catalog /Pages 2 0 R >>",
        b"<< /Type /Pages /Count %d /Kids [%s] >>"
        % (len(pages), b" ".join(b"%d 0 R" % (4 + 2 * number) for number in range(len(pages)))),
        b"<< /Type /Font /Subtype /Type1 /BaseFont /Helvetica /Encoding "
        b"<< /Type /Encoding /BaseEncoding /WinAnsiEncoding /Differences [1 /fi /fl /ff] >> >>",
    ]
    for number, text in enumerate(pages):
        objects += [
            b"<< /Type /Page /Parent 2 0 R /MediaBox [0 0 595 842] /Resources << /Font << /F1 3 0 R >> >> "
            b"/Contents %d 0 R >>" % (5 + 2 * number),
            _stream(_drawn(text)),
        ]
    return assemble(objects)


def assemble(objects: Sequence[bytes]) -> bytes:
    """Return a PDF of these objects, numbered from 1; the first is its catalog."""
    out = bytearray(b"%PDF-1.4\n")
    places = []
    for number, body in enumerate(objects, start=1):
        places.append(len(out))
        out += b"%d 0 obj\n%s\nendobj\n" % (number, body)
    table = len(out)
    out += b"xref\n0 %d\n0000000000 65535 f \n" % (len(objects) + 1)
    out += b"".join(b"%010d 00000 n \n" % place for place in places)
    out += b"trailer\n<< /Size %d /Root 1 0 R >>\nstartxref\n%d\n%%%%EOF\n" % (len(objects) + 1, table)
    return bytes(out)


def _stream(content: bytes) -> bytes:
    return b"<< /Length %d >>\nstream\n%s\nendstream" % (len(content), content)


def _drawn(text: str) -> bytes:
    if not text.strip():
        return b""
    lines = [part for line in text.split("\n") for part in textwrap.wrap(line, COLUMN, break_on_hyphens=False) or [""]]
    drawn = [b"BT /F1 %d Tf %d TL %d %d Td" % (SIZE, LEADING, LEFT, TOP)]
    for line in lines:
        for ligature, code in LIGATURES.items():
            line = line.replace(ligature, code)
        escaped = line.replace("\\", r"\\").replace("(", r"\(").replace(")", r"\)")
        drawn.append(b"(%s) Tj T*" % escaped.encode("cp1252"))
    return b"\n".join([*drawn, b"ET"])

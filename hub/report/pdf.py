"""A report as PDF on A4, with vectors for plots and a Japanese font.

The font of the system is embedded where there is one (Debian: fonts-ipafont-gothic), so that the
file looks alike everywhere. Else the reader's own Japanese font is asked for (Adobe-Japan1, which
every PDF reader with Japanese support has).
"""

from functools import cache, partial
from html import escape
from pathlib import Path
from typing import Any

from reportlab.graphics.shapes import Drawing, PolyLine, Rect, String  # type: ignore[import-untyped]
from reportlab.lib.colors import HexColor, white  # type: ignore[import-untyped]
from reportlab.lib.pagesizes import A4  # type: ignore[import-untyped]
from reportlab.lib.styles import ParagraphStyle  # type: ignore[import-untyped]
from reportlab.lib.units import mm  # type: ignore[import-untyped]
from reportlab.pdfbase import pdfmetrics  # type: ignore[import-untyped]
from reportlab.pdfbase.cidfonts import UnicodeCIDFont  # type: ignore[import-untyped]
from reportlab.pdfbase.ttfonts import TTFError, TTFont  # type: ignore[import-untyped]
from reportlab.platypus import (  # type: ignore[import-untyped]
    KeepTogether,
    Paragraph,
    SimpleDocTemplate,
    Spacer,
    Table,
)

from hub.report.content import Block, Grid, Heading, Line
from hub.report.picture import WIDTH, Picture
from hub.report.words import word

FONTS = (
    "/usr/share/fonts/opentype/ipafont-gothic/ipagp.ttf",
    "/usr/share/fonts/opentype/ipaexfont-gothic/ipaexg.ttf",
    "/usr/share/fonts/truetype/fonts-japanese-gothic.ttf",
)
READERS_FONT = "HeiseiKakuGo-W5"
MARGIN = 17 * mm
GRADES = {1: HexColor("#fdf3d7"), 2: HexColor("#fbe3df")}


@cache
def font() -> str:
    """Return the name of the font, registered."""
    for path in FONTS:
        if Path(path).exists():
            try:
                pdfmetrics.registerFont(TTFont("Japanese", path))
            except TTFError:
                continue
            return "Japanese"
    pdfmetrics.registerFont(UnicodeCIDFont(READERS_FONT))
    return READERS_FONT


def to_pdf(path: Path, blocks: list[Block], language: str, *, drill: bool) -> None:
    """Write the file. drill: every page says so."""
    title = next(one.text for one in blocks if isinstance(one, Heading))
    document = SimpleDocTemplate(
        str(path), pagesize=A4, leftMargin=MARGIN, rightMargin=MARGIN, topMargin=MARGIN,
        bottomMargin=MARGIN, title=title, author="Hinomi", lang=language,
    )  # fmt: skip
    around = partial(_around, title=title, language=language, drill=drill)
    document.build(_flow(blocks, document.width), onFirstPage=around, onLaterPages=around)


def _around(canvas: Any, document: Any, *, title: str, language: str, drill: bool) -> None:
    """Draw what every page has: its number, and in a drill that it is one."""
    width, height = A4
    canvas.saveState()
    canvas.setFont(font(), 8)
    canvas.setFillColor(HexColor("#5b6872"))
    canvas.drawString(MARGIN, 9 * mm, title)
    canvas.drawRightString(width - MARGIN, 9 * mm, word("page", language, document.page))
    if drill:
        canvas.setFillColor(HexColor("#1f4fa3"))
        canvas.rect(0, height - 11 * mm, width, 11 * mm, stroke=0, fill=1)
        canvas.setFillColor(white)
        canvas.setFont(font(), 12)
        canvas.drawCentredString(width / 2, height - 7.5 * mm, word("exercise", language))
    canvas.restoreState()


def _flow(blocks: list[Block], width: float) -> list[Any]:
    """Return the blocks as flowables; a heading stays with what follows it."""
    flow: list[Any] = []
    held: list[Any] = []
    for block in blocks:
        if isinstance(block, Line) and block.is_loud:
            continue  # every page has it
        if isinstance(block, Heading):
            held += [Spacer(1, 9 if block.level > 1 else 0), _heading(block)]
            continue
        one = _flowable(block, width)
        flow.append(KeepTogether([*held, one]) if held else one)
        flow.append(Spacer(1, 4))
        held = []
    return flow + held


def _heading(heading: Heading) -> Any:
    size = {1: 17, 2: 13, 3: 11}[heading.level]
    return _paragraph(heading.text, size, after=3)


def _flowable(block: Line | Grid | Picture, width: float) -> Any:
    match block:
        case Line(text, _):
            return _paragraph(text, 9.5)
        case Grid():
            return _table(block, width)
        case Picture():
            return _drawing(block, width)


def _paragraph(text: str, size: float, after: float = 0) -> Any:
    # Japanese may be broken anywhere, English between words.
    wrap = None if text.isascii() else "CJK"
    style = ParagraphStyle(
        f"s{size}", fontName=font(), fontSize=size, leading=size * 1.45, wordWrap=wrap,
        spaceAfter=after, textColor=HexColor("#1a2733"),
    )  # fmt: skip
    return Paragraph(escape(text, quote=False), style)


def _table(grid: Grid, width: float) -> Any:
    rows = ([grid.head] if grid.head else []) + grid.rows
    cells = [[_paragraph(cell, 8) for cell in row] for row in rows]
    style: list[Any] = [
        ("GRID", (0, 0), (-1, -1), 0.5, HexColor("#c8d0d7")),
        ("VALIGN", (0, 0), (-1, -1), "TOP"),
        ("TOPPADDING", (0, 0), (-1, -1), 2),
        ("BOTTOMPADDING", (0, 0), (-1, -1), 3),
        ("LEFTPADDING", (0, 0), (-1, -1), 4),
        ("RIGHTPADDING", (0, 0), (-1, -1), 4),
    ]
    head = HexColor("#eef2f5")
    if grid.head:
        style.append(("BACKGROUND", (0, 0), (-1, 0), head))
    else:
        style.append(("BACKGROUND", (0, 0), (0, -1), head))
    for at, grade in enumerate(grid.grades, 1):
        if grade:
            style.append(("BACKGROUND", (0, at), (-1, at), GRADES[grade]))
    widths = [share * width for share in grid.widths]
    return Table(cells, colWidths=widths, style=style, repeatRows=1 if grid.head else 0)


def _drawing(picture: Picture, width: float) -> Any:
    scale = width / WIDTH
    height = picture.height
    drawing = Drawing(width, height * scale)
    drawing.scale(scale, scale)
    for x, y, wide, high, colour in picture.boxes:
        box = Rect(x, height - y - high, wide, high)
        box.fillColor, box.strokeColor = HexColor(colour), None
        drawing.add(box)
    for points, colour, thick in picture.lines:
        flat = [number for x, y in points for number in (x, height - y)]
        drawing.add(PolyLine(flat, strokeColor=HexColor(colour), strokeWidth=thick))
    for x, y, text, anchor in picture.texts:
        drawing.add(
            String(x, height - y, text, fontName=font(), fontSize=7.5, textAnchor=anchor,
                   fillColor=HexColor("#46525d"))
        )  # fmt: skip
    return drawing

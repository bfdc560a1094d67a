"""A report as one HTML file that needs nothing else, on a screen or printed."""

from html import escape

from hub.report.content import Block, Grid, Heading, Line
from hub.report.picture import Picture, to_svg

STYLE = """
body { font: 15px/1.6 "Noto Sans JP", "Hiragino Sans", "Yu Gothic", Meiryo, sans-serif;
  color: #1a2733; background: #fff; max-width: 60rem; margin: 0 auto; padding: 1rem; }
h1 { font-size: 1.5rem; margin: 0 0 .5rem; } h2 { font-size: 1.15rem; margin: 1.6rem 0 .4rem; }
h3 { font-size: 1rem; margin: 1.6rem 0 .3rem; border-bottom: 2px solid #1a2733; }
table { border-collapse: collapse; width: 100%; font-size: .9rem; }
th, td { border: 1px solid #c8d0d7; padding: .25rem .45rem; text-align: left;
  vertical-align: top; }
th { background: #eef2f5; font-weight: 600; }
.scroll { overflow-x: auto; } tr[class] td:nth-child(-n+3) { white-space: nowrap; }
tr.grade2 td { background: #fbe3df; } tr.grade1 td { background: #fdf3d7; }
.loud { background: #1f4fa3; color: #fff; font-weight: 700; padding: .4rem .8rem; }
svg { width: 100%; height: auto; display: block; margin: .4rem 0; }
svg text { font-size: 9px; fill: #46525d; font-family: inherit; }
@media print { h3 { break-after: avoid; } svg, table { break-inside: avoid; } }
"""


def to_html(blocks: list[Block], language: str) -> str:
    """Return the whole file."""
    title = next(one.text for one in blocks if isinstance(one, Heading))
    body = "\n".join(_block(one) for one in blocks)
    return (
        f'<!doctype html>\n<html lang="{language}">\n<head>\n<meta charset="utf-8">\n'
        '<meta name="viewport" content="width=device-width, initial-scale=1">\n'
        f"<title>{escape(title)}</title>\n<style>{STYLE}</style>\n</head>\n<body>\n"
        f"{body}\n</body>\n</html>\n"
    )


def _block(block: Block) -> str:
    match block:
        case Heading(text, level):
            return f"<h{level}>{escape(text)}</h{level}>"
        case Line(text, is_loud):
            return f"<p{' class=loud' if is_loud else ''}>{escape(text)}</p>"
        case Grid():
            return _grid(block)
        case Picture():
            return to_svg(block)


def _grid(grid: Grid) -> str:
    parts = ['<div class="scroll"><table>']
    if grid.head:
        cells = "".join(f"<th>{escape(cell)}</th>" for cell in grid.head)
        parts.append(f"<thead><tr>{cells}</tr></thead>")
    for at, row in enumerate(grid.rows):
        mark = f' class="grade{grid.grades[at]}"' if grid.grades else ""
        tag = "td" if grid.head else "th"
        first = f"<{tag}>{escape(row[0])}</{tag}>"
        cells = first + "".join(f"<td>{escape(cell)}</td>" for cell in row[1:])
        parts.append(f"<tr{mark}>{cells}</tr>")
    return "".join(parts) + "</table></div>"

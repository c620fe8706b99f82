"""Self-contained HTML pages: one file with its style, pictures and charts inside, good on a phone, a desk and paper."""

from __future__ import annotations

import base64
from collections.abc import Iterable, Sequence
from html import escape

_COLORS = """
:root{color-scheme:light dark;--ink:#1c2330;--soft:#5b6576;--line:#d9dee7;--paper:#fff;--panel:#f5f7fa;--main:#2f6db5;
--other:#c2571a;--good:#2c8a57;--bad:#b83a3a}
@media(prefers-color-scheme:dark){:root{--ink:#e6e9ef;--soft:#9aa5b5;--line:#343c4a;--paper:#12161d;--panel:#1b212b;
--main:#6aa6ea;--other:#e08a4f;--good:#5cc08a;--bad:#e07a7a}}
"""
_STYLE = """
*{box-sizing:border-box}body{margin:0;background:var(--paper);color:var(--ink);
font:16px/1.5 system-ui,-apple-system,"Segoe UI",Roboto,sans-serif}
main{max-width:1080px;margin:0 auto;padding:24px 16px 64px}h1{font-size:1.7rem;line-height:1.2;margin:.2em 0}
h2{font-size:1.2rem;margin:2.2em 0 .5em;border-bottom:1px solid var(--line);padding-bottom:.2em}
h3{font-size:1rem;margin:1.4em 0 .4em}p{max-width:46em;margin:.5em 0}.soft,figcaption{color:var(--soft);font-size:.9rem}
.scroll{overflow-x:auto}table{border-collapse:collapse;font-size:.9rem;font-variant-numeric:tabular-nums}
th,td{padding:.3em .7em;text-align:left;border-bottom:1px solid var(--line);vertical-align:top}
th{color:var(--soft);font-weight:600}td.n,th.n{text-align:right;white-space:nowrap}
figure{margin:1em 0}svg{max-width:100%;height:auto;display:block}
svg text{fill:var(--ink);font:12px system-ui,sans-serif}
.row{display:flex;flex-wrap:wrap;gap:24px}.row>*{flex:1 1 320px;min-width:0}
.cards{display:grid;grid-template-columns:repeat(auto-fill,minmax(150px,1fr));gap:12px;margin:1em 0}
.card{background:var(--panel);border-radius:8px;padding:10px 12px}.card b{display:block;font-size:1.4rem}
.sheet{display:grid;grid-template-columns:repeat(auto-fill,minmax(104px,1fr));gap:10px}
.sheet figure{margin:0}.sheet img{width:100%;image-rendering:pixelated;border-radius:4px;display:block}
.sheet figcaption{font-size:.75rem;line-height:1.3;overflow-wrap:anywhere}
@media print{@page{size:A4;margin:14mm}html,body{font-size:11px}main{max-width:none;padding:0}
h2,h3,h2+p{break-after:avoid}p{break-inside:avoid}
.scroll{overflow:visible}thead{display:table-header-group}tr,figure,.card,.cards{break-inside:avoid}
.row>*{flex:1 1 45%}.sheet{grid-template-columns:repeat(8,1fr)}td,th{padding:.2em .5em}}
"""


def page(title: str, parts: Iterable[str], *, lead: str = "") -> str:
    """Return a whole page; `title` and `lead` are plain text, the parts are HTML."""
    body = "\n".join(parts)
    opening = f'<p class="soft">{escape(lead)}</p>' if lead else ""
    return (
        '<!doctype html>\n<html lang="en"><head><meta charset="utf-8">'
        '<meta name="viewport" content="width=device-width,initial-scale=1">'
        f"<title>{escape(title)}</title><style>{_COLORS}{_STYLE}</style></head>\n"
        f"<body><main><h1>{escape(title)}</h1>{opening}\n{body}\n</main></body></html>\n"
    )


def picture(chart: str) -> str:
    """Return a chart of `mien.charts` as an SVG file of its own, with its colours inside."""
    rules = "svg{background:var(--paper)}text{fill:var(--ink);font:12px system-ui,sans-serif}"
    head, sign, rest = chart.partition(">")
    return f'{head} xmlns="http://www.w3.org/2000/svg"{sign}<style>{_COLORS}{rules}</style>{rest}\n'


def section(title: str, *parts: str) -> str:
    """Return a section; `title` is plain text, the parts are HTML."""
    return f"<section><h2>{escape(title)}</h2>{''.join(parts)}</section>"


def paragraph(text: str) -> str:
    """Return a paragraph of plain text."""
    return f"<p>{escape(text)}</p>"


def table(head: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    """Return a table of plain text; a column whose name ends with '#' holds numbers and is set to the right."""
    kinds = [' class="n"' if name.endswith("#") else "" for name in head]
    top = "".join(f"<th{k}>{escape(name.rstrip('#'))}</th>" for k, name in zip(kinds, head, strict=True))
    body = "".join(
        "<tr>" + "".join(f"<td{k}>{escape(cell)}</td>" for k, cell in zip(kinds, row, strict=True)) + "</tr>"
        for row in rows
    )
    return f'<div class="scroll"><table><thead><tr>{top}</tr></thead><tbody>{body}</tbody></table></div>'


def cards(facts: Iterable[tuple[str, str, str]]) -> str:
    """Return a row of key figures: name, value, remark; plain text."""
    made = (
        f'<div class="card"><span class="soft">{escape(name)}</span><b>{escape(value)}</b>'
        f'<span class="soft">{escape(remark)}</span></div>'
        for name, value, remark in facts
    )
    return f'<div class="cards">{"".join(made)}</div>'


def sheet(pictures: Iterable[tuple[bytes, str]]) -> str:
    """Return a contact sheet of encoded pictures (PNG, JPEG or WebP), each with a line of plain text."""
    made = (
        f'<figure><img alt="" src="{data_uri(data)}"><figcaption>{escape(text)}</figcaption></figure>'
        for data, text in pictures
    )
    return f'<div class="sheet">{"".join(made)}</div>'


def side_by_side(*parts: str) -> str:
    """Return parts beside each other where the screen is wide enough."""
    return f'<div class="row">{"".join(f"<div>{part}</div>" for part in parts)}</div>'


def captioned(part: str, caption: str) -> str:
    """Return a figure with a caption of plain text."""
    return f"<figure>{part}<figcaption>{escape(caption)}</figcaption></figure>"


def data_uri(data: bytes) -> str:
    """Return the address of a picture that carries the picture itself."""
    kinds = {b"\x89PNG": "png", b"RIFF": "webp"}
    return f"data:image/{kinds.get(data[:4], 'jpeg')};base64,{base64.b64encode(data).decode()}"

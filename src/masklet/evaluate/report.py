"""HTML report of an evaluation: one self-contained page for light and dark screens and for print."""

from __future__ import annotations

import base64
import json
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from html import escape
from typing import Any

from masklet.io import charts
from masklet.io.charts import Line, LineChart

MAX_FILMS = 6
MAX_NOTICES = 200

STYLE = """
:root{color-scheme:light dark;--page:#fff;--ink:#1a1d21;--soft:#626a73;--rule:#e3e6ea;--card:#f6f7f9;--accent:#0a6fd1}
@media (prefers-color-scheme:dark){:root{--page:#14171a;--ink:#e8eaed;--soft:#9aa3ad;--rule:#2c3238;--card:#1d2125;
--accent:#5aaeff}}
*{box-sizing:border-box}
body{margin:0 auto;padding:2.5rem 1.25rem 4rem;max-width:1000px;background:var(--page);color:var(--ink);
font:16px/1.5 system-ui,-apple-system,"Segoe UI",Roboto,sans-serif}
h1{font-size:1.6rem;margin:0;letter-spacing:-.01em}
h2{font-size:1.1rem;margin:2.6rem 0 .8rem}
p{margin:.3rem 0}.soft{color:var(--soft)}
.tiles{display:flex;flex-wrap:wrap;gap:.75rem;margin:1.6rem 0 0}
.tile{background:var(--card);border-radius:10px;padding:.7rem 1rem;min-width:7rem}
.tile b{display:block;font-size:1.5rem;font-weight:600;font-variant-numeric:tabular-nums}
.tile span{color:var(--soft);font-size:.85rem}
.tile.main b{color:var(--accent)}
.charts{display:grid;grid-template-columns:repeat(auto-fit,minmax(min(100%,400px),1fr));gap:1rem}
figure{margin:0;background:var(--card);border-radius:10px;padding:.9rem 1rem}
figcaption{font-weight:600;font-size:.92rem;margin-bottom:.4rem}
.chart{width:100%;height:auto;display:block}
.film{margin:0 0 1.2rem;overflow-x:auto}.strip{display:inline-block;max-width:100%}
.strip img{display:block;max-width:100%;height:auto;border-radius:4px}
.marks{display:flex;color:var(--soft);font-size:.8rem}.marks span{flex:1}
.scroll{overflow-x:auto}
table{border-collapse:collapse;width:100%;font-size:.9rem;font-variant-numeric:tabular-nums}
th,td{text-align:left;padding:.35rem .7rem .35rem 0;border-bottom:1px solid var(--rule);vertical-align:top}
th{color:var(--soft);font-weight:500}.n{text-align:right}
pre{background:var(--card);border-radius:10px;padding:1rem;overflow-x:auto;font-size:.8rem}
summary{cursor:pointer}
@media print{body{max-width:none;padding:0}figure,.film{break-inside:avoid}}
"""


@dataclass(frozen=True, kw_only=True)
class Film:
    """Film strip of a sequence or image.

    Attributes:
        name: name of the item.
        score: score of the item in percent.
        shows: frames with their J ("frames", "J") or number of masks ("masks") in the strip.
        png: the image file.
    """

    name: str
    score: float
    shows: dict[str, Any]
    png: bytes


def render_report(document: dict[str, Any], films: Sequence[Film]) -> str:
    """Render the page for a document of `Evaluation`, with film strips, the worst first."""
    title = f"{document['protocol']} on {document['dataset']} {document['setup']['dataset']['split']}"
    body = [*_head(document, title), *_charts(document), *_films(films), *_sequences(document), *_notices(document)]
    setup = {key: document[key] for key in ("setup", "machine", "timing") if key in document}
    setup["timing"] = {key: value for key, value in setup["timing"].items() if key != "per_sequence"}
    shown = escape(json.dumps(setup, indent=2, ensure_ascii=False))
    body.append(
        f"<h2>To reproduce it</h2><details><summary>Protocol, model, versions, machine</summary><pre>{shown}</pre>"
    )
    body.append("</details>")
    return (
        '<!doctype html><html lang="en"><head><meta charset="utf-8">'
        '<meta name="viewport" content="width=device-width,initial-scale=1">'
        f"<title>{escape(title)}</title><style>{STYLE}{charts.STYLE}</style></head><body>{''.join(body)}</body></html>\n"
    )


def _head(document: dict[str, Any], title: str) -> Iterator[str]:
    model = document["setup"]["model"]
    about = "masks of another program"
    if model:
        about = f"{model['name']} at {model['input_size']} px, {model['dtype']} on {model['device']}, "
        about += f"weights {model['sha256'][:12]}"
    version = document["setup"]["versions"]["masklet"]
    yield f'<h1>{escape(title)}</h1><p class="soft">{escape(about)}; masklet {escape(version)}</p>'
    yield '<div class="tiles">'
    for name, value in headline(document):
        main = " main" if name == LABELS.get(document["main"], document["main"]) else ""
        yield f'<div class="tile{main}"><b>{value}</b><span>{escape(name)}</span></div>'
    yield "</div>"


LABELS = {"JF": "J&F"}


def headline(document: dict[str, Any]) -> list[tuple[str, str]]:
    """Return the most important numbers with their names, the main one first."""
    main = document["main"]
    keys = [main, *(key for key in ("G", "JF", "J", "F") if key != main)] if main else []
    numbers = [(LABELS.get(key, key), f"{document[key]:.1f}") for key in keys if document.get(key) is not None]
    numbers += [(f"mIoU@{k}", f"{v:.1f}") for k, v in document.get("mIoU", {}).items() if k == "1" and main != "mIoU@1"]
    numbers += [(key, f"{value:.2f}") for key, value in document.items() if key.startswith("NoC@")]
    for axis, value in document.get("area", {}).items():
        numbers.append((f"area over {axis}", f"{value:.1f}"))
    presence = document.get("presence", {}).get("accuracy")
    numbers += [("presence", f"{presence:.1f}")] if presence is not None else []
    numbers += [("objects", str(document["objects"])), ("items", str(len(document["per_sequence"])))]
    speed = document["frames_per_second"]
    return [*numbers, ("frames/s", f"{speed:.1f}")] if speed else numbers


def _charts(document: dict[str, Any]) -> Iterator[str]:
    figures = [chart.figure() for chart in _all_charts(document)]
    if figures:
        yield f'<h2>Curves</h2><div class="charts">{"".join(figures)}</div>'


def _all_charts(document: dict[str, Any]) -> Iterator[LineChart]:
    curve = document.get("curve", [])
    for axis, label in (("interactions", "corrected frames"), ("seconds", "seconds of annotation")):
        lines = [Line(LABELS.get(key, key), [(point[axis], point[key]) for point in curve]) for key in ("JF", "J", "F")]
        if curve:
            yield LineChart(title=f"J&F against {axis}", x=label, y="percent", lines=lines)
    if "mIoU" in document and len(document["mIoU"]) > 1:
        points = [(float(k), value) for k, value in document["mIoU"].items()]
        lines = [Line("all masks" if "folders" in document else "", points)]
        if "folders" in document:
            lines.append(Line("mean of the sets", [(float(k), v) for k, v in document["mIoU_folders"].items()]))
        yield LineChart(title="IoU after k prompts", x="prompts", y="mean IoU, percent", lines=lines)
    parts = [(10.0 * place + 5, v) for place, v in enumerate(document.get("course", [])) if v is not None]
    if len(parts) > 1:
        yield LineChart(title="Along the videos", x="percent of the video", y="J&F, percent", lines=[Line("", parts)])
    scores = sorted(_object_scores(document))
    if len(scores) > 2:
        ranked = [(100 * place / (len(scores) - 1), score) for place, score in enumerate(scores)]
        line = Line("", ranked, dots=len(scores) < 40)
        what = "objects, the worst first" if "course" in document else "images, the worst first"
        yield LineChart(title="From worst to best", x=f"percent of {what}", y="percent", lines=[line], y_range=(0, 100))


def _object_scores(document: dict[str, Any]) -> Iterator[float]:
    for numbers in document["per_sequence"].values():
        if "mIoU" in numbers:
            yield list(numbers["mIoU"].values())[-1]
        elif isinstance(numbers["objects"], dict):
            yield from (row["JF"] for row in numbers["objects"].values())


def _films(films: Sequence[Film]) -> Iterator[str]:
    if not films:
        return
    yield "<h2>The worst</h2>"
    for film in films[:MAX_FILMS]:
        data = base64.b64encode(film.png).decode()
        if "frames" in film.shows:
            caption = "truth above, prediction below"
            tiles = [f"frame {i}, J {100 * j:.0f}" for i, j in zip(film.shows["frames"], film.shows["J"], strict=True)]
        else:
            caption = f"{film.shows['masks']} of its masks"
            tiles = ["truth", "after the first prompt", "after the last prompt"]
        marks = "".join(f"<span>{escape(tile)}</span>" for tile in tiles)
        title = f'<b>{escape(film.name)}</b> {film.score:.1f} <span class="soft">{caption}</span>'
        yield f'<div class="film"><p>{title}</p>'
        yield f'<div class="strip"><img alt="{escape(film.name)}: {caption}" src="data:image/png;base64,{data}">'
        yield f'<div class="marks">{marks}</div></div></div>'


def _sequences(document: dict[str, Any]) -> Iterator[str]:
    items = document["per_sequence"]
    if any("mIoU" in numbers for numbers in items.values()):
        steps = list(document["mIoU"])
        header = ["image", "masks", *(f"IoU@{k}" for k in steps)]
        rows = [
            [name, str(numbers["objects"]), *(f"{numbers['mIoU'][k]:.1f}" for k in steps)]
            for name, numbers in items.items()
            if "mIoU" in numbers
        ]
    else:
        header = ["sequence", "object", "J&F", "J", "F", "frames"]
        rows = [row for name, numbers in items.items() for row in _object_rows(name, numbers)]
    yield f"<h2>All items</h2><details{' open' if len(rows) <= 60 else ''}><summary>{len(rows)} rows</summary>"
    yield f'<div class="scroll">{table(header, rows)}</div></details>'


def _object_rows(name: str, numbers: dict[str, Any]) -> Iterator[list[str]]:
    for object_id, row in (numbers["objects"] or {"-": {}}).items():
        label = f"{object_id} {row.get('category', '')}".strip()
        scores = [f"{row[key]:.1f}" if key in row else "-" for key in ("JF", "J", "F")]
        yield [name, label, *scores, str(row.get("frames", 0))]


def _notices(document: dict[str, Any]) -> Iterator[str]:
    if not document["notices"]:
        yield "<h2>Notices</h2><p>None.</p>"
        return
    counts = ", ".join(f"{count} x {escape(kind)}" for kind, count in document["counted_notices"].items())
    rows = [[n["kind"], n["where"], n["detail"]] for n in document["notices"][:MAX_NOTICES]]
    yield f"<h2>Notices</h2><p>{counts}</p><details><summary>The first {len(rows)}</summary>"
    yield f'<div class="scroll">{table(["kind", "where", "detail"], rows, numbers=False)}</div></details>'


def table(header: Sequence[str], rows: Iterable[Sequence[str]], *, numbers: bool = True) -> str:
    """Render an HTML table; with ``numbers`` the columns after the first two are aligned right."""

    def cells(row: Sequence[str], tag: str) -> str:
        classes = (' class="n"' if numbers and place > 1 else "" for place in range(len(row)))
        return "".join(f"<{tag}{c}>{escape(cell)}</{tag}>" for c, cell in zip(classes, row, strict=True))

    body = "".join(f"<tr>{cells(row, 'td')}</tr>" for row in rows)
    return f"<table><thead><tr>{cells(header, 'th')}</tr></thead><tbody>{body}</tbody></table>"

"""The easiest and hardest pictures as one web page that needs no network, and as a table."""

import csv
import io
from base64 import b64encode
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from html import escape

from PIL import Image

from telltale.data.sample import Sample
from telltale.data.web_page import document
from telltale.detector import Detector, Prediction
from telltale.evaluate.results import utf8
from telltale.evaluate.scoring import Failure, score_files
from telltale.explain.extremes import Choice, Group, Judged
from telltale.explain.heatmaps import overlaid
from telltale.image import MAX_PIXELS, Pixels, resize

# Pixels of the longer side of what lies in the page.
LONGEST = 320
_QUALITY = 82
# Engines differ in the last digits of a score; more, and the picture is not the one that was scored.
_CLOSE = 2e-3

_STYLE = """
.tiles { display: grid; grid-template-columns: repeat(auto-fill, minmax(min(240px, 100%), 1fr)); gap: 12px; }
.tile { background: var(--card); padding: 8px; border-radius: 6px; min-width: 0; margin: 0; }
.tile label { display: flex; gap: 4px; cursor: zoom-in; } .tile img { width: 50%; min-width: 0; height: auto;
  object-fit: contain; background: var(--line); }
.tile input { position: absolute; opacity: 0; } .tile input:focus-visible + label { outline: 2px solid var(--real); }
.tile:has(input:checked) { grid-column: 1 / -1; } .tile input:checked + label { cursor: zoom-out; }
figcaption { font-size: 13px; overflow-wrap: anywhere; } figcaption b { font-variant-numeric: tabular-nums; }
h3 { margin: 14px 0 6px; }
.scale { display: flex; gap: 10px; align-items: center; margin: 10px 0; font-size: 13px; }
.scale i { width: 220px; height: 14px; border-radius: 2px; background: linear-gradient(90deg, rgb(33 102 172),
  rgb(67 147 195), rgb(146 197 222), rgb(247 247 247), rgb(244 165 130), rgb(214 96 77), rgb(178 24 43)); }
"""

# The picture and its heatmap as data: addresses.
Drawn = tuple[str, str]


@dataclass(frozen=True, slots=True, kw_only=True)
class Gallery:
    """What can be shown of a choice.

    Attributes:
        drawn: by path.
        errors: why a picture cannot be shown, by path.
    """

    drawn: dict[str, Drawn]
    errors: dict[str, str]


def draw(
    groups: Sequence[Group],
    detector: Detector,
    *,
    workers: int = 1,
    max_pixels: int = MAX_PIXELS,
    visit: Callable[[], None] | None = None,
) -> Gallery:
    """Score the chosen pictures again, for their heatmaps, and make them small.

    A picture that cannot be read any more, or whose score has changed, is an error of its own: a heatmap of another
    picture would explain nothing.

    Args:
        groups: what was chosen.
        detector: whose scores they are.
        workers: pictures at the same time.
        max_pixels: larger pictures are errors.
        visit: called after each picture.
    """
    drawn: dict[str, Drawn] = {}
    errors: dict[str, str] = {}
    scores = {str(one.judged.sample.path): one.judged for group in groups for one in group.choices}

    def picture(sample: Sample, pixels: Pixels, prediction: Prediction) -> None:
        drawn[str(sample.path)] = (
            _data(_small(pixels)),
            _data(overlaid(pixels, prediction, detector, longest=LONGEST)),
        )

    records = score_files(
        replace(detector, threads=1),
        [one.sample for one in scores.values()],
        workers=workers,
        max_pixels=max_pixels,
        visit=picture,
    )
    for record in records:
        path = str(record.sample.path)
        if isinstance(record, Failure):
            errors[path] = record.error
        elif abs(record.prediction.score - (scores[path].score or 0.0)) > _CLOSE:
            errors[path] = f"its score is {record.prediction.score:.3f} now: the file is not the one that was scored"
            del drawn[path]
        if visit is not None:
            visit()
    return Gallery(drawn=drawn, errors=errors)


def _small(pixels: Pixels) -> Pixels:
    scale = min(1.0, LONGEST / max(pixels.shape[:2]))
    height, width = (max(1, round(length * scale)) for length in pixels.shape[:2])
    return resize(pixels, height, width)


def _data(pixels: Pixels) -> str:
    stream = io.BytesIO()
    Image.fromarray(pixels).save(stream, format="JPEG", quality=_QUALITY)
    return f"data:image/jpeg;base64,{b64encode(stream.getvalue()).decode()}"


def page(groups: Sequence[Group], gallery: Gallery, failed: Sequence[Judged], about: Mapping[str, str]) -> str:
    """The whole page.

    Args:
        groups: what was chosen.
        gallery: what can be shown of it.
        failed: pictures without a score.
        about: facts for the end of the page, by name.
    """
    body = [
        "<h1>Easiest and hardest pictures</h1>",
        f"<p>By the score of {escape(about['detector'])}, by source and label. Hardest: a fake that looks real to "
        "the detector, or a real that looks fake. Beside each picture lies its heatmap, on one scale for all; click to "
        "enlarge.</p>",
        "<div class=scale>P(fake) 0, real <i></i> 1, fake</div>",
        *(line for place, group in enumerate(groups) for line in _group(place, group, gallery)),
        *_failures(failed),
        "<h2>How it was made</h2>",
        *(f"<p><b>{escape(name)}</b> {escape(value)}</p>" for name, value in about.items()),
    ]
    return document("telltale: easiest and hardest", body, style=_STYLE, sealed=True)


def _group(place: int, group: Group, gallery: Gallery) -> Iterator[str]:
    yield f"<h2>{escape(utf8(group.source) or 'no source')} ({group.label})</h2>"
    yield f"<p class=faint>{group.count} pictures, mean score {group.score:.3f}</p>"
    for end in ("hardest", "easiest"):
        mine = [one for one in group.choices if one.end == end]
        if mine:
            yield f"<h3>{end.capitalize()}</h3><div class=tiles>"
            yield from (_tile(f"t{place}-{end}-{one.rank}", one, gallery) for one in mine)
            yield "</div>"


def _tile(mark: str, choice: Choice, gallery: Gallery) -> str:
    path = str(choice.judged.sample.path)
    name = escape(utf8(path))
    caption = f"<figcaption>{choice.rank}. score <b>{choice.judged.score:.3f}</b> {name}</figcaption>"
    if path not in gallery.drawn:
        reason = escape(utf8(gallery.errors.get(path, "not drawn")))
        return f"<figure class=tile><p>Cannot be shown: {reason}</p>{caption}</figure>"
    picture, heatmap = gallery.drawn[path]
    return (
        f"<figure class=tile><input type=checkbox id='{mark}' aria-label='enlarge {name}'><label for='{mark}'>"
        f"<img src='{picture}' alt='{name}'><img src='{heatmap}' alt='heatmap of {name}'></label>{caption}</figure>"
    )


def _failures(failed: Sequence[Judged]) -> Iterator[str]:
    if failed:
        yield f"<h2>Without a score</h2><p>{len(failed)} pictures, all in extremes.csv; the first:</p><ul>"
        for one in failed[:20]:
            yield f"<li>{escape(utf8(str(one.sample.path)))}: {escape(utf8(one.error or ''))}"
        yield "</ul>"


COLUMNS = ("source", "label", "end", "rank", "path", "score", "error")


def table(groups: Sequence[Group], gallery: Gallery, failed: Iterable[Judged]) -> str:
    """`extremes.csv`: each choice, then pictures without a score, whose `end` is "failed"."""
    stream = io.StringIO()
    writer = csv.writer(stream, lineterminator="\n")
    writer.writerow(COLUMNS)
    for group in groups:
        for one in group.choices:
            path = str(one.judged.sample.path)
            score = round(one.judged.score or 0.0, 6)
            error = gallery.errors.get(path, "")
            writer.writerow([utf8(group.source), group.label, one.end, one.rank, utf8(path), score, utf8(error)])
    for judged in failed:
        sample = judged.sample
        label = "fake" if sample.is_fake else "real"
        writer.writerow(
            [utf8(sample.source), label, "failed", "", utf8(str(sample.path)), "", utf8(judged.error or "")]
        )
    return stream.getvalue()

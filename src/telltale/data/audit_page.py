"""An audit as one web page that needs no network: verdict, a table of cues, and the two distributions of each."""

from collections.abc import Iterable, Sequence
from html import escape
from typing import Any

import numpy as np
from numpy.typing import NDArray

from telltale.data.audit import Audit
from telltale.data.audit_words import percent
from telltale.data.judgement import CueReport

_WIDTH, _HEIGHT, _FOOT = 340, 120, 18
_BINS = 32
# Up to this many different numbers are shown one by one.
_FEW = 12
_WORDS = 6
_SHOWN = 26

_STYLE = """
:root { color-scheme: light dark; --text: #1b1f24; --faint: #66707c; --line: #d5dae0; --ground: #fff; --card: #f6f7f9;
  --real: #2166ac; --fake: #b2182b; --clean: #1a7f4b; --suspicious: #b06a00; --leaking: #b2182b; }
@media (prefers-color-scheme: dark) { :root { --text: #e6e9ed; --faint: #98a2ad; --line: #38404a; --ground: #14171b;
  --card: #1d2127; --real: #6aaee6; --fake: #f0767f; --clean: #57c78d; --suspicious: #e7ac4f; --leaking: #f0767f; } }
body { font: 15px/1.5 system-ui, sans-serif; color: var(--text); background: var(--ground); margin: 0 auto;
  max-width: 1120px; padding: 24px; }
h1 { font-size: 26px; margin: 0 0 4px; } h2 { font-size: 18px; margin: 32px 0 8px; } h3 { font-size: 14px; margin: 0; }
p { margin: 6px 0; } .faint { color: var(--faint); } code { background: var(--card); padding: 2px 6px; }
pre { background: var(--card); padding: 10px 12px; overflow-x: auto; white-space: pre-wrap; }
.clean { color: var(--clean); } .suspicious { color: var(--suspicious); } .leaking { color: var(--leaking); }
.scroll { overflow-x: auto; } table { border-collapse: collapse; width: 100%; }
th, td { text-align: left; padding: 5px 10px 5px 0; border-bottom: 1px solid var(--line); vertical-align: middle; }
th[data-sort] { cursor: pointer; } td.number { text-align: right; font-variant-numeric: tabular-nums; }
.plots { display: grid; grid-template-columns: repeat(auto-fill, minmax(330px, 1fr)); gap: 14px; }
.card { background: var(--card); padding: 12px; border-radius: 6px; overflow: hidden; }
svg { max-width: 100%; height: auto; display: block; } svg text { fill: var(--faint); font-size: 11px; }
a { color: inherit; }
.real { fill: var(--real); stroke: var(--real); } .fake { fill: var(--fake); stroke: var(--fake); }
.area { fill-opacity: .28; stroke-width: 1.5; } .bar { stroke: none; } .axis { stroke: var(--line); }
"""

_SORT = """
document.querySelectorAll('th[data-sort]').forEach(function (head) {
  var down = true;
  head.addEventListener('click', function () {
    var body = head.closest('table').tBodies[0], place = head.cellIndex;
    var key = function (row) { return row.cells[place].dataset.value; };
    Array.from(body.rows).sort(function (a, b) {
      var x = key(a), y = key(b), order = isNaN(x) || isNaN(y) ? x.localeCompare(y) : x - y;
      return down ? -order : order;
    }).forEach(function (row) { body.appendChild(row); });
    down = !down;
  });
});
"""


def page(found: Audit, values: dict[str, Any]) -> str:
    """The whole page.

    Args:
        found: the audit.
        values: `as_values(found)`, with `build_command` and `settings`.
    """
    parts = [
        f"<h1 class={found.verdict}>{escape(values['headline'])}</h1>",
        *_summary(values),
        "<h2>Probes</h2>",
        _probe_table(values["probes"]),
        "<h2>Cues</h2>",
        _cue_table(found.cues, values["cues"]),
        "<h2>Distributions</h2>",
        "<p class=faint>Shares of all fakes (red) and of all reals (blue) with each value. Cues that are the same in "
        "every file are left out.</p>",
        f"<div class=plots>{''.join(_plots(found, values['cues']))}</div>",
        *_lists(values),
    ]
    return (
        "<!doctype html><html lang=en><meta charset=utf-8><title>telltale audit</title>"
        f"<meta name=viewport content='width=device-width, initial-scale=1'><style>{_STYLE}</style>"
        f"<body>{''.join(parts)}<script>{_SORT}</script></body></html>\n"
    )


def _summary(values: dict[str, Any]) -> Iterable[str]:
    counts, settings = values["counts"], values["settings"]
    sources = ", ".join(
        f"{one['images']} {one['label']} from {one['source'] or 'one source'}" for one in counts["sources"]
    )
    yield f"<p class=faint>{escape(sources)}; {counts['failed']} could not be read, {counts['unlabelled']} without a "
    yield f"label, {counts['left_out']} over the limit of a source (--max-images {settings['max_images']}, --seed "
    yield f"{settings['seed']}). telltale {escape(values['telltale_version'])}</p>"
    said = [*values["worst"], *values["reasons"]]
    if said:
        yield f"<ol>{''.join(f'<li>{escape(words)}</li>' for words in said)}</ol>"
    if values["build_command"]:
        yield f"<p>To remove what can be removed:</p><pre>{escape(values['build_command'])}</pre>"


def _probe_table(probes: dict[str, Any]) -> str:
    titles = {
        "container": "file headers",
        "pixels": "traces in the pixels",
        "all": "headers, traces and file size",
        "with_names": "the same with file names and times",
    }
    rows = []
    for name, probe in probes.items():
        under = (
            "-" if probe["floor_auc"] is None else f"{probe['floor_auc']:.3f} (at most {probe['floor_highest']:.3f})"
        )
        # Names are judged one by one below: together with the rest they would count what the row above counts.
        kind, judged = ("faint", "not judged") if name == "with_names" else (probe["verdict"], probe["verdict"])
        rows.append(
            f"<tr><td>{titles[name]}<td class=number>{probe['auc']:.3f}<td>{_whisker(probe)}"
            f"<td class=number>{under}<td class={kind}>{judged}"
        )
    return (
        "<p class=faint>Gradient boosting on all cues of a kind, judged on files it was not fitted to. The floor is "
        "the same probe between two sources of reals: the mean of all pairs, and the pair furthest apart.</p>"
        "<div class=scroll>"
        f"<table><thead><tr><th>on<th>AUC<th>interval, floor as ticks<th>floor<th>verdict<tbody>{''.join(rows)}"
        "</table></div>"
    )


def _cue_table(reports: Sequence[CueReport], cues: Sequence[dict[str, Any]]) -> str:
    rows = [
        f"<tr><td data-value='{number}'>{number}"
        f"<td data-value='{report.cue.name}'><a href='#{report.cue.name}'>{escape(report.cue.title)}</a>"
        f"<td data-value='{report.cue.family}' class=faint>{report.cue.family}"
        f"<td data-value='{report.auc}' class=number>{report.auc:.3f}"
        f"<td data-value='{report.low}'>{_whisker(cue)}"
        f"<td data-value='{report.verdict}' class={report.verdict}>{report.verdict}"
        for number, (report, cue) in enumerate(zip(reports, cues, strict=True), 1)
    ]
    heads = "".join(f"<th data-sort>{head}" for head in ("rank", "cue", "kind", "AUC", "interval", "verdict"))
    return (
        "<p class=faint>AUC of each cue alone; 0.5 is chance. The interval holds for all cues at once; the ticks "
        "are the mean of two sources of reals, and the two furthest apart. Click a heading to sort.</p>"
        f"<div class=scroll><table><thead><tr>{heads}<tbody>{''.join(rows)}</table></div>"
    )


def _whisker(one: dict[str, Any]) -> str:
    """An interval from AUC 0.4 to 1, with chance and floor."""
    low, high, auc = (_at(one[name]) for name in ("low", "high", "auc"))
    floors = [one[name] for name in ("floor_auc", "floor_highest") if one[name] is not None]
    ticks = "".join(
        f"<line x1={_at(place)} x2={_at(place)} y1=2 y2=14 class=real stroke-width=2 />" for place in floors
    )
    return (
        f"<svg width=212 height=16 viewBox='-6 0 212 16' role=img aria-label='{one['low']:.3f} to {one['high']:.3f}'>"
        f"<line x1=0 x2=200 y1=8 y2=8 class=axis /><line x1={_at(0.5)} x2={_at(0.5)} y1=0 y2=16 class=axis />{ticks}"
        f"<line x1={low} x2={high} y1=8 y2=8 class=fake stroke-width=2 /><circle cx={auc} cy=8 r=4 class=fake /></svg>"
    )


def _at(auc: float) -> str:
    return f"{200 * (min(max(auc, 0.4), 1.0) - 0.4) / 0.6:.1f}"


def _plots(found: Audit, cues: Sequence[dict[str, Any]]) -> Iterable[str]:
    for report, cue in zip(found.cues, cues, strict=True):
        column = found.table.columns[report.cue.name]
        if np.unique(column).size > 1:
            fake, real = column[found.table.is_fake], column[~found.table.is_fake]
            draw = _word_plot if report.cue.kind == "category" else _number_plot
            yield (
                f"<div class=card id={report.cue.name}><h3>{escape(report.cue.title)}</h3>"
                f"<p class=faint>{escape(report.cue.meaning)}</p>{draw(fake, real)}<p>{escape(cue['words'])}</p></div>"
            )


def _number_plot(fake: NDArray[Any], real: NDArray[Any]) -> str:
    fake, real = fake[~np.isnan(fake)], real[~np.isnan(real)]
    values = np.unique(np.concatenate([fake, real]))
    if values.size <= _FEW:
        return _bars([f"{value:.6g}" for value in values], *(_shares(part, values) for part in (fake, real)))
    low, high = np.quantile(np.concatenate([fake, real]), [0.005, 0.995])
    edges = np.linspace(low, high if high > low else low + 1, _BINS + 1)
    shares = [np.histogram(np.clip(part, edges[0], edges[-1]), edges)[0] / part.size for part in (fake, real)]
    top = max(float(part.max()) for part in shares)
    areas = "".join(
        f"<path class='area {label}' d='{_steps(part / top)}' />"
        for label, part in (("real", shares[1]), ("fake", shares[0]))
    )
    ticks = "".join(
        f"<text x={x} y={_HEIGHT + 14} text-anchor={anchor}>{value:.4g}</text>"
        for x, anchor, value in (
            (0, "start", edges[0]),
            (_WIDTH / 2, "middle", (edges[0] + edges[-1]) / 2),
            (_WIDTH, "end", edges[-1]),
        )
    )
    line = f"<line x1=0 x2={_WIDTH} y1={_HEIGHT} y2={_HEIGHT} class=axis />"
    return _svg(f"{line}{areas}{ticks}", _HEIGHT + _FOOT)


def _steps(heights: NDArray[np.float64]) -> str:
    """A histogram's outline."""
    places = np.repeat(np.linspace(0, _WIDTH, heights.size + 1), 2)
    levels = _HEIGHT * (1 - 0.96 * np.concatenate([[0], np.repeat(heights, 2), [0]]))
    return "M" + "L".join(f"{x:.1f} {y:.1f}" for x, y in zip(places, levels, strict=True)) + "Z"


def _word_plot(fake: NDArray[Any], real: NDArray[Any]) -> str:
    fake, real = fake[fake != ""], real[real != ""]
    words = np.unique(np.concatenate([fake, real]))
    shares = [_shares(part, words) for part in (fake, real)]
    most = np.argsort(-np.maximum(*shares), kind="stable")[:_WORDS]
    return _bars([str(words[index]) for index in most], *(part[most] for part in shares))


def _shares(part: NDArray[Any], values: NDArray[Any]) -> NDArray[np.float64]:
    return np.array([(part == value).mean() if part.size else 0.0 for value in values])


def _bars(names: Sequence[str], fake: NDArray[np.float64], real: NDArray[np.float64]) -> str:
    """Two bars for each value, with its share."""
    rows = []
    for row, (name, of_fake, of_real) in enumerate(zip(names, fake, real, strict=True)):
        top = row * 30
        shown = name if len(name) <= _SHOWN else f"{name[: _SHOWN - 1]}…"
        rows.append(f"<text x=0 y={top + 17}><title>{escape(name)}</title>{escape(shown)}</text>")
        for place, (label, share) in enumerate((("real", of_real), ("fake", of_fake))):
            y = top + 4 + 11 * place
            rows.append(
                f"<rect class='bar {label}' x=160 y={y} width={130 * share:.1f} height=10 />"
                f"<text x={164 + 130 * share:.1f} y={y + 9}>{percent(share)}</text>"
            )
    return _svg("".join(rows), 30 * len(names) + 4)


def _svg(inside: str, height: int) -> str:
    return f"<svg width={_WIDTH} height={height} viewBox='0 0 {_WIDTH} {height}'>{inside}</svg>"


def _lists(values: dict[str, Any]) -> Iterable[str]:
    """Repeated pictures and files that could not be read."""
    titles = {
        "same_across_labels": "The same picture under both labels",
        "same_across_splits": "The same picture in more than one split",
        "alike_across_labels": "Pictures that look alike under both labels",
        "alike_across_splits": "Pictures that look alike in more than one split",
    }
    for name, title in titles.items():
        rows = [" = ".join(paths) for paths in values["duplicates"]["examples"][name]]
        yield _list(f"{title}: {values['duplicates'][name]}", rows)
    failed = [f"{one['path']}: {one['reason']}" for one in values["failures"]]
    yield _list(f"Could not be read: {len(failed)}", failed[:50])


def _list(title: str, rows: Sequence[str]) -> str:
    if not rows:
        return ""
    return f"<h2>{escape(title)}</h2><ul>{''.join(f'<li>{escape(row)}</li>' for row in rows)}</ul>"

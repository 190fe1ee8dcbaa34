"""What `telltale explain regions` writes: the table, the chart, the patches of each part."""

from collections.abc import Iterator, Sequence
from dataclasses import asdict, fields
from io import BytesIO
from typing import Any

from telltale.errors import require
from telltale.explain.face_parts import PARTS
from telltale.explain.patch_files import contact_sheet, label_word, png, sheet_name
from telltale.explain.regions import ALL, RegionRow, Regions
from telltale.image import MAX_PIXELS

COLUMNS = (
    *("source", "label", "part", "top_count", "random_count", "low", "high"),
    *("share", "random_share", "n", "p", "p_holm"),
)
OMISSION_COLUMNS = ("path", "source", "label", "why")
# Of a corrected p below which a part is marked.
LEVEL = 0.05
_COLOUR = {"fake": "#b2182b", "real": "#2166ac", "unlabelled": "#666666"}


def table(rows: Sequence[RegionRow]) -> Iterator[dict[str, Any]]:
    """Rows of `regions.csv`: numbers with as many digits as mean something."""
    assert {field.name for field in fields(RegionRow)} == set(COLUMNS)
    for row in rows:
        values = asdict(row)
        yield {name: float(f"{values[name]:.4g}") if type(values[name]) is float else values[name] for name in COLUMNS}


def omission_table(found: Regions) -> Iterator[dict[str, str]]:
    """Rows of `omissions.csv`: pictures without a face or mask, and failures with their reasons."""
    reasons = [(one.sample, one.why) for one in found.omissions] + [(one.sample, one.error) for one in found.failures]
    for sample, why in reasons:
        values = (str(sample.path), sample.source, label_word(sample.is_fake), why)
        yield dict(zip(OMISSION_COLUMNS, values, strict=True))


def chart(rows: Sequence[RegionRow]) -> bytes:
    """A PNG of `bars`.

    Raises:
        MissingExtra: without the `[evaluate]` extra.
    """
    stream = BytesIO()
    bars(rows).savefig(stream, format="png", metadata={"Software": None})
    return stream.getvalue()


def bars(rows: Sequence[RegionRow]) -> Any:
    """A matplotlib figure: each source and label's share of surest patches in each part beside that of random ones.

    Where a source has several labels, each source takes a line of its own, reals on the left; else three stand in a
    line, those over all sources last. All panels share one axis, from 0 to what the longest interval needs.

    Raises:
        MissingExtra: without the `[evaluate]` extra.
    """
    figures: Any = require("matplotlib.figure", "evaluate")
    kinds = list(dict.fromkeys((row.source, row.label, row.n) for row in rows))
    sources = list(dict.fromkeys(source for source, *_ in kinds))
    labels: list[str] = [label for label in ("real", "fake", "unlabelled") if any(row.label == label for row in rows)]
    named = [source for source, *_ in kinds if source != ALL]
    by_label = len(set(named)) < len(named)
    across = len(labels) if by_label else min(3, len(kinds))
    down = len(sources) if by_label else -(-len(kinds) // across)
    figure = figures.Figure(figsize=(4.6 * across, 3.1 * down + 0.8), layout="constrained", dpi=110)
    panels = figure.subplots(down, across, squeeze=False, sharex=True)
    unused = set(panels.flat)
    for number, (source, label, n) in enumerate(kinds):
        place = (sources.index(source), labels.index(label)) if by_label else divmod(number, across)
        unused.discard(panels[place])
        _panel(panels[place], [row for row in rows if (row.source, row.label) == (source, label)], label)
        panels[place].set_title(f"{source or 'unknown source'}, {label}, {n} pictures", fontsize=9)
    # Once, and last: an axis that is shared keeps the limits of whoever set them first.
    panels[0, 0].set_xlim(0, 104 * max(max(row.high, row.random_share) for row in rows))
    for panel in unused:
        panel.set_axis_off()
    figure.suptitle(
        "Where the surest patch lies (bars, 95 % interval)\nand where a random one would (black line)\n"
        f"* differs from chance, Holm-corrected p < {LEVEL}",
        fontsize=9,
    )
    return figure


def _panel(panel: Any, rows: Sequence[RegionRow], label: str) -> None:
    places = range(len(rows))
    shares = [100 * row.share for row in rows]
    reach = [[100 * (row.share - row.low) for row in rows], [100 * (row.high - row.share) for row in rows]]
    panel.barh(places, shares, height=0.7, color=_COLOUR[label], alpha=0.75)
    panel.errorbar(shares, places, xerr=reach, fmt="none", ecolor="#333333", elinewidth=1, capsize=2)
    for place, row in enumerate(rows):
        panel.plot([100 * row.random_share] * 2, [place - 0.42, place + 0.42], color="black", linewidth=2)
    names = [f"{row.part}{' *' if row.p_holm < LEVEL else ''}" for row in rows]
    panel.set_yticks(places, names, fontsize=8)
    panel.invert_yaxis()
    panel.set_xlabel("% of pictures", fontsize=8)
    panel.tick_params(axis="x", labelsize=8, labelbottom=True)


def sheets(found: Regions, *, columns: int = 10, cell: int = 96, max_pixels: int = MAX_PIXELS) -> Iterator[
    tuple[str, bytes]
]:  # fmt: skip
    """Name and PNG of the surest patches of each source, label and part, cut from the originals."""
    taken: list[str] = []
    for (source, is_fake, part), kept in sorted(found.best.items(), key=lambda one: (str(one[0][:2]), one[0][2])):
        patches = kept.best()
        which = "real" if kept.real else "fake"
        title = (
            f"{source or 'unknown source'}, {label_word(is_fake)}: {len(patches)} most {which}-looking patches on the "
            f"{PARTS[part]}, one of each picture"
        )
        name = sheet_name((f"{source or 'unknown'}-{PARTS[part]}", is_fake), taken)
        taken.append(name)
        yield name, png(contact_sheet(patches, title, columns=columns, cell=cell, max_pixels=max_pixels))

"""The tables of what detectors make of composites and films, and in words what they add up to.

No script: `outside_checks.py` writes its results with it.
"""

from collections import Counter
from collections.abc import Iterator, Sequence
from math import isnan
from pathlib import Path
from textwrap import fill
from typing import Any

from contrasts import LASTING
from outside_faces import COMPOSITES, PORTRAITS, REPLACED, VIDEOS
from outside_figures import EVEN, Row
from result_files import write_facts, write_page, write_table
from telltale.evaluate.metrics import Estimate
from telltale.explain.regions import holm

SHIPPED = "telltale-faces"
LEVEL, CHANCE = 0.05, 0.5
# The first five are asked for by name; what stands beside them says how sure they are.
COLUMNS = (
    *("set", "model", "auc", "pointing", "n"),
    *("auc_low", "auc_high", "auc_p", "auc_p_holm"),
    *("pointing_low", "pointing_high", "n_pointing", "habit", "pointing_p", "pointing_p_holm"),
    *("pairs", "pairs_low", "pairs_high", "n_replaced", "films"),
)


def corrected(rows: Sequence[Row]) -> list[Row]:
    """The same rows; each p also after Holm's correction for all of its kind."""
    made = [dict(row) for row in rows]
    for name in ("auc_p", "pointing_p"):
        mine = [row for row in made if name in row]
        for row, p in zip(mine, holm([row[name] for row in mine]), strict=True):
            row[f"{name}_holm"] = p
    return made


def shown(value: Estimate | None) -> str:
    """For a table; without an interval where there is none."""
    if value is None:
        return "-"
    return f"{value.value:.2f}" + ("" if isnan(value.low) else f" [{value.low:.2f}, {value.high:.2f}]")


def marked(row: Row, name: str) -> str:
    """A p as tables show it, marked where it remains after Holm's correction."""
    if name not in row:
        return "-"
    return f"{row[name]:.3f}" + (f" {LASTING}" if row[f"{name}_holm"] < LEVEL else "")


def markdown(rows: Sequence[Row], about: dict[str, Any]) -> Iterator[str]:
    """What it is made of, the words, and the tables."""
    of = {(row["model"], row["set"]): row for row in rows}
    counts = about["faces"]
    yield "# Manipulations that nobody here made"
    yield ""
    yield fill(
        f"{counts[COMPOSITES]} composites and {counts[PORTRAITS]} portraits ({about['left_out']} more, without a face "
        f"that the parser finds, are left out); {counts[VIDEOS]} faces of {about['films']} films. Commit "
        f"{about['commit']}, {about['date']}. 95 % intervals in brackets: of AUC on composites from pictures drawn "
        "again, of pointing Wilson's, of films from leaving out each film once. Chance is 0.5 for AUC and for the "
        "swapped half. Habit: mean of pointing where the truths are dealt to the composites at random; p: how rarely "
        f"that is as far off as what was found. {LASTING}: p below {LEVEL} after Holm's correction for all detectors, "
        "or all parts of all detectors. Whole-image baselines have no patches and point nowhere. One seed a network.",
        118,
    )
    yield ""
    for words in conclusions(rows, about):
        yield fill(words, 118, subsequent_indent="  ")
    yield ""
    yield from by_detector(of)
    yield ""
    yield from by_part(of)
    yield ""
    yield from by_film(of, about)


def by_detector(of: dict[tuple[str, str], Row]) -> Iterator[str]:
    yield "| detector | composites: AUC | pointing | habit | p | videos: AUC | videos: swapped half higher |"
    yield "|---|---|---|---|---|---|---|"
    for model in dict.fromkeys(model for model, _ in of):
        still, films = of[model, COMPOSITES], of[model, VIDEOS]
        habit = f"{still['habit']:.2f}" if "habit" in still else "-"
        pointing = (shown(still.get("pointing")), habit, marked(still, "pointing_p"))
        line = (shown(still["auc"]), *pointing, shown(films["auc"]), shown(films["pairs"]))
        yield f"| {model} | {' | '.join(line)} |"


def by_part(of: dict[tuple[str, str], Row]) -> Iterator[str]:
    yield "By part: AUC of its mean P(fake) between composites where it was replaced and where it was not; in how many"
    yield "of the composites that the detector points there for it had been replaced."
    yield ""
    yield "| detector | " + " | ".join(f"{part}: AUC | pointed there, right" for part in REPLACED) + " |"
    yield "|---|" + "---|" * (2 * len(REPLACED))
    for model in dict.fromkeys(model for model, _ in of):
        cells = []
        for row in (of.get((model, f"{COMPOSITES}, {part}")) for part in REPLACED):
            if row is not None:
                right = f"{row['n_pointing']}, {row['pointing'].value:.0%}" if "pointing" in row else "0, -"
                mark = f" {LASTING}" if row["auc_p_holm"] < LEVEL else ""
                cells += [f"{shown(row['auc'])}{mark}", right]
        if cells:
            yield f"| {model} | {' | '.join(cells)} |"


def by_film(of: dict[tuple[str, str], Row], about: dict[str, Any]) -> Iterator[str]:
    yield f"{SHIPPED} by film; AUC here is that within the film. All other detectors by film are in the CSV."
    yield ""
    yield "| target group | faces | AUC within | swapped half higher | halves on the grid |"
    yield "|---|---|---|---|---|"
    for (model, name), row in of.items():
        film = name.removeprefix(f"{VIDEOS}, ")
        if model == SHIPPED and film != name and name != EVEN:
            grid = "otherwise" if film in about["halves_otherwise_on_the_grid"] else "alike"
            yield f"| {film} | {row['n']} | {shown(row['auc'])} | {shown(row['pairs'])} | {grid} |"


def conclusions(rows: Sequence[Row], about: dict[str, Any]) -> Iterator[str]:
    """A line for each question, with its figures."""
    still = [row for row in rows if row["set"] == COMPOSITES]
    parts = [row for row in rows if row["set"] in {f"{COMPOSITES}, {part}" for part in REPLACED}]
    films = [row for row in rows if row["set"] == VIDEOS]
    yield f"- **Composites against portraits.** {_beyond([row['auc'] for row in still], 'AUCs')}"
    yield f"- **Pointing.** {_pointing([row for row in still if 'pointing_p' in row])}"
    yield f"- **Parts.** {_parts(parts)}"
    for row in films:
        if row["model"] == SHIPPED:
            even = next((one for one in rows if one["model"] == SHIPPED and one["set"] == EVEN), None)
            yield f"- **Films, {SHIPPED}.** {_shipped(row, even, about)}"
    networks = [row for row in films if row["model"] != SHIPPED]
    if networks:
        yield (
            f"- **Films, networks.** {_beyond([row['auc'] for row in networks], 'AUCs')} Of how often the swapped half "
            f"scores higher: {_beyond([row['pairs'] for row in networks], 'shares')}"
        )


def _beyond(values: Sequence[Estimate], word: str) -> str:
    """How many intervals leave out chance, and on which side."""
    above, below = sum(one.low > CHANCE for one in values), sum(one.high < CHANCE for one in values)
    lowest, highest = min(one.value for one in values), max(one.value for one in values)
    return (
        f"{len(values)} {word}, {lowest:.2f} to {highest:.2f}; the intervals of {above} lie above chance and of "
        f"{below} below it, uncorrected; of so many about {LEVEL * len(values):.0f} would by chance."
    )


def _lasting(rows: Sequence[Row], name: str) -> str:
    lasting = [f"{row['model']} ({row['set']})" for row in rows if row[f"{name}_holm"] < LEVEL]
    listed = f": {'; '.join(lasting)}" if lasting else ""
    smallest = min((row[f"{name}_holm"] for row in rows), default=1.0)
    return (
        f"After Holm's correction for all {len(rows)}, {len(lasting)} {'remains' if len(lasting) == 1 else 'remain'}"
        f"{listed} (smallest p {smallest:.2f})."
    )


def _pointing(rows: Sequence[Row]) -> str:
    clear = [row for row in rows if row["pointing_p"] < LEVEL]
    more = sum(row["pointing"].value > row["habit"] for row in clear)
    shipped = [
        f"{row['model']} {shown(row['pointing'])} against {row['habit']:.2f} by habit, p {row['pointing_p']:.2f}. "
        for row in rows
        if row["model"] == SHIPPED
    ]
    return (
        f"{''.join(shipped)}Of {len(rows)} detectors {more} point to what was replaced more often than by habit and "
        f"{len(clear) - more} less often, at p < {LEVEL} uncorrected. {_lasting(rows, 'pointing_p')}"
    )


def _parts(rows: Sequence[Row]) -> str:
    clear = [row for row in rows if row["auc_p"] < LEVEL]
    above = [row for row in clear if row["auc"].value > CHANCE]
    kinds = Counter(_learned(row) for row in rows)
    found = Counter(_learned(row) for row in above)
    listed = "; ".join(f"{name} {count} of {kinds[name]}" for name, count in found.items())
    where = f" (above: {listed})" if listed else ""
    return (
        f"Of {len(rows)} AUCs {len(above)} lie above chance and {len(clear) - len(above)} below it at p < {LEVEL} "
        f"uncorrected{where}; by chance about {LEVEL * len(rows):.0f} would. {_lasting(rows, 'auc_p')}"
    )


def _learned(row: Row) -> str:
    """Which part, and what the network learned."""
    part = row["set"].removeprefix(f"{COMPOSITES}, ")
    _, _, kind = row["model"].partition(", trained on ")
    return f"{part}, trained on {kind}" if kind else f"{part}, {row['model']}"


def _shipped(row: Row, even: Row | None, about: dict[str, Any]) -> str:
    words = [
        f"AUC over all frames {shown(row['auc'])}: {shown(row['between'])} between halves of two films and "
        f"{shown(row['within'])} within a film; the swapped half scores higher than its own original in "
        f"{shown(row['pairs'])} of the frames, every film weighing the same."
    ]
    if even is not None:
        names = ", ".join(f"{film} ({name})" for name, film in about["halves_otherwise_on_the_grid"].items())
        words.append(
            f"Without the films whose halves lie otherwise on the codec's grid of 8 pixels, {names}: AUC "
            f"{shown(even['auc'])}, swapped half higher {shown(even['pairs'])}, {even['films']} films."
        )
    return " ".join(words)


def write(rows: Sequence[Row], results: Path, about: dict[str, Any]) -> None:
    """The CSV, the facts and the page.

    Args:
        rows: of all detectors, each with its model.
        results: where they go.
        about: what the rows were made of.
    """
    made = corrected(rows)
    write_table(results / "outside_checks.csv", map(_flat, made), COLUMNS)
    plain = [
        {
            name: [None if isnan(x) else round(x, 4) for x in (value.value, value.low, value.high)]
            if isinstance(value, Estimate)
            else value
            for name, value in row.items()
        }
        for row in made
        # A film by itself has no intervals: the CSV holds all of it.
        if "films" in row or not row["set"].startswith(VIDEOS)
    ]
    write_facts(results / "outside_checks.json", {**about, "rows": plain})
    write_page(results / "outside_checks.md", markdown(made, about))
    print(f"written: {results / 'outside_checks.md'}")


def _flat(row: Row) -> Row:
    """A row of the CSV."""
    line: Row = dict.fromkeys(COLUMNS, "")
    for name, value in row.items():
        if isinstance(value, Estimate):
            ends = {name: value.value, f"{name}_low": value.low, f"{name}_high": value.high}
            line |= {key: "" if isnan(x) else round(x, 4) for key, x in ends.items()}
        else:
            line[name] = float(f"{value:.4g}") if isinstance(value, float) else value
    return {name: line[name] for name in COLUMNS}

"""Where does the evidence lie? Average heatmaps by source and depth, the paper's figure 3 with reals beside the fakes.

    python recipes/figure_heatmaps.py --data PATH_TO_SHARED_DATA --work runs/table
    python recipes/figure_heatmaps.py --data PATH_TO_SHARED_DATA --work runs/table --quick       (no result written)

The networks are Xception's five truncations of `recipes/table_generators.py` (StyleGAN2 against three sources of reals,
128-px PNG, seed 0) and its --work: what has been built and trained there is used, what is missing is made. Pictures are
that table's tested ones: the test split of the sources trained on, any of the others, at most 200 of each; both copies
of StyleGAN2 count as one source. A source with fewer than 50 pictures is left out, so that no average is of a few
people; what is written is heatmaps only, no photograph and no average of photographs.

Written are, in results/:

- figure_heatmaps.png: the mean heatmap of every source (columns) at every depth (rows), fakes first. Each pixel has the
  value of the patch whose centre is nearest: the field of block4 and block5 is larger than these pictures, so that an
  average over all patches that see a pixel would be one colour whatever the network saw;
- figure_heatmaps_contrast.png: the same of the fakes, less the mean over the sources of reals. Whatever a network says
  of any picture at that place (padding at the border, say) is gone from it; what is left is evidence;
- figure_heatmaps.csv, for both placements: n, mean P(fake) of the whole, of the middle half of height and width (the
  face) and of the rim outside of the middle three quarters (mostly hair and background), with 95 % intervals over
  pictures (normal); for fakes the contrast of centre and rim, each less the reals, and centre - rim of that contrast
  with its interval. The interval knows of the pictures drawn, not of the choice of networks or sources: there is one
  seed;
- figure_heatmaps.md: the contrasts as a table; figure_heatmaps.json: command, commit, fingerprints, seconds.

A network's averages are kept in --maps, and a rerun makes only what is missing. Cost: 1 to 4 minutes a network on one
core of a 2021 server CPU, besides building and training.

What is seen (2026-11): block1 to block3 find the evidence of StyleGAN2, of generatedphotos, which they have never seen,
and of an SRGAN's re-syntheses mostly on the face, not on hair and background as the paper's networks do for unseen
generators. Faces of Stable Diffusion 2.1 look more real than reals, on the face most of all; an autoencoder's
re-syntheses look like reals everywhere. At block4 and block5 the field is larger than the picture: place means little.
"""

import argparse
import json
import sys
import time
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from hashlib import sha256
from pathlib import Path
from typing import Any

import numpy as np
import torch
from PIL import Image, ImageDraw, ImageFont

from result_files import write_facts, write_page, write_table
from table_generators import (
    GENERATOR,
    OTHER_FAKE,
    OTHER_REAL,
    ROOT,
    TRAINED_FAKE,
    TRAINED_REAL,
    TWINS,
    Bench,
    prepare,
    tested,
    trained,
)
from telltale.data.sample import Sample
from telltale.data.samples import scan
from telltale.evaluate.scoring import Failure, score_files
from telltale.explain.average import PARTS, Average, Averaging, Share
from telltale.explain.heatmap_files import save_png
from telltale.explain.heatmaps import Heatmap, colour, legend
from telltale.explain.placement import PLACEMENTS, check_placement, scaled
from telltale.image import Pixels
from telltale.learn.checkpoint import file_hash, load
from telltale.learn.precision import machine
from telltale.provenance import commit, invocation

MODELS = tuple(f"xception_block{n}" for n in range(1, 6))
SEED = 0
LEAST = 50
FAKES = (GENERATOR, *(name for name in OTHER_FAKE), *TWINS)
REALS = (*TRAINED_REAL, *OTHER_REAL)
FAMILIAR = (GENERATOR, *TRAINED_REAL)
# The placement of the figures and the table.
DRAWN = "nearest"
# The contrast's scale ends at this difference of P(fake), both ways.
MOST_CONTRAST = 0.5
_SIDE, _GAP, _LINE = 112, 8, 14


@dataclass(frozen=True, slots=True, kw_only=True)
class Network:
    """One network's averages.

    Attributes:
        name: its architecture.
        field: its receptive field, pixels.
        weights_sha256: of the file.
        seconds: that averaging took.
        averages: by placement, then by source.
    """

    name: str
    field: int
    weights_sha256: str
    seconds: float
    averages: dict[str, dict[str, Average]]


def pictures(data: Path, work: Path, *, quick: bool) -> Bench:
    """The table's pictures; read where they lie built already, since another run may be at work on them."""
    folders = [work / name for name in ("built", *TWINS)]
    if not all((folder / "dataset.json").is_file() for folder in folders):
        return prepare(data, work, quick=quick)
    marks = [json.loads((folder / "dataset.json").read_text())["fingerprint"] for folder in folders]
    built = scan([work / "built"])
    twins = [
        replace(sample, source=name, split="test") for name in TWINS for sample in scan([work / name]) if sample.is_fake
    ]
    return Bench(
        training=[one for one in built if one.source in TRAINED_REAL + TRAINED_FAKE and one.split != "test"],
        tested=[*tested(built), *twins],
        fingerprint=sha256("".join(marks).encode()).hexdigest(),
        work=work,
        cells=work,
        quick=quick,
    )


def shown(bench: Bench) -> list[Sample]:
    """The tested pictures of sources with enough of them, StyleGAN2 as one."""
    named = [replace(one, source=GENERATOR) if one.source in TRAINED_FAKE else one for one in bench.tested]
    counts = Counter(one.source for one in named)
    return [one for one in named if bench.quick or counts[one.source] >= LEAST]


def network(bench: Bench, model: str, maps: Path) -> Network:
    """Averages of one network: from the disk, or made now."""
    weights = trained(bench, model, "none", SEED)
    mark = {"weights_sha256": file_hash(weights), "data_fingerprint": bench.fingerprint}
    path = maps / f"{model}.npz"
    if path.exists():
        found = read(path)
        if found["mark"] != mark:
            sys.exit(f"{path} was made of other weights or pictures: delete it")
    else:
        begin = time.perf_counter()
        detector = load(weights)
        assert detector.spec.grid is not None
        averaging = {name: Averaging(detector.spec.grid, placement=check_placement(name)) for name in PLACEMENTS}
        for record in score_files(detector, shown(bench)):
            if isinstance(record, Failure):
                sys.exit(f"a picture cannot be scored: {record.error}")
            for one in averaging.values():
                one.add(record)
        averages = {name: one.result().each for name, one in averaging.items()}
        seconds = round(time.perf_counter() - begin, 1)
        keep(path, averages, {"mark": mark, "field": detector.spec.grid.size, "seconds": seconds})
        print(model, f"{seconds:.0f} s", flush=True)
        found = read(path)
    return Network(
        name=model,
        field=found["field"],
        weights_sha256=mark["weights_sha256"],
        seconds=found["seconds"],
        averages=found["averages"],
    )


def keep(path: Path, averages: Mapping[str, Sequence[Average]], about: Mapping[str, Any]) -> None:
    """Arrays and, as JSON, everything else."""
    rows = {
        placement: [{name: value for name, value in asdict(one).items() if name in WORDS} for one in each]
        for placement, each in averages.items()
    }
    arrays = {
        f"{placement}_{place}_{kind}": getattr(one, kind)
        for placement, each in averages.items()
        for place, one in enumerate(each)
        for kind in ARRAYS
    }
    path.parent.mkdir(parents=True, exist_ok=True)
    temporary = path.with_suffix(".tmp")
    with temporary.open("wb") as stream:
        np.savez(stream, about=np.array(json.dumps({**about, "rows": rows})), **arrays)
    temporary.replace(path)


WORDS = ("source", "label", "count", "score", "parts")
ARRAYS = ("mean", "standard_error")


def read(path: Path) -> dict[str, Any]:
    with np.load(path) as kept:
        about = json.loads(str(kept["about"]))
        averages: dict[str, dict[str, Average]] = {}
        for placement, each in about.pop("rows").items():
            averages[placement] = {}
            for place, row in enumerate(each):
                row["parts"] = {name: Share(**values) for name, values in row["parts"].items()}
                arrays = {kind: kept[f"{placement}_{place}_{kind}"] for kind in ARRAYS}
                averages[placement][row["source"]] = Average(**row, **arrays)
    return {**about, "averages": averages}


def average_real(averages: Mapping[str, Average]) -> Heatmap:
    """The mean over the sources of reals, every source weighing the same."""
    maps = [averages[name].mean for name in REALS if name in averages]
    return np.asarray(np.mean(maps, axis=0, dtype=np.float64).astype(np.float32))


def contrast(averages: Mapping[str, Average], source: str, part: str) -> Share:
    """A fake's mean P(fake) over one part, less that of the sources of reals, with its 95 % interval."""
    fake = averages[source].parts[part]
    reals = [averages[name].parts[part] for name in REALS if name in averages]
    halves = [(real.high - real.low) / 2 for real in reals]
    half = float(np.hypot((fake.high - fake.low) / 2, np.linalg.norm(halves) / len(reals)))
    value = fake.value - float(np.mean([real.value for real in reals]))
    return Share(value=value, low=value - half, high=value + half)


def rows(networks: Sequence[Network]) -> Iterator[dict[str, Any]]:
    for found in networks:
        for placement, averages in found.averages.items():
            for source in (*FAKES, *REALS):
                if source in averages:
                    yield row(found, placement, source)


def row(found: Network, placement: str, source: str) -> dict[str, Any]:
    averages = found.averages[placement]
    average = averages[source]
    values: dict[str, Any] = {
        "model": found.name,
        "receptive_field": found.field,
        "seed": SEED,
        "placement": placement,
        "source": source,
        "label": average.label,
        "familiar": int(source in FAMILIAR),
        "n": average.count,
        "score": round(average.score, 4),
    }
    for part in PARTS:
        values |= spread(part.replace(" - ", "_minus_"), average.parts[part])
    for part in PARTS[1:]:
        name = f"contrast_{part.replace(' - ', '_minus_')}"
        values |= spread(name, contrast(averages, source, part) if average.label == "fake" else None)
    return values


def spread(name: str, found: Share | None) -> dict[str, float | None]:
    columns = (name, f"{name}_low", f"{name}_high")
    numbers = (None,) * 3 if found is None else (found.value, found.low, found.high)
    return {
        column: None if value is None or np.isnan(value) else round(value, 4)
        for column, value in zip(columns, numbers, strict=True)
    }


def markdown(networks: Sequence[Network]) -> Iterator[str]:
    """The contrasts: what sets fakes apart from reals in the middle and on the rim."""
    yield "P(fake) of fakes less that of reals, in the middle half (the face), on the rim (mostly hair and background);"
    yield "in brackets middle less rim, with its 95 % interval over pictures; one seed."
    yield ""
    fakes = [name for name in FAKES if name in networks[0].averages[DRAWN]]
    yield (
        "| network | field | " + " | ".join(f"{name}{'' if name in FAMILIAR else ' (unseen)'}" for name in fakes) + " |"
    )
    yield "|---|---|" + "---|" * len(fakes)
    for found in networks:
        cells = []
        for name in fakes:
            centre, rim, gap = (contrast(found.averages[DRAWN], name, part) for part in PARTS[1:])
            cells.append(f"{centre.value:+.2f}, {rim.value:+.2f} ({gap.value:+.2f}, {gap.low:+.2f} to {gap.high:+.2f})")
        yield f"| {found.name} | {found.field} px | " + " | ".join(cells) + " |"


def figure(networks: Sequence[Network]) -> Pixels:
    """Every source at every depth."""
    each = [found.averages[DRAWN] for found in networks]
    first = each[0]
    names = [name for name in (*FAKES, *REALS) if name in first]
    maps = [[averages[name].mean for name in names] for averages in each]
    under = [[f"{averages[name].parts['whole'].value:.2f}" for name in names] for averages in each]
    heads = [f"{name}\n{first[name].label}, n = {first[name].count}" for name in names]
    return grid(maps, heads, networks, under, legend(120))


def contrast_figure(networks: Sequence[Network]) -> Pixels:
    """Fakes less reals: 0 is white, red where the fakes are the more fake."""
    each = [found.averages[DRAWN] for found in networks]
    first = each[0]
    names = [name for name in FAKES if name in first]
    maps = [
        [np.clip(0.5 + (averages[name].mean - average_real(averages)) / (2 * MOST_CONTRAST), 0, 1) for name in names]
        for averages in each
    ]
    under = [
        [
            f"{contrast(averages, name, 'centre').value:+.2f}, rim {contrast(averages, name, 'rim').value:+.2f}"
            for name in names
        ]
        for averages in each
    ]
    heads = [f"{name}\nless reals, n = {first[name].count}" for name in names]
    return grid(maps, heads, networks, under, contrast_legend())


def contrast_legend() -> Pixels:
    """The scale of the contrast."""
    board = Image.new("RGB", (120, 120), "white")
    draw, font = ImageDraw.Draw(board), ImageFont.load_default(11)
    ramp = np.linspace(1, 0, 72, dtype=np.float32)[:, None].repeat(14, axis=1)
    board.paste(Image.fromarray(colour(ramp)), (8, 24))
    draw.text((8, 2), "fakes - reals", "black", font)
    for place, text in ((24, f"+{MOST_CONTRAST:g} or more"), (60, "0"), (95, f"-{MOST_CONTRAST:g} or less")):
        draw.text((27, place), text, "black", font, anchor="lm")
    return np.asarray(board)


def grid(
    maps: Sequence[Sequence[Heatmap]],
    heads: Sequence[str],
    networks: Sequence[Network],
    under: Sequence[Sequence[str]],
    bar: Pixels,
) -> Pixels:
    """Maps in rows and columns, with what they are."""
    left, top = 96, 2 * _LINE + _GAP
    across, down = _SIDE + _GAP, _SIDE + _LINE + _GAP
    board = Image.new("RGB", (left + across * len(heads) + bar.shape[1], top + down * len(maps)), "white")
    draw, font = ImageDraw.Draw(board), ImageFont.load_default(11)
    for column, head in enumerate(heads):
        draw.multiline_text((left + column * across, 2), head, "black", font, spacing=2)
    for line, (found, line_maps, words) in enumerate(zip(networks, maps, under, strict=True)):
        y = top + line * down
        draw.multiline_text((2, y + 40), f"{found.name}\n{found.field} px", "black", font, spacing=2)
        for column, (heat, word) in enumerate(zip(line_maps, words, strict=True)):
            x = left + column * across
            board.paste(Image.fromarray(colour(scaled(heat.astype(np.float32), _SIDE, _SIDE))), (x, y))
            draw.text((x, y + _SIDE + 1), word, "black", font)
    board.paste(Image.fromarray(bar), (board.width - bar.shape[1], top))
    return np.asarray(board)


def write(bench: Bench, networks: Sequence[Network], results: Path, command: str) -> None:
    every = list(rows(networks))
    write_table(results / "figure_heatmaps.csv", every)
    save_png(results / "figure_heatmaps.png", figure(networks))
    save_png(results / "figure_heatmaps_contrast.png", contrast_figure(networks))
    kept = {one.source for one in shown(bench)}
    about = {
        "command": command,
        "commit": commit(),
        "data_fingerprint": bench.fingerprint,
        "weights_sha256": {found.name: found.weights_sha256 for found in networks},
        "seconds": {found.name: found.seconds for found in networks},
        "machine": machine(),
        "date": time.strftime("%Y-%m-%d"),
        "left_out": f"{', '.join(sorted({one.source for one in bench.tested} - kept - {*TRAINED_FAKE})) or 'no source'}"
        f" (fewer than {LEAST} pictures)",
    }
    write_facts(results / "figure_heatmaps.json", about)
    write_page(results / "figure_heatmaps.md", markdown(networks))
    print(f"written: {results / 'figure_heatmaps.png'} and more, {len(networks)} networks")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--data", type=Path, required=True, help="the shared data: holds manifest.csv and generators/")
    parser.add_argument("--work", type=Path, default=Path("runs/table"), help="the --work of table_generators")
    parser.add_argument("--maps", type=Path, help="where averages are kept; WORK/figure_heatmaps")
    parser.add_argument("--quick", action="store_true", help="one network of 5 steps, few pictures; no result written")
    chosen = parser.parse_args()
    if not (chosen.data / "manifest.csv").is_file():
        parser.error(f"no manifest.csv in {chosen.data}: point --data at the folder of images and generators")
    torch.set_num_threads(1)
    work = chosen.work / "quick" if chosen.quick else chosen.work
    bench = pictures(chosen.data, work, quick=chosen.quick)
    maps = chosen.maps or work / "figure_heatmaps"
    networks = [network(bench, model, maps) for model in (MODELS[:1] if chosen.quick else MODELS)]
    # Where averages are kept changes no number, and is nobody's business.
    command = invocation()
    write(bench, networks, work if chosen.quick else ROOT / "results", command)


if __name__ == "__main__":
    main()

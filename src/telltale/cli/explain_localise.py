"""`telltale explain localise`: do heatmaps find the pixels that a generator made?"""

import json
import os
import shlex
import sys
import time
from collections.abc import Iterable
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from telltale.cli.detectors import BACKENDS, DETECTOR
from telltale.cli.explain_sources import DATA, new_folder
from telltale.cli.progress import one_line, progress
from telltale.errors import InvalidConfig, InvalidDataset

if TYPE_CHECKING:
    from telltale.data.sample import Sample
    from telltale.detector import Detector
    from telltale.evaluate.scoring import Failure
    from telltale.explain.localisation_files import Located

SOME_FAILED = 1


def explain_localise(
    data: Annotated[list[Path], typer.Argument(help=DATA)],
    masks: Annotated[
        Path,
        typer.Option(
            help="A folder of masks, white where pixels were generated, named like their pictures with or without "
            "_mask before the ending. Pictures labelled real need none."
        ),
    ],
    out: Annotated[Path, typer.Option(help="A new folder for the tables.")],
    detector: Annotated[str, typer.Option(help=DETECTOR)] = "telltale-faces",
    threshold: Annotated[float, typer.Option(help="Of P(fake) at a pixel, for IoU; between 0 and 1.")] = 0.5,
    placement: Annotated[
        str, typer.Option(help="mean: of all patches that see a pixel; nearest: the patch whose centre is nearest.")
    ] = "mean",
    level: Annotated[int, typer.Option(min=1, max=255, help="Of a mask: pixels at or above it were generated.")] = 128,
    split: Annotated[str | None, typer.Option(help="Of the data: train, validation, test.")] = None,
    include: Annotated[list[str] | None, typer.Option(help="Only this source; may be repeated.")] = None,
    exclude: Annotated[list[str] | None, typer.Option(help="Not this source; may be repeated.")] = None,
    rounds: Annotated[int, typer.Option(min=10, help="Of the bootstrap behind the intervals.")] = 1000,
    seed: Annotated[int, typer.Option(min=0, help="Of the bootstrap.")] = 0,
    as_json: Annotated[bool, typer.Option("--json", help="Print summary.json instead of lines.")] = False,
    workers: Annotated[int, typer.Option(min=0, help="Images at a time; 0 = one for each core.")] = 0,
    backend: Annotated[str, typer.Option(help=BACKENDS)] = "onnxruntime",
    max_pixels: Annotated[int, typer.Option(min=1, help="Refuse larger pictures before decoding.")] = 100_000_000,
) -> None:
    """Compare heatmaps with truth masks: pixel AUC, IoU and pointing game, with what chance gives beside them.

    Exit code 0: all compared; 1: some pictures failed, each with its reason; 2: nothing could be done.
    """
    from telltale.cli.detectors import load_detector
    from telltale.cli.explain_sources import explained
    from telltale.evaluate.scoring import score_files
    from telltale.explain.heatmaps import grid_of
    from telltale.explain.localisation_files import compare, table, with_masks
    from telltale.explain.masks import MaskFolder
    from telltale.explain.placement import check_placement

    began = time.perf_counter()
    if not 0 < threshold < 1:
        raise InvalidConfig(expected="a threshold between 0 and 1", found=str(threshold), do="Correct --threshold.")
    placed = check_placement(placement)
    samples = explained(data, split=split, include=include or [], exclude=exclude or [])
    wanted, without = with_masks(samples, MaskFolder(masks))
    loaded = load_detector(detector, backend=backend, threads=1)
    grid_of(loaded)
    new_folder(out)
    with progress("localising", total=len(wanted)) as advance:
        records = score_files(loaded, wanted, workers=workers or os.cpu_count() or 1, max_pixels=max_pixels)
        compared = compare(loaded, records, wanted, threshold=threshold, level=level, placement=placed, visit=advance)
        located, failed = _parted(compared)
    rows = list(table(located, model=loaded.spec.name, threshold=threshold, rounds=rounds, seed=seed))
    settings = {
        "masks": str(masks),
        "placement": placement,
        "level": level,
        "split": split,
        "rounds": rounds,
        "seed": seed,
    }
    counts = {"without_mask": len(without), "failed": len(failed)}
    values = _write(out, located, failed, rows, {**_about(loaded, wanted, backend, began), **settings, **counts})
    print(json.dumps(values, allow_nan=False) if as_json else "\n".join(map(_line, rows)))
    _notes(out, rows[0], len(without), failed)


def _parted(compared: "Iterable[Located | Failure]") -> "tuple[list[Located], list[Failure]]":
    from telltale.evaluate.scoring import Failure

    found = list(compared)
    failed = [one for one in found if isinstance(one, Failure)]
    return [one for one in found if not isinstance(one, Failure)], failed


def _about(loaded: "Detector", samples: "dict[Sample, Path | None]", backend: str, began: float) -> dict[str, Any]:
    from telltale import __version__
    from telltale.evaluate.selection import fingerprint
    from telltale.provenance import commit

    return {
        "telltale_version": __version__,
        "commit": commit(),
        "command": shlex.join(["telltale", *sys.argv[1:]]),
        "seconds": round(time.perf_counter() - began, 1),
        "detector": loaded.spec.name,
        "weights_sha256": loaded.sha256,
        "backend": backend,
        "images_fingerprint": fingerprint(samples),
    }


def _write(
    out: Path, located: "list[Located]", failed: "list[Failure]", rows: list[dict[str, Any]], about: dict[str, Any]
) -> dict[str, Any]:
    from telltale.data.index import write_whole
    from telltale.evaluate.results import write_rows
    from telltale.explain.localisation_files import PICTURE_COLUMNS, TABLE_COLUMNS, picture_rows
    from telltale.explain.patch_files import FAILURE_COLUMNS, failure_rows

    write_rows(out / "failures.csv", failure_rows(failed), columns=FAILURE_COLUMNS)
    write_rows(out / "pictures.csv", picture_rows(located), columns=PICTURE_COLUMNS)
    write_rows(out / "localisation.csv", rows, columns=TABLE_COLUMNS)
    values = {**about, "table": rows}
    write_whole(out / "summary.json", (json.dumps(values, indent=1, allow_nan=False) + "\n").encode())
    return values


def _line(row: dict[str, Any]) -> str:
    from telltale.explain.patch_files import counted

    name, threshold = row["source"] or "unknown source", row["threshold"]
    if not row["n"]:
        return one_line(f"{name:<20} no picture with generated and untouched pixels")
    values = {figure: f"{row[figure]:.3f}" for figure in ("pixel_auc", "iou", "pointing")}
    for figure in values if row["n"] > 1 else ():
        values[figure] += f" ({row[f'{figure}_low']:.3f} to {row[f'{figure}_high']:.3f})"
    return one_line(
        f"{name:<20} {counted(row['n'], 'picture')}  pixel AUC {values['pixel_auc']}  "
        f"IoU at {threshold:g} {values['iou']}  pointing {values['pointing']}, by chance {row['chance']:.3f}"
    )


def _notes(out: Path, whole: dict[str, Any], without: int, failed: "list[Failure]") -> None:
    """What was left out, and why; on standard error."""
    from telltale.explain.patch_files import counted

    print(f"{out}: localisation.csv, pictures.csv, failures.csv, summary.json", file=sys.stderr)
    if without:
        print(f"{counted(without, 'picture')} left out: fake or without a label, and no mask", file=sys.stderr)
    for name, what in (("n_empty", "nothing generated"), ("n_full", "everything generated")):
        if whole[name]:
            print(f"{counted(whole[name], 'picture')} in no figure: {what}", file=sys.stderr)
    if whole["called_in_empty"] is not None:
        share = f"{100 * whole['called_in_empty']:.1f} %"
        print(f"of the pixels of pictures in which nothing was generated, {share} are called fake", file=sys.stderr)
    if not failed:
        return
    print(f"{counted(len(failed), 'picture')} failed; the reasons are in failures.csv", file=sys.stderr)
    if not (whole["n"] or whole["n_empty"] or whole["n_full"]):
        raise InvalidDataset(expected="at least one picture that can be compared", found="none", do=failed[0].error)
    raise typer.Exit(SOME_FAILED)

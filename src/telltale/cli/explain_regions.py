"""`telltale explain regions`: which part of a face gives a picture away."""

import csv
import json
import os
import shlex
import sys
import time
from collections.abc import Callable, Iterable, Mapping
from io import StringIO
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from telltale.cli.detectors import BACKENDS, DETECTOR
from telltale.cli.explain_sources import DATA
from telltale.cli.progress import one_line, progress
from telltale.errors import InvalidConfig

if TYPE_CHECKING:
    from telltale.detector import Detector
    from telltale.explain.face_parsing import Parse
    from telltale.explain.face_parts import PartMap
    from telltale.explain.patch_files import Towards
    from telltale.explain.regions import RegionRow, Regions

SOME_FAILED = 1


def explain_regions(
    data: Annotated[list[Path], typer.Argument(help=DATA)],
    out: Annotated[Path, typer.Option(help="A new folder for regions.csv, the chart and the patches.")],
    detector: Annotated[str, typer.Option(help=DETECTOR)] = "telltale-faces",
    parser: Annotated[
        str | None, typer.Option(help="An ONNX face parser of your own, or face-parser, the shipped one (the default).")
    ] = None,
    class_map: Annotated[
        Path | None,
        typer.Option(help="JSON: what --parser takes and its classes mean, or what values of --masks mean."),
    ] = None,
    masks: Annotated[
        Path | None,
        typer.Option(help="A folder of masks named like the pictures, instead of a parser; CelebAMask-HQ's classes."),
    ] = None,
    draws: Annotated[int, typer.Option(min=1, help="Random patches of each picture, for the baseline.")] = 20,
    seed: Annotated[int, typer.Option(min=0, help="Of the random patches.")] = 0,
    towards: Annotated[
        str, typer.Option(help="own: the surest patch for the picture's own label; fake or real: these.")
    ] = "own",
    patches: Annotated[int, typer.Option(min=0, help="Patches shown of each part; 0 = no pictures.")] = 20,
    split: Annotated[str | None, typer.Option(help="Of the data: train, validation, test.")] = None,
    include: Annotated[list[str] | None, typer.Option(help="Only this source; may be repeated.")] = None,
    exclude: Annotated[list[str] | None, typer.Option(help="Not this source; may be repeated.")] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print summary.json instead of lines.")] = False,
    workers: Annotated[int, typer.Option(min=0, help="Images at a time; 0 = one for each core.")] = 0,
    backend: Annotated[str, typer.Option(help=BACKENDS)] = "onnxruntime",
    max_pixels: Annotated[int, typer.Option(min=1, help="Refuse larger pictures before decoding.")] = 100_000_000,
) -> None:
    """Assign each picture's surest patch to a part of the face, against patches drawn at random: the paper's figure 4.

    Exit code 0: all scored; 1: some pictures failed, each with its reason; 2: nothing could be done.
    """
    from telltale.cli.detectors import load_detector
    from telltale.cli.explain_sources import explained
    from telltale.explain.average_files import open_folder
    from telltale.explain.heatmaps import grid_of
    from telltale.explain.patch_files import counted
    from telltale.explain.regions import find_regions, region_rows

    began = time.perf_counter()
    wanted = _towards(towards)
    parse, is_face, parsed_by = _parse(parser, class_map, masks)
    samples = explained(data, split=split, include=include or [], exclude=exclude or [])
    loaded = load_detector(detector, backend=backend, threads=1)
    grid_of(loaded)
    open_folder(out)
    with progress("face parts", total=len(samples)) as advance:
        found = find_regions(
            loaded, samples, parse, is_face=is_face, draws=draws, seed=seed, towards=wanted, kept=max(1, patches),
            workers=workers or os.cpu_count() or 1, max_pixels=max_pixels, visit=advance,
        )  # fmt: skip
    settings = {"parser": parsed_by, "draws": draws, "seed": seed, "towards": towards, "split": split}
    rows = region_rows(found)
    values = _write(out, found, rows, _about(loaded, backend, began) | settings)
    pictures = _sheets(out, found, max_pixels) if patches else 0
    for line in [json.dumps(values, allow_nan=False)] if as_json else _lines(rows):
        print(line)
    drawn = f"regions.png, {counted(pictures, 'picture')} of patches, " if rows else ""
    print(f"{out}: regions.csv, {drawn}omissions.csv, summary.json", file=sys.stderr)
    _end(found)


def _parse(
    parser: str | None, class_map: Path | None, masks: Path | None
) -> "tuple[Parse, Callable[[PartMap], bool], str]":
    """The way to part maps, what tells a face in them, and what the way is called in the results."""
    from telltale.explain.face_parsing import SHIPPED, ClassMap, by_masks, by_parser, mask_classes
    from telltale.explain.face_parts import CELEBAMASK_HQ, names_a_face, shows_a_face

    if masks is not None and parser is not None:
        raise InvalidConfig(expected="--masks or --parser", found="both", do="Leave one out.")
    said = None if class_map is None else _read(class_map)
    if masks is not None:
        classes = CELEBAMASK_HQ if said is None else mask_classes(said, str(class_map))
        return by_masks(masks, classes), names_a_face, f"masks in {masks.name}"
    if parser is None or (parser == SHIPPED.stem and not Path(parser).is_file()):
        if said is not None:
            raise InvalidConfig(
                expected="a parser of your own, or --masks, with --class-map", found="neither", do="Name one."
            )
        return by_parser(SHIPPED), shows_a_face, SHIPPED.stem
    known = None if said is None else ClassMap.from_json(said, str(class_map))
    return by_parser(Path(parser), known), shows_a_face, Path(parser).name


def _read(class_map: Path) -> str:
    try:
        return class_map.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise InvalidConfig(expected="a class map", found=f"{class_map}: {error}", do="Check the file.") from error


def _towards(word: str) -> "Towards":
    from telltale.explain.patch_files import TOWARDS

    for known in TOWARDS:
        if word == known:
            return known
    raise InvalidConfig(expected=", ".join(TOWARDS), found=repr(word), do="Correct --towards.")


def _about(loaded: "Detector", backend: str, began: float) -> dict[str, Any]:
    from telltale import __version__
    from telltale.provenance import commit

    return {
        "telltale_version": __version__,
        "commit": commit(),
        "command": shlex.join(["telltale", *sys.argv[1:]]),
        "seconds": round(time.perf_counter() - began, 1),
        "detector": loaded.spec.name,
        "weights_sha256": loaded.sha256,
        "backend": backend,
    }


def _write(out: Path, found: "Regions", rows: "list[RegionRow]", about: Mapping[str, Any]) -> dict[str, Any]:
    from telltale.data.index import write_whole
    from telltale.explain.region_files import COLUMNS, OMISSION_COLUMNS, chart, omission_table, table

    write_whole(out / "omissions.csv", _csv(OMISSION_COLUMNS, omission_table(found)))
    write_whole(out / "regions.csv", _csv(COLUMNS, table(rows)))
    if rows:
        write_whole(out / "regions.png", chart(rows))
    values = {
        **about,
        "pictures": sum(map(len, found.pictures.values())),
        "omitted": len(found.omissions),
        "failed": len(found.failures),
        "regions": list(table(rows)),
    }
    write_whole(out / "summary.json", (json.dumps(values, indent=1, allow_nan=False) + "\n").encode())
    return values


def _csv(columns: tuple[str, ...], rows: Iterable[Mapping[str, Any]]) -> bytes:
    stream = StringIO()
    writer = csv.DictWriter(stream, fieldnames=columns, lineterminator="\n")
    writer.writeheader()
    writer.writerows(rows)
    return stream.getvalue().encode("utf-8", "surrogateescape")


def _sheets(out: Path, found: "Regions", max_pixels: int) -> int:
    from telltale.data.index import write_whole
    from telltale.explain.region_files import sheets

    written = 0
    for name, data in sheets(found, max_pixels=max_pixels):
        write_whole(out / name, data)
        written += 1
    return written


def _lines(rows: "list[RegionRow]") -> list[str]:
    """For every source and label, the parts that differ from chance; what is most above it first."""
    from telltale.explain.patch_files import counted
    from telltale.explain.region_files import LEVEL

    lines = []
    for kind in dict.fromkeys((row.source, row.label, row.n) for row in rows):
        mine = [row for row in rows if (row.source, row.label, row.n) == kind and row.p_holm < LEVEL]
        mine.sort(key=lambda row: row.random_share - row.share)
        said = ", ".join(f"{row.part} {row.share:.0%} (random {row.random_share:.0%})" for row in mine)
        name = f"{kind[0] or 'unknown source'}, {kind[1]}, {counted(kind[2], 'picture')}"
        lines.append(one_line(f"{name}: {said or 'no part differs from chance'}"))
    return lines


def _end(found: "Regions") -> None:
    """What did not count, and the exit code."""
    from telltale.explain.patch_files import counted

    if found.omissions:
        many = counted(len(found.omissions), "picture")
        print(f"{many} without a face or a mask not counted; see omissions.csv", file=sys.stderr)
    if found.failures:
        print(f"{counted(len(found.failures), 'picture')} failed; the reasons are in omissions.csv", file=sys.stderr)
    if not found.pictures:
        raise InvalidConfig(expected="at least one picture with a face", found="none", do="See omissions.csv.")
    if found.failures:
        raise typer.Exit(SOME_FAILED)

"""`telltale explain patches`: the patches that a detector is most sure of, as a table and as pictures."""

import json
import os
import shlex
import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from telltale.cli.detectors import BACKENDS, DETECTOR
from telltale.cli.explain_sources import DATA, new_folder
from telltale.cli.progress import one_line, progress
from telltale.errors import InvalidConfig

if TYPE_CHECKING:
    from telltale.data.sample import Sample
    from telltale.detector import Detector
    from telltale.explain.patch_files import Collected, Towards

SOME_FAILED = 1


def explain_patches(
    data: Annotated[list[Path], typer.Argument(help=DATA)],
    out: Annotated[Path, typer.Option(help="A new folder for patches.parquet and the pictures.")],
    detector: Annotated[str, typer.Option(help=DETECTOR)] = "telltale-faces",
    count: Annotated[int, typer.Option(min=1, help="Patches to keep of each source and label.")] = 100,
    unique: Annotated[
        bool, typer.Option("--unique/--overall", help="At most one patch of each picture, or the surest of all.")
    ] = True,
    towards: Annotated[
        str,
        typer.Option(
            help="own: the most fake-looking patches of fakes and unlabelled pictures, the most real-looking ones of "
            "reals; fake or real: these, whatever the label."
        ),
    ] = "own",
    label: Annotated[str | None, typer.Option(help="Only pictures with this label: real or fake.")] = None,
    split: Annotated[str | None, typer.Option(help="Of the data: train, validation, test.")] = None,
    include: Annotated[list[str] | None, typer.Option(help="Only this source; may be repeated.")] = None,
    exclude: Annotated[list[str] | None, typer.Option(help="Not this source; may be repeated.")] = None,
    shown: Annotated[int, typer.Option(min=0, help="Patches in a picture at most; 0 = no pictures.")] = 100,
    columns: Annotated[int, typer.Option(min=1, help="Of a picture.")] = 10,
    cell: Annotated[int, typer.Option(min=16, help="Side of a patch in a picture, pixels.")] = 128,
    as_json: Annotated[bool, typer.Option("--json", help="Print summary.json instead of lines.")] = False,
    workers: Annotated[int, typer.Option(min=0, help="Images at a time; 0 = one for each core.")] = 0,
    backend: Annotated[str, typer.Option(help=BACKENDS)] = "onnxruntime",
    max_pixels: Annotated[int, typer.Option(min=1, help="Refuse larger pictures before decoding.")] = 100_000_000,
) -> None:
    """Find the patches that look most fake, or most real, of each source and label, and cut them out.

    Exit code 0: all scored; 1: some pictures failed, each with its reason; 2: nothing could be done.
    """
    from telltale.cli.detectors import load_detector
    from telltale.cli.explain_sources import explained
    from telltale.evaluate.scoring import score_files
    from telltale.explain.heatmaps import grid_of
    from telltale.explain.patch_files import collect, counted

    began = time.perf_counter()
    wanted = _towards(towards)
    samples = explained(data, split=split, include=include or [], exclude=exclude or [], label=label)
    loaded = load_detector(detector, backend=backend, threads=1)
    grid_of(loaded)
    new_folder(out)
    cores = workers or os.cpu_count() or 1
    with progress("patches", total=len(samples)) as advance:
        records = score_files(loaded, samples, workers=cores, max_pixels=max_pixels)
        found = collect(loaded, records, count=count, unique=unique, towards=wanted, visit=advance)
    names = _write(out, found, shown=shown, columns=columns, cell=cell, max_pixels=max_pixels)
    settings = {"count": count, "unique": unique, "towards": towards, "label": label, "split": split}
    values = _summary(out, found, names, _about(loaded, samples, backend, began) | settings)
    print(json.dumps(values, allow_nan=False) if as_json else "\n".join(map(_line, values["kinds"])))
    print(f"{out}: patches.parquet, failures.csv, summary.json, {counted(len(names), 'picture')}", file=sys.stderr)
    if found.failures:
        print(f"{counted(len(found.failures), 'picture')} failed; the reasons are in failures.csv", file=sys.stderr)
        if not found.kinds:
            raise InvalidConfig(
                expected="at least one picture that can be scored", found="none", do="See failures.csv."
            )
        raise typer.Exit(SOME_FAILED)


def _towards(word: str) -> "Towards":
    from telltale.explain.patch_files import TOWARDS

    for known in TOWARDS:
        if word == known:
            return known
    raise InvalidConfig(expected=", ".join(TOWARDS), found=repr(word), do="Correct --towards.")


def _write(
    out: Path, found: "Collected", *, shown: int, columns: int, cell: int, max_pixels: int
) -> dict[tuple[str, bool | None], str]:
    """Table, failures and pictures; returns the name of each source and label's picture."""
    from telltale.data.index import write_whole
    from telltale.evaluate.results import write_rows
    from telltale.explain.patch_files import (
        COLUMNS,
        FAILURE_COLUMNS,
        contact_sheet,
        failure_rows,
        in_order,
        png,
        rows,
        sheet_name,
        title,
    )

    write_rows(out / "failures.csv", failure_rows(found.failures), columns=FAILURE_COLUMNS)
    write_rows(out / "patches.parquet", rows(found), columns=COLUMNS)
    names: dict[tuple[str, bool | None], str] = {}
    for kind, kept in in_order(found) if shown else ():
        names[kind] = sheet_name(kind, names.values())
        patches = kept.best()[:shown]
        heading = title(kind, len(patches), found.scored[kind], kept)
        sheet = contact_sheet(patches, heading, columns=columns, cell=cell, max_pixels=max_pixels)
        write_whole(out / names[kind], png(sheet))
    return names


def _about(loaded: "Detector", samples: "list[Sample]", backend: str, began: float) -> dict[str, Any]:
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


def _summary(
    out: Path, found: "Collected", names: dict[tuple[str, bool | None], str], about: dict[str, Any]
) -> dict[str, Any]:
    from telltale.data.index import write_whole
    from telltale.explain.patch_files import in_order, label_word

    kinds = []
    for kind, kept in in_order(found):
        best = kept.best()
        kinds.append(
            {
                "source": kind[0],
                "label": label_word(kind[1]),
                "pictures": found.scored[kind],
                "patches": len(best),
                "towards": "real" if kept.real else "fake",
                "first_log_odds": best[0].log_odds,
                "last_log_odds": best[-1].log_odds,
                "picture": names.get(kind),
            }
        )
    values = {**about, "failed": len(found.failures), "kinds": kinds}
    write_whole(out / "summary.json", (json.dumps(values, indent=1, allow_nan=False) + "\n").encode())
    return values


def _line(kind: dict[str, Any]) -> str:
    from telltale.explain.patch_files import counted

    picture = "" if kind["picture"] is None else f"  {kind['picture']}"
    return one_line(
        f"{kind['source'] or 'unknown source'}, {kind['label']}: {counted(kind['patches'], 'patch')} of "
        f"{counted(kind['pictures'], 'picture')}, most {kind['towards']} first, log-odds "
        f"{kind['first_log_odds']:+.2f} to {kind['last_log_odds']:+.2f}{picture}"
    )

"""`telltale build`: a data set in which nothing but the picture can tell real from fake."""

import json
import os
import sys
from collections.abc import Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from telltale.cli.progress import one_line, progress
from telltale.errors import InvalidConfig

if TYPE_CHECKING:
    from telltale.data.build import BuildReport
    from telltale.data.making import FindFace, Resynthesise, Tools
    from telltale.data.sample import Sample

SOME_FAILED = 1
# Options that are settings of the same name; None leaves the preset's value.
_SETTINGS = (
    "crop", "face_scale", "side", "resample", "enlarge", "codec", "quality", "subsampling", "max_pixels", "seed",
)  # fmt: skip
_FACE = ("face_x", "face_y", "face_w", "face_h")


Text = str | None
Words = list[str] | None
Folders = list[Path] | None


def says(what: str) -> Any:
    """An option without a value of its own: it comes from the preset, or from the usual names of columns."""
    return typer.Option(help=what, show_default=False)


def build(
    out: Annotated[Path, typer.Option(help="A new folder, or one of an interrupted build with the same settings.")],
    sources: Annotated[Folders, typer.Argument(help="Manifests, folders, shards: see docs/datasets.md.")] = None,
    real: Annotated[Folders, says("A folder of real pictures; may be repeated.")] = None,
    fake: Annotated[Folders, says("A folder of fake pictures; may be repeated.")] = None,
    preset: Annotated[str, typer.Option(help="paper (128-px PNG), native (no resampling), web (256-px JPEG).")] = "web",
    crop: Annotated[Text, says("auto (face box, else centre), face, centre, whole or uncut.")] = None,
    face_scale: Annotated[float | None, says("Side of a face crop over that of the face box.")] = None,
    side: Annotated[int | None, says("Pixels of both sides of every built picture.")] = None,
    resample: Annotated[Text, says("lanczos, bicubic or bilinear.")] = None,
    enlarge: Annotated[bool | None, says("Enlarge small crops, or make failures of them.")] = None,
    codec: Annotated[Text, says("png, jpeg or webp.")] = None,
    quality: Annotated[tuple[int, int] | None, says("Lowest and highest quality of JPEG and WebP.")] = None,
    subsampling: Annotated[Text, says("JPEG chroma: 4:2:0 or 4:4:4.")] = None,
    max_pixels: Annotated[int | None, says("Refuse larger pictures before decoding.")] = None,
    seed: Annotated[int, typer.Option(help="Draws crop offsets, qualities and splits.")] = 0,
    face_detector: Annotated[Path | None, says("YuNet's ONNX file, for pictures without a box.")] = None,
    resynthesise: Annotated[Words, says("Make a fake twin of each real: taef2, srgan_x4; may be repeated.")] = None,
    generators: Annotated[Path | None, says("Folder of the re-syntheses' weights.")] = None,
    splits: Annotated[
        tuple[float, float, float], typer.Option(help="Shares of train, validation, test where no split is given.")
    ] = (80.0, 10.0, 10.0),
    alike: Annotated[int, typer.Option(help="Look-alikes differ in no more than this many of 256 bits.")] = 30,
    move: Annotated[bool, typer.Option("--move", help="Move what belongs together and lies on several sides.")] = False,
    path_column: Annotated[Text, says("A manifest's column of the path.")] = None,
    label_column: Annotated[Text, says("Of the label.")] = None,
    source_column: Annotated[Text, says("Of the source.")] = None,
    split_column: Annotated[Text, says("Of the split.")] = None,
    group_column: Annotated[Text, says("Of the group: identity, video.")] = None,
    face_columns: Annotated[tuple[str, str, str, str] | None, says("Of the face box: x, y, width, height.")] = None,
    real_label: Annotated[Words, says("A further word that means real; may be repeated.")] = None,
    fake_label: Annotated[Words, says("A further word that means fake; may be repeated.")] = None,
    workers: Annotated[int, typer.Option(min=0, help="Processes; 0 = one for each core.")] = 0,
    as_json: Annotated[bool, typer.Option("--json", help="The report as one JSON object.")] = False,
) -> None:
    """Build a data set: one path for real and fake through decoding, cropping, resampling and one codec.

    Exit code 0: all built; 1: some failed, see failures.csv; 2: nothing could be done.
    """
    from telltale.data.build import build as run
    from telltale.data.settings import preset as settings_of
    from telltale.data.splits import Shares
    from telltale.data.vocabulary import vocabulary

    given = locals()
    columns = {name: given[f"{name}_column"] for name in ("path", "label", "source", "split", "group")}
    columns |= dict(zip(_FACE, face_columns or (None,) * len(_FACE), strict=True))
    labels = vocabulary(real_label or (), fake_label or ())
    samples = _samples(sources or [], real or [], fake or [], columns, labels)
    tools = _tools(resynthesise or [], generators, face_detector)
    settings = settings_of(
        preset,
        resynthesise=tuple(resynthesise or ()),
        weights=_weights(face_detector, generators if resynthesise else None),
        **{name: given[name] for name in _SETTINGS},
    )
    with progress("building", total=len(samples)) as advance:
        report = run(
            samples,
            out,
            settings,
            tools=tools,
            workers=workers or os.cpu_count() or 1,
            shares=Shares(*splits),
            bits=alike,
            move=move,
            visit=advance,
        )
    _print(report, out, as_json=as_json)
    if report.failed:
        raise typer.Exit(SOME_FAILED)


def _samples(
    sources: Sequence[Path],
    real: Sequence[Path],
    fake: Sequence[Path],
    columns: Mapping[str, str | None],
    labels: Mapping[str, bool],
) -> "list[Sample]":
    from telltale.data.layouts import of_one_label
    from telltale.data.samples import check_columns, scan

    named = {key: name for key, name in columns.items() if name is not None}
    found = scan(sources, columns=named, labels=labels) if sources else []
    check_columns(sources, named)
    for folders, is_fake in ((real, False), (fake, True)):
        found += [sample for folder in folders for sample in of_one_label(folder, is_fake)]
    if not found:
        raise InvalidConfig(
            expected="something to build from", found="no source", do="Name manifests or folders, or --real and --fake."
        )
    return found


def _weights(face_detector: Path | None, generators: Path | None) -> tuple[tuple[str, str], ...]:
    """Names and hashes of the weights that take part: other weights make another data set."""
    from hashlib import sha256

    files = [] if face_detector is None else [face_detector]
    files += [] if generators is None else sorted(generators.glob("*.safetensors"))
    return tuple((file.name, sha256(file.read_bytes()).hexdigest()) for file in files)


def _tools(names: Sequence[str], generators: Path | None, face_detector: Path | None) -> "Tools":
    from telltale.data.making import Tools

    find_face = None if face_detector is None else partial(_finder, face_detector)
    if not names:
        return Tools(find_face=find_face)
    if generators is None:
        raise InvalidConfig(
            expected="--generators DIR with --resynthesise", found="no folder", do="Name the folder of the weights."
        )
    return Tools(
        find_face=find_face, resynthesisers={name: partial(_resynthesiser, name, generators) for name in names}
    )


def _finder(file: Path) -> "FindFace":
    from telltale.data.faces import face_finder

    return face_finder(file)


def _resynthesiser(name: str, folder: Path) -> "Resynthesise":
    """Runs in each worker process, which has one core to itself."""
    from telltale.errors import require

    require("torch", "learn").set_num_threads(1)
    from telltale.generate.resynthesis import resynthesiser

    return resynthesiser(name, folder)


def _print(report: "BuildReport", out: Path, *, as_json: bool) -> None:
    from dataclasses import asdict

    counted: dict[str, Any] = asdict(report)
    if as_json:
        print(json.dumps({"out": str(out), **counted}))
        return
    print(one_line(f"{out}  {report.real} real, {report.fake} fake, fingerprint {report.fingerprint[:16]}"))
    notes = (
        (report.kept, "files kept from before"),
        (report.unlabelled, "without a label"),
        (report.same, "left out for the same bytes (duplicates.csv)"),
        (report.alike, "pairs that look alike (duplicates.csv)"),
        (report.torn, "pairs that belong together and came with different splits (duplicates.csv; --move mends)"),
        (report.drawn, "originals came without a split: theirs was drawn (--splits)"),
        (report.failed, "failed (failures.csv)"),
    )
    for count, what in notes:
        if count:
            print(f"{count} {what}", file=sys.stderr)

"""`telltale build`: a data set in which nothing but the picture can tell real from fake."""

import json
import os
import sys
from collections.abc import Sequence
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
    from telltale.data.splits import Shares

SOME_FAILED = 1


def build(
    out: Annotated[Path, typer.Option(help="A new folder, or one of an interrupted build with the same settings.")],
    sources: Annotated[
        list[Path] | None,
        typer.Argument(
            help="Manifests (.csv, .parquet, .jsonl), folders whose names say real or fake, built data sets, "
            "FaceForensics++, Hugging Face imagefolders, WebDataset shards (.tar)."
        ),
    ] = None,
    real: Annotated[list[Path] | None, typer.Option(help="A folder of real pictures; may be repeated.")] = None,
    fake: Annotated[list[Path] | None, typer.Option(help="A folder of fake pictures; may be repeated.")] = None,
    preset: Annotated[str, typer.Option(help="paper (128-px PNG), native (no resampling), web (256-px JPEG).")] = "web",
    crop: Annotated[str | None, typer.Option(help="auto, face, centre or whole.")] = None,
    face_scale: Annotated[float | None, typer.Option(help="Side of a face crop over the face box.")] = None,
    side: Annotated[int | None, typer.Option(help="Pixels of both sides of every built picture.")] = None,
    resample: Annotated[str | None, typer.Option(help="lanczos, bicubic or bilinear.")] = None,
    enlarge: Annotated[bool | None, typer.Option(help="Enlarge small crops, or make failures of them.")] = None,
    codec: Annotated[str | None, typer.Option(help="png, jpeg or webp.")] = None,
    quality: Annotated[str | None, typer.Option(help="Range of JPEG and WebP qualities, such as 70-95.")] = None,
    subsampling: Annotated[str | None, typer.Option(help="JPEG chroma: 4:2:0 or 4:4:4.")] = None,
    seed: Annotated[int, typer.Option(help="Draws crop offsets, qualities and splits.")] = 0,
    max_pixels: Annotated[int | None, typer.Option(min=1, help="Refuse larger pictures before decoding.")] = None,
    splits: Annotated[str, typer.Option(help="Train/validation/test shares where no split is given.")] = "80/10/10",
    move: Annotated[bool, typer.Option("--move", help="Move duplicates and groups that lie on several sides.")] = False,
    alike: Annotated[int, typer.Option(help="Most differing bits, of 256, of pictures that look alike.")] = 30,
    face_detector: Annotated[Path | None, typer.Option(help="YuNet's ONNX file, for pictures without a box.")] = None,
    resynthesise: Annotated[
        list[str] | None, typer.Option(help="Make a fake twin of each real: taef2 or srgan_x4; may be repeated.")
    ] = None,
    generators: Annotated[Path | None, typer.Option(help="Folder of the re-syntheses' weights.")] = None,
    path_column: Annotated[str | None, typer.Option(help="Manifest column of the path.")] = None,
    label_column: Annotated[str | None, typer.Option(help="Manifest column of the label.")] = None,
    source_column: Annotated[str | None, typer.Option(help="Manifest column of the source.")] = None,
    split_column: Annotated[str | None, typer.Option(help="Manifest column of the split.")] = None,
    group_column: Annotated[str | None, typer.Option(help="Manifest column of the group: identity, video.")] = None,
    face_columns: Annotated[
        str | None, typer.Option(help="Manifest columns of the face box: x,y,width,height.")
    ] = None,
    real_label: Annotated[list[str] | None, typer.Option(help="A word that means real; may be repeated.")] = None,
    fake_label: Annotated[list[str] | None, typer.Option(help="A word that means fake; may be repeated.")] = None,
    workers: Annotated[int, typer.Option(min=0, help="Processes; 0 = one for each core.")] = 0,
    as_json: Annotated[bool, typer.Option("--json", help="The report as one JSON object.")] = False,
) -> None:
    """Build a data set: one path for real and fake through decoding, cropping, resampling and one codec.

    Exit code 0: all built; 1: some failed, see failures.csv; 2: nothing could be done.
    """
    from telltale.data.build import build as run
    from telltale.data.settings import preset as settings_of

    names = tuple(resynthesise or ())
    changes = {
        "crop": crop,
        "face_scale": face_scale,
        "side": side,
        "resample": resample,
        "enlarge": enlarge,
        "codec": codec,
        "quality": None if quality is None else _quality(quality),
        "subsampling": subsampling,
        "seed": seed,
        "max_pixels": max_pixels,
        "resynthesise": names,
        "weights": _weights(face_detector, generators if names else None),
    }
    settings = settings_of(preset, **changes)
    columns = {
        "path": path_column,
        "label": label_column,
        "source": source_column,
        "split": split_column,
        "group": group_column,
        **_faces(face_columns),
    }
    samples = _samples(
        sources or [],
        (real or [], fake or []),
        {key: name for key, name in columns.items() if name is not None},
        (real_label or [], fake_label or []),
    )
    with progress("building", total=len(samples)) as advance:
        report = run(
            samples,
            out,
            settings,
            tools=_tools(names, generators, face_detector),
            workers=workers or os.cpu_count() or 1,
            shares=_shares(splits),
            bits=alike,
            move=move,
            visit=advance,
        )
    _print(report, out, as_json=as_json)
    if report.failed:
        raise typer.Exit(SOME_FAILED)


def _samples(
    sources: Sequence[Path],
    labelled: tuple[Sequence[Path], Sequence[Path]],
    columns: dict[str, str],
    words: tuple[Sequence[str], Sequence[str]],
) -> "list[Sample]":
    from telltale.data.layouts import of_one_label
    from telltale.data.samples import scan
    from telltale.data.vocabulary import vocabulary

    found = scan(sources, columns=columns, labels=vocabulary(*words)) if sources else []
    for folders, is_fake in zip(labelled, (False, True), strict=True):
        found += [sample for folder in folders for sample in of_one_label(folder, is_fake)]
    if not found:
        raise InvalidConfig(
            expected="something to build from", found="no source", do="Name manifests or folders, or --real and --fake."
        )
    return found


def _quality(text: str) -> tuple[int, int]:
    """`70-95`, or one number."""
    low, _, high = text.partition("-")
    try:
        return int(low), int(high or low)
    except ValueError as error:
        raise InvalidConfig(expected="a range such as 70-95", found=text, do="Correct --quality.") from error


def _shares(text: str) -> "Shares":
    from telltale.data.splits import Shares

    try:
        train, validation, test = map(float, text.split("/"))
    except ValueError as error:
        raise InvalidConfig(expected="three shares such as 80/10/10", found=text, do="Correct --splits.") from error
    return Shares(train=train, validation=validation, test=test)


def _faces(text: str | None) -> dict[str, str]:
    if text is None:
        return {}
    names = text.split(",")
    if len(names) != 4:
        raise InvalidConfig(expected="four columns: x,y,width,height", found=text, do="Correct --face-columns.")
    return dict(zip(("face_x", "face_y", "face_w", "face_h"), names, strict=True))


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
        (report.failed, "failed (failures.csv)"),
    )
    for count, what in notes:
        if count:
            print(f"{count} {what}", file=sys.stderr)

"""FaceForensics++ on your copy: train on one manipulation, test on all four, every truncation and baseline.

    python recipes/table_faceforensics.py --root FACEFORENSICS --splits SPLITS --work runs/faceforensics
    python recipes/table_faceforensics.py --root FACEFORENSICS --splits SPLITS --work runs/faceforensics --quick

The data set is under terms of use and not part of telltale: <https://github.com/ondyari/FaceForensics>. --root is its
own tree of videos, original_sequences/youtube and manipulated_sequences/{Deepfakes,Face2Face,FaceSwap,NeuralTextures},
each with <compression>/videos/*.mp4; --splits the folder of its train.json, val.json and test.json, lists of pairs.

- Frames: --frames of each video, a second apart. Faces are found on the original video alone, and the original and its
  four manipulations are cut at the same places, so that a crop says nothing about its label. The largest face counts.
- All crops, real and manipulated, then go through `telltale build`: 128-px PNG, as the paper stored its pictures.
- Splits and groups are those of the official lists: a pair of videos, whose faces are in each other, stays together.
- Networks, training and columns are those of `recipes/table_manipulation.py`, with --steps and --epochs for the larger
  set. Intervals draw pairs of videos, not frames.
- Where every manipulated video has its mask (manipulated_sequences/METHOD/masks/videos/*.mp4, as the data set's own
  download script fetches them), heatmaps are laid on the masks; else `pixel_auc` and `iou` stay empty.

Faces are found by the shipped face parser, some seconds a frame of 720p on one core; --yunet takes YuNet's file
(`face_detection_yunet_2023mar.onnx`, OpenCV Zoo), which is far faster. Every video's frames and every (model, trained
on, seed) are kept, and a rerun makes only what is missing; other settings want another --work. Several processes of the
same command share the training: start it as often as there are cores. Nothing is written into results/: the tables are
WORK/table_faceforensics.csv, .json and .md. Nobody has run it on FaceForensics++ itself yet; the tests run it on a
small tree of the same layout, and `manipulated_videos.py` writes one of ten films.
"""

import argparse
import json
import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import replace
from functools import cache
from pathlib import Path
from shutil import copyfile
from typing import Any

import numpy as np
import torch
from PIL import Image

from manipulation_cells import ESSENTIAL, FURTHER, QUICK, Experiment, run
from manipulation_summary import summarise
from result_files import keep
from sharing import alone
from table_generators import SEEDS, Bench
from telltale.data.build import build
from telltale.data.equalise import Box
from telltale.data.faceforensics import pairs_in
from telltale.data.faces import faces_finder
from telltale.data.sample import Sample
from telltale.data.samples import scan
from telltale.data.settings import preset
from telltale.data.tracks import FindFaces, SharedCrop, shared_crops, side_by_side
from telltale.data.video import Frame, frames
from telltale.errors import InvalidDataset, UndecodableVideo, require
from telltale.explain.face_search import by_face_parser
from telltale.explain.localisation import Mask
from telltale.image import Pixels
from telltale.learn.checkpoint import file_hash
from telltale.provenance import invocation

METHODS = ("Deepfakes", "Face2Face", "FaceSwap", "NeuralTextures")
ORIGINALS = "original_sequences/youtube"
SPLITS = ("train", "val", "test")


def videos(
    root: Path, splits: Path, compression: str, methods: Sequence[str] = METHODS
) -> Iterator[tuple[Path, dict[str, Path]]]:
    """Every original that the lists name and is there, and its manipulations by method."""
    for split in SPLITS:
        for pair in pairs_in(splits / f"{split}.json"):
            for target, source in (pair, pair[::-1]):
                original = root / ORIGINALS / compression / "videos" / f"{target}.mp4"
                made = {
                    method: root / "manipulated_sequences" / method / compression / "videos" / f"{target}_{source}.mp4"
                    for method in methods
                }
                missing = [str(path) for path in (original, *made.values()) if not path.is_file()]
                if missing:
                    print(f"left out: {target}, no {missing[0]}", file=sys.stderr)
                else:
                    yield original, made


def crops(
    root: Path,
    splits: Path,
    compression: str,
    out: Path,
    count: int,
    find: FindFaces,
    methods: Sequence[str] = METHODS,
    apart: float = 1.0,
) -> None:
    """Cut every original, its manipulations and their masks at the same places, into a tree of the same layout."""
    there = list(videos(root, splits, compression, methods))
    if not there:
        sys.exit(
            f"expected videos of the lists in {root}, each with its {len(methods)} manipulations; found none of "
            f"{compression}. Point --root at FaceForensics++'s own tree, or choose another --compression."
        )
    for original, made in there:
        done = out / "done" / original.stem
        if done.exists():
            continue
        known, shown = remembering(find), read(original, count, apart)
        try:
            # All before any is written, so that an original and its manipulations are there together or not at all.
            found = {path: largest(shown, read(path, count, apart), known) for path in made.values()}
        except InvalidDataset as error:
            print(f"left out: {original.stem}: {error}", file=sys.stderr)
            continue
        if not any(found.values()):
            print(f"left out: {original.stem}, no frame with a face", file=sys.stderr)
        for method, path in made.items():
            folder = out / "manipulated_sequences" / method / compression / "images" / path.stem
            beside = out / ORIGINALS / compression / "images" / original.stem
            mask = root / "manipulated_sequences" / method / "masks" / "videos" / path.name
            masks = {one.seconds: one.pixels for one in read(mask, count, apart)} if mask.is_file() else {}
            for crop in found[path]:
                name = f"{round(crop.seconds * 1000):07d}.png"
                for where, pixels in ((folder, crop.manipulated), (beside, crop.original)):
                    where.mkdir(parents=True, exist_ok=True)
                    Image.fromarray(pixels).save(where / name, compress_level=1)
                if mask.is_file():
                    write_mask(out / "masks" / method / path.stem / name, crop, masks)
        done.parent.mkdir(parents=True, exist_ok=True)
        done.touch()
    (out / "splits").mkdir(parents=True, exist_ok=True)
    for split in SPLITS:
        copyfile(splits / f"{split}.json", out / "splits" / f"{split}.json")


def write_mask(path: Path, crop: SharedCrop, masks: Mapping[float, Pixels]) -> None:
    """The same cut of the mask that is shown with the frame; none where its video ends before."""
    shown = min(masks, key=lambda seconds: abs(seconds - crop.seconds), default=None)
    if shown is not None and abs(shown - crop.seconds) <= 0.05:
        path.parent.mkdir(parents=True, exist_ok=True)
        Image.fromarray(np.ascontiguousarray(crop.window.cut(masks[shown])[..., 0])).save(path)


@cache
def built_index(built: Path) -> dict[str, dict[str, Any]]:
    """What `telltale build` noted of each picture: its original, and what it cut from it."""
    columns = ["path", "original_path", "crop_x", "crop_y", "crop_width", "crop_height"]
    table = require("pyarrow.parquet", "data").read_table(built / "index.parquet", columns=columns)
    return {row["path"]: row for row in table.to_pylist()}


def picture_of(built: Path, sample: Sample) -> str:
    """<target>/<frame>, the same for an original and its manipulations."""
    original = Path(built_index(built)[sample.path.relative_to(built).as_posix()]["original_path"])
    return f"{original.parent.name.split('_')[0]}/{original.stem}"


def masks_of(built: Path, cut: Path) -> Callable[[Sample], Mask] | None:
    """Truth masks of built pictures, cut and scaled as these were; None where some manipulated picture has none."""
    known = {
        name: cut / "masks" / original.parents[3].name / original.parent.name / original.name
        for name, row in built_index(built).items()
        if "manipulated_sequences" in (original := Path(row["original_path"])).parts
    }
    missing = [str(path) for path in known.values() if not path.is_file()]
    if missing:
        print(f"{len(missing)} of {len(known)} masks are not there, such as {missing[0]}: none used", file=sys.stderr)
        return None

    def mask_of(sample: Sample) -> Mask:
        name = sample.path.relative_to(built).as_posix()
        x, y, width, height = (built_index(built)[name][f"crop_{one}"] for one in ("x", "y", "width", "height"))
        with Image.open(known[name]) as image:
            there = image.resize(sample.pixels().shape[1::-1], Image.Resampling.BILINEAR, (x, y, x + width, y + height))
        return np.asarray(there) >= 128

    return mask_of


def begun(work: Path, asked: dict[str, str | int]) -> None:
    """Refuse a folder that was begun otherwise: its crops and cells would be taken for those asked for."""
    path = work / "settings.json"
    known = json.loads(path.read_text()) if path.exists() else asked
    if differing := [name for name in asked if known.get(name) != asked[name]]:
        said = ", ".join(f"--{name} {known.get(name)} and not {asked[name]}" for name in differing)
        sys.exit(f"{work} was begun with {said}: repeat that, or choose another --work")
    keep(path, asked)


def remembering(find: FindFaces) -> FindFaces:
    """The same, but a frame is searched once: an original is looked at again beside each of its manipulations."""
    known: dict[bytes, Sequence[Box]] = {}

    def look(pixels: Pixels, hints: Sequence[Box], everywhere: bool) -> Sequence[Box]:
        key = pixels.tobytes()
        if key not in known:
            known[key] = find(pixels, hints, everywhere)
        return known[key]

    return look


def read(path: Path, count: int, apart: float = 1.0) -> list[Frame]:
    """Some frames of a video, so many seconds apart; where it is damaged, that is said, and those before count."""
    found: list[Frame] = []
    try:
        for frame in frames(path, every_seconds=apart, max_frames=count):
            found.append(frame)
    except UndecodableVideo as error:
        print(f"{path.name}: {error}", file=sys.stderr)
    return found


def largest(original: Sequence[Frame], manipulated: Sequence[Frame], find: FindFaces) -> list[SharedCrop]:
    """One crop of each frame: that of the largest face."""
    best: dict[float, SharedCrop] = {}
    for crop in shared_crops(side_by_side(original, manipulated), find):
        known = best.get(crop.seconds)
        if known is None or crop.window.width > known.window.width:
            best[crop.seconds] = crop
    return list(best.values())


def experiment(
    found: Sequence[Sample],
    fingerprint: str,
    work: Path,
    *,
    methods: tuple[str, ...],
    quick: bool,
    seeds: int,
    training: dict[str, int],
) -> Experiment:
    """The networks of table_manipulation on these frames."""
    return Experiment(
        name="table_faceforensics",
        bench=Bench(
            training=[one for one in found if one.split != "test"],
            tested=[one for one in found if one.split == "test"],
            fingerprint=fingerprint,
            work=work,
            cells=work / "table_faceforensics",
            quick=quick,
        ),
        real="youtube",
        kinds=methods,
        learned=methods[1:2] if quick else methods,
        models=(QUICK,) if quick else (ESSENTIAL, FURTHER),
        seeds=1 if quick else seeds,
        data="FaceForensics++, built",
        training={} if quick else training,
        mask_of=masks_of(work / "built", work / "crops"),
        twin_of=lambda one: picture_of(work / "built", one),
    )


def finder(yunet: Path | None) -> FindFaces:
    """YuNet where its file is given, else the face parser."""
    if yunet is None:
        return by_face_parser()
    every: Callable[[Pixels], Sequence[Box]] = faces_finder(yunet)
    return lambda pixels, _hints, _everywhere: every(pixels)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--root", type=Path, required=True, help="FaceForensics++: holds original_sequences/")
    parser.add_argument("--splits", type=Path, required=True, help="folder of train.json, val.json and test.json")
    parser.add_argument("--compression", default="c23", choices=("raw", "c0", "c23", "c40"), help="the folder's name")
    parser.add_argument("--methods", default=",".join(METHODS), help="folders of manipulated_sequences, by commas")
    parser.add_argument("--work", type=Path, default=Path("runs/faceforensics"))
    parser.add_argument("--yunet", type=Path, help="YuNet's ONNX file, to find faces with")
    parser.add_argument("--frames", type=int, default=10, help="of each video, a second apart")
    parser.add_argument("--steps", type=int, default=250, help="of an epoch")
    parser.add_argument("--epochs", type=int, default=8)
    parser.add_argument("--seeds", type=int, default=SEEDS)
    parser.add_argument("--summarise", action="store_true", help="write the tables from the cells there are")
    parser.add_argument("--quick", action="store_true", help="2 frames a video, two models, 5 steps")
    chosen = parser.parse_args()
    if not (chosen.root / "original_sequences").is_dir():
        parser.error(f"no original_sequences in {chosen.root}: point --root at FaceForensics++'s own tree")
    if missing := [name for name in SPLITS if not (chosen.splits / f"{name}.json").is_file()]:
        parser.error(f"no {missing[0]}.json in {chosen.splits}: point --splits at the official lists")
    torch.set_num_threads(1)
    work = chosen.work / "quick" if chosen.quick else chosen.work
    methods = tuple(chosen.methods.split(","))
    cut, count = work / "crops", 2 if chosen.quick else chosen.frames
    with alone(work, "pictures"):
        find = finder(chosen.yunet)
        names = ("compression", "methods", "frames", "steps", "epochs")
        yunet = "none" if chosen.yunet is None else file_hash(chosen.yunet)[:12]
        begun(work, {**{name: getattr(chosen, name) for name in names}, "yunet": yunet})
        crops(chosen.root, chosen.splits, chosen.compression, cut, count, find, methods)
        report = build(scan([cut]), work / "built", replace(preset("paper"), crop="whole"), workers=1)
        built = scan([work / "built"])
    asked = experiment(
        built,
        report.fingerprint,
        work,
        methods=methods,
        quick=chosen.quick,
        seeds=chosen.seeds,
        training={"steps_per_epoch": chosen.steps, "epochs": chosen.epochs},
    )
    if not chosen.summarise:
        run(asked)
    if chosen.summarise or chosen.quick:
        summarise(asked, f"FaceForensics++ {chosen.compression}: trained on one, tested on all", invocation())


if __name__ == "__main__":
    main()

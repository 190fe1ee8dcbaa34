"""FaceForensics++ on your copy: train on one manipulation, test on all four, every truncation and baseline.

    python recipes/table_faceforensics.py --root FACEFORENSICS --splits SPLITS --work runs/faceforensics
    python recipes/table_faceforensics.py --root FACEFORENSICS --splits SPLITS --work runs/faceforensics --quick

The data set is under terms of use and not part of telltale: <https://github.com/ondyari/FaceForensics>. --root is its
own tree of videos, original_sequences/youtube and manipulated_sequences/{Deepfakes,Face2Face,FaceSwap,NeuralTextures},
each with <compression>/videos/*.mp4; --splits the folder of its train.json, val.json and test.json, lists of pairs.

- Compression: --compression c23, of all; with --tested c40 the test videos are of that one, the others still of c23.
- Frames: --frames of each video, a second apart. Faces are found on the original video alone, and the original and its
  four manipulations are cut at the same places, so that a crop says nothing about its label. One face of a film
  counts: that which the masks lie on, and without masks that which is there longest.
- All crops, real and manipulated, then go through `telltale build`: 128-px PNG, as the paper stored its pictures, and
  a frame and its manipulations stay on each other pixel by pixel.
- Splits and groups are those of the official lists: a pair of videos, whose faces are in each other, stays together.
- Networks, training and columns are those of `recipes/table_manipulation.py`, with --steps and --epochs for the larger
  set. Intervals draw pairs of videos, not frames.
- Where manipulated videos have their masks (manipulated_sequences/METHOD/masks/videos/*.mp4, as the data set's own
  download script fetches them), heatmaps are laid on the masks; where a method has none at all, `pixel_auc` and `iou`
  stay empty for all. FaceShifter, of the same pairs, is one more method for --methods; it has no masks.
- A part of the data set is enough: an original counts that is there with all its --methods. What is not used is named.

Faces are found by the shipped face parser, some seconds a frame of 720p on one core; --yunet takes YuNet's file
(`face_detection_yunet_2023mar.onnx`, OpenCV Zoo), which is far faster. Crops of all 1,000 originals take about 10 GB.
Every video's frames and every (model, trained on, seed) are kept, and a rerun makes only what is missing; other
settings want another --work. Several processes of the same command share the training: start it as often as there are
cores. Nothing is written into results/: the tables are WORK/table_faceforensics.csv, .json and .md. Nobody has run it
on FaceForensics++ itself yet; the tests run it on a small tree of the same layout, and `manipulated_videos.py` writes
one of ten films.
"""

import argparse
import json
import sys
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path

import torch

from arguments import positive
from face_crops import build_crops, masks_of, picture_of
from face_films import METHODS, SPLITS, crops
from manipulation_cells import ESSENTIAL, FURTHER, QUICK, Experiment, run
from manipulation_summary import summarise
from result_files import keep
from sharing import alone
from table_generators import SEEDS, Bench
from telltale.data.equalise import Box
from telltale.data.faces import faces_finder
from telltale.data.sample import Sample
from telltale.data.tracks import FindFaces
from telltale.errors import TelltaleError
from telltale.explain.face_search import by_face_parser
from telltale.image import Pixels
from telltale.learn.checkpoint import file_hash
from telltale.provenance import invocation

COMPRESSIONS = ("raw", "c0", "c23", "c40")


@dataclass(frozen=True, slots=True, kw_only=True)
class Pictures:
    """What networks learn and are asked.

    Attributes:
        training: of the lists train and val.
        tested: of the list test.
        fingerprint: of all.
        cut, built: where the tested ones' crops and pictures lie.
    """

    training: list[Sample]
    tested: list[Sample]
    fingerprint: str
    cut: Path
    built: Path


def begun(work: Path, asked: dict[str, str | int]) -> None:
    """Refuse a folder that was begun otherwise: its crops and cells would be taken for those asked for.

    One in which no film was cut yet is not begun.
    """
    path = work / "settings.json"
    known = json.loads(path.read_text()) if path.exists() and any(work.glob("**/done/*")) else asked
    if differing := [name for name in asked if known.get(name) != asked[name]]:
        said = ", ".join(f"--{name} {known.get(name)} and not {asked[name]}" for name in differing)
        sys.exit(f"{work} was begun with {said}: repeat that, or choose another --work")
    keep(path, asked)


def pictures(
    root: Path,
    splits: Path,
    work: Path,
    *,
    compressions: tuple[str, str],
    count: int,
    find: FindFaces,
    methods: Sequence[str],
) -> Pictures:
    """Crops and built pictures of the compression that is learned and of the one that is tested."""
    learned, tested = compressions
    parts: dict[str, tuple[str, Sequence[str]]] = {"": (learned, SPLITS)}
    if learned != tested:
        parts = {"": (learned, SPLITS[:2]), "tested/": (tested, SPLITS[2:])}
    found: list[Sample] = []
    marks: list[str] = []
    for folder, (compression, lists) in parts.items():
        cut, built = work / f"{folder}crops", work / f"{folder}built"
        crops(root, splits, compression, cut, count, find, methods, parts=lists)
        some, mark = build_crops(cut, built)
        found, marks = found + some, [*marks, mark]
    if missing := sorted({"train", "validation", "test"} - {one.split for one in found}):
        sys.exit(f"expected films of all three lists in {root}; found none for {', '.join(missing)}. Fetch some.")
    return Pictures(
        training=[one for one in found if one.split != "test"],
        tested=[one for one in found if one.split == "test"],
        fingerprint=marks[0] if len(marks) == 1 else sha256("".join(marks).encode()).hexdigest(),
        cut=cut,
        built=built,
    )


def experiment(
    found: Pictures, work: Path, *, methods: tuple[str, ...], quick: bool, seeds: int, training: dict[str, int]
) -> Experiment:
    """The networks of table_manipulation on these frames."""
    return Experiment(
        name="table_faceforensics",
        bench=Bench(
            training=found.training,
            tested=found.tested,
            fingerprint=found.fingerprint,
            work=work,
            cells=work / "table_faceforensics",
            quick=quick,
        ),
        real="youtube",
        kinds=methods,
        learned=(methods[1:2] or methods) if quick else methods,
        models=(QUICK,) if quick else (ESSENTIAL, FURTHER),
        seeds=1 if quick else seeds,
        data="FaceForensics++, built",
        training={} if quick else training,
        mask_of=masks_of(found.built, found.cut, found.tested),
        twin_of=lambda one: picture_of(found.built, one),
        drawn="pairs of videos",
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
    parser.add_argument("--compression", default="c23", choices=COMPRESSIONS, help="the folder's name")
    parser.add_argument("--tested", choices=COMPRESSIONS, help="of the test videos, where it is another")
    parser.add_argument("--methods", default=",".join(METHODS), help="folders of manipulated_sequences, by commas")
    parser.add_argument("--work", type=Path, default=Path("runs/faceforensics"))
    parser.add_argument("--yunet", type=Path, help="YuNet's ONNX file, to find faces with")
    parser.add_argument("--frames", type=positive, default=10, help="of each video, a second apart")
    parser.add_argument("--steps", type=positive, default=250, help="of an epoch")
    parser.add_argument("--epochs", type=positive, default=8)
    parser.add_argument("--seeds", type=positive, default=SEEDS)
    parser.add_argument("--summarise", action="store_true", help="write the tables from the cells there are")
    parser.add_argument("--quick", action="store_true", help="2 frames a video, two models, 5 steps")
    chosen = parser.parse_args()
    if not (chosen.root / "original_sequences").is_dir():
        parser.error(f"no original_sequences in {chosen.root}: point --root at FaceForensics++'s own tree")
    if missing := [name for name in SPLITS if not (chosen.splits / f"{name}.json").is_file()]:
        parser.error(f"no {missing[0]}.json in {chosen.splits}: point --splits at the official lists")
    torch.set_num_threads(1)
    work = chosen.work / "quick" if chosen.quick else chosen.work
    methods = tuple(dict.fromkeys(name for one in chosen.methods.split(",") if (name := one.strip())))
    compressions = (chosen.compression, chosen.tested or chosen.compression)
    with alone(work, "pictures"):
        find = finder(chosen.yunet)
        names = ("compression", "methods", "frames", "steps", "epochs")
        yunet = "none" if chosen.yunet is None else file_hash(chosen.yunet)[:12]
        lists = sha256(b"".join((chosen.splits / f"{name}.json").read_bytes() for name in SPLITS)).hexdigest()[:12]
        more = {"tested": compressions[1], "yunet": yunet, "splits": lists}
        begun(work, {**{name: getattr(chosen, name) for name in names}, **more})
        try:
            found = pictures(
                chosen.root,
                chosen.splits,
                work,
                compressions=compressions,
                count=2 if chosen.quick else chosen.frames,
                find=find,
                methods=methods,
            )
        except TelltaleError as error:
            sys.exit(str(error))
    asked = experiment(
        found,
        work,
        methods=methods,
        quick=chosen.quick,
        seeds=chosen.seeds,
        training={"steps_per_epoch": chosen.steps, "epochs": chosen.epochs},
    )
    if not chosen.summarise:
        run(asked)
    if chosen.summarise or chosen.quick:
        which = ", tested in ".join(dict.fromkeys(compressions))
        title = f"FaceForensics++ {which}: trained on one, tested on all"
        summarise(asked, title, invocation())


if __name__ == "__main__":
    main()

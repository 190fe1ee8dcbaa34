"""Our own manipulations of films, in the layout of FaceForensics++: train on one, test on all, on films nobody learned.

    python recipes/manipulated_videos.py --data PATH_TO_SHARED_DATA --work runs/videos
    python recipes/manipulated_videos.py --data PATH_TO_SHARED_DATA --work runs/videos --quick     (no result written)

The originals are the left halves of `swap_videos`, ten short films of ten people; what somebody else's program made of
them, the right halves, is not used here (`outside_checks.py` does that). Five times a second the face is found and its
parts are parsed; the five manipulations of `recipes/manipulated.py` are done in the frame, at its own size, the second
person of a pair lending the face, or the part, of the frame in which she holds her head most alike. Then one line of
code encodes the untouched film and each manipulated one (H.264, as FaceForensics++'s c23), and the truth masks without
loss. WORK/tree is that data set's own layout, so `table_faceforensics.py --methods` reads it, too.

Frames are cut as that recipe cuts them: at places found on the untouched film, at the face that the masks lie on, both
halves alike, through `telltale build` at 128 px. Five pairs of films make five folds: a network learns three pairs, is
chosen on the fourth and tested on the fifth, so that every film is tested once, by networks that never saw its people.

Networks, training and columns are those of `recipes/table_manipulation.py`, but that training ends after four epochs
without a better one; of the networks the two that ask its question. Ten films are few: the folds share their training,
and five numbers give no interval. The table shows their mean, the lowest and the highest.

Every (network, learned, fold) is one file in results/manipulated_videos/; a rerun computes only what is missing, and
several processes of the same command share the work. Cost: ten minutes of one core for the films, two to five a cell
with bfloat16 products. `--summarise` writes results/manipulated_videos.csv, .json and .md. The films show real people:
keep them to yourself.
"""

import argparse
import csv
import sys
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from fractions import Fraction
from hashlib import sha256
from pathlib import Path

import numpy as np
import torch
from jaxtyping import Bool

from face_crops import build_crops, masks_of, picture_of
from face_films import crops
from manipulated import CUT, MANIPULATIONS, layout
from manipulated_videos_summary import summarise
from manipulation_cells import ESSENTIAL, QUICK, Experiment, fill
from result_files import keep
from sharing import alone, unclaimed
from table_generators import ROOT, Bench
from telltale.data.sample import Sample
from telltale.data.tracks import SharedCrop, crop_window, halves, shared_crops
from telltale.data.video import frames
from telltale.errors import UnsuitableImage, require
from telltale.explain.face_parsing import load_parser
from telltale.explain.face_parts import PARTS, PartMap
from telltale.explain.face_search import by_face_parser
from telltale.generate.manipulations import manipulations
from telltale.generate.manipulations_regions import FEATURES, Face, box_of, is_workable
from telltale.generate.resynthesis import resynthesiser
from telltale.image import Pixels
from telltale.provenance import invocation

NAME = "manipulated_videos"
REAL, COMPRESSION = "youtube", "c23"
RATE, CRF = 5, 23
SEEN = ("eyes", "nose", "mouth")
MODELS = {name: ESSENTIAL[name] for name in ("xception_block2", "resnet18")}
LEARNED = ("swap", "autoencoder", "self_blended")
# As in table_manipulation, but for patience: in the first fold's five trainings (four of sixteen epochs, one stopped
# after seven) validation was best in the first or second, whatever came after.
TRAINING = {"batch": 16, "steps_per_epoch": 120, "epochs": 16, "patience": 4}


@dataclass(frozen=True, slots=True, kw_only=True)
class Shot:
    """A frame with a face in it.

    Attributes:
        frame: all of it, both sides even.
        rows, columns: where the face lies.
        face: the pixels there, and what each shows.
    """

    frame: Pixels
    rows: slice
    columns: slice
    face: Face

    def with_face(self, pixels: Pixels) -> Pixels:
        """The frame with other pixels where the face is."""
        made = self.frame.copy()
        made[self.rows, self.columns] = pixels
        return made

    def mask(self, changed: Bool[np.ndarray, "rows columns"]) -> Pixels:
        """White where the frame was changed."""
        made = np.zeros_like(self.frame)
        made[self.rows, self.columns] = changed[..., None] * np.uint8(255)
        return made


def shots(path: Path, parse: Callable[[Pixels], PartMap], *, quick: bool) -> list[Shot]:
    """Some frames of a film's left half in which a face shows eyes, nose and mouth."""
    largest: dict[float, tuple[SharedCrop, Pixels]] = {}
    pairs = list(halves(frames(path, every_seconds=1.0 if quick else 1 / RATE, max_frames=3 if quick else None)))
    known = {one.seconds: one.pixels for one, _ in pairs}
    for crop in shared_crops(pairs, by_face_parser()):
        before = largest.get(crop.seconds)
        if before is None or crop.window.width > before[0].window.width:
            largest[crop.seconds] = (crop, known[crop.seconds])
    found = (_shot(crop, frame, parse) for crop, frame in largest.values())
    return [one for one in found if one is not None]


def _shot(crop: SharedCrop, frame: Pixels, parse: Callable[[Pixels], PartMap]) -> Shot | None:
    """The face by its features, cut as `manipulated.py` cuts them; None where some are hidden."""
    parts = parse(crop.original)
    features = np.isin(parts, [PARTS.index(name) for name in FEATURES])
    window = crop_window((parts.shape[0], parts.shape[1]), box_of(features), scale=CUT) if features.any() else None
    if window is None:
        return None
    there = np.ascontiguousarray(window.cut(parts))
    if not all(is_workable(there == PARTS.index(name)) for name in SEEN):
        return None
    top, left = crop.window.y + window.y, crop.window.x + window.x
    height, width = (length // 2 * 2 for length in frame.shape[:2])
    rows, columns = slice(top, min(top + window.height, height)), slice(left, min(left + window.width, width))
    pixels = np.ascontiguousarray(frame[rows, columns])
    face = Face(pixels, there[: pixels.shape[0], : pixels.shape[1]])
    return Shot(frame=np.ascontiguousarray(frame[:height, :width]), rows=rows, columns=columns, face=face)


def write_film(path: Path, images: Sequence[Pixels], *, crf: int) -> None:
    """H.264, all or nothing; by one thread, so that the bytes are the same on every machine of one library."""
    av = require("av", "video")
    path.parent.mkdir(parents=True, exist_ok=True)
    temporary = path.with_name(f".{path.name}")
    with av.open(str(temporary), "w", format="mp4") as container:
        track = container.add_stream("libx264", rate=RATE)
        track.height, track.width = images[0].shape[:2]
        track.pix_fmt, track.options = "yuv420p", {"crf": str(crf), "threads": "1"}
        for number, pixels in enumerate(images):
            frame = av.VideoFrame.from_ndarray(pixels, format="rgb24")
            frame.pts, frame.time_base = number, Fraction(1, RATE)
            container.mux(track.encode(frame))
        container.mux(track.encode())
    temporary.replace(path)


def write_pair(tree: Path, target: str, source: str, mine: Sequence[Shot], theirs: Sequence[Shot], data: Path) -> None:
    """A film untouched and in all five ways, with masks; a frame in which one is not possible is in none of them."""
    known = manipulations(resynthesiser("taef2", data / "generators"))
    layouts = np.array([layout(one.face) for one in theirs])
    kept, made = [], []
    for shot in mine:
        donor = theirs[int(np.abs(layouts - layout(shot.face)).sum(1).argmin())].face
        try:
            # One seed a film and manipulation: a region that jumped from frame to frame would be a trace of its own.
            each = {
                kind: known[kind](shot.face, donor, int(sha256(f"{target} {kind}".encode()).hexdigest()[:8], 16))
                for kind in MANIPULATIONS
            }
        except UnsuitableImage as error:
            print(f"{target}: a frame left out: {error}", file=sys.stderr)
            continue
        kept.append(shot)
        made.append(each)
    if not kept:
        sys.exit(f"no frame of {target} in which all manipulations are possible")
    for kind in MANIPULATIONS:
        folder = tree / "manipulated_sequences" / kind
        name = f"{target}_{source}.mp4"
        both = list(zip(kept, (one[kind] for one in made), strict=True))
        write_film(folder / "masks" / "videos" / name, [shot.mask(one.mask) for shot, one in both], crf=0)
        write_film(folder / COMPRESSION / "videos" / name, [shot.with_face(one.pixels) for shot, one in both], crf=CRF)
    original = tree / "original_sequences" / REAL / COMPRESSION / "videos" / f"{target}.mp4"
    write_film(original, [shot.frame for shot in kept], crf=CRF)


def write_tree(data: Path, tree: Path, *, quick: bool) -> list[tuple[str, str]]:
    """All films, two by two; what an earlier run finished stays."""
    with (data / "manipulated" / "swap_videos.csv").open(newline="", encoding="utf-8") as stream:
        films = sorted(Path(row["path"]).stem for row in csv.DictReader(stream))[: 6 if quick else None]
    pairs = list(zip(films[::2], films[1::2], strict=True))
    parse = load_parser()
    for pair in pairs:
        done = tree / "done" / "_".join(pair)
        if not done.exists():
            one, other = (
                shots(data / "manipulated" / "swap_videos" / f"{name}.mp4", parse, quick=quick) for name in pair
            )
            write_pair(tree, *pair, one, other, data)
            write_pair(tree, *pair[::-1], other, one, data)
            done.parent.mkdir(parents=True, exist_ok=True)
            done.touch()
            print(f"{' and '.join(pair)}: {len(one)} and {len(other)} frames with a face", file=sys.stderr, flush=True)
    return pairs


def write_splits(folder: Path, pairs: Sequence[tuple[str, str]], fold: int) -> None:
    """The lists as FaceForensics++ has them: one pair to test, the next to validate, the others to learn."""
    turned = [*pairs[fold:], *pairs[:fold]]
    for split, these in (("test", turned[:1]), ("val", turned[1:2]), ("train", turned[2:])):
        keep(folder / f"{split}.json", these)


def gather(data: Path, work: Path, *, quick: bool) -> list[Experiment]:
    """The films, their frames, and an experiment for each fold."""
    tree, cut, built = work / "tree", work / "crops", work / "built"
    with alone(work, "pictures"):
        pairs = write_tree(data, tree, quick=quick)
        write_splits(tree / "splits", pairs, 0)
        crops(tree, tree / "splits", COMPRESSION, cut, 10**6, by_face_parser(), MANIPULATIONS, 1 / RATE)
        everything, mark = build_crops(cut, built)
    turns = [[*pairs[fold:], *pairs[:fold]] for fold in range(len(pairs))]
    return [
        Experiment(
            name=NAME,
            bench=Bench(
                training=[
                    replace(one, split="validation" if _film(built, one) in turn[1] else "train")
                    for one in everything
                    if _film(built, one) not in turn[0]
                ],
                tested=[replace(one, split="test") for one in everything if _film(built, one) in turn[0]],
                fingerprint=mark,
                work=work / f"fold{fold}",
                cells=(work if quick else ROOT / "results") / NAME,
                quick=quick,
            ),
            real=REAL,
            kinds=MANIPULATIONS,
            learned=LEARNED[: 1 if quick else None],
            models=(QUICK if quick else MODELS,),
            seeds=1,
            data="swap_videos, manipulated",
            training={} if quick else TRAINING,
            mask_of=masks_of(built, cut, [one for one in everything if _film(built, one) in turn[0]]),
            twin_of=lambda one: picture_of(built, one),
        )
        for fold, turn in enumerate(turns[: 1 if quick else None])
    ]


def _film(built: Path, sample: Sample) -> str:
    """Whose film a picture is cut from."""
    return picture_of(built, sample).split("/")[0]


def wanted(asked: Sequence[Experiment]) -> list[tuple[str, str, int]]:
    """(model, learned, fold) of every cell; folds outermost."""
    return [(model, kind, fold) for fold, one in enumerate(asked) for model in one.models[0] for kind in one.learned]


def run(asked: Sequence[Experiment], work: Path) -> None:
    """Every missing cell."""
    for model, kind, fold in unclaimed(work, NAME, wanted(asked)):
        fill(asked[fold], model, kind, fold)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--data", type=Path, required=True, help="the shared data: holds manipulated/ and generators/")
    parser.add_argument("--work", type=Path, default=Path("runs/videos"))
    parser.add_argument("--summarise", action="store_true", help="write the tables from the cells there are")
    parser.add_argument("--quick", action="store_true", help="six films, three frames each, 5 steps; no result written")
    chosen = parser.parse_args()
    if not (chosen.data / "manipulated" / "swap_videos.csv").is_file():
        parser.error(f"no manipulated/swap_videos.csv in {chosen.data}: point --data at the folder of images")
    torch.set_num_threads(1)
    require("cv2", "faces").setNumThreads(1)
    work = chosen.work / "quick" if chosen.quick else chosen.work
    asked = gather(chosen.data, work, quick=chosen.quick)
    if not chosen.summarise:
        run(asked, work)
    if chosen.summarise or chosen.quick:
        summarise(asked, wanted(asked), invocation())


if __name__ == "__main__":
    main()

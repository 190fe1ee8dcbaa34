"""The recipe for FaceForensics++, on a small tree of the same layout whose videos our own manipulations made."""

import csv
import json
import os
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from small_videos import shade, write_video
from telltale.data.equalise import Box
from telltale.data.samples import scan
from telltale.errors import require
from telltale.explain.face_parts import merged
from telltale.generate.manipulations import Face, manipulations
from telltale.image import Pixels, decode

sys.path.append(str(Path(__file__).resolve().parents[1] / "data"))
sys.path.append(str(Path(__file__).resolve().parents[2] / "recipes"))

from small_pictures import picture as noise

from face_crops import build_crops, masks_of, picture_of
from face_films import crops
from table_faceforensics import begun, pictures

ROOT = Path(__file__).resolve().parents[2]
DATA = Path(os.environ.get("TELLTALE_DATA", ROOT.parent / "shared" / "data"))
needs_data = pytest.mark.skipif(
    not (DATA / "manifest.csv").is_file(), reason=f"no manifest.csv in {DATA}: point TELLTALE_DATA at the shared data"
)
METHODS = {"Deepfakes": "self_blended", "Face2Face": "part", "FaceSwap": "swap", "NeuralTextures": "inpainted"}
PAIRS = {"train": ["000", "001"], "val": ["002", "003"], "test": ["004", "005"]}
SIDE, FRAMES = 192, 2


def faces() -> dict[str, list[Face]]:
    """Six people, each moving a little from frame to frame."""
    found: dict[str, list[Face]] = {}
    for path in sorted((DATA / "faces" / "celebahq_masks").glob("*.png")):
        classes = np.asarray(Image.open(path))
        # Eyes, nose and lips, and no glasses.
        if {2, 4, 5, 11, 12} <= set(np.unique(classes)) and 3 not in classes:
            picture = Image.fromarray(decode(next((DATA / "faces" / "celebahq").glob(f"{path.stem}.*"))))
            moved = [(2 * number, 0, 512 - 2 * number, 512) for number in range(FRAMES)]
            found[f"{len(found):03d}"] = [
                Face(
                    np.asarray(picture.resize((SIDE, SIDE), Image.Resampling.LANCZOS, box=box)),
                    merged(
                        np.asarray(Image.fromarray(classes).resize((SIDE, SIDE), Image.Resampling.NEAREST, box=box))
                    ),
                )
                for box in moved
            ]
        if len(found) == 6:
            break
    return found


def write(root: Path, name: str, images: list[Pixels]) -> None:
    path = root / name
    path.parent.mkdir(parents=True, exist_ok=True)
    write_video(path, images, milliseconds=[1000 * number for number in range(len(images))])


@pytest.fixture
def tree(tmp_path: Path) -> Path:
    people, known = faces(), manipulations(lambda pixels: pixels)
    root = tmp_path / "faceforensics"
    for split, pair in PAIRS.items():
        (root / "splits").mkdir(parents=True, exist_ok=True)
        (root / "splits" / f"{split}.json").write_text(json.dumps([pair]))
        for target, source in (pair, pair[::-1]):
            write(root, f"original_sequences/youtube/c23/videos/{target}.mp4", [one.pixels for one in people[target]])
            for method, kind in METHODS.items():
                made = [
                    known[kind](mine, theirs, 7) for mine, theirs in zip(people[target], people[source], strict=True)
                ]
                folder, name = f"manipulated_sequences/{method}", f"{target}_{source}.mp4"
                write(root, f"{folder}/c23/videos/{name}", [one.pixels for one in made])
                masks = [np.repeat(one.mask[..., None] * np.uint8(255), 3, axis=2) for one in made]
                write(root, f"{folder}/masks/videos/{name}", masks)
    return root


def run(*words: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, str(ROOT / "recipes" / "table_faceforensics.py"), *words]
    return subprocess.run(command, capture_output=True, text=True, check=False)


@pytest.mark.slow
@needs_data
def test_a_tree_of_videos_becomes_equal_frames_and_a_table(tree: Path, tmp_path: Path) -> None:
    words = ("--root", str(tree), "--splits", str(tree / "splits"), "--work", str(tmp_path / "work"), "--quick")
    done = run(*words)
    assert done.returncode == 0, done.stderr
    made = tmp_path / "work" / "quick"
    with (made / "table_faceforensics.csv").open(newline="") as stream:
        rows = list(csv.DictReader(stream))
    assert {(row["model"], row["trained_on"], row["tested_on"]) for row in rows} == {
        (model, "Face2Face", method) for model in ("xception_block1", "resnet18") for method in METHODS
    }
    # The original and its manipulations are cut at the same places.
    cut = made / "crops"
    for pair in PAIRS.values():
        for target, source in (pair, pair[::-1]):
            before = sorted((cut / "original_sequences" / "youtube" / "c23" / "images" / target).iterdir())
            assert len(before) == FRAMES
            for method in METHODS:
                after = cut / "manipulated_sequences" / method / "c23" / "images" / f"{target}_{source}"
                assert [path.name for path in sorted(after.iterdir())] == [path.name for path in before]
                for path in before:
                    one, other = (decode(file).astype(np.int16) for file in (path, after / path.name))
                    assert one.shape == other.shape
                    # Most of a picture is what it was, but for the codec.
                    assert np.median(np.abs(one - other)) < 12
    cell = json.loads((made / "table_faceforensics" / "xception_block1-Face2Face-0.json").read_text())
    tested = 2 * FRAMES * (1 + len(METHODS))
    assert len(cell["scores"]) == tested
    assert {kind: found["n"] for kind, found in cell["localisation"].items()} == dict.fromkeys(METHODS, 2 * FRAMES)
    # Masks are cut as their frames are: inside them a frame differs from its original, outside by the codec alone.
    for path in sorted((cut / "masks" / "FaceSwap").rglob("*.png")):
        mask = np.asarray(Image.open(path)) >= 128
        swapped = decode(cut / "manipulated_sequences" / "FaceSwap" / "c23" / "images" / path.parent.name / path.name)
        folder = path.parent.name.split("_")[0]
        original = decode(cut / "original_sequences" / "youtube" / "c23" / "images" / folder / path.name)
        changed = np.abs(swapped.astype(int) - original).mean(2)
        assert 0.02 < mask.mean() < 0.5
        assert changed[mask].mean() > 5 * changed[~mask].mean()
    # And scaled as what `telltale build` made of them.
    built = made / "built"
    everything = scan([built])
    mask_of = masks_of(built, cut, everything)
    assert mask_of is not None
    for picture in everything:
        if picture.is_fake:
            target, frame = picture_of(built, picture).split("/")
            (path,) = (cut / "masks" / picture.source).glob(f"{target}_*/{frame}.png")
            share = (np.asarray(Image.open(path)) >= 128).mean()
            assert mask_of(picture).shape == picture.pixels().shape[:2]
            assert mask_of(picture).mean() == pytest.approx(share, rel=0.05, abs=0.002)
    assert float(rows[0]["pixel_auc"]) > 0
    # A rerun finds its crops and cells.
    again = run(*words)
    assert again.returncode == 0, again.stderr
    assert again.stdout.startswith("written")
    # With a mask that is not there, nothing is located in that picture, and that is said.
    next((cut / "masks" / "FaceSwap" / "004_005").iterdir()).unlink()
    without = run(*words)
    assert f"1 of {len(METHODS) * 2 * FRAMES} masks are not there" in without.stderr


def test_without_the_tree_or_the_lists_it_says_what_to_point_it_at(tmp_path: Path) -> None:
    done = run("--root", str(tmp_path), "--splits", str(tmp_path))
    assert done.returncode == 2
    assert "original_sequences" in done.stderr
    (tmp_path / "original_sequences").mkdir()
    done = run("--root", str(tmp_path), "--splits", str(tmp_path))
    assert done.returncode == 2
    assert "train.json" in done.stderr


Film = list[Pixels]


def small(root: Path, pair: list[str], compression: str = "c23", split: str = "train") -> Path:
    """A tree of one pair of videos and all their manipulations; nothing in them is a face."""
    (root / "splits").mkdir(parents=True, exist_ok=True)
    for name in PAIRS:
        listed = root / "splits" / f"{name}.json"
        if name == split or not listed.exists():
            listed.write_text(json.dumps([pair] if name == split else []))
    for target, source in (pair, pair[::-1]):
        add_film(root, target, source, [shade(2 * int(target)), shade(2 * int(target) + 1)], compression)
    return root


def add_film(root: Path, target: str, source: str, film: Film, compression: str = "c23") -> None:
    """A film, and its manipulations, each more blue than the one before."""
    write(root, f"original_sequences/youtube/{compression}/videos/{target}.mp4", film)
    for number, method in enumerate(METHODS, 1):
        tint = np.array([0, 0, 2 * number], np.uint8)
        name = f"manipulated_sequences/{method}/{compression}/videos/{target}_{source}.mp4"
        write(root, name, [frame + tint for frame in film])


def one_face(pixels: Pixels, hints: Sequence[Box], everywhere: bool) -> Sequence[Box]:
    return [(16.0, 8.0, 24.0, 24.0)]


def cut(root: Path, out: Path, compression: str = "c23") -> list[str]:
    """The folders of crops that the recipe makes, with one face at one place in every frame."""
    crops(root, root / "splits", compression, out, 2, one_face)
    return sorted(path.parent.name for path in out.rglob("0001000.png"))


def test_a_pair_that_does_not_fit_is_named_and_left_out_whole(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """One such among a thousand would end every run at the same place."""
    root = small(tmp_path / "tree", ["000", "001"])
    other = root / "manipulated_sequences/FaceSwap/c23/videos/000_001.mp4"
    write_video(other, [shade(3), shade(4)], milliseconds=[0, 1400])
    assert cut(root, tmp_path / "out") == sorted(["001", *["001_000"] * len(METHODS)])
    assert "left out: 000: expected a video and its manipulation" in capsys.readouterr().err


def test_without_a_single_video_it_says_so(tmp_path: Path) -> None:
    root = small(tmp_path / "tree", ["000", "001"])
    with pytest.raises(SystemExit, match=r"none of c40.*videos of c23\. Choose another --compression"):
        cut(root, tmp_path / "out", "c40")


def test_crops_of_one_compression_are_not_taken_for_those_of_another(tmp_path: Path) -> None:
    begun(tmp_path, {"compression": "c40", "frames": 10})
    # Nothing was cut: a command that was put right is not refused.
    begun(tmp_path, {"compression": "c23", "frames": 10})
    (tmp_path / "crops" / "done").mkdir(parents=True)
    (tmp_path / "crops" / "done" / "000").touch()
    begun(tmp_path, {"compression": "c23", "frames": 10})
    with pytest.raises(SystemExit, match=r"--compression c23 and not c40.*--work"):
        begun(tmp_path, {"compression": "c40", "frames": 10})


# ---------------------------------------------------------------- one face of a film

# Two people: one at the left of the frame, where it is dark; a bystander at the right, where it is light.
HER, BYSTANDER = (16.0, 24.0, 40.0, 40.0), (100.0, 16.0, 56.0, 56.0)
MOMENTS = 5


def two_people() -> Film:
    """A bar below grows with time, or one frame could not be told from the next."""
    film = []
    for moment in range(MOMENTS):
        frame = np.full((96, 176, 3), 40, np.uint8)
        frame[:, 88:] = 200
        frame[88:, : 16 * (moment + 1)] = 120
        film.append(frame)
    return film


def her_masks(*, empty: tuple[int, ...] = ()) -> Film:
    """On her face; and green, since nothing says that masks are white."""
    masks = np.zeros((MOMENTS, 96, 176, 3), np.uint8)
    masks[:, 28:60, 20:52, 1] = 255
    masks[list(empty)] = 0
    return list(masks)


def everywhere(moments: list[str]) -> dict[str, list[str]]:
    """The same of the original and of each manipulation."""
    return dict.fromkeys(("youtube", *METHODS), moments)


def people_cut(tmp_path: Path, faces: list[list[Box]]) -> dict[str, list[str]]:
    """Who is in the crops of the first film, moment by moment; by what the crops are of."""

    def find(pixels: Pixels, hints: Sequence[Box], everywhere: bool) -> Sequence[Box]:
        moment = round(float((np.abs(pixels[92, :, 0].astype(int) - 120) < 30).sum()) / 16) - 1
        return faces[moment]

    out = tmp_path / "out"
    crops(tmp_path / "tree", tmp_path / "tree" / "splits", "c23", out, MOMENTS, find)
    shown: dict[str, list[str]] = {}
    for path in sorted(out.glob("*_sequences/*/c23/images/*/*.png")):
        if path.parent.name.startswith("000"):
            who = "bystander" if decode(path).mean() > 150 else "she"
            shown.setdefault(path.parents[3].name, []).append(f"{path.stem.lstrip('0')[:-3] or 0} {who}")
    return shown


@pytest.fixture
def crowd(tmp_path: Path) -> Path:
    root = small(tmp_path / "tree", ["000", "001"])
    for target, source in (("000", "001"), ("001", "000")):
        add_film(root, target, source, two_people())
    return root


@pytest.mark.usefixtures("crowd")
def test_a_larger_face_that_passes_by_is_in_no_frame_of_a_film(tmp_path: Path) -> None:
    """Nobody changed it, and its frames would be called fake."""
    faces: list[list[Box]] = [[HER], [HER, BYSTANDER], [BYSTANDER, HER], [BYSTANDER], [HER]]
    shown = people_cut(tmp_path, faces)
    assert shown == everywhere(["0 she", "1 she", "2 she", "4 she"])


def test_the_masks_decide_between_two_who_are_there_all_the_time(crowd: Path, tmp_path: Path) -> None:
    faces: list[list[Box]] = [[BYSTANDER, HER]] * MOMENTS
    for method in ("Deepfakes", "FaceSwap"):
        write(crowd, f"manipulated_sequences/{method}/masks/videos/000_001.mp4", her_masks())
    shown = people_cut(tmp_path, faces)
    assert shown == everywhere([f"{moment} she" for moment in range(MOMENTS)])
    # A green mask is a mask.
    assert decode(tmp_path / "out" / "masks" / "FaceSwap" / "000_001" / "0001000.png").max() > 200


def test_masks_that_are_fetched_later_decide_too(crowd: Path, tmp_path: Path) -> None:
    faces: list[list[Box]] = [[BYSTANDER, HER]] * MOMENTS
    # Of two who are there equally long the larger one counts, where nothing says better.
    assert people_cut(tmp_path, faces) == everywhere([f"{moment} bystander" for moment in range(MOMENTS)])
    write(crowd, "manipulated_sequences/Deepfakes/masks/videos/000_001.mp4", her_masks())
    assert people_cut(tmp_path, faces) == everywhere([f"{moment} she" for moment in range(MOMENTS)])


def test_a_moment_at_which_a_mask_is_empty_is_left_out(crowd: Path, tmp_path: Path) -> None:
    """The frame is untouched there, and its label would say otherwise."""
    write(crowd, "manipulated_sequences/Deepfakes/masks/videos/000_001.mp4", her_masks(empty=(1, 2)))
    write(crowd, "manipulated_sequences/FaceSwap/masks/videos/000_001.mp4", her_masks(empty=(4,)))
    shown = people_cut(tmp_path, [[HER]] * MOMENTS)
    assert shown == everywhere(["0 she", "3 she"])


def test_a_film_whose_masks_lie_on_nobody_found_is_left_out(
    crowd: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """The face finder misses her, or the masks are black: whoever it finds was not changed."""
    write(crowd, "manipulated_sequences/Deepfakes/masks/videos/000_001.mp4", her_masks())
    assert people_cut(tmp_path, [[BYSTANDER]] * MOMENTS) == {}
    assert "left out: 000: masks that lie on none of the faces found" in capsys.readouterr().err
    write(crowd, "manipulated_sequences/Deepfakes/masks/videos/000_001.mp4", her_masks(empty=tuple(range(MOMENTS))))
    assert people_cut(tmp_path, [[HER, BYSTANDER]] * MOMENTS) == {}


def test_a_grey_mask_is_the_truth_as_it_chooses_the_face(crowd: Path, tmp_path: Path) -> None:
    grey = [(mask * 0.4).astype(np.uint8) for mask in her_masks()]
    write(crowd, "manipulated_sequences/Deepfakes/masks/videos/000_001.mp4", grey)
    shown = people_cut(tmp_path, [[BYSTANDER, HER]] * MOMENTS)
    assert shown == everywhere([f"{moment} she" for moment in range(MOMENTS)])
    mask = decode(tmp_path / "out" / "masks" / "Deepfakes" / "000_001" / "0001000.png")
    assert set(np.unique(mask)) == {0, 255}
    assert 0.2 < (mask > 0).mean() < 0.5


def test_masks_follow_a_face_that_gets_another_number(crowd: Path, tmp_path: Path) -> None:
    """After a cut she is another track; the bystander's is the longest."""
    write(crowd, "manipulated_sequences/Deepfakes/masks/videos/000_001.mp4", her_masks())
    faces: list[list[Box]] = [[HER, BYSTANDER], [HER, BYSTANDER], [BYSTANDER], [BYSTANDER], [HER, BYSTANDER]]
    shown = people_cut(tmp_path, faces)
    assert shown == everywhere(["0 she", "1 she", "4 she"])


# ---------------------------------------------------------------- what is there and what is not


def test_a_part_of_the_data_set_is_used_and_the_rest_named_in_a_line(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    root = small(tmp_path / "tree", ["000", "001"])
    (root / "splits" / "train.json").write_text(json.dumps([[f"{n:03d}", f"{n + 1:03d}"] for n in range(0, 40, 2)]))
    for folder in ("manipulated_sequences/DeepFakeDetection", "manipulated_sequences/FaceShifter"):
        (root / folder / "c23" / "videos").mkdir(parents=True)
    (root / "original_sequences" / "actors").mkdir()
    assert len(cut(root, tmp_path / "out")) == 2 * (1 + len(METHODS))
    said = capsys.readouterr().err.splitlines()
    assert len([line for line in said if line.startswith("left out: 38 of 40 originals of the lists, no ")]) == 1
    unused = "manipulated_sequences/DeepFakeDetection, manipulated_sequences/FaceShifter, original_sequences/actors"
    assert f"not used: {unused}" in said
    assert said[-1] == "2 films, 4 moments"
    assert len(said) == 3


def test_a_method_that_is_not_there_at_all_is_named(tmp_path: Path) -> None:
    root = small(tmp_path / "tree", ["000", "001"])
    for path in (root / "manipulated_sequences" / "FaceSwap" / "c23" / "videos").iterdir():
        path.unlink()
    with pytest.raises(SystemExit, match=r"no video at all of FaceSwap.*leave methods that are not there out"):
        cut(root, tmp_path / "out")


def test_a_video_that_does_not_open_is_named_and_looked_at_again(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    root = small(tmp_path / "tree", ["000", "001"])
    broken = root / "manipulated_sequences/FaceSwap/c23/videos/000_001.mp4"
    whole = broken.read_bytes()
    broken.write_bytes(whole[:100])
    # Not the original alone: a real frame without its manipulation would count as one more real.
    assert cut(root, tmp_path / "out") == sorted(["001", *["001_000"] * len(METHODS)])
    assert "left out: 000: no frame that can be decoded in FaceSwap" in capsys.readouterr().err
    broken.write_bytes(whole)
    assert len(cut(root, tmp_path / "out")) == 2 * (1 + len(METHODS))


def test_an_interrupted_run_goes_on_and_leaves_nothing_of_what_it_had_begun(tmp_path: Path) -> None:
    root, out, asked = small(tmp_path / "tree", ["000", "001"]), tmp_path / "out", []

    def find(pixels: Pixels, hints: Sequence[Box], everywhere: bool) -> Sequence[Box]:
        asked.append(pixels)
        return [(16.0, 8.0, 24.0, 24.0)]

    def again() -> list[Path]:
        crops(root, root / "splits", "c23", out, 2, find)
        return sorted(path for path in out.rglob("*.png"))

    made = again()
    assert len(asked) == 4
    assert again() == made
    assert len(asked) == 4
    # As a kill between a film's first crop and its last leaves it; and what another way of cutting noted.
    stray = out / "original_sequences/youtube/c23/images/000/0000500.png"
    stray.write_bytes(b"")
    (out / "done" / "000").unlink()
    (out / "done" / "001").write_text("")
    assert again() == made
    assert len(asked) == 8


def moving(moments: Sequence[int]) -> Film:
    """A scene that passes: no two moments of it look alike."""
    return [noise(100 + moment, 96, 128) for moment in moments]


@pytest.mark.parametrize(
    ("moments", "fits"),
    [((0, 1, 2, 3), True), ((1, 2, 3, 4), False), ((0, 2, 4, 6), False), ((0, 1), True)],
    ids=["the same", "trimmed", "every second frame dropped", "ends early"],
)
def test_other_moments_under_the_same_numbers_are_found(
    moments: tuple[int, ...], fits: bool, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    root, out = small(tmp_path / "tree", ["000", "001"]), tmp_path / "out"
    add_film(root, "000", "001", moving(range(4)))
    write(root, "manipulated_sequences/FaceSwap/c23/videos/000_001.mp4", moving(moments))
    crops(root, root / "splits", "c23", out, 4, one_face)
    made = list((out / "manipulated_sequences/FaceSwap/c23/images/000_001").glob("*"))
    said = capsys.readouterr().err
    assert len(made) == (len(moments) if fits else 0)
    assert ("expected FaceSwap to show the original's moments" in said) != fits
    assert ("FaceSwap ends before its original in 1" in said) == (len(moments) < 4)


def test_a_scene_that_stands_still_fits_whatever_the_moment(tmp_path: Path) -> None:
    """Grain that a codec drew anew is no other moment."""
    root, out = small(tmp_path / "tree", ["000", "001"]), tmp_path / "out"
    grain = np.random.default_rng(1)
    still = noise(7, 96, 128).astype(np.int16)

    def grainy() -> Film:
        return [np.clip(still + grain.integers(-14, 15, still.shape), 0, 255).astype(np.uint8) for _ in range(4)]

    for path in sorted(root.rglob("000*.mp4")):
        write(root, str(path.relative_to(root)), grainy())
    crops(root, root / "splits", "c23", out, 4, one_face)
    assert len(list((out / "manipulated_sequences/FaceSwap/c23/images/000_001").glob("*"))) == 4


def test_other_videos_of_the_same_names_are_cut_anew(tmp_path: Path) -> None:
    """Another --root, or a file that was fetched again: the crops of the old ones would be taken for theirs."""
    root, out = small(tmp_path / "tree", ["000", "001"]), tmp_path / "out"
    other = root / "manipulated_sequences/FaceSwap/c23/videos/000_001.mp4"

    def shown() -> list[float]:
        cut(root, out)
        return [decode(path).std() for path in (out / "manipulated_sequences/FaceSwap/c23/images/000_001").glob("*")]

    flat = max(shown())
    # Another face, in the same film.
    film = [shade(0), shade(1)]
    for frame, seed in zip(film, (5, 6), strict=True):
        frame[4:36, 14:42] = noise(seed, 32, 28)
    write_video(other, film, milliseconds=[0, 1000])
    assert min(shown()) > flat + 10
    # Frames of another size fit no original: the film is left out, and so are its crops.
    write_video(other, [noise(seed, 64, 64) for seed in (5, 6)], milliseconds=[0, 1000])
    assert shown() == []
    assert not list(out.rglob("images/000/*"))


# ---------------------------------------------------------------- built pictures


def test_what_is_built_of_a_frame_and_its_manipulation_stays_on_each_other(tmp_path: Path) -> None:
    """A mask is laid on the heatmap of the untouched frame, too."""
    cut_to, built = tmp_path / "crops", tmp_path / "built"
    real = noise(1, 150, 150)
    fake = real.copy()
    fake[60:90, 40:80] = 0
    for name, pixels in (("youtube/c23/images/000", real), ("Deepfakes/c23/images/000_001", fake)):
        kind = "original" if name.startswith("youtube") else "manipulated"
        for moment in range(8):
            path = cut_to / f"{kind}_sequences" / name / f"{moment:07d}.png"
            path.parent.mkdir(parents=True, exist_ok=True)
            moved = np.roll(pixels, moment, axis=(0, 1))
            Image.fromarray(moved).save(path)
            if kind == "manipulated":
                truth = cut_to / "masks" / "Deepfakes" / "000_001" / path.name
                truth.parent.mkdir(parents=True, exist_ok=True)
                Image.fromarray(np.uint8(255) * (moved != np.roll(real, moment, axis=(0, 1))).any(axis=2)).save(truth)
    found, _ = build_crops(cut_to, built)
    mask_of = masks_of(built, cut_to, found)
    assert mask_of is not None
    by_name = {(picture_of(built, one), one.source): one for one in found}
    assert len(by_name) == 16
    for moment in range(8):
        one, other = (by_name[f"000/{moment:07d}", source] for source in ("youtube", "Deepfakes"))
        changed = (one.pixels() != other.pixels()).any(axis=2)
        mask = mask_of(other)
        # Lanczos reaches three pixels out.
        near = np.lib.stride_tricks.sliding_window_view(np.pad(mask, 4), (9, 9)).any(axis=(2, 3))
        assert changed[mask].mean() > 0.95
        assert not changed[~near].any()


def test_a_manipulated_frame_without_its_original_is_left_out(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Of a still film's frames with the same bytes one is built; nothing could be compared with the others' fakes."""
    names = ("original_sequences/youtube/c23/images/000", "manipulated_sequences/A/c23/images/000_1")
    for moment in range(2):
        for number, name in enumerate(names):
            path = tmp_path / "crops" / name / f"{moment}.png"
            path.parent.mkdir(parents=True, exist_ok=True)
            Image.fromarray(noise(10 * number + number * moment)).save(path)
    found, _ = build_crops(tmp_path / "crops", tmp_path / "built")
    assert sorted(one.source for one in found) == ["A", "youtube"]
    assert "left out: 1 manipulated frames whose original frame" in capsys.readouterr().err


def test_a_picture_without_a_mask_counts_nowhere_and_a_method_without_any_ends_it(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    root = small(tmp_path / "tree", ["000", "001"])
    masks = np.zeros((2, 48, 64, 3), np.uint8)
    masks[:, 12:28, 20:36] = 255
    for method in METHODS:
        for name in ("000_001", "001_000"):
            write(root, f"manipulated_sequences/{method}/masks/videos/{name}.mp4", list(masks))
    cut(root, tmp_path / "out")
    found, _ = build_crops(tmp_path / "out", tmp_path / "built")
    (tmp_path / "out" / "masks" / "FaceSwap" / "000_001" / "0001000.png").unlink()
    mask_of = masks_of(tmp_path / "built", tmp_path / "out", found)
    assert mask_of is not None
    assert "1 of 16 masks are not there" in capsys.readouterr().err
    assert sum(not mask_of(one).any() for one in found if one.is_fake) == 1
    for path in (tmp_path / "out" / "masks" / "FaceSwap").rglob("*.png"):
        path.unlink()
    assert masks_of(tmp_path / "built", tmp_path / "out", found) is None
    assert "no masks of FaceSwap" in capsys.readouterr().err


def test_one_compression_is_learned_and_another_tested(tmp_path: Path) -> None:
    root = tmp_path / "tree"
    for compression in ("c23", "c40"):
        for number, split in enumerate(PAIRS):
            small(root, [f"{2 * number:03d}", f"{2 * number + 1:03d}"], compression, split)

    def found(compressions: tuple[str, str], work: Path) -> list[set[str]]:
        made = pictures(
            root, root / "splits", work, compressions=compressions, count=2, find=one_face, methods=tuple(METHODS)
        )
        assert {one.source for one in (*made.training, *made.tested)} == {"youtube", *METHODS}
        assert {one.split for one in made.training} == {"train", "validation"}
        whence = []
        for lie in (work / "built", made.built):
            rows = require("pyarrow.parquet", "data").read_table(lie / "index.parquet").to_pylist()
            whence.append({f"{Path(row['original_path']).parents[2].name} {row['split']}" for row in rows})
        return whence

    assert found(("c23", "c23"), tmp_path / "one")[0] == {"c23 train", "c23 validation", "c23 test"}
    assert found(("c23", "c40"), tmp_path / "two") == [{"c23 train", "c23 validation"}, {"c40 test"}]


def test_a_list_without_a_film_is_named_before_anything_is_trained(tmp_path: Path) -> None:
    root = small(tmp_path / "tree", ["000", "001"])
    with pytest.raises(SystemExit, match=r"all three lists.*none for test, validation"):
        pictures(
            root,
            root / "splits",
            tmp_path / "work",
            compressions=("c23", "c23"),
            count=2,
            find=one_face,
            methods=tuple(METHODS),
        )

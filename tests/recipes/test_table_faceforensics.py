"""The recipe for FaceForensics++, on a small tree of the same layout whose videos our own manipulations made."""

import csv
import json
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from small_videos import shade, write_video
from telltale.data.samples import scan
from telltale.explain.face_parts import merged
from telltale.generate.manipulations import Face, manipulations
from telltale.image import Pixels, decode

sys.path.append(str(Path(__file__).resolve().parents[2] / "recipes"))

from table_faceforensics import begun, crops, masks_of, picture_of

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
    mask_of = masks_of(built, cut)
    assert mask_of is not None
    for picture in scan([built]):
        if picture.is_fake:
            target, frame = picture_of(built, picture).split("/")
            (path,) = (cut / "masks" / picture.source).glob(f"{target}_*/{frame}.png")
            share = (np.asarray(Image.open(path)) >= 128).mean()
            assert mask_of(picture).shape == picture.pixels().shape[:2]
            # The cut is a few pixels smaller, and nothing of a mask lies there.
            assert share <= mask_of(picture).mean() < 1.5 * share + 0.002
    assert float(rows[0]["pixel_auc"]) > 0
    # A rerun finds its crops and cells.
    again = run(*words)
    assert again.returncode == 0, again.stderr
    assert again.stdout.startswith("written")
    # With a mask that is not there, nothing is located, and that is said.
    next((cut / "masks").rglob("*.png")).unlink()
    without = run(*words)
    assert f"1 of {len(METHODS) * 6 * FRAMES} masks are not there" in without.stderr


def test_without_the_tree_or_the_lists_it_says_what_to_point_it_at(tmp_path: Path) -> None:
    done = run("--root", str(tmp_path), "--splits", str(tmp_path))
    assert done.returncode == 2
    assert "original_sequences" in done.stderr
    (tmp_path / "original_sequences").mkdir()
    done = run("--root", str(tmp_path), "--splits", str(tmp_path))
    assert done.returncode == 2
    assert "train.json" in done.stderr


def small(root: Path, pair: list[str], compression: str = "c23") -> Path:
    """A tree of one pair of videos and all their manipulations; nothing in them is a face."""
    (root / "splits").mkdir(parents=True)
    for split in PAIRS:
        (root / "splits" / f"{split}.json").write_text(json.dumps([pair] if split == "train" else []))
    for target, source in (pair, pair[::-1]):
        write(root, f"original_sequences/youtube/{compression}/videos/{target}.mp4", [shade(1), shade(2)])
        for method in METHODS:
            name = f"manipulated_sequences/{method}/{compression}/videos/{target}_{source}.mp4"
            write(root, name, [shade(3), shade(4)])
    return root


def cut(root: Path, out: Path, compression: str = "c23") -> list[str]:
    """The folders of crops that the recipe makes, with one face at one place in every frame."""
    crops(root, root / "splits", compression, out, 2, lambda *_: [(16.0, 8.0, 24.0, 24.0)])
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
    with pytest.raises(SystemExit, match=r"none of c40.*--compression"):
        cut(root, tmp_path / "out", "c40")


def test_crops_of_one_compression_are_not_taken_for_those_of_another(tmp_path: Path) -> None:
    begun(tmp_path, {"compression": "c23", "frames": 10})
    begun(tmp_path, {"compression": "c23", "frames": 10})
    with pytest.raises(SystemExit, match=r"--compression c23 and not c40.*--work"):
        begun(tmp_path, {"compression": "c40", "frames": 10})

"""Manipulated faces whose truth is known, and the tables of networks that learn one manipulation."""

import csv
import json
import os
import subprocess
import sys
from collections import Counter
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from telltale.explain.face_parts import PARTS
from telltale.image import decode

sys.path.append(str(Path(__file__).resolve().parents[2] / "recipes"))

import manipulation_cells
from composites import composites
from manipulated import manipulated
from table_generators import Bench

ROOT = Path(__file__).resolve().parents[2]
DATA = Path(os.environ.get("TELLTALE_DATA", ROOT.parent / "shared" / "data"))
needs_data = pytest.mark.skipif(
    not (DATA / "manifest.csv").is_file(), reason=f"no manifest.csv in {DATA}: point TELLTALE_DATA at the shared data"
)
KINDS = ("swap", "autoencoder", "self_blended", "part", "inpainted")


def run(recipe: str, *words: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, str(ROOT / "recipes" / recipe), *words]
    return subprocess.run(command, capture_output=True, text=True, check=False)


def rows_of(path: Path) -> list[dict[str, str]]:
    with path.open(newline="", encoding="utf-8") as stream:
        return list(csv.DictReader(stream))


@pytest.fixture(scope="module")
def pictures(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A few faces and their manipulations, made once."""
    out = tmp_path_factory.mktemp("manipulated")
    done = run("manipulated.py", "--data", str(DATA), "--out", str(out), "--quick")
    assert done.returncode == 0, done.stderr
    return out


def tables_of(path: Path) -> tuple[object, ...]:
    """What a JPEG file says of its encoder."""
    with Image.open(path) as image:
        quantised = {place: tuple(values) for place, values in image.quantization.items()}  # type: ignore[attr-defined]
        return image.format, image.size, quantised, image.layer, sorted(image.info)  # type: ignore[attr-defined]


@pytest.mark.slow
@needs_data
def test_manipulations_are_paired_encoded_alike_and_differ_in_the_mask(pictures: Path) -> None:
    rows = rows_of(pictures / "manifest.csv")
    faces = {row["group"]: row["split"] for row in rows}
    assert len(faces) >= 10
    assert Counter(row["source"] for row in rows) == dict.fromkeys(("untouched", *KINDS), len(faces))
    assert all(row["split"] == faces[row["group"]] for row in rows)
    assert {row["source"] for row in rows if row["label"] == "real"} == {"untouched"}
    same = tables_of(pictures / rows[0]["path"])
    for row in rows:
        assert tables_of(pictures / row["path"]) == same
        if row["source"] == "untouched":
            continue
        mask = decode(pictures / "masks" / row["source"] / f"{row['group']}.png")[:, :, 0] > 0
        before, after = (
            decode(pictures / path).astype(np.int16) for path in (f"untouched/{row['group']}.jpg", row["path"])
        )
        changed = np.abs(before - after).max(2)
        assert 0.005 < mask.mean() < 0.6
        # What the codec carries over the border is small beside what was changed.
        assert changed[mask].mean() > 3
        assert changed[~mask].mean() < 1
        parts = np.asarray(Image.open(pictures / "parts" / f"{row['group']}.png"))
        assert parts.shape == mask.shape
        background = mask & (parts == PARTS.index("background"))
        assert background.sum() <= 0.1 * mask.sum()
    assert decode(pictures / "sheet.png").shape[1] == 128 * (1 + len(KINDS))


@pytest.mark.slow
@needs_data
def test_a_finished_set_is_read_and_not_made_again(pictures: Path) -> None:
    before = {path: path.stat().st_mtime_ns for path in pictures.glob("*/*.jpg")}
    done = run("manipulated.py", "--data", str(DATA), "--out", str(pictures), "--quick")
    assert done.returncode == 0, done.stderr
    assert {path: path.stat().st_mtime_ns for path in pictures.glob("*/*.jpg")} == before


@pytest.fixture(scope="module")
def work(pictures: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Where the table's networks were trained, for a few steps."""
    out = tmp_path_factory.mktemp("table")
    done = run("table_manipulation.py", *words_of(pictures, out))
    assert done.returncode == 0, done.stderr
    return out


def words_of(pictures: Path, work: Path) -> tuple[str, ...]:
    return "--data", str(DATA), "--pictures", str(pictures), "--work", str(work), "--quick"


@pytest.mark.slow
@needs_data
def test_networks_of_the_table_and_the_shipped_detector_are_checked_outside(work: Path, tmp_path: Path) -> None:
    words = ("--data", str(DATA), "--networks", str(work / "quick" / "train"), "--work", str(tmp_path), "--quick")
    done = run("outside_checks.py", *words)
    assert done.returncode == 0, done.stderr
    made = tmp_path / "quick"
    rows = rows_of(made / "outside_checks.csv")
    assert list(rows[0])[:5] == ["set", "model", "auc", "pointing", "n"]
    found = json.loads((made / "faces" / "faces.json").read_text())
    films = {one["group"] for one in found if one["source"] == "swap_videos"}
    sets = ("photoshop600", *(f"photoshop600, {part}" for part in ("eyes", "nose", "mouth")), "swap_videos")
    by_film = tuple(f"swap_videos, {film}" for film in films)
    patched = ("telltale-faces", "xception_block1, trained on swap", "xception_block1, trained on part")
    whole = ("resnet18, trained on swap", "resnet18, trained on part")
    assert {(row["model"], row["set"]) for row in rows} == {
        *((model, name) for model in patched for name in (*sets, *by_film)),
        *((model, name) for model in whole for name in (sets[0], sets[-1], *by_film)),
    }
    pairs = Counter(one["pair"] for one in found if one["source"] == "swap_videos")
    assert len(pairs) >= 2
    assert set(pairs.values()) == {2}
    for row in rows:
        assert 0 <= float(row["auc"]) <= 1
        # Of films nobody knows the changed pixels, and a whole-image baseline points nowhere.
        if row["set"].startswith("swap_videos") or row["model"] in whole:
            assert row["pointing"] == ""
        if row["set"] in (sets[0], sets[-1]):
            assert int(row["n"]) == sum(
                (one["source"] == "swap_videos") == (row["set"] == "swap_videos") for one in found
            )
    # Both halves are cut at one place: away from the face they are one picture.
    pair = next(iter(pairs))
    halves = [decode(made / "faces" / f"{pair}-{half}.jpg").astype(np.int16) for half in ("original", "swapped")]
    assert np.median(np.abs(halves[0] - halves[1])) < 12
    # A rerun finds its cells, and the tables need no network.
    assert run("outside_checks.py", *words).stdout.startswith("written")
    table = (made / "outside_checks.csv").read_bytes()
    (made / "outside_checks.csv").unlink()
    done = run("outside_checks.py", *words, "--summarise", "--networks", str(tmp_path / "nowhere"))
    assert done.stdout.startswith("written")
    assert (made / "outside_checks.csv").read_bytes() == table


@pytest.mark.slow
@needs_data
def test_the_table_has_a_row_for_each_pair_and_rests_on_its_cells(pictures: Path, work: Path) -> None:
    words = words_of(pictures, work)
    made = work / "quick"
    rows = rows_of(made / "table_manipulation.csv")
    assert list(rows[0]) == ["model", "seed", "trained_on", "tested_on", "ap_fake", "auc", "pixel_auc", "iou"]
    pairs = {(row["model"], row["trained_on"], row["tested_on"]) for row in rows}
    models, learned = ("xception_block1", "resnet18"), ("swap", "part")
    assert pairs == {(model, one, other) for model in models for one in learned for other in KINDS}
    assert len(rows) == len(pairs)
    cell = json.loads((made / "table_manipulation" / "xception_block1-part-0.json").read_text())
    assert {"scores", "commit", "command", "machine", "seconds", "data_fingerprint", "weights_sha256"} <= set(cell)
    for row in rows:
        assert 0 <= float(row["auc"]) <= 1
        # Whole-image baselines have no patches.
        assert (row["pixel_auc"] == "") == (row["iou"] == "") == (row["model"] == "resnet18")
        if (row["model"], row["trained_on"]) == ("xception_block1", "part"):
            assert float(row["pixel_auc"]) == cell["localisation"][row["tested_on"]]["pixel_auc"]
            parts = cell["regions"][row["tested_on"]]
            assert sum(parts["top"]) == parts["n"]
            assert sum(parts["random"]) == pytest.approx(parts["n"], abs=0.1)
    counts = rows_of(made / "table_manipulation_regions.csv")
    assert len(counts) == len(learned) * (1 + len(KINDS)) * len(PARTS)
    assert {row["tested_on"] for row in counts} == {"untouched", *KINDS}
    assert (made / "table_manipulation_regions.png").read_bytes()[:4] == b"\x89PNG"
    assert "AUC of networks that learned **part**" in (made / "table_manipulation.md").read_text()
    # A rerun finds its cells, and refuses those of other pictures.
    assert "xception_block1-part-0" not in run("table_manipulation.py", *words).stdout
    (made / "table_manipulation" / "xception_block1-part-0.json").write_text(
        json.dumps({**cell, "data_fingerprint": "another"})
    )
    refused = run("table_manipulation.py", *words, "--summarise")
    assert refused.returncode == 1
    assert "other pictures" in refused.stderr


@pytest.mark.parametrize("recipe", ["manipulated.py", "table_manipulation.py", "outside_checks.py"])
def test_without_the_data_it_says_what_to_point_it_at(recipe: str, tmp_path: Path) -> None:
    more = ["--out", str(tmp_path / "out")] if recipe == "manipulated.py" else ["--work", str(tmp_path / "out")]
    done = run(recipe, "--data", str(tmp_path), *more)
    assert done.returncode == 2
    assert "manifest.csv" in done.stderr
    assert not (tmp_path / "out").exists()


def experiment(work: Path, fingerprint: str) -> manipulation_cells.Experiment:
    """One of no pictures."""
    bench = Bench(training=[], tested=[], fingerprint=fingerprint, work=work, cells=work / "cells", quick=True)
    models = ({"resnet18": ("resnet18", "none")},)
    return manipulation_cells.Experiment(
        name="none", bench=bench, real="real", kinds=("swap",), learned=("swap",), models=models, seeds=1, data="none"
    )


def test_a_finished_set_is_not_taken_for_another(tmp_path: Path) -> None:
    Image.new("RGB", (32, 32)).save(tmp_path / "a.png")
    (tmp_path / "manifest.csv").write_text("path,label,source,group,split\na.png,real,untouched,a,test\n")
    assert len(manipulated(tmp_path, tmp_path, quick=True)) == 1
    with pytest.raises(SystemExit, match="holds a few faces, not all"):
        manipulated(tmp_path, tmp_path, quick=False)
    (tmp_path / "manifest.csv").write_text(
        "path,label,source,group,origin,region,part\na.png,real,untouched,a,celebahq,,\n"
    )
    assert len(composites(tmp_path, tmp_path, side=32, quick=True)) == 1
    with pytest.raises(SystemExit, match="a few composites of 32 px, not a few composites of 64 px"):
        composites(tmp_path, tmp_path, side=64, quick=True)
    with pytest.raises(SystemExit, match="not all composites of 32 px"):
        composites(tmp_path, tmp_path, side=32, quick=False)

"""Composites whose truth is known, and the figure about them."""

import csv
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from PIL import Image, ImageFilter

from telltale.image import decode

ROOT = Path(__file__).resolve().parents[2]
DATA = Path(os.environ.get("TELLTALE_DATA", ROOT.parent / "shared" / "data"))
needs_data = pytest.mark.skipif(
    not (DATA / "manifest.csv").is_file(), reason=f"no manifest.csv in {DATA}: point TELLTALE_DATA at the shared data"
)


def run(recipe: str, *words: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, str(ROOT / "recipes" / recipe), *words]
    return subprocess.run(command, capture_output=True, text=True, check=False)


@pytest.mark.slow
@needs_data
def test_the_figure_has_a_row_for_each_slice_and_its_pictures_differ_in_the_mask_only(tmp_path: Path) -> None:
    done = run("figure_localisation.py", "--data", str(DATA), "--work", str(tmp_path), "--quick")
    assert done.returncode == 0, done.stderr
    made = tmp_path / "quick"
    with (made / "localisation.csv").open(newline="") as stream:
        rows = list(csv.DictReader(stream))
    sources, slices, placements = 3, 6, 2
    assert len(rows) == sources * slices * placements
    for row in rows:
        assert float(row["gain"]) == pytest.approx(float(row["pixel_auc"]) - float(row["untouched_auc"]), abs=2e-4)
        assert float(row["gain_low"]) <= float(row["gain"]) <= float(row["gain_high"])
    assert (made / "localisation.png").stat().st_size > 10_000
    with (made / "composites-128" / "manifest.csv").open(newline="") as stream:
        pictures = list(csv.DictReader(stream))
    originals = {row["group"]: decode(made / "composites-128" / row["path"]) for row in pictures if not row["region"]}
    assert len(originals) == 4
    for row in (one for one in pictures if one["region"]):
        mask = decode(made / "composites-128" / "masks" / row["path"])[:, :, 0] > 0
        changed = (decode(made / "composites-128" / row["path"]) != originals[row["group"]]).any(2)
        # The feather reaches six pixels at most.
        near = np.asarray(Image.fromarray(mask.astype(np.uint8) * 255).filter(ImageFilter.MaxFilter(13))) > 0
        assert changed[mask].mean() > 0.5
        assert not changed[~near].any()


@pytest.mark.parametrize("recipe", ["composites.py", "figure_localisation.py"])
def test_without_the_data_it_says_what_to_point_it_at(recipe: str, tmp_path: Path) -> None:
    more = ["--out", str(tmp_path / "out")] if recipe == "composites.py" else ["--work", str(tmp_path / "out")]
    done = run(recipe, "--data", str(tmp_path), *more)
    assert done.returncode == 2
    assert "manifest.csv" in done.stderr
    assert not (tmp_path / "out").exists()

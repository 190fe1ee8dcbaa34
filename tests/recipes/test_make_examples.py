"""The example pictures: the recipe runs, and what is committed is what its truth says."""

import csv
import runpy
import sys
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from telltale.image import decode

ROOT = Path(__file__).parents[2]
EXAMPLES = ROOT / "examples"
RECIPE = ROOT / "recipes" / "make_examples.py"


def truth(folder: Path) -> list[dict[str, str]]:
    with (folder / "truth.csv").open(newline="", encoding="utf-8") as stream:
        return list(csv.DictReader(stream))


def test_the_table_lists_every_picture_once() -> None:
    rows = truth(EXAMPLES)
    assert sorted(row["path"] for row in rows) == sorted(path.name for path in EXAMPLES.glob("*.jpg"))
    assert {row["is_fake"] for row in rows} == {"0", "1"}
    assert sorted(row["mask"] for row in rows if row["mask"]) == sorted(
        f"masks/{path.name}" for path in (EXAMPLES / "masks").iterdir()
    )


def test_real_and_fake_pictures_share_one_encoder() -> None:
    seen = set()
    for row in truth(EXAMPLES):
        with Image.open(EXAMPLES / row["path"]) as picture:
            tables = tuple(tuple(table) for table in picture.quantization.values())  # type: ignore[attr-defined]
            layers = tuple(picture.layer)  # type: ignore[attr-defined]
            seen.add(
                (picture.format, picture.mode, tables, layers, tuple(sorted(picture.info)), len(picture.getexif()))
            )
    assert len(seen) == 1


def test_outside_the_mask_a_forgery_is_the_photograph_bit_for_bit() -> None:
    photograph = decode(EXAMPLES / "portrait.jpg").astype(np.int16)
    forged = [row for row in truth(EXAMPLES) if row["mask"]]
    assert len(forged) >= 2
    for row in forged:
        mask = decode(EXAMPLES / row["mask"])[:, :, 0]
        assert set(np.unique(mask)) == {0, 255}
        change = np.abs(decode(EXAMPLES / row["path"]).astype(np.int16) - photograph)
        # The codec works on blocks of 8 x 8 pixels: those wholly outside the mask cannot differ.
        blocks = mask.reshape(mask.shape[0] // 8, 8, -1, 8).any((1, 3)).repeat(8, 0).repeat(8, 1)
        assert int(change[~blocks].max()) == 0
        assert float(change[mask == 255].mean()) > 1


def test_the_examples_stay_small() -> None:
    assert sum(path.stat().st_size for path in EXAMPLES.rglob("*") if path.is_file()) < 2_500_000


def test_the_recipe_runs_with_untrained_generators(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    pytest.importorskip("skimage")
    monkeypatch.syspath_prepend(str(ROOT / "tests" / "generate"))
    monkeypatch.setattr(sys, "argv", [RECIPE.name, "--generators", str(tmp_path), "--out", str(tmp_path), "--quick"])
    from generator_weights import one_thread, write_weights

    write_weights(tmp_path)
    with one_thread():
        runpy.run_path(str(RECIPE), run_name="__main__")
    rows = truth(tmp_path)
    assert list(rows[0]) == ["path", "is_fake", "kind", "mask"]
    assert [row["path"] for row in rows if row["is_fake"] == "0"] == ["portrait.jpg"]
    assert len(rows) == 5
    # The photograph needs no generator: it is the committed one, unless another Pillow encodes differently.
    near = decode(tmp_path / "portrait.jpg").astype(np.int16) - decode(EXAMPLES / "portrait.jpg")
    assert float(np.abs(near).mean()) < 1
    assert capsys.readouterr().out.count("fake") >= 4

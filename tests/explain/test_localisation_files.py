"""Which pictures are compared with which masks, and the table of a data set."""

from pathlib import Path

import numpy as np
import pytest
from jaxtyping import Float32, UInt8
from PIL import Image

from telltale.data.sample import Sample
from telltale.detector import Detector
from telltale.errors import InvalidDataset
from telltale.evaluate.scoring import Failure, score_files
from telltale.explain.localisation_files import (
    PICTURE_COLUMNS,
    TABLE_COLUMNS,
    Located,
    compare,
    picture_rows,
    table,
    with_masks,
)
from telltale.explain.masks import MaskFolder
from telltale.geometry import PatchGrid
from telltale.image import Preparation
from telltale.spec import DetectorSpec

GRID = PatchGrid(4, 4)


def brightness(images: UInt8[np.ndarray, "n height width 3"]) -> Float32[np.ndarray, "n rows columns"]:
    """Patches of 4 pixels side by side: each says how bright it is, from -4 to 4."""
    windows = np.lib.stride_tricks.sliding_window_view(images.mean(-1), (4, 4), axis=(1, 2))[:, ::4, ::4]
    return np.asarray(windows.mean((-1, -2)) / 255 * 8 - 4, np.float32)


DETECTOR = Detector(
    spec=DetectorSpec(name="brightness", architecture="x", preparation=Preparation(), grid=GRID), predict=brightness
)


@pytest.fixture
def samples(tmp_path: Path) -> list[Sample]:
    """Bright where the mask is: found wholly, found by half, and a real picture that is dark."""
    (tmp_path / "masks").mkdir()
    found = []
    for name, bright in (("whole", 4), ("half", 2)):
        mask = np.zeros((16, 16), np.uint8)
        mask[:, :8] = 255
        pixels = np.zeros((16, 16, 3), np.uint8)
        pixels[: 4 * bright, :8] = 255
        Image.fromarray(pixels).save(tmp_path / f"{name}.png")
        Image.fromarray(mask).save(tmp_path / "masks" / f"{name}.png")
        found.append(Sample(path=tmp_path / f"{name}.png", is_fake=True, source=name))
    for name, is_fake in (("real", False), ("lost", True), ("unknown", None)):
        Image.fromarray(np.zeros((16, 16, 3), np.uint8)).save(tmp_path / f"{name}.png")
        found.append(Sample(path=tmp_path / f"{name}.png", is_fake=is_fake, source="camera"))
    return found


def test_only_reals_need_no_mask(samples: list[Sample], tmp_path: Path) -> None:
    masks, without = with_masks(samples, MaskFolder(tmp_path / "masks"))
    assert [sample.path.stem for sample in without] == ["lost", "unknown"]
    assert [(sample.path.stem, mask and mask.name) for sample, mask in masks.items()] == [
        ("whole", "whole.png"), ("half", "half.png"), ("real", None),
    ]  # fmt: skip
    with pytest.raises(InvalidDataset, match=r"none for any of 3 pictures\. A mask belongs to the picture of the same"):
        with_masks(samples[2:], MaskFolder(tmp_path / "masks"))


def test_figures_are_those_of_the_pictures(samples: list[Sample], tmp_path: Path) -> None:
    masks, _ = with_masks(samples, MaskFolder(tmp_path / "masks"))
    ticks: list[int] = []
    records = score_files(DETECTOR, masks)
    found = [
        one for one in compare(DETECTOR, records, masks, visit=lambda: ticks.append(1)) if isinstance(one, Located)
    ]
    assert len(found) == len(ticks) == 3
    rows = {Path(row["path"]).stem: row for row in picture_rows(found)}
    assert list(rows["whole"]) == list(PICTURE_COLUMNS)
    assert (rows["whole"]["auc"], rows["whole"]["iou"], rows["whole"]["pointing"]) == (1.0, 1.0, 1.0)
    assert (rows["half"]["auc"], rows["half"]["iou"], rows["half"]["pointing"]) == (0.75, 0.5, 1.0)
    assert (rows["real"]["auc"], rows["real"]["mask"], rows["real"]["called"]) == (None, None, 0.0)
    lines = {row["source"]: row for row in table(found, model="brightness", rounds=10)}
    assert list(lines) == ["(all)", "camera", "half", "whole"]
    assert all(list(row) == list(TABLE_COLUMNS) for row in lines.values())
    whole = lines["(all)"]
    assert (whole["n"], whole["n_empty"], whole["iou"], whole["pixel_auc"]) == (2, 1, 0.75, 0.875)
    assert whole["called_in_empty"] == 0.0
    assert whole["iou_low"] <= whole["iou"] <= whole["iou_high"]
    # One picture has no interval, none has no figure.
    assert (lines["half"]["iou"], lines["half"]["iou_low"]) == (0.5, None)
    assert (lines["camera"]["n"], lines["camera"]["iou"], lines["camera"]["called_in_empty"]) == (0, None, 0.0)


def test_a_broken_picture_and_a_wrong_mask_are_failures(samples: list[Sample], tmp_path: Path) -> None:
    samples[0].path.write_text("no picture")
    Image.new("L", (16, 8), 255).save(tmp_path / "masks" / "half.png")
    masks, _ = with_masks(samples, MaskFolder(tmp_path / "masks"))
    found = list(compare(DETECTOR, score_files(DETECTOR, masks), masks))
    errors = [one.error for one in found if isinstance(one, Failure)]
    assert len(errors) == 2
    assert "whole.png" in errors[0]
    assert "found 16 x 8 px" in errors[1]


def test_the_placement_and_the_threshold_are_the_callers(samples: list[Sample], tmp_path: Path) -> None:
    masks, _ = with_masks(samples, MaskFolder(tmp_path / "masks"))

    def called(threshold: float) -> float:
        compared = compare(DETECTOR, score_files(DETECTOR, masks), masks, threshold=threshold, placement="nearest")
        return next(one.location.called for one in compared if isinstance(one, Located))

    assert called(0.5) == 0.5
    assert called(0.99) == 0.0
    assert called(0.01) == 1.0

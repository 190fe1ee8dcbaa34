"""Truth masks: which belongs to which picture, and what one may look like."""

from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from telltale.data.sample import Sample
from telltale.errors import InvalidDataset
from telltale.explain.masks import MaskFolder, read_mask


def save(path: Path, width: int = 8, height: int = 8, *, mode: str = "L", lit: int = 255) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    pixels = np.zeros((height, width), np.uint8)
    pixels[: height // 2] = lit
    Image.fromarray(pixels).convert(mode).save(path)
    return path


def test_names_and_then_folders_decide(tmp_path: Path) -> None:
    masks = tmp_path / "masks"
    plain, other = save(masks / "a.png"), save(masks / "b_mask.PNG")
    left, right = save(masks / "left" / "c.png"), save(masks / "right" / "c.bmp")
    deep = save(masks / "x" / "left" / "d.png")
    save(masks / "y" / "left" / "e.png")
    save(masks / "z" / "left" / "e.png")
    (masks / "notes.txt").touch()
    find = MaskFolder(masks)

    def found(path: str) -> Path | None:
        return find(Sample(path=tmp_path / "pictures" / path))

    assert found("any/where/a.jpg") == plain
    assert found("b.webp") == other
    assert found("left/c.jpg") == left
    assert found("right/c.jpg") == right
    assert found("d.jpg") == deep
    assert found("nothing.jpg") is None
    assert found("y/left/e.jpg") == masks / "y" / "left" / "e.png"
    with pytest.raises(InvalidDataset, match=r"one mask for .*c\.jpg.*same name"):
        found("c.jpg")
    with pytest.raises(InvalidDataset, match="one mask for"):
        found("left/e.jpg")


def test_no_masks_is_said_with_the_rule(tmp_path: Path) -> None:
    for folder, words in ((tmp_path, "no masks in it"), (tmp_path / "none", "no such folder")):
        with pytest.raises(InvalidDataset, match=f"{words}.*belongs to the picture of the same name"):
            MaskFolder(folder)


@pytest.mark.parametrize("mode", ["L", "1", "RGB", "P"])
def test_white_is_generated_however_it_is_stored(tmp_path: Path, mode: str) -> None:
    mask = read_mask(save(tmp_path / "m.png", 6, 4, mode=mode), (4, 6))
    assert mask.shape == (4, 6)
    assert mask[:2].all()
    assert not mask[2:].any()


def test_half_of_the_scale_is_the_border_unless_told_otherwise(tmp_path: Path) -> None:
    assert read_mask(save(tmp_path / "m.png", lit=128), (8, 8)).any()
    assert not read_mask(save(tmp_path / "n.png", lit=0), (8, 8)).any()
    dark = save(tmp_path / "o.png", lit=1)
    with pytest.raises(InvalidDataset, match=r"nothing brighter than 1: .*o\.png.*give a lower level"):
        read_mask(dark, (8, 8))
    assert read_mask(dark, (8, 8), level=1).sum() == 32


@pytest.mark.parametrize(("width", "height"), [(8, 12), (16, 24), (40, 60), (5, 8)])
def test_a_mask_of_the_same_aspect_is_scaled(tmp_path: Path, width: int, height: int) -> None:
    mask = read_mask(save(tmp_path / "m.png", width, height), (24, 16))
    assert mask.shape == (24, 16)
    assert mask[:11].all()
    assert not mask[13:].any()


@pytest.mark.parametrize(("width", "height"), [(24, 16), (16, 16), (16, 27), (512, 512)])
def test_a_mask_of_another_aspect_is_refused(tmp_path: Path, width: int, height: int) -> None:
    path = save(tmp_path / "m.png", width, height)
    with pytest.raises(InvalidDataset, match=rf"size, 16 x 24 px, or of its aspect; found {width} x {height} px"):
        read_mask(path, (24, 16))


def test_colours_are_refused(tmp_path: Path) -> None:
    path = tmp_path / "m.png"
    Image.new("RGB", (4, 4), (255, 0, 0)).save(path)
    with pytest.raises(InvalidDataset, match="found colours"):
        read_mask(path, (4, 4))

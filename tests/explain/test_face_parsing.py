"""Part maps from masks, from a parser with a class map, and what neither can use."""

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from small_parser import SIDE, write_parser
from telltale.data.sample import Sample
from telltale.errors import InvalidConfig, InvalidDataset, InvalidDetector, UndecodableImage
from telltale.explain.face_parsing import METADATA_KEY, ClassMap, by_masks, by_parser, load_parser, mask_classes
from telltale.explain.face_parts import PARTS

KNOWN = ClassMap(side=SIDE, classes=("skin", "hair"))
HAIR, SKIN = PARTS.index("hair"), PARTS.index("skin")


def half_red(height: int = 50, width: int = 40) -> np.ndarray:
    pixels = np.zeros((height, width, 3), np.uint8)
    pixels[:, width // 2 :, 0] = 255
    return pixels


def test_a_parser_answers_at_the_pictures_size(tmp_path: Path) -> None:
    parts = load_parser(write_parser(tmp_path / "parser.onnx"), KNOWN)(half_red())
    assert parts.shape == (50, 40)
    assert set(parts[:, :19].ravel()) == {SKIN}
    assert set(parts[:, 21:].ravel()) == {HAIR}


def test_mean_and_std_are_applied(tmp_path: Path) -> None:
    """Red 1.0 minus 0.8 stays below the skin's 0.5; divided by 0.1 it is above."""
    path = write_parser(tmp_path / "parser.onnx")
    moved = load_parser(path, replace(KNOWN, mean=(0.8, 0.0, 0.0)))(half_red())
    assert set(moved.ravel()) == {SKIN}
    scaled = load_parser(path, replace(KNOWN, mean=(0.8, 0.0, 0.0), std=(0.1, 1.0, 1.0)))(half_red())
    assert set(scaled[:, 21:].ravel()) == {HAIR}


def test_the_class_map_may_lie_in_the_file(tmp_path: Path) -> None:
    path = write_parser(tmp_path / "parser.onnx", metadata={METADATA_KEY: KNOWN.to_json()})
    sample = Sample(path=Path("anything.png"))
    parts = by_parser(path)(sample, half_red())
    assert parts is not None
    assert set(parts[:, 21:].ravel()) == {HAIR}
    with pytest.raises(InvalidDetector, match="class map"):
        load_parser(write_parser(tmp_path / "plain.onnx"))


def test_graphs_that_do_not_fit(tmp_path: Path) -> None:
    path = write_parser(tmp_path / "parser.onnx")
    with pytest.raises(InvalidConfig, match="one for each"):
        load_parser(path, replace(KNOWN, classes=("skin", "hair", "hat")))
    with pytest.raises(InvalidConfig, match="finite"):
        load_parser(path, replace(KNOWN, mean=(float("nan"), 0.0, 0.0)))
    with pytest.raises(InvalidDetector, match="takes one picture"):
        load_parser(path, replace(KNOWN, side=SIDE * 2))
    with pytest.raises(InvalidDetector, match="2 inputs"):
        load_parser(write_parser(tmp_path / "two.onnx", inputs=2), KNOWN)
    (tmp_path / "text.onnx").write_text("nothing")
    for name in ("text.onnx", "absent.onnx"):
        with pytest.raises(InvalidDetector, match="expected an ONNX file"):
            load_parser(tmp_path / name, KNOWN)


def test_class_maps_there_and_back() -> None:
    known = ClassMap(side=512, classes=("hat", "skin"), layout="nhwc", mean=(0.1, 0.2, 0.3), std=(0.2, 0.2, 0.2))
    assert ClassMap.from_json(known.to_json(), "here") == known


@pytest.mark.parametrize(
    "change",
    [
        {"classes": ["skin", "beard"]},
        {"classes": ["skin"]},
        {"side": 4},
        {"side": "large"},
        {"layout": "hwc"},
        {"std": [0, 1, 1]},
        {"mean": [1, 1]},
        {"means": [1, 1, 1]},
    ],
)
def test_class_maps_that_mean_nothing(change: dict[str, object]) -> None:
    with pytest.raises(InvalidConfig, match=r"map\.json"):
        ClassMap.from_json(json.dumps({"side": 16, "classes": ["skin", "hair"], **change}), "map.json")
    for text in ("[]", "nonsense", "{}"):
        with pytest.raises(InvalidConfig, match=r"map\.json"):
            ClassMap.from_json(text, "map.json")


def save_mask(path: Path, classes: np.ndarray, mode: str = "L") -> None:
    Image.fromarray(classes).convert(mode).save(path)


def test_masks_of_another_size_and_pictures_without_one(tmp_path: Path) -> None:
    classes = np.zeros((8, 8), np.uint8)
    classes[:, 4:] = 13
    save_mask(tmp_path / "a.png", classes)
    parse = by_masks(tmp_path)
    parts = parse(Sample(path=Path("set/a.jpg")), np.zeros((16, 16, 3), np.uint8))
    assert parts is not None
    assert np.array_equal(parts, np.where(np.arange(16) < 8, 0, HAIR)[None].repeat(16, 0))
    assert parse(Sample(path=Path("set/b.jpg")), np.zeros((16, 16, 3), np.uint8)) is None
    with pytest.raises(InvalidDataset, match="aspect"):
        parse(Sample(path=Path("set/a.jpg")), np.zeros((16, 32, 3), np.uint8))


def test_masks_of_other_classes(tmp_path: Path) -> None:
    save_mask(tmp_path / "a.png", np.array([[0, 10]], np.uint8))
    sample, pixels = Sample(path=Path("a.jpg")), np.zeros((1, 2, 3), np.uint8)
    parts = by_masks(tmp_path, PARTS)(sample, pixels)
    assert parts is not None
    assert parts.tolist() == [[0, PARTS.index("hat")]]
    with pytest.raises(InvalidConfig, match="0 to 1, as the class map"):
        by_masks(tmp_path, ("skin", "hair"))(sample, pixels)


def test_what_masks_values_mean() -> None:
    assert mask_classes('{"classes": ["hat", "skin", "hat"]}', "map.json") == ("hat", "skin", "hat")
    for text in ('{"classes": ["beard"]}', '{"classes": []}', '{"classes": ["hat"], "side": 8}', "[]", "3", "{}"):
        with pytest.raises(InvalidConfig, match=r"map\.json"):
            mask_classes(text, "map.json")


def test_palette_masks_keep_their_numbers(tmp_path: Path) -> None:
    image = Image.fromarray(np.full((4, 4), 14, np.uint8))
    image.putpalette([255, 0, 0] * 256)
    image.save(tmp_path / "a.png")
    parts = by_masks(tmp_path)(Sample(path=Path("a.jpg")), np.zeros((4, 4, 3), np.uint8))
    assert parts is not None
    assert set(parts.ravel()) == {PARTS.index("hat")}


def test_masks_that_are_none(tmp_path: Path) -> None:
    save_mask(tmp_path / "colour.png", np.zeros((4, 4), np.uint8), "RGB")
    save_mask(tmp_path / "many.png", np.full((4, 4), 40, np.uint8))
    (tmp_path / "broken.png").write_bytes(b"\x89PNG nothing")
    parse, pixels = by_masks(tmp_path), np.zeros((4, 4, 3), np.uint8)
    for name, error, words in (
        ("colour", InvalidDataset, "mode RGB"),
        ("many", InvalidConfig, "class 40"),
        ("broken", UndecodableImage, "a mask"),
    ):
        with pytest.raises(error, match=words):
            parse(Sample(path=Path(f"{name}.jpg")), pixels)

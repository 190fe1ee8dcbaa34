"""Manipulations touch what their mask says and nothing else, whatever is drawn."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from synthetic_faces import synthetic_face

from telltale.errors import InvalidConfig, InvalidDataset, UnsuitableImage
from telltale.explain.face_parts import PARTS
from telltale.generate.manipulations import REPLACEABLE, Face, inpainted, manipulations, part_replaced
from telltale.generate.manipulations_regions import INNER_FACE, dilated
from telltale.image import Pixels, resize

NAMES = ("swap", "autoencoder", "self_blended", "part", "inpainted")


def blurred(pixels: Pixels) -> Pixels:
    """What an autoencoder does to detail, without one."""
    height, width = pixels.shape[:2]
    return resize(resize(pixels, max(1, height // 4), max(1, width // 4)), height, width)


ALL = manipulations(blurred)


def inner(face: Face) -> np.ndarray:
    return np.isin(face.parts, [PARTS.index(name) for name in INNER_FACE])


def test_there_are_five() -> None:
    assert tuple(ALL) == NAMES


@pytest.mark.parametrize("name", NAMES)
@given(person=st.integers(0, 50), other=st.integers(51, 99), seed=st.integers(0, 2**31))
@settings(max_examples=12, deadline=None)
def test_the_mask_is_exactly_what_changed_and_lies_on_the_face(name: str, person: int, other: int, seed: int) -> None:
    face, source = synthetic_face(person), synthetic_face(other, 80)
    before = face.pixels.copy()
    made = ALL[name](face, source, seed)
    assert made.pixels.dtype == np.uint8
    assert made.pixels.shape == face.pixels.shape
    assert (face.pixels == before).all(), "the original was written to"
    assert (made.pixels[~made.mask] == face.pixels[~made.mask]).all()
    assert (made.pixels[made.mask] != face.pixels[made.mask]).any(axis=1).all()
    assert not (made.mask & ~dilated(inner(face), 10)).any()
    assert 0.005 < made.mask.mean() < 0.6


@pytest.mark.parametrize("name", NAMES)
def test_a_seed_gives_the_same_bytes_and_another_seed_others(name: str) -> None:
    face, source = synthetic_face(1), synthetic_face(2)
    first, again = (ALL[name](face, source, 5) for _ in range(2))
    assert first.pixels.tobytes() == again.pixels.tobytes()
    others = [ALL[name](face, source, seed).pixels.tobytes() for seed in range(6, 10)]
    assert any(other != first.pixels.tobytes() for other in others)


def test_the_swap_shows_the_other_person_and_keeps_the_light() -> None:
    face, source = synthetic_face(3), synthetic_face(4)
    # A mark on the source's cheek, and a much darker picture.
    marked = source.pixels // 2
    rows, columns = np.nonzero(source.parts == PARTS.index("nose"))
    marked[rows.min() + 6 : rows.min() + 10, columns.min() + 2 : columns.max() - 2] = (0, 160, 0)
    made = ALL["swap"](face, Face(marked, source.parts), 0)
    plain = ALL["swap"](face, source, 0)
    green = made.pixels[made.mask].astype(int) - plain.pixels[made.mask].astype(int)
    assert green[:, 1].max() > 20, "the mark did not come along"
    skin = made.mask & (face.parts == PARTS.index("skin"))
    assert abs(made.pixels[skin].mean() - face.pixels[skin].mean()) < 12


@pytest.mark.parametrize("part", REPLACEABLE)
def test_a_named_part_is_the_one_that_changes(part: str) -> None:
    face, source = synthetic_face(5), synthetic_face(6)
    for made in (part_replaced(face, source, seed=0, part=part), inpainted(face, blurred, seed=0, part=part)):
        wanted = face.parts == PARTS.index(part)
        assert (made.mask & wanted).sum() > 0.9 * wanted.sum()
        others = np.isin(face.parts, [PARTS.index(name) for name in REPLACEABLE if name != part])
        assert (made.mask & others).sum() < 0.35 * others.sum()


def test_inpainting_leaves_nothing_of_what_was_there() -> None:
    face = synthetic_face(7)
    strange = face.pixels.copy()
    strange[face.parts == PARTS.index("mouth")] = (0, 255, 0)
    made = inpainted(Face(strange, face.parts), blurred, seed=0, part="mouth")
    mouth = face.parts == PARTS.index("mouth")
    greenness = made.pixels[mouth].astype(int)[:, 1] - made.pixels[mouth].astype(int)[:, 0]
    assert greenness.max() < 60


@pytest.mark.parametrize("name", NAMES)
def test_a_picture_without_a_face_is_refused(name: str) -> None:
    pixels = np.full((64, 64, 3), 128, np.uint8)
    empty = Face(pixels, np.zeros((64, 64), np.uint8))
    with pytest.raises(UnsuitableImage, match="Check the mask"):
        ALL[name](empty, synthetic_face(1), 0)


@pytest.mark.parametrize("name", ["swap", "part"])
def test_a_source_without_a_face_is_refused(name: str) -> None:
    empty = Face(np.full((64, 64, 3), 128, np.uint8), np.zeros((64, 64), np.uint8))
    with pytest.raises(UnsuitableImage):
        ALL[name](synthetic_face(1), empty, 0)


def test_a_manipulation_that_changes_nothing_is_refused() -> None:
    with pytest.raises(UnsuitableImage, match="the same picture"):
        manipulations(lambda pixels: pixels)["autoencoder"](synthetic_face(1), synthetic_face(2), 0)


def test_parts_of_another_size_or_meaning_are_refused() -> None:
    face = synthetic_face(1)
    with pytest.raises(InvalidDataset, match=r"96 x 96 px; found 96 x 95 px"):
        Face(face.pixels, face.parts[:-1])
    with pytest.raises(InvalidDataset, match="found part 18"):
        Face(face.pixels, np.full((96, 96), 18, np.uint8))


def test_an_unknown_part_is_refused() -> None:
    with pytest.raises(InvalidConfig, match="eyes, nose, mouth"):
        part_replaced(synthetic_face(1), synthetic_face(2), seed=0, part="chin")


@pytest.mark.parametrize("shape", [(96, 70), (70, 96)])
def test_faces_at_the_edge_and_of_any_aspect_pass(shape: tuple[int, int]) -> None:
    face = synthetic_face(8)
    cut = Face(face.pixels[: shape[0], : shape[1]].copy(), face.parts[: shape[0], : shape[1]].copy())
    for name in NAMES:
        made = ALL[name](cut, synthetic_face(9), 3)
        assert (made.pixels[~made.mask] == cut.pixels[~made.mask]).all()

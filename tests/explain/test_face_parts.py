"""Eleven groups of nineteen classes, and what shows a face."""

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from sklearn.datasets import load_sample_images

from telltale.errors import InvalidConfig
from telltale.explain.face_parsing import load_parser
from telltale.explain.face_parts import PARTS, PartMap, merged, names_a_face, shows_a_face
from telltale.image import decode


def test_every_class_has_its_group() -> None:
    names = [PARTS[part] for part in merged(np.arange(19, dtype=np.uint8)[None])[0]]
    assert names == [
        "background", "skin", "nose", "eyes", "eyes", "eyes", "brows", "brows", "ears", "ears",
        "mouth", "mouth", "mouth", "hair", "hat", "ears", "neck", "neck", "clothes",
    ]  # fmt: skip
    assert set(names) == set(PARTS)


def test_a_class_that_is_none() -> None:
    with pytest.raises(InvalidConfig, match="class 19"):
        merged(np.full((2, 2), 19, np.uint8))


def face(side: int = 200) -> PartMap:
    """Hair around skin, with brows, eyes, a nose and a mouth, drawn in two hundredths of the side."""
    parts = np.full((200, 200), PARTS.index("hair"), np.uint8)
    boxes = {
        "skin": [(50, 170, 60, 140)],
        "brows": [(78, 82, 68, 92), (78, 82, 108, 132)],
        "eyes": [(90, 97, 72, 90), (90, 97, 110, 128)],
        "nose": [(98, 124, 92, 108)],
        "mouth": [(138, 148, 82, 118)],
    }
    for name, places in boxes.items():
        for top, bottom, left, right in places:
            parts[top:bottom, left:right] = PARTS.index(name)
    place = np.arange(side) * 200 // side
    return np.asarray(parts[np.ix_(place, place)])


@given(st.integers(100, 1200), st.booleans(), st.sampled_from(["", "eyes", "nose", "mouth"]))
def test_a_face_of_any_size_shows_one_feature_hidden_or_not(side: int, mirrored: bool, hidden: str) -> None:
    parts = face(side)
    if hidden:
        for name in (hidden, *(["brows"] if hidden == "eyes" else [])):
            parts[parts == PARTS.index(name)] = PARTS.index("skin")
    assert shows_a_face(parts[:, ::-1] if mirrored else parts)


def test_parts_that_do_not_lie_as_in_a_face() -> None:
    upright = face()
    assert not shows_a_face(upright[::-1]), "upside down"
    assert not shows_a_face(np.ascontiguousarray(upright.T)), "on its side"
    strewn = upright.ravel().copy()
    np.random.default_rng(0).shuffle(strewn)
    assert not shows_a_face(strewn.reshape(upright.shape)), "everywhere"
    assert names_a_face(strewn.reshape(upright.shape)), "a mask is the truth"


@pytest.mark.parametrize("is_face", [names_a_face, shows_a_face])
def test_a_face_has_skin_and_two_features(is_face: Callable[[PartMap], bool]) -> None:
    parts = face()
    for name in ("skin", "nose"):
        without = parts.copy()
        without[without == PARTS.index(name)] = PARTS.index("background")
        assert is_face(without) is (name == "nose")
    one = parts.copy()
    one[np.isin(one, [PARTS.index(name) for name in ("nose", "mouth")])] = PARTS.index("skin")
    assert not is_face(one)
    assert not is_face(np.zeros((20, 20), np.uint8))


@pytest.mark.slow
def test_the_shipped_parser_and_photographs_without_a_face() -> None:
    """A temple and a flower, of which it takes parts for eyes, mouths and noses; and a portrait."""
    parse = load_parser()
    temple, flower = (parse(np.ascontiguousarray(picture)) for picture in load_sample_images().images)
    assert names_a_face(temple), "this is why there is a stricter rule"
    assert names_a_face(flower)
    assert not shows_a_face(temple)
    assert not shows_a_face(flower)
    assert shows_a_face(parse(decode(Path(__file__).parents[2] / "examples" / "portrait.jpg")))

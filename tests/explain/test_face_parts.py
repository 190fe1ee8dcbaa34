"""Eleven groups of nineteen classes."""

import numpy as np
import pytest

from telltale.errors import InvalidConfig
from telltale.explain.face_parts import PARTS, merged


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

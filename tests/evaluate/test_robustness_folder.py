"""A sweep's folder: where a cell lies, and which pictures it takes."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from telltale.data.sample import Sample
from telltale.errors import InvalidDataset
from telltale.evaluate.robustness_cells import CLEAN
from telltale.evaluate.robustness_folder import cell_file, check_pictures


def picture(seed: int, side: int = 40) -> np.ndarray[tuple[int, ...], np.dtype[np.uint8]]:
    return np.random.default_rng(seed).integers(0, 256, (side, side + 8, 3), dtype=np.uint8)


def test_copies_are_counted_and_refused_under_both_labels(tmp_path: Path) -> None:
    paths = [tmp_path / name for name in ("a.png", "b.png", "c.png")]
    for path, number in zip(paths, (1, 1, 2), strict=True):
        Image.fromarray(picture(number)).save(path)
    alike = [Sample(path=path, is_fake=False) for path in paths]
    assert check_pictures(tmp_path, alike) == 1
    torn = [replace(alike[0], is_fake=True), *alike[1:]]
    with pytest.raises(InvalidDataset, match="one label for the same picture"):
        check_pictures(tmp_path, torn)


def test_a_name_with_a_slash_stays_inside_the_folder(tmp_path: Path) -> None:
    path = cell_file(tmp_path, "../a b", CLEAN)
    assert path.relative_to(tmp_path).parts[:2] == ("scores", "model=..%2Fa%20b")

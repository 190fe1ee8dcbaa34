"""Collected patches as rows and as pictures: the pixels are those of the originals."""

import tracemalloc
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from jaxtyping import Float32, UInt8
from PIL import Image

from telltale.data.sample import Sample
from telltale.detector import Detector, Prediction
from telltale.errors import InvalidConfig, UnsuitableImage
from telltale.evaluate.scoring import Failure, Score, score_files
from telltale.explain.patch_files import (
    COLUMNS,
    Towards,
    collect,
    contact_sheet,
    counted,
    failure_rows,
    fit,
    in_order,
    label_word,
    rows,
    sheet_name,
    title,
)
from telltale.explain.patches import TopPatch
from telltale.geometry import PatchGrid
from telltale.image import Pixels, Preparation
from telltale.spec import DetectorSpec


def brightness(images: UInt8[np.ndarray, "n height width 3"]) -> Float32[np.ndarray, "n rows columns"]:
    """Patches of 8 pixels, 4 apart: each says how bright its window is, from -4 to 4."""
    windows = np.lib.stride_tricks.sliding_window_view(images.mean(-1), (8, 8), axis=(1, 2))[:, ::4, ::4]
    return np.asarray(windows.mean((-1, -2)) / 255 * 8 - 4, np.float32)


SPEC = DetectorSpec(name="brightness", architecture="x", preparation=Preparation(), grid=PatchGrid(8, 4))
DETECTOR = Detector(spec=SPEC, predict=brightness)


def picture(path: Path, bright: tuple[int, int], dark: tuple[int, int], *, level: int = 255) -> Path:
    """Grey, with one bright and one dark patch at (row, column) of the patch grid, 8 pixels each."""
    pixels = np.full((32, 48, 3), 128, np.uint8)
    for (row, column), value in ((bright, level), (dark, 255 - level)):
        pixels[4 * row : 4 * row + 8, 4 * column : 4 * column + 8] = value
    Image.fromarray(pixels).save(path)
    return path


@pytest.fixture
def samples(tmp_path: Path) -> list[Sample]:
    def one(name: str, source: str, is_fake: bool | None, level: int = 255) -> Sample:
        path = picture(tmp_path / f"{name}.png", (1, 2), (5, 7), level=level)
        return Sample(path=path, source=source, is_fake=is_fake)

    (tmp_path / "broken.png").write_text("no picture")
    return [
        one("b", "camera", False),
        one("c", "camera", False, level=250),
        Sample(path=tmp_path / "broken.png", source="camera", is_fake=False),
        one("d", "network", True),
        one("e", "", None),
        one("f", "network", True),
    ]


@pytest.mark.parametrize("workers", [1, 3])
@pytest.mark.parametrize(
    ("towards", "place"),
    [("own", {False: (5, 7), True: (1, 2), None: (1, 2)}), ("fake", None), ("real", None)],
)
def test_each_source_and_label_has_its_surest_patches(
    samples: list[Sample], towards: Towards, place: dict[bool | None, tuple[int, int]] | None, workers: int
) -> None:
    found = collect(DETECTOR, score_files(DETECTOR, samples, workers=workers), count=5, towards=towards)
    made = list(rows(found))
    assert [set(row) for row in made] == [set(COLUMNS)] * 5
    assert [(row["source"], row["is_fake"], row["rank"]) for row in made] == [
        ("", None, 1), ("camera", False, 1), ("camera", False, 2), ("network", True, 1), ("network", True, 2),
    ]  # fmt: skip
    for row in made:
        wanted = {"fake": (1, 2), "real": (5, 7)}[towards] if place is None else place[row["is_fake"]]
        assert (row["row"], row["column"]) == wanted
        assert (row["x"], row["y"], row["width"], row["height"]) == (4 * wanted[1], 4 * wanted[0], 8, 8)
    # Equal log-odds: the earlier picture first.
    assert [Path(row["path"]).stem for row in made] == ["e", "b", "c", "d", "f"]
    assert found.scored == {("camera", False): 2, ("network", True): 2, ("", None): 1}
    (failure,) = failure_rows(found.failures)
    assert Path(failure["path"]).name == "broken.png"
    assert failure["source"] == "camera"
    assert "broken.png" in failure["error"]


def test_overall_takes_several_of_one_picture(samples: list[Sample]) -> None:
    def made(unique: bool) -> list[str]:
        found = collect(DETECTOR, score_files(DETECTOR, samples[:2]), count=6, unique=unique, towards="fake")
        return [Path(row["path"]).stem for row in rows(found)]

    assert made(True) == ["b", "c"]
    assert len(made(False)) == 6
    assert made(False).count("b") > 1


def test_every_record_is_counted_and_told() -> None:
    failures = [Failure(sample=Sample(path=Path(str(number))), error="x") for number in range(3)]
    ticks: list[int] = []
    found = collect(DETECTOR, failures, count=1, visit=lambda: ticks.append(1))
    assert len(ticks) == len(found.failures) == 3
    assert list(rows(found)) == []


@pytest.mark.parametrize("unique", [True, False])
def test_nothing_but_the_kept_patches_stays_in_memory(unique: bool) -> None:
    """A picture of 256 px has 16 kB of patch log-odds; of 300 pictures five patches stay."""

    def stream(number: int) -> Iterator[Score]:
        for seed in range(number):
            logits = np.random.default_rng(seed).normal(size=(63, 63)).astype(np.float32)
            said = Prediction(score=0.5, probability=None, verdict=None, patch_logits=logits, shape=(256, 256))
            sample = Sample(path=Path(f"{seed}.png"), is_fake=True)
            yield Score(sample=sample, prediction=said, window=(0, 0, 8, 8), shape=(256, 256), seconds=0.0)

    def most(number: int) -> int:
        tracemalloc.start()
        try:
            found = collect(DETECTOR, stream(number), count=5, unique=unique)
            assert len(found.kinds["", True].best()) == 5
            return tracemalloc.get_traced_memory()[1]
        finally:
            tracemalloc.stop()

    few = max(most(20), most(20))
    assert most(300) < few + 500_000


def test_a_sheet_shows_the_pixels_of_the_originals_enlarged_by_a_whole_factor(tmp_path: Path) -> None:
    pixels = np.random.default_rng(0).integers(0, 256, (32, 48, 3), dtype=np.uint8)
    path = tmp_path / "a.png"
    Image.fromarray(pixels).save(path)
    sample = Sample(path=path)
    windows = [(8, 4, 8, 8), (0, 0, 5, 8), (40, 24, 8, 8)]
    patches = [
        TopPatch(sample=sample, row=0, column=0, window=window, log_odds=float(number))
        for number, window in enumerate(windows)
    ]
    sheet = contact_sheet(patches, "three patches", columns=2, cell=20)
    places = [(36, 6), (36, 32), (36 + 20 + 14 + 6, 6)]
    for (x, y, width, height), (top, left) in zip(windows, places, strict=True):
        enlarged = pixels[y : y + height, x : x + width].repeat(2, 0).repeat(2, 1)
        high, wide = enlarged.shape[:2]
        top, left = top + (20 - high) // 2, left + (20 - wide) // 2
        assert np.array_equal(sheet[top : top + high, left : left + wide], enlarged)
    assert sheet.shape[0] == 36 + 2 * 40


def test_a_large_patch_is_scaled_down_and_says_by_how_much() -> None:
    cut: Pixels = np.zeros((100, 50, 3), np.uint8)
    shown, factor = fit(cut, 40)
    assert shown.shape == (40, 20, 3)
    assert factor == "1:2.5"
    assert fit(cut, 100)[1] == "x1"
    assert fit(cut[:1, :1], 128)[0].shape == (128, 128, 3)
    assert fit(np.zeros((1000, 1, 3), np.uint8), 40)[0].shape == (40, 1, 3)


def test_words_and_names() -> None:
    assert [label_word(label) for label in (True, False, None)] == ["fake", "real", "unlabelled"]
    assert counted(1, "patch") == "1 patch"
    assert counted(2, "patch") == "2 patches"
    assert counted(2, "picture") == "2 pictures"
    assert sheet_name(("a b/c", True), []) == "patches-a_b_c-fake.png"
    assert sheet_name(("", None), []) == "patches-unknown-unlabelled.png"
    assert sheet_name(("a?b", True), ["patches-A_B-fake.png"]) == "patches-a_b-fake-2.png"
    assert len(sheet_name(("x" * 500, True), [])) < 120


def test_a_title_says_what_is_shown(samples: list[Sample]) -> None:
    found = collect(DETECTOR, score_files(DETECTOR, samples), count=1, unique=False)
    titles = [title(kind, len(kept.best()), found.scored[kind], kept) for kind, kept in in_order(found)]
    assert titles == [
        "unknown source, unlabelled: the 1 patch that looks most fake, of all patches, of 1 picture",
        "camera, real: the 1 patch that looks most real, of all patches, of 2 pictures",
        "network, fake: the 1 patch that looks most fake, of all patches, of 2 pictures",
    ]


def test_what_cannot_be_done_is_refused(samples: list[Sample]) -> None:
    with pytest.raises(InvalidConfig, match="at least 1 patch"):
        collect(DETECTOR, score_files(DETECTOR, samples), count=0)
    baseline = replace(DETECTOR, spec=replace(SPEC, grid=None), predict=lambda images: images[:, :1, :1, 0] * 1.0)
    with pytest.raises(UnsuitableImage, match="whole-image baseline"):
        collect(baseline, score_files(DETECTOR, samples), count=1)
    patch = TopPatch(sample=samples[0], row=0, column=0, window=(0, 0, 8, 8), log_odds=0.0)
    for patches, columns, cell in (([], 10, 128), ([patch], 0, 128), ([patch], 10, 8)):
        with pytest.raises(InvalidConfig, match="at least one patch and column"):
            contact_sheet(patches, "", columns=columns, cell=cell)

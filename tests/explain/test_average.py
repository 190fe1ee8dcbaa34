"""Average heatmaps against numpy over everything at once; what does not fit is left out, and said."""

import json
import tracemalloc
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image, ImageFont

from telltale.data.sample import Sample
from telltale.detector import Detector, Prediction
from telltale.errors import InvalidConfig, InvalidDataset, UnsuitableImage
from telltale.evaluate.scoring import Score
from telltale.explain.average import Average, Averaging, Running, Share, average_heatmaps, centre_of, rim_of
from telltale.explain.average_files import file_names, open_folder, write_averages
from telltale.explain.average_pictures import _cut, average_picture, error_colour, named, sheet
from telltale.explain.heatmaps import colour, heatmap
from telltale.geometry import PatchGrid
from telltale.runtime import load
from telltale.spec import DetectorSpec


@given(st.integers(1, 30), st.integers(0, 99), st.floats(0, 1e6))
def test_running_numbers_equal_those_of_everything_at_once(count: int, seed: int, far: float) -> None:
    values = np.random.default_rng(seed).normal(far, 1, (count, 3, 4))
    running = Running()
    for one in values:
        running.add(one)
    assert running.count == count
    assert np.allclose(running.mean, values.mean(axis=0), rtol=1e-12, atol=1e-9)
    expected = values.std(axis=0, ddof=1) / np.sqrt(count) if count > 1 else np.full((3, 4), np.nan)
    assert np.allclose(running.standard_error(), expected, rtol=1e-6, equal_nan=True)


@pytest.fixture
def detector(tiny_detector: Path) -> Detector:
    return load(tiny_detector, threads=1)


@pytest.fixture
def faces(tmp_path: Path) -> list[Sample]:
    """Twelve pictures of 32 px: three fakes of a and of b, three reals of a, three unlabelled."""
    draw = np.random.default_rng(0)
    found = []
    kinds = (("a", True), ("b", True), ("a", False), ("", None))
    for index, (source, is_fake) in enumerate(kinds * 3):
        path = tmp_path / f"{index:02d}.png"
        Image.fromarray(draw.integers(0, 256, (32, 32, 3), dtype=np.uint8)).save(path)
        found.append(Sample(path=path, source=source, is_fake=is_fake))
    return found


def test_each_source_and_label_has_its_average(detector: Detector, faces: list[Sample]) -> None:
    found = average_heatmaps(detector, faces)
    assert [(one.source, one.label, one.count) for one in found.each] == [
        ("a", "fake", 3),
        ("b", "fake", 3),
        ("a", "real", 3),
        ("", "unlabelled", 3),
    ]
    assert (found.canvas, found.scaled, found.failures) == ((32, 32), 0, [])
    for one in found.each:
        mine = [face for face in faces if (face.source, face.is_fake) == _group(one)]
        said = [detector(face.pixels()) for face in mine]
        assert detector.spec.grid is not None
        maps = np.array([heatmap(it.patch_logits, detector.spec.grid, it.shape) for it in said], np.float64)
        assert np.allclose(one.mean, maps.mean(axis=0), atol=1e-6)
        assert np.allclose(one.standard_error, maps.std(axis=0, ddof=1) / np.sqrt(3), atol=1e-6)
        assert one.score == pytest.approx(np.mean([it.score for it in said]))
        inner = [it[8:24, 8:24].mean() for it in maps]
        outer = [it[rim_of((32, 32))].mean() for it in maps]
        assert one.parts["centre"].value == pytest.approx(np.mean(inner))
        assert one.parts["rim"].value == pytest.approx(np.mean(outer))
        gap = np.array(inner) - np.array(outer)
        error = 1.96 * gap.std(ddof=1) / np.sqrt(3)
        assert one.parts["centre - rim"].low == pytest.approx(gap.mean() - error)
        assert one.parts["centre - rim"].high == pytest.approx(gap.mean() + error)


def _group(average: Average) -> tuple[str, bool | None]:
    return average.source, {"fake": True, "real": False}.get(average.label)


def test_workers_change_no_bit(detector: Detector, faces: list[Sample]) -> None:
    one, many = (average_heatmaps(detector, faces, workers=workers) for workers in (1, 4))
    for first, second in zip(one.each, many.each, strict=True):
        assert np.array_equal(first.mean, second.mean)
        assert np.array_equal(first.standard_error, second.standard_error)
        assert first.parts == second.parts


def test_many_pictures_take_the_memory_of_a_few() -> None:
    """One heatmap of 128 x 128 as float64 is 131 kB; 150 of them would be 20 MB."""
    grid = PatchGrid(size=8, stride=4)

    def most(number: int) -> int:
        tracemalloc.start()
        try:
            averaging = Averaging(grid)
            for seed in range(number):
                logits = np.random.default_rng(seed).normal(size=(31, 31)).astype(np.float32)
                said = Prediction(score=0.5, probability=None, verdict=None, patch_logits=logits, shape=(128, 128))
                sample = Sample(path=Path(f"{seed}.png"), is_fake=seed % 2 == 0)
                averaging.add(Score(sample=sample, prediction=said, window=(0, 0, 8, 8), shape=(128, 128), seconds=0.0))
            assert sum(one.count for one in averaging.result().each) == number
            return tracemalloc.get_traced_memory()[1]
        finally:
            tracemalloc.stop()

    few = max(most(10), most(10))
    assert most(150) < few + 1_000_000


def test_the_parts_do_not_overlap() -> None:
    for shape in ((32, 32), (7, 9), (224, 299)):
        assert not (centre_of(shape) & rim_of(shape)).any()
    assert centre_of((8, 8)).sum() == 16
    assert rim_of((8, 8)).sum() == 64 - 36


def test_other_sizes_are_scaled_and_other_aspects_left_out(
    detector: Detector, faces: list[Sample], tmp_path: Path
) -> None:
    Image.new("RGB", (64, 64), "grey").save(tmp_path / "large.png")
    Image.new("RGB", (32, 40), "grey").save(tmp_path / "tall.png")
    (tmp_path / "broken.png").write_bytes(b"nothing")
    more = [Sample(path=tmp_path / f"{name}.png", source="c", is_fake=True) for name in ("large", "tall", "broken")]
    found = average_heatmaps(detector, [*faces, *more])
    assert (found.canvas, found.scaled) == ((32, 32), 1)
    assert [(one.source, one.count) for one in found.each][2] == ("c", 1)
    assert [failure.sample.path.stem for failure in found.failures] == ["tall", "broken"]
    assert "aspect of the canvas, 32 x 32 px; found 32 x 40 px" in found.failures[0].error
    single = found.each[2]
    assert np.isnan(single.standard_error).all()
    assert np.isnan(single.parts["whole"].low)
    # A grey picture has one heat, whatever its size.
    assert np.ptp(single.mean) < 1e-5
    assert average_heatmaps(detector, faces, canvas=(20, 20)).each[0].mean.shape == (20, 20)


def test_nothing_to_average_is_said(detector: Detector, tmp_path: Path) -> None:
    with pytest.raises(InvalidDataset, match="at least one picture to average; found none, 0 failed"):
        average_heatmaps(detector, [])
    with pytest.raises(InvalidDataset, match=r"1 failed; the first: .*no\.png"):
        average_heatmaps(detector, [Sample(path=tmp_path / "no.png")])
    with pytest.raises(InvalidConfig, match="canvas of 1 pixel"):
        average_heatmaps(detector, [], canvas=(0, 5))


def test_a_whole_image_baseline_has_no_average(
    tiny_spec: DetectorSpec, write_detector: Callable[..., Path], tmp_path: Path, faces: list[Sample]
) -> None:
    whole = load(write_detector(tmp_path / "whole.onnx", replace(tiny_spec, grid=None, name="whole")))
    with pytest.raises(UnsuitableImage, match="whole-image baseline whole"):
        average_heatmaps(whole, faces)


# ---------------------------------------------------------------- pictures and files


def average(source: str = "a", label: str = "fake", *, count: int = 60, error: float = 0.02) -> Average:
    half = np.full((20, 20), 0.9, np.float32)
    half[:, 10:] = 0.1
    return Average(
        source=source,
        label=label,
        count=count,
        mean=half,
        standard_error=np.full((20, 20), error, np.float32),
        score=0.5,
        parts={name: Share(value=0.5, low=0.4, high=0.6) for name in ("whole", "centre", "rim", "centre - rim")},
    )


def test_the_picture_shows_mean_and_error_on_fixed_scales() -> None:
    drawn = average_picture(average())
    red, blue = colour(np.array([[0.9, 0.1]], np.float32))[0].tolist()
    violet = error_colour(np.array([[0.02]], np.float32))[0, 0].tolist()
    row = drawn[180].tolist()
    assert [place for place in (20, 100) if row[place] == red] == [20, 100]
    assert row[240] == blue
    assert row[400] == violet
    none = average_picture(average(count=1, error=np.nan))
    assert none[250, 400].tolist() == [128, 128, 128]


def test_the_scale_of_errors_ends_at_a_tenth() -> None:
    values = np.array([[0.0, 0.05, 0.1, 0.5, np.nan]], np.float32)
    assert error_colour(values)[0].tolist() == [[252, 251, 253], [158, 126, 189], [63, 0, 125], [63, 0, 125], [128] * 3]


def test_the_sheet_begins_a_row_for_each_label() -> None:
    few = [average("a"), average("b"), average("a", "real")]
    tall, wide = sheet(few), sheet(few[:2])
    assert tall.shape[1] == wide.shape[1]
    assert tall.shape[0] > 1.8 * wide.shape[0]
    assert named(few[2]) == "a (real)"


def test_files_hold_what_was_averaged(detector: Detector, faces: list[Sample], tmp_path: Path) -> None:
    found = average_heatmaps(detector, faces)
    out = tmp_path / "out"
    open_folder(out)
    values = write_averages(out, found, {"command": "c"})
    assert json.loads((out / "summary.json").read_text()) == values
    assert values["canvas"] == {"height": 32, "width": 32}
    names = ["a-fake", "b-fake", "a-real"]
    assert [row["file"] for row in values["averages"]][:3] == names
    for name, one in zip(names, found.each, strict=False):
        with np.load(out / f"{name}.npz") as numbers:
            assert np.array_equal(numbers["mean"], one.mean)
            assert numbers["count"] == 3
        Image.open(out / f"{name}.png").verify()
    assert len((out / "averages.csv").read_text().splitlines()) == 5
    assert (out / "failures.csv").read_text() == "path,source,error\n"
    with pytest.raises(InvalidConfig, match=r"averages\.csv there already"):
        open_folder(out)


def test_no_two_sources_share_a_file() -> None:
    sources = ("a", "A", "a/b", "a_b", "", "unknown", "..", "ä" * 300, "ä" * 301)
    names = file_names([average(source) for source in sources])
    assert len({name.lower() for name in names}) == len(sources)
    assert all("/" not in name and not name.startswith(".") and len(name) < 80 for name in names)


def test_long_names_keep_both_ends_and_fit_their_cell() -> None:
    font = ImageFont.load_default(12)
    assert _cut("sd21", 160, font) == "sd21"
    for length in (30, 200):
        shown = _cut(f"stylegan2{'_' * length}256", 160, font)
        assert font.getlength(shown) <= 160
        assert shown.startswith("stylegan2")
        assert shown.endswith("256")
        assert "…" in shown

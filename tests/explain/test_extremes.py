"""Which pictures are easiest and hardest, and the page that shows them."""

import csv
import io
import re
from html.parser import HTMLParser
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image

from telltale.data.sample import Sample
from telltale.detector import Detector
from telltale.errors import InvalidConfig, InvalidDataset
from telltale.evaluate.evaluation import contenders, evaluate
from telltale.evaluate.kept_scores import keep_scores
from telltale.explain.extremes import Judged, extremes, from_kept, from_scores, is_scores
from telltale.explain.extremes_page import COLUMNS, draw, page, table
from telltale.runtime import load


def judged(path: str, score: float | None, *, is_fake: bool | None = True, source: str = "s") -> Judged:
    sample = Sample(path=Path(path), is_fake=is_fake, source=source)
    return Judged(sample=sample, score=score, error=None if score is not None else "broken")


@given(st.lists(st.integers(0, 4), min_size=1, max_size=30), st.integers(1, 8), st.booleans(), st.integers(0, 99))
def test_both_ends_are_chosen_whatever_the_order(levels: list[int], count: int, is_fake: bool, seed: int) -> None:
    ones = [judged(f"{place:02d}", level / 4, is_fake=is_fake) for place, level in enumerate(levels)]
    (group,) = extremes(ones, count=count)
    (other,) = extremes([ones[place] for place in np.random.default_rng(seed).permutation(len(ones))], count=count)
    assert [one.judged.sample.path for one in group.choices] == [one.judged.sample.path for one in other.choices]
    ends = {end: [one for one in group.choices if one.end == end] for end in ("hardest", "easiest")}
    assert len(ends["hardest"]) == min(count, -(-len(ones) // 2))
    assert len(ends["easiest"]) == min(count, len(ones) // 2)
    assert len({one.judged.sample.path for one in group.choices}) == len(group.choices)
    wrong = [one.judged.score or 0 for one in ends["hardest"]]
    right = [one.judged.score or 0 for one in ends["easiest"]]
    assert wrong == sorted(levels_of(levels), reverse=not is_fake)[: len(wrong)]
    assert right == sorted(levels_of(levels), reverse=is_fake)[: len(right)]
    assert [one.rank for one in ends["hardest"]] == list(range(1, len(wrong) + 1))
    assert group.count == len(levels)


def levels_of(levels: list[int]) -> list[float]:
    return [level / 4 for level in levels]


def test_equal_scores_go_by_path() -> None:
    (group,) = extremes([judged(name, 0.5) for name in ("d", "b", "a", "c")], count=2)
    assert [str(one.judged.sample.path) for one in group.choices] == ["a", "b", "c", "d"]


def test_groups_are_sources_and_labels_fakes_first() -> None:
    ones = [
        judged("1", 0.1, is_fake=False, source="a"),
        judged("2", 0.2, source="b"),
        judged("3", 0.3, source="a"),
        judged("4", 0.4, is_fake=None, source="a"),
        judged("5", None, source="c"),
    ]
    found = extremes(ones)
    assert [(group.source, group.label, group.count) for group in found] == [
        ("a", "fake", 1),
        ("b", "fake", 1),
        ("a", "real", 1),
    ]


def test_nothing_to_choose_is_said() -> None:
    with pytest.raises(InvalidDataset, match="labelled pictures with a score; found none"):
        extremes([judged("a", None), judged("b", 0.5, is_fake=None)])
    with pytest.raises(InvalidConfig, match="at least 1 picture"):
        extremes([], count=0)


# ---------------------------------------------------------------- with pictures


@pytest.fixture
def detector(tiny_detector: Path) -> Detector:
    return load(tiny_detector, threads=1)


@pytest.fixture
def samples(tmp_path: Path) -> list[Sample]:
    found = []
    for index in range(8):
        path = tmp_path / f"{index}.png"
        pixels = np.random.default_rng(index).integers(0, 256, (24, 32, 3), dtype=np.uint8)
        Image.fromarray(pixels // (1 + index % 3)).save(path)
        found.append(Sample(path=path, source="<b>'s", is_fake=index % 2 == 0))
    (tmp_path / "broken.png").write_bytes(b"nothing")
    return [*found, Sample(path=tmp_path / "broken.png", source="<b>'s", is_fake=True)]


class Tags(HTMLParser):
    """Every tag with its attributes."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.found: list[tuple[str, dict[str, str | None]]] = []
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.found.append((tag, dict(attrs)))


def test_the_page_shows_each_choice_with_its_heatmap(detector: Detector, samples: list[Sample], tmp_path: Path) -> None:
    keep_scores(tmp_path / "s.parquet", detector, samples)
    ones = from_kept(tmp_path / "s.parquet", samples)
    groups = extremes(ones, count=2)
    gallery = draw(groups, detector)
    failed = [one for one in ones if one.score is None]
    text = page(groups, gallery, failed, {"detector": "tiny", "command": "c < d"})
    tags = Tags(text).found
    pictures = [found["src"] for tag, found in tags if tag == "img"]
    assert len(pictures) == 2 * 2 * 2 * 2
    assert all(address is not None and address.startswith("data:image/jpeg;base64,") for address in pictures)
    # Nothing of a source's name is read as HTML, and nothing is loaded from anywhere.
    assert not [tag for tag, _ in tags if tag == "b" and "<b>&" in text]
    assert not re.search(r"(src|href)='?(?!data:)[a-z]+:", text)
    assert "&lt;b&gt;&#x27;s (fake)" in text
    assert "broken.png" in text
    marks = [found["id"] for tag, found in tags if tag == "input"]
    assert len(set(marks)) == len(marks) == 8
    rows = list(csv.DictReader(io.StringIO(table(groups, gallery, failed))))
    assert tuple(rows[0]) == COLUMNS
    assert [row["end"] for row in rows].count("failed") == 1
    assert len(rows) == 9
    assert page(groups, draw(groups, detector, workers=3), failed, {"detector": "tiny", "command": "c < d"}) == text


def test_a_picture_that_changed_is_not_explained(detector: Detector, samples: list[Sample], tmp_path: Path) -> None:
    keep_scores(tmp_path / "s.parquet", detector, samples)
    groups = extremes(from_kept(tmp_path / "s.parquet", samples), count=2)
    samples[0].path.unlink()
    Image.new("RGB", (32, 24), "white").save(samples[1].path)
    gallery = draw(groups, detector)
    text = page(groups, gallery, [], {"detector": "tiny"})
    assert set(gallery.errors) <= {str(samples[0].path), str(samples[1].path)}
    assert "not the one that was scored" in gallery.errors[str(samples[1].path)]
    assert not set(gallery.errors) & set(gallery.drawn)
    assert text.count("Cannot be shown") == len(gallery.errors)


def test_scores_of_an_evaluation_serve_as_well(
    detector: Detector, uncalibrated_detector: Path, samples: list[Sample], tmp_path: Path
) -> None:
    other = load(uncalibrated_detector, threads=1)
    evaluate(contenders([(detector, "onnxruntime"), (other, "onnxruntime")]), samples, tmp_path / "e")
    path = tmp_path / "e" / "scores.parquet"
    assert is_scores(path)
    keep_scores(tmp_path / "s.parquet", detector, samples)
    assert is_scores(tmp_path / "s.parquet")
    kept = {one.sample.path: one.score for one in from_kept(tmp_path / "s.parquet", samples)}
    found = from_scores(path, detector)
    assert {one.sample.path: one.score for one in found} == kept
    assert [one.sample.is_fake for one in found] == [sample.is_fake for sample in samples]
    with pytest.raises(InvalidConfig, match="which knows no labels"):
        from_scores(tmp_path / "s.parquet", detector)


def test_scores_of_another_detector_are_refused(
    detector: Detector, uncalibrated_detector: Path, samples: list[Sample], tmp_path: Path
) -> None:
    evaluate(contenders([(detector, "onnxruntime")]), samples, tmp_path / "e")
    with pytest.raises(InvalidConfig, match=r"\(raw\).*found tiny \("):
        from_scores(tmp_path / "e" / "scores.parquet", load(uncalibrated_detector))


def test_a_manifest_is_no_file_of_scores(tmp_path: Path) -> None:
    arrow, parquet = pytest.importorskip("pyarrow"), pytest.importorskip("pyarrow.parquet")
    parquet.write_table(arrow.table({"path": ["a"], "label": ["fake"]}), tmp_path / "m.parquet")
    assert not is_scores(tmp_path / "m.parquet")
    assert not is_scores(tmp_path / "absent.parquet")
    assert not is_scores(tmp_path)

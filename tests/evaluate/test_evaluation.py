"""Scores of several detectors in one file: kept, gone on with, never mixed, the same on one worker and on four."""

import json
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

import telltale
from telltale.data.sample import Sample
from telltale.errors import InvalidConfig
from telltale.evaluate import evaluation
from telltale.evaluate.evaluation import COLUMNS, Contender, contenders, evaluate, fingerprint, only_sources
from telltale.evaluate.function_detector import from_function
from telltale.evaluate.results import Row, read_rows

pytest.importorskip("pyarrow")


@pytest.fixture(scope="module")
def samples(tmp_path_factory: pytest.TempPathFactory) -> list[Sample]:
    folder = tmp_path_factory.mktemp("pictures")
    found = []
    for index in range(12):
        pixels = np.random.default_rng(index).integers(0, 256, (24, 32, 3), dtype=np.uint8)
        path = folder / f"{index:02d}.png"
        Image.fromarray(pixels).save(path)
        found.append(Sample(path=path, is_fake=index % 3 == 0, source="abc"[index % 3], split="test", group=str(index)))
    return found


@pytest.fixture
def entrants(tiny_detector: Path, uncalibrated_detector: Path) -> list[Contender]:
    return contenders((telltale.load(path), "onnxruntime") for path in (tiny_detector, uncalibrated_detector))


def timeless(rows: Sequence[Row]) -> list[Row]:
    return [{name: value for name, value in row.items() if name != "seconds"} for row in rows]


def test_a_row_for_each_detector_and_image_with_every_pooling(
    entrants: list[Contender], samples: list[Sample], tmp_path: Path
) -> None:
    rows = evaluate(entrants, samples, tmp_path)
    assert list(read_rows(tmp_path / "scores.parquet", columns=COLUMNS)) == rows
    assert [(row["detector"], row["path"]) for row in rows] == [
        (name, str(sample.path)) for name in ("tiny", "raw") for sample in samples
    ]
    first, sample = rows[0], samples[0]
    said = entrants[0].detector(telltale.decode(sample.path))
    assert first["score_mean_probability"] == said.score
    assert (first["probability"], first["verdict"]) == (said.probability, said.verdict)
    assert first["score_vote"] == (said.patch_logits > 0).mean()
    assert (first["is_fake"], first["source"], first["split"], first["group"]) == (True, "a", "test", "0")
    assert (first["width"], first["height"], first["error"]) == (32, 24, None)
    assert first["weights_sha256"] == entrants[0].detector.sha256
    assert json.loads(first["preparation"])["side"] is None
    assert rows[-1]["probability"] is None


def test_workers_move_no_number(entrants: list[Contender], samples: list[Sample], tmp_path: Path) -> None:
    alone = evaluate(entrants, samples, tmp_path / "1", workers=1)
    four = evaluate(entrants, samples, tmp_path / "4", workers=4)
    assert timeless(alone) == timeless(four)


def test_a_run_that_was_killed_goes_on_and_ends_the_same(
    entrants: list[Contender], samples: list[Sample], tmp_path: Path
) -> None:
    whole = evaluate(entrants, samples, tmp_path / "whole")
    killed = tmp_path / "killed"
    killed.mkdir()
    # What a kill leaves: a journal, its last line cut off.
    lines = [json.dumps(row) + "\n" for row in whole[:7]]
    (killed / "scores.parquet.partial").write_text("".join(lines) + json.dumps(whole[7])[:40])
    seen: list[int] = []
    rows = evaluate(entrants, samples, killed, resume=True, visit=lambda: seen.append(1))
    assert timeless(rows) == timeless(whole)
    assert [row["seconds"] for row in rows[:7]] == [row["seconds"] for row in whole[:7]]
    assert len(seen) == len(whole)
    assert [path.name for path in killed.iterdir()] == ["scores.parquet"]


def test_an_interrupt_loses_nothing(entrants: list[Contender], samples: list[Sample], tmp_path: Path) -> None:
    def stop() -> None:
        seen.append(1)
        if len(seen) == 5:
            raise KeyboardInterrupt

    seen: list[int] = []
    with pytest.raises(KeyboardInterrupt):
        evaluate(entrants, samples, tmp_path, visit=stop)
    kept = list(read_rows(tmp_path / "scores.parquet", columns=COLUMNS))
    assert len(kept) == 5
    rows = evaluate(entrants, samples, tmp_path, resume=True)
    assert [row["seconds"] for row in rows[:5]] == [row["seconds"] for row in kept]
    assert len(rows) == 2 * len(samples)


def test_earlier_scores_are_never_overwritten_unasked(
    entrants: list[Contender], samples: list[Sample], tmp_path: Path
) -> None:
    evaluate(entrants, samples, tmp_path)
    with pytest.raises(InvalidConfig, match="--resume"):
        evaluate(entrants, samples, tmp_path)


def test_more_detectors_and_images_may_come_and_none_may_go(
    entrants: list[Contender], samples: list[Sample], tmp_path: Path
) -> None:
    before = evaluate(entrants[:1], samples[:5], tmp_path)
    after = evaluate(entrants, samples, tmp_path, resume=True)
    assert after[:5] == before
    with pytest.raises(InvalidConfig, match=r"such as those of raw \(\w{12}, onnxruntime\).*another --out"):
        evaluate(entrants[:1], samples, tmp_path, resume=True)
    with pytest.raises(InvalidConfig, match=rf"such as one of .*{samples[11].path.name}"):
        evaluate(entrants, samples[:11], tmp_path, resume=True)
    assert list(read_rows(tmp_path / "scores.parquet", columns=COLUMNS)) == after


def test_an_image_that_changed_and_another_version_are_scored_anew(
    entrants: list[Contender], samples: list[Sample], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    mine = [replace(sample, path=tmp_path / sample.path.name) for sample in samples[:4]]
    for sample, old in zip(mine, samples, strict=False):
        sample.path.write_bytes(old.path.read_bytes())
    before = evaluate(entrants[:1], mine, tmp_path / "out")
    Image.new("RGB", (32, 24), "grey").save(mine[2].path)
    after = evaluate(entrants[:1], mine, tmp_path / "out", resume=True)
    assert [one == other for one, other in zip(before, after, strict=True)] == [True, True, False, True]
    assert after[2]["score_mean_probability"] == entrants[0].detector(telltale.decode(mine[2].path)).score
    monkeypatch.setattr(evaluation, "__version__", "999")
    rows = evaluate(entrants[:1], mine, tmp_path / "out", resume=True)
    assert {row["telltale_version"] for row in rows} == {"999"}
    assert rows[0]["seconds"] != after[0]["seconds"]


def test_kept_scores_take_todays_labels(entrants: list[Contender], samples: list[Sample], tmp_path: Path) -> None:
    before = evaluate(entrants[:1], samples, tmp_path)
    turned = [replace(sample, is_fake=not sample.is_fake, source="renamed") for sample in samples]
    after = evaluate(entrants[:1], turned, tmp_path, resume=True)
    assert [row["is_fake"] for row in after] == [not row["is_fake"] for row in before]
    assert {row["source"] for row in after} == {"renamed"}
    assert [row["seconds"] for row in after] == [row["seconds"] for row in before]
    assert fingerprint(before) != fingerprint(after)


def test_a_broken_image_is_a_row_and_is_tried_again(
    entrants: list[Contender], samples: list[Sample], tmp_path: Path
) -> None:
    broken = Sample(path=tmp_path / "broken.png", is_fake=False, source="b")
    gone = Sample(path=tmp_path / "gone.png", is_fake=True, source="a")
    broken.path.write_bytes(b"\x89PNG\r\n")
    mine = [samples[0], broken, gone, samples[1]]
    rows = evaluate(entrants, mine, tmp_path / "out", workers=2)
    assert [row["error"] is None for row in rows] == [True, False, False, True] * 2
    assert "broken.png" in rows[1]["error"]
    assert rows[1]["image_sha256"] is not None
    assert rows[2]["image_sha256"] is None
    assert rows[1]["score_vote"] is None
    broken.path.write_bytes(samples[2].path.read_bytes())
    again = evaluate(entrants, mine, tmp_path / "out", resume=True)
    assert [row["error"] is None for row in again] == [True, True, False, True] * 2


def test_the_fingerprint_knows_content_and_labels_and_no_folder(
    entrants: list[Contender], samples: list[Sample], tmp_path: Path
) -> None:
    mine = [replace(sample, path=tmp_path / sample.path.name) for sample in samples]
    for sample, old in zip(mine, samples, strict=True):
        sample.path.write_bytes(old.path.read_bytes())
    here = evaluate(entrants[:1], mine, tmp_path / "here")
    there = evaluate(entrants, samples[::-1], tmp_path / "there")
    assert fingerprint(here) == fingerprint(there)
    assert fingerprint(here[1:]) != fingerprint(there)


def test_functions_and_files_stand_side_by_side(
    entrants: list[Contender], samples: list[Sample], tmp_path: Path
) -> None:
    (tmp_path / "theirs.py").write_text("def score(images):\n    return images.mean(axis=(1, 2, 3)) / 255\n")
    theirs = contenders([(from_function(f"{tmp_path / 'theirs.py'}:score"), "python")])[0]
    rows = evaluate([entrants[0], theirs], samples, tmp_path / "out")
    assert (theirs.hashed, entrants[0].hashed) == ("source file", "weights file")
    last = rows[-1]
    assert last["engine"] == "python"
    expected = telltale.decode(samples[-1].path).mean() / 255
    assert last["score_mean_probability"] == pytest.approx(expected, abs=1e-7)


def test_functions_of_one_file_keep_their_own_scores_in_a_resume(samples: list[Sample], tmp_path: Path) -> None:
    lines = ["def bright(images):", "    return images.mean(axis=(1, 2, 3)) / 255"]
    lines += ["def dark(images):", "    return 1 - images.mean(axis=(1, 2, 3)) / 255"]
    (tmp_path / "theirs.py").write_text("\n".join(lines) + "\n")
    both = contenders((from_function(f"{tmp_path / 'theirs.py'}:{name}"), "python") for name in ("bright", "dark"))
    rows = evaluate(both, samples, tmp_path / "out")
    scores = [row["score_mean_probability"] for row in rows]
    assert scores[0] == pytest.approx(1 - scores[len(samples)], abs=1e-6)
    assert evaluate(both, samples, tmp_path / "out", resume=True) == rows
    alone = evaluate(both[1:], samples, tmp_path / "alone")
    assert evaluate(both, samples, tmp_path / "alone", resume=True)[len(samples) :] == alone


def test_one_detector_twice_is_refused_and_two_of_one_name_are_told_apart(entrants: list[Contender]) -> None:
    tiny, raw = (one.detector for one in entrants)
    with pytest.raises(InvalidConfig, match=r"tiny@.* twice"):
        contenders([(tiny, "onnxruntime"), (tiny, "onnxruntime")])
    other = replace(raw, spec=replace(raw.spec, name="tiny"))
    found = contenders([(tiny, "onnxruntime"), (other, "onnxruntime")])
    assert [one.name for one in found] == [f"tiny@{one.sha256[:8]}" for one in (tiny, other)]


def test_sources_by_name(samples: list[Sample]) -> None:
    assert {one.source for one in only_sources(samples, ["a", "b"], ["b"])} == {"a"}
    assert only_sources(samples, [], []) == samples
    with pytest.raises(InvalidConfig, match=r"sources out of a, b, c; found d"):
        only_sources(samples, ["d"], [])
    with pytest.raises(InvalidConfig, match="none of them left"):
        only_sources(samples, ["a"], ["a"])

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import ExifTags, Image
from small_pictures import encoded, picture

from telltale.data.audit import Audit, audit, judge
from telltale.data.audit_words import as_values, in_words, percent, reasons, worst_cues
from telltale.data.cue_table import read_records
from telltale.data.sample import Sample
from telltale.errors import InvalidDataset
from telltale.image import Pixels, resize

pytest.importorskip("sklearn")
COUNT, SIDE = 60, 64

Save = Callable[[Pixels], bytes]


def jpeg(pixels: Pixels, **options: Any) -> bytes:
    return encoded(pixels, **{"quality": 90, **options})


def dated() -> bytes:
    block = Image.Exif()
    block[ExifTags.Base.DateTime] = "2020:05:17 10:11:12"
    return block.tobytes()


def camera(number: int) -> Pixels:
    """A picture of twice the size, scaled down once, with what that leaves of noise."""
    noise = np.random.default_rng(number).normal(0, 6, (2 * SIDE, 2 * SIDE, 3))
    return resize(np.clip(picture(number, 2 * SIDE, 2 * SIDE) + noise, 0, 255).astype(np.uint8), SIDE, SIDE)


def once_more(pixels: Pixels) -> bytes:
    return jpeg(resize(resize(pixels, 52, 52), SIDE, SIDE))


def save(folder: Path, real: Save, fake: Save, count: int = COUNT) -> list[Sample]:
    """Every second picture is called a fake."""
    samples = []
    for number in range(count):
        is_fake = number % 2 == 1
        data = (fake if is_fake else real)(camera(number))
        ending = "jpg" if data.startswith(b"\xff\xd8") else "png"
        path = folder / f"{number:04d}.{ending}"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(data)
        samples.append(Sample(path=path, is_fake=is_fake, source="made"))
    return samples


PLANTED: dict[str, tuple[Save, Save, str, str]] = {
    "only fakes are PNG": (jpeg, lambda pixels: encoded(pixels, "PNG"), "format", "PNG in 100 % of fakes"),
    "only reals have EXIF": (
        lambda pixels: jpeg(pixels, exif=dated()),
        jpeg,
        "exif",
        "0 % of fakes and 100 % of reals",
    ),
    "quality 90 and 91": (lambda pixels: jpeg(pixels, quality=91), jpeg, "jpeg_quality", "90 against 91"),
    "resized once more": (jpeg, once_more, "detail", "less after resampling"),
    "another chroma": (
        jpeg,
        lambda pixels: jpeg(pixels, subsampling="4:4:4"),
        "subsampling",
        "4:4:4 in 100 % of fakes",
    ),
    "progressive": (jpeg, lambda pixels: jpeg(pixels, progressive=True), "progressive", "100 % of fakes"),
}


@pytest.mark.parametrize("leak", PLANTED)
def test_a_planted_leak_is_found_and_named_first(tmp_path: Path, leak: str) -> None:
    real, fake, named, words = PLANTED[leak]
    found = audit(save(tmp_path, real, fake))
    assert found.verdict == "leaking"
    assert found.cues[0].cue.name == named
    assert words in in_words(found.cues[0], found)


def test_random_halves_of_one_source_are_clean(tmp_path: Path) -> None:
    samples = save(tmp_path, jpeg, jpeg)
    records = read_records(samples)
    for seed in range(3):
        is_fake = np.random.default_rng(seed).permutation(COUNT) < COUNT // 2
        halves = [replace(sample, is_fake=bool(fake)) for sample, fake in zip(samples, is_fake, strict=True)]
        found = judge(halves, records, seed=seed)
        assert (found.verdict, worst_cues(found), reasons(found)) == ("clean", [], [])


def test_files_that_cannot_be_read_are_counted_and_stop_nothing(tmp_path: Path) -> None:
    samples = save(tmp_path, jpeg, jpeg)
    samples[3].path.write_bytes(b"not a picture")
    samples.append(Sample(path=tmp_path / "missing.jpg", is_fake=True))
    samples.append(Sample(path=tmp_path / "unlabelled.jpg"))
    found = audit(samples)
    assert set(found.failures) == {str(samples[3].path), str(tmp_path / "missing.jpg")}
    assert (found.unlabelled, len(found.samples), found.verdict) == (1, COUNT - 1, "clean")
    values = as_values(found)
    assert (values["counts"]["failed"], values["counts"]["real"], values["counts"]["fake"]) == (2, 30, 29)
    assert "missing.jpg" in values["failures"][1]["reason"]


def test_too_few_of_a_label_are_an_error_that_counts_them(tmp_path: Path) -> None:
    reals = [replace(sample, is_fake=False) for sample in save(tmp_path, jpeg, jpeg, 30)]
    with pytest.raises(InvalidDataset, match="0 fake"):
        audit(reals)
    broken = [Sample(path=tmp_path / f"missing{number}.jpg", is_fake=True) for number in range(25)]
    with pytest.raises(InvalidDataset, match=r"0 fake, 25 that cannot be read; the first failure: .*missing"):
        audit(reals + broken)


def test_a_picture_under_both_labels_is_suspicious(tmp_path: Path) -> None:
    samples = save(tmp_path, jpeg, jpeg)
    (tmp_path / "copy.jpg").write_bytes(samples[0].path.read_bytes())
    found = audit([*samples, Sample(path=tmp_path / "copy.jpg", is_fake=True, source="made")])
    assert found.verdict == "suspicious"
    assert reasons(found) == ["1 picture under both labels"]
    assert as_values(found)["duplicates"]["same_across_labels"] == 1


def test_the_limit_draws_from_each_label_and_source(tmp_path: Path) -> None:
    samples = save(tmp_path, jpeg, jpeg, 80)
    samples = [replace(sample, source="ab"[number // 2 % 2]) for number, sample in enumerate(samples)]
    found = audit(samples, max_images=12)
    counts = as_values(found)["counts"]
    assert [one["images"] for one in counts["sources"]] == [12] * 4
    assert counts["left_out"] == 80 - 48
    chosen = {sample.path for sample in found.samples}
    assert chosen == {sample.path for sample in audit(samples, max_images=12).samples}
    assert chosen != {sample.path for sample in audit(samples, max_images=12, seed=1).samples}
    assert audit(samples, max_images=0).left_out == 0


@pytest.mark.slow
def test_the_report_is_the_same_in_several_processes(tmp_path: Path) -> None:
    samples = save(tmp_path, jpeg, lambda pixels: jpeg(pixels, quality=70), 80)
    assert as_values(audit(samples, workers=2)) == as_values(audit(samples))


def test_values_are_plain_and_complete(tmp_path: Path) -> None:
    values = as_values(audit(save(tmp_path, jpeg, lambda pixels: jpeg(pixels, quality=70))))
    assert values["verdict"] == "leaking"
    assert (values["probe_auc"], values["floor_auc"]) == (values["probes"]["all"]["auc"], None)
    assert {"name", "auc", "low", "high"} <= set(values["cues"][0])
    assert all(0 <= cue["low"] <= cue["auc"] <= cue["high"] <= 1 for cue in values["cues"])
    assert len(values["worst"]) == 3
    assert values["worst"][0].startswith("JPEG quality: lower in fakes (median 70 against 90)")
    assert values["not_measured"] == ["exif_date"]


def test_shares_are_never_rounded_to_all_or_none() -> None:
    assert [percent(share) for share in (0.0, 0.001, 0.01, 0.5, 0.99, 0.999, 1.0)] == [
        "0 %",
        "under 1 %",
        "1 %",
        "50 %",
        "99 %",
        "over 99 %",
        "100 %",
    ]


def test_an_audit_holds_what_it_measured(tmp_path: Path) -> None:
    found = audit(save(tmp_path, jpeg, jpeg, 44))
    assert isinstance(found, Audit)
    assert found.table.is_fake.tolist() == [bool(sample.is_fake) for sample in found.samples]
    assert set(found.probes) == {"container", "pixels", "all", "with_names"}
    assert {report.cue.name for report in found.cues}.isdisjoint(found.not_measured)

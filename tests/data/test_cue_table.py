import os
import warnings
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from small_pictures import encoded, picture, write

from telltale.data.cue_table import cue_table, read_record, read_records
from telltale.data.cues import CUES
from telltale.data.sample import Member, Sample

DAY = 86_400


def test_a_record_has_a_value_for_every_cue(tmp_path: Path) -> None:
    record = read_record(Sample(path=write(tmp_path / "1.jpg", 1)))
    assert set(record.cues) == {cue.name for cue in CUES}
    assert record.failure == ""
    assert (len(record.file_hash), len(record.pixel_hash), len(record.look)) == (64, 64, 64)


def test_pixels_are_recognised_in_another_file(tmp_path: Path) -> None:
    (tmp_path / "a.png").write_bytes(encoded(picture(1), "PNG"))
    (tmp_path / "b.webp").write_bytes(encoded(picture(1), "WEBP", lossless=True))
    one, other = (read_record(Sample(path=tmp_path / name)) for name in ("a.png", "b.webp"))
    assert one.pixel_hash == other.pixel_hash
    assert one.file_hash != other.file_hash


@pytest.mark.parametrize("data", [b"", b"text", encoded(picture(0))[:300]])
def test_a_file_that_cannot_be_read_is_a_failure_and_no_error(tmp_path: Path, data: bytes) -> None:
    path = tmp_path / "broken.jpg"
    path.write_bytes(data)
    record = read_record(Sample(path=path))
    assert "broken.jpg" in record.failure
    assert record.cues == {}
    assert "missing.jpg" in read_record(Sample(path=tmp_path / "missing.jpg")).failure


def test_a_damaged_metadata_block_is_a_cue_and_no_warning(tmp_path: Path) -> None:
    path = tmp_path / "1.jpg"
    path.write_bytes(encoded(picture(0), exif=b"Exif\0\0MM\0*\xff\xff\xff\xff", icc_profile=b"no profile"))
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        record = read_record(Sample(path=path))
    assert (record.failure, record.cues["exif"], record.cues["icc"]) == ("", 1.0, 1.0)


def test_names_inside_archives_have_no_time_of_their_own(tmp_path: Path) -> None:
    path = write(tmp_path / "1.jpg", 1)
    member = Member(archive=path, start=0, length=path.stat().st_size)
    assert read_record(Sample(path=Path("x.tar/1.jpg"), member=member)).cues["modified"] is None
    assert read_record(Sample(path=Path("-"), data=path.read_bytes())).cues["modified"] is None


def test_records_keep_the_order_of_their_files_in_several_processes(tmp_path: Path) -> None:
    samples = [Sample(path=write(tmp_path / f"{number}.jpg", number, height=32, width=32)) for number in range(72)]
    samples[5] = replace(samples[5], path=tmp_path / "missing.jpg")
    visits: list[None] = []
    together = read_records(samples, workers=2, visit=lambda: visits.append(None))
    assert together == read_records(samples)
    assert len(visits) == len(samples)
    assert [bool(record.failure) for record in together].index(True) == 5


def test_times_count_in_whole_days_after_the_oldest(tmp_path: Path) -> None:
    samples = []
    for number, seconds in enumerate((0, DAY - 1, DAY, 3 * DAY + 5)):
        path = write(tmp_path / f"{number}.png", number, height=32, width=32)
        os.utime(path, (1_000_000_000 + seconds,) * 2)
        samples.append(Sample(path=path, is_fake=False))
    table = cue_table(samples, read_records(samples))
    assert table.columns["modified"].tolist() == [0, 0, 1, 3]


def test_missing_values_are_nan_or_empty(tmp_path: Path) -> None:
    samples = [
        Sample(path=write(tmp_path / "1.jpg", 1), is_fake=False, source="camera", group="g"),
        Sample(path=write(tmp_path / "2.png", 2), is_fake=True),
    ]
    table = cue_table(samples, read_records(samples))
    assert table.columns["jpeg_quality"][0] == 75
    assert np.isnan(np.asarray(table.columns["jpeg_quality"], float)[1])
    assert table.columns["subsampling"].tolist() == ["4:2:0", ""]
    assert (table.is_fake.tolist(), table.source.tolist()) == ([False, True], ["camera", ""])
    assert table.only(table.is_fake).columns["format"].tolist() == ["PNG"]

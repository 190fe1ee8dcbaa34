import os
import warnings
from dataclasses import replace
from functools import partial
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from small_pictures import encoded, picture, write

from telltale.data.equalise import Box
from telltale.data.making import BUILT_AT, FindFace, Job, Made, Maker, Tools, blind, built_name
from telltale.data.sample import Sample
from telltale.data.settings import BuildSettings
from telltale.image import Pixels, decode

SMALL = BuildSettings(side=32)


def inverted(pixels: Pixels) -> Pixels:
    return 255 - pixels


def too_large(pixels: Pixels) -> np.ndarray:
    return np.repeat(pixels, 2, axis=0)


def found(_pixels: Pixels) -> Box | None:
    return (10.0, 20.0, 16.0, 16.0)


def nothing(_pixels: Pixels) -> Box | None:
    return None


def make(out: Path, sample: Sample, settings: BuildSettings = SMALL, tools: Tools | None = None, **job: object) -> Made:
    maker = Maker(out, settings, tools or Tools(), {})
    return maker(Job(number=0, sample=sample, **job))  # type: ignore[arg-type]


def facts(made: Made, name: str = "") -> dict[str, object]:
    row = made.rows[name][1]
    assert row is not None
    return row


def test_a_job_knows_nothing_but_path_bytes_and_face() -> None:
    sample = Sample(path=Path("a"), is_fake=True, source="s", split="test", group="g", face=(1.0, 2.0, 3.0, 4.0))
    assert blind(sample) == Sample(path=Path("a"), face=(1.0, 2.0, 3.0, 4.0))


def test_files_have_neutral_names_one_time_and_the_settings_size(tmp_path: Path) -> None:
    made = make(tmp_path, Sample(path=write(tmp_path / "fake_stylegan.jpg", 1)))
    path = tmp_path / built_name(made.rows[""][0], SMALL)
    assert decode(path).shape == (32, 32, 3)
    assert path.stat().st_mtime == BUILT_AT
    assert path.relative_to(tmp_path).match("images/??/????????????????????.png")
    assert sorted(tmp_path.rglob("*.png")) == [path]


def test_the_same_bytes_give_the_same_file_whatever_their_path(tmp_path: Path) -> None:
    one = make(tmp_path / "a", Sample(path=write(tmp_path / "real.jpg", 1)))
    other = make(tmp_path / "b", Sample(path=Path("-"), data=encoded(picture(1))))
    assert one == other


def test_facts_of_the_original_are_kept(tmp_path: Path) -> None:
    row = facts(make(tmp_path, Sample(path=write(tmp_path / "1.jpg", 1, quality=83))))
    assert (row["original_format"], row["original_quality"]) == ("JPEG", 83)
    assert (row["original_width"], row["original_height"]) == (64, 72)
    assert (row["crop_width"], row["crop_height"], row["quality"], row["face"]) == (56, 56, None, "")


@pytest.mark.parametrize(
    ("find", "given", "origin"),
    [(found, None, "detected"), (nothing, (1.0, 2.0, 9.0, 9.0), "given"), (nothing, None, "")],
)
def test_a_given_face_outranks_a_detected_one(tmp_path: Path, find: FindFace, given: Box | None, origin: str) -> None:
    tools = Tools(find_face=partial(partial, find))
    sample = Sample(path=write(tmp_path / "1.jpg", 1), face=given)
    row = facts(make(tmp_path, sample, tools=tools))
    assert row["face"] == origin
    assert row["crop_width"] == {"detected": 24, "given": 14, "": 56}[origin]


def test_a_face_crop_without_a_face_fails_with_its_reason(tmp_path: Path) -> None:
    made = make(tmp_path, Sample(path=write(tmp_path / "1.jpg", 1)), replace(SMALL, crop="face"))
    assert made.rows == {}
    assert "a face box; found none given and none detected" in made.failures[""]


def test_twins_are_made_of_the_built_pixels_before_the_codec(tmp_path: Path) -> None:
    tools = Tools(resynthesisers={"invert": partial(partial, inverted)})
    made = make(tmp_path, Sample(path=write(tmp_path / "1.jpg", 1)), tools=tools, twins=("invert",))
    real, twin = (decode(tmp_path / built_name(made.rows[name][0], SMALL)) for name in ("", "invert"))
    assert np.array_equal(twin, 255 - real)
    own, other = facts(made), facts(made, "invert")
    assert {name for name in own if own[name] != other[name]} == {"built_sha256"}


def test_a_twin_that_fails_leaves_its_real(tmp_path: Path) -> None:
    tools = Tools(resynthesisers={"wide": partial(partial, too_large)})
    made = make(tmp_path, Sample(path=write(tmp_path / "1.jpg", 1)), tools=tools, twins=("wide",))
    assert list(made.rows) == [""]
    assert "found 32 x 64" in made.failures["wide"]


@pytest.mark.parametrize("data", [b"", b"hello", encoded(picture(1))[:900]])
def test_what_cannot_be_decoded_fails_with_its_twins(tmp_path: Path, data: bytes) -> None:
    tools = Tools(resynthesisers={"invert": partial(partial, inverted)})
    made = make(tmp_path, Sample(path=Path("bad.jpg"), data=data), tools=tools, twins=("invert",))
    assert list(made.failures) == ["", "invert"]
    assert "bad.jpg" in made.failures[""]


def test_what_stands_is_not_made_again_and_what_was_changed_is(tmp_path: Path) -> None:
    sample = Sample(path=write(tmp_path / "1.jpg", 1))
    first = make(tmp_path, sample)
    key, path = first.rows[""][0], tmp_path / built_name(first.rows[""][0], SMALL)
    again = Maker(tmp_path, SMALL, Tools(), {key: str(facts(first)["built_sha256"])})
    assert again(Job(number=0, sample=sample)).rows == {"": (key, None)}
    whole = path.read_bytes()
    path.write_bytes(whole[:-1])
    assert again(Job(number=0, sample=sample)) == first
    assert path.read_bytes() == whole


def test_warnings_of_the_decoder_become_notes(tmp_path: Path) -> None:
    path = tmp_path / "1.png"
    Image.fromarray(picture(1)).save(path, icc_profile=b"no profile")
    with warnings.catch_warnings(record=True) as heard:
        row = facts(make(tmp_path, Sample(path=path)))
    assert heard == []
    assert "unusable colour profile ignored" in str(row["notes"])


def test_a_disk_that_cannot_be_written_ends_the_build(tmp_path: Path) -> None:
    (tmp_path / "images").write_text("in the way")
    with pytest.raises(OSError, match="images"):
        make(tmp_path, Sample(path=write(tmp_path / "1.jpg", 1)))


def test_no_half_file_is_left_under_its_name(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def stop(*_: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(os, "utime", stop)
    with pytest.raises(KeyboardInterrupt):
        make(tmp_path, Sample(path=write(tmp_path / "1.jpg", 1)))
    assert [path.name for path in tmp_path.rglob("images/*/*") if not path.name.startswith(".")] == []

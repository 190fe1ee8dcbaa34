"""Pictures are those that tell most, and never others than were scored."""

import base64
from collections.abc import Callable
from dataclasses import replace
from hashlib import sha256
from io import BytesIO
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from report_folders import picture

import telltale
from telltale.errors import UndecodableImage
from telltale.explain.report_pictures import gallery, inline_file
from telltale.explain.report_rows import VerdictRow
from telltale.runtime import load
from telltale.spec import DetectorSpec


def decoded(address: str) -> Image.Image:
    kind, _, data = address.partition(";base64,")
    assert kind in ("data:image/webp", "data:image/png")
    return Image.open(BytesIO(base64.b64decode(data)))


def scored(path: Path, detector: telltale.Detector) -> VerdictRow:
    said = detector(telltale.decode(path))
    return VerdictRow(
        path=path.name, detector="tiny", weights=detector.sha256, score=said.score, shape=(40, 48), file=Path("f")
    )


def test_a_picture_comes_with_its_heatmap(tiny_detector: Path, tmp_path: Path) -> None:
    detector = load(tiny_detector, threads=1)
    rows = [scored(picture(tmp_path / f"{seed}.png", seed), detector) for seed in range(4)]
    found = gallery(rows, {detector.sha256: detector}, count=3, root=tmp_path)
    assert [one.why for one in found.shown][:2] == ["highest", "lowest"]
    order = sorted(range(4), key=lambda place: rows[place].score or 0)
    assert [one.place for one in found.shown][:2] == [order[-1], order[0]]
    assert len({one.place for one in found.shown}) == 3
    assert decoded(found.shown[0].picture).size == (48, 40)
    width, height = decoded(found.shown[0].heatmap).size
    # Padded, so that the legend can be read.
    assert (width > 48, height) == (True, 64)
    assert found.candidates == 4
    assert not found.left_out
    assert not found.without_heatmap


def test_a_picture_that_changed_is_not_shown(tiny_detector: Path, tmp_path: Path) -> None:
    detector = load(tiny_detector, threads=1)
    row = scored(picture(tmp_path / "0.png"), detector)
    known = {detector.sha256: detector}
    digest = sha256((tmp_path / "0.png").read_bytes()).hexdigest()
    for other, reason in (
        (
            replace(row, score=0.5 * (row.score or 0)),
            "changed since, or scored by another engine: their score is another today",
        ),
        (replace(row, shape=(40, 49)), "changed since: another size"),
        (replace(row, image_sha256="0" * 64), "changed since: other bytes"),
        (replace(row, path="gone.png"), "not there any more, or not readable"),
        (replace(row, path="a\0b"), "not there any more, or not readable"),
    ):
        found = gallery([other], known, count=1, root=tmp_path)
        assert (found.shown, dict(found.left_out)) == ([], {reason: 1})
    assert gallery([replace(row, image_sha256=digest)], known, count=1, root=tmp_path).shown


def test_without_its_detector_a_picture_has_no_heatmap_and_the_page_says_why(
    tiny_detector: Path, tiny_spec: DetectorSpec, write_detector: Callable[..., Path], tmp_path: Path
) -> None:
    detector = load(tiny_detector, threads=1)
    row = scored(picture(tmp_path / "0.png"), detector)
    found = gallery([row], {}, count=1, root=tmp_path)
    assert found.shown[0].heatmap == ""
    assert list(found.without_heatmap) == ["their detector is not at hand: name it with --detector"]
    whole = load(write_detector(tmp_path / "whole.onnx", replace(tiny_spec, grid=None)), threads=1)
    found = gallery([scored(tmp_path / "0.png", whole)], {whole.sha256: whole}, count=1, root=tmp_path)
    assert found.shown[0].heatmap == ""
    assert list(found.without_heatmap) == ["a whole-image baseline has no heatmap"]


def test_files_that_are_gone_do_not_take_for_ever(tmp_path: Path) -> None:
    row = VerdictRow(path="", detector="d", weights="0", score=0.5, file=Path("f"))
    rows = [replace(row, path=f"{number}.png") for number in range(1000)]
    tried: list[None] = []
    found = gallery(rows, {}, count=5, root=tmp_path, visit=lambda: tried.append(None))
    assert (len(tried), found.candidates, found.left_out.total()) == (20, 1000, 20)


def test_a_file_is_kept_or_scaled_down(tmp_path: Path) -> None:
    small = picture(tmp_path / "small.png")
    assert base64.b64decode(inline_file(small).split(",")[1]) == small.read_bytes()
    draw = np.random.default_rng(0).integers(0, 255, (400, 2000, 3), np.uint8)
    Image.fromarray(draw).save(tmp_path / "large.png")
    assert decoded(inline_file(tmp_path / "large.png")).size == (1600, 320)
    Image.fromarray(draw[:8, :8]).save(tmp_path / "other.png", format="BMP")
    assert inline_file(tmp_path / "other.png").startswith("data:image/webp;")
    (tmp_path / "no.png").write_text("<svg onload=alert(1)>")
    with pytest.raises(UndecodableImage):
        inline_file(tmp_path / "no.png")

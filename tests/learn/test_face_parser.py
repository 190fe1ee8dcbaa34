"""The face parser: sizes, what its file holds, and that torch and the file agree."""

from pathlib import Path

import numpy as np
import pytest
import torch
from torch.nn.functional import interpolate

from telltale.errors import InvalidDetector
from telltale.explain.face_parsing import METADATA_KEY, SHIPPED, ClassMap, load_parser
from telltale.explain.face_parts import PARTS
from telltale.learn import face_parser
from telltale.learn.face_parser import PARSED_SIDE, FaceParser, export_parser
from telltale.runtime import open_graph, shipped


@pytest.fixture(scope="module")
def parser() -> FaceParser:
    torch.manual_seed(0)
    return FaceParser(width=4).eval()


def test_logits_of_every_part_for_every_pixel(parser: FaceParser) -> None:
    with torch.inference_mode():
        assert parser(torch.zeros(2, 3, 96, 64)).shape == (2, len(PARTS), 96, 64)


def test_the_file_says_what_torch_says(parser: FaceParser, tmp_path: Path) -> None:
    export_parser(parser, tmp_path / "parser.onnx", {"note": "made in a test"})
    graph = open_graph(tmp_path / "parser.onnx")
    assert graph.dtype == "uint8"
    assert graph.metadata["note"] == "made in a test"
    known = ClassMap.from_json(graph.metadata[METADATA_KEY], "the file")
    assert (known.side, known.classes) == (PARSED_SIDE, PARTS)
    pixels = np.random.default_rng(0).integers(0, 256, (3, PARSED_SIDE, PARSED_SIDE, 3), dtype=np.uint8)
    with torch.inference_mode():
        scaled = torch.from_numpy(pixels).permute(0, 3, 1, 2).float() / 127.5 - 1
        logits = parser(scaled) + parser(scaled.flip(3)).flip(3)
        expected = interpolate(logits, scale_factor=2.0, mode="bilinear").argmax(1).numpy()
    assert (graph.run(pixels) == expected).mean() > 0.999
    parse = load_parser(tmp_path / "parser.onnx")
    assert parse(pixels[0, :100, :90]).shape == (100, 90)


def test_a_mirrored_picture_has_mirrored_parts(parser: FaceParser, tmp_path: Path) -> None:
    export_parser(parser, tmp_path / "parser.onnx", {})
    run = open_graph(tmp_path / "parser.onnx").run
    pixels = np.random.default_rng(1).integers(0, 256, (1, PARSED_SIDE, PARSED_SIDE, 3), dtype=np.uint8)
    assert (run(np.ascontiguousarray(pixels[:, :, ::-1])) == run(pixels)[:, :, ::-1]).mean() > 0.999


def test_the_files_size_is_within_what_is_promised(tmp_path: Path) -> None:
    export_parser(FaceParser().eval(), tmp_path / "parser.onnx", {})
    assert (tmp_path / "parser.onnx").stat().st_size <= 10_000_000
    assert [path.name for path in tmp_path.iterdir()] == ["parser.onnx"]


def test_a_file_that_disagrees_is_not_written(
    parser: FaceParser, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(face_parser, "MOST_DIFFERENT", -1.0)
    with pytest.raises(InvalidDetector, match="agree"):
        export_parser(parser, tmp_path / "parser.onnx", {})
    assert list(tmp_path.iterdir()) == []


def test_the_parser_is_no_detector() -> None:
    assert SHIPPED.stem not in shipped()

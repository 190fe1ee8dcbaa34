from pathlib import Path
from typing import Any

import numpy as np
import pytest

from telltale.data.faces import face_finder, faces_finder
from telltale.errors import InvalidDetector

onnx = pytest.importorskip("onnx")
pytest.importorskip("cv2")
STRIDES = (8, 16, 32)
WIDTHS = {"cls": 1, "obj": 1, "bbox": 4, "kps": 10}


def constant(name: str, *numbers: float, shape: tuple[int, ...] = (), kind: Any = np.float32) -> Any:
    return onnx.numpy_helper.from_array(np.array(numbers, kind).reshape(shape), name)


def write_stand_in(path: Path) -> Path:
    """A network with YuNet's inputs and outputs: a face of 64 px wherever a cell of 32 px is white, none elsewhere."""
    make, kinds = onnx.helper, onnx.TensorProto
    nodes = [make.make_node("Conv", ["input", "third"], ["grey"], kernel_shape=[1, 1])]
    numbers = [constant("third", 1 / 3, 1 / 3, 1 / 3, shape=(1, 3, 1, 1)), constant("low", 0), constant("high", 1)]
    numbers += [constant("cells", 1, -1, 1, shape=(3,), kind=np.int64), constant("nothing", 0)]
    numbers += [
        constant("bbox", 0.5, 0.5, np.log(2), np.log(2), shape=(1, 1, 4)),
        constant("kps", *[0] * 10, shape=(1, 1, 10)),
    ]
    for stride in STRIDES:
        # Only the coarsest grid sees anything.
        numbers += [constant(f"scale{stride}", 1 / 50 if stride == 32 else 0), constant(f"shift{stride}", -4)]
        for kind, inputs, output in (
            ("Mul", ["mean", "scale"], "scaled"),
            ("Add", ["scaled", "shift"], "shifted"),
        ):
            nodes.append(make.make_node(kind, [f"{name}{stride}" for name in inputs], [f"{output}{stride}"]))
        cell = {"kernel_shape": [stride] * 2, "strides": [stride] * 2}
        nodes.insert(1, make.make_node("AveragePool", ["grey"], [f"mean{stride}"], **cell))
        nodes.append(make.make_node("Clip", [f"shifted{stride}", "low", "high"], [f"score{stride}"]))
        for name in ("cls", "obj"):
            nodes.append(make.make_node("Reshape", [f"score{stride}", "cells"], [f"{name}_{stride}"]))
        nodes.append(make.make_node("Mul", [f"cls_{stride}", "nothing"], [f"zero{stride}"]))
        for name in ("bbox", "kps"):
            nodes.append(make.make_node("Add", [f"zero{stride}", name], [f"{name}_{stride}"]))
    results = [
        make.make_tensor_value_info(f"{name}_{stride}", kinds.FLOAT, [1, None, width])
        for name, width in WIDTHS.items()
        for stride in STRIDES
    ]
    picture = make.make_tensor_value_info("input", kinds.FLOAT, [1, 3, 320, 320])
    graph = make.make_graph(nodes, "stand-in", [picture], results, numbers)
    model = make.make_model(graph, opset_imports=[make.make_operatorsetid("", 13)], ir_version=8)
    onnx.checker.check_model(model)
    onnx.save(model, path)
    return path


def scene(height: int, width: int, *boxes: tuple[int, int, int]) -> Any:
    """Black, with white squares (x, y, side)."""
    pixels = np.zeros((height, width, 3), np.uint8)
    for x, y, side in boxes:
        pixels[y : y + side, x : x + side] = 255
    return pixels


def test_boxes_are_in_pixels_of_the_picture(tmp_path: Path) -> None:
    find = face_finder(write_stand_in(tmp_path / "faces.onnx"))
    assert find(scene(320, 320, (160, 96, 32))) == pytest.approx((144, 80, 64, 64))
    # Twice as large, looked at in half the size.
    assert find(scene(640, 480, (320, 128, 64))) == pytest.approx((288, 96, 128, 128))
    assert find(scene(320, 320)) is None
    assert find(scene(1, 1)) is None
    assert find(scene(5, 4000)) is None


def test_every_face_of_a_picture(tmp_path: Path) -> None:
    find = faces_finder(write_stand_in(tmp_path / "faces.onnx"))
    found = find(scene(640, 640, (64, 64, 64), (448, 320, 64)))
    assert sorted(found) == [pytest.approx((32, 32, 128, 128)), pytest.approx((416, 288, 128, 128))]
    assert find(scene(320, 320)) == []


def test_what_is_not_yunet_is_refused(tmp_path: Path) -> None:
    damaged = tmp_path / "damaged.onnx"
    damaged.write_bytes(b"hello")
    for path in (damaged, tmp_path / "missing.onnx"):
        with pytest.raises(InvalidDetector, match=path.name):
            face_finder(path)

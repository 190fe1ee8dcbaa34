"""A face parser in three ONNX nodes: what is red in the picture is hair, the rest is skin."""

from pathlib import Path

import numpy as np
from onnx import TensorProto, helper, numpy_helper

SIDE = 16


def write_parser(path: Path, *, inputs: int = 1, metadata: dict[str, str] | None = None) -> Path:
    """float32 pictures (1, 3, side, side) to logits (1, 2, side, side): skin is 0.5, hair is red."""
    weight = np.zeros((2, 3, 1, 1), np.float32)
    weight[1, 0] = 1
    graph = helper.make_graph(
        [helper.make_node("Conv", ["images", "weight", "bias"], ["logits"])],
        "parser",
        [
            helper.make_tensor_value_info(name, TensorProto.FLOAT, [1, 3, SIDE, SIDE])
            for name in ("images", "more")[:inputs]
        ],
        [helper.make_tensor_value_info("logits", TensorProto.FLOAT, [1, 2, SIDE, SIDE])],
        [
            numpy_helper.from_array(weight, "weight"),
            numpy_helper.from_array(np.array([0.5, 0.0], np.float32), "bias"),
        ],
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8)
    helper.set_model_props(model, metadata or {})
    path.write_bytes(model.SerializeToString())
    return path

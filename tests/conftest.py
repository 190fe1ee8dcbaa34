"""Detectors small enough to make anew for every test run: eight-pixel patches, four pixels apart."""

import os
import shutil
import signal
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from hypothesis import settings

from telltale.geometry import PatchGrid
from telltale.image import Preparation
from telltale.spec import Calibration, DetectorSpec, Thresholds

# A shell's background jobs ignore Ctrl-C, and so would every command that a test starts and interrupts.
if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
    signal.signal(signal.SIGINT, signal.default_int_handler)

# Never a timed test: a busy machine is no failure. The same examples on every run.
settings.register_profile("steady", deadline=None, derandomize=True)
settings.load_profile("steady")

TINY_GRID = PatchGrid(size=8, stride=4, start=0)
TINY_SPEC = DetectorSpec(
    name="tiny",
    architecture="xception_block1",
    preparation=Preparation(side=None),
    grid=TINY_GRID,
    calibration=Calibration(slope=2.0, intercept=-0.1, fitted_on="nothing, a test", fingerprint="0"),
    thresholds=Thresholds(
        real_below=0.3,
        fake_above=0.7,
        false_alarm_rate=0.05,
        miss_rate=0.05,
        chosen_on="nothing, a test",
        fingerprint="0",
    ),
)


def _write(path: Path, spec: DetectorSpec, *, seed: int = 0) -> Path:
    """An ONNX detector: one convolution, and its mean for a whole-image baseline; the numbers come from the seed."""
    onnx = pytest.importorskip("onnx")
    helper, kinds = onnx.helper, onnx.TensorProto
    draw = np.random.default_rng(seed)
    weight = (draw.normal(size=(1, 3, 8, 8)) / 255 / 4).astype(np.float32)
    nodes = [
        helper.make_node("Cast", ["images"], ["floats"], to=kinds.FLOAT),
        helper.make_node("Transpose", ["floats"], ["planes"], perm=[0, 3, 1, 2]),
        helper.make_node("Conv", ["planes", "weight", "bias"], ["maps"], kernel_shape=[8, 8], strides=[4, 4]),
        helper.make_node("GlobalAveragePool", ["maps"], ["mean"]),
        helper.make_node("Squeeze", ["mean" if spec.grid is None else "maps", "channel"], ["patch_logits"]),
    ]
    graph = helper.make_graph(
        nodes,
        "tiny",
        [helper.make_tensor_value_info("images", kinds.UINT8, ["n", "height", "width", 3])],
        [helper.make_tensor_value_info("patch_logits", kinds.FLOAT, ["n", "rows", "columns"])],
        [
            onnx.numpy_helper.from_array(weight, "weight"),
            onnx.numpy_helper.from_array(draw.normal(size=1).astype(np.float32), "bias"),
            onnx.numpy_helper.from_array(np.array([1], np.int64), "channel"),
        ],
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=9)
    helper.set_model_props(model, {"telltale": spec.to_json()})
    onnx.checker.check_model(model)
    onnx.save(model, path)
    return path


@pytest.fixture(scope="session")
def write_detector() -> Callable[..., Path]:
    """Writes an ONNX detector of any spec: `write_detector(path, spec, seed=0)`."""
    return _write


@pytest.fixture(scope="session")
def tiny_spec() -> DetectorSpec:
    """The spec of `tiny_detector`."""
    return TINY_SPEC


@pytest.fixture(scope="session")
def tiny_detector(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """An ONNX file with calibration and thresholds."""
    return _write(tmp_path_factory.mktemp("detectors") / "tiny.onnx", TINY_SPEC)


@pytest.fixture(scope="session")
def uncalibrated_detector(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """An ONNX file without either, and with other weights."""
    spec = DetectorSpec(name="raw", architecture="xception_block1", preparation=Preparation(side=None), grid=TINY_GRID)
    return _write(tmp_path_factory.mktemp("detectors") / "raw.onnx", spec, seed=1)


@pytest.fixture(scope="session")
def browser() -> str:
    """Chromium, to look at pages with; continuous integration installs it."""
    names = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable", "chrome")
    found = os.environ.get("TELLTALE_BROWSER") or next(filter(None, map(shutil.which, names)), None)
    if not found:
        pytest.skip("no Chromium here: install it (Debian: apt install chromium), or name it in TELLTALE_BROWSER")
    return found

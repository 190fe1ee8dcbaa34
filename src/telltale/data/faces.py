"""Face boxes by YuNet, through OpenCV, from a file that the user gives.

telltale ships no face detector. YuNet (`face_detection_yunet_2023mar.onnx` or newer, MIT licence, 230 kB) is part of
the OpenCV Zoo; Wu, Peng and Yu, "YuNet: A Tiny Millisecond-level Face Detector", 2023.
"""

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from telltale.data.equalise import Box
from telltale.errors import InvalidDetector, require
from telltale.image import Pixels, resize

# YuNet finds faces of about 10 to 300 px, so that a portrait has to be scaled down first.
LONGEST = 320
LEAST_SCORE = 0.7


def face_finder(file: Path) -> Callable[[Pixels], Box | None]:
    """A function from pixels to the box (x, y, width, height) of the largest face, in pixels; None without a face.

    Deterministic. Sets OpenCV to one thread and to errors only in this process.

    Args:
        file: YuNet's ONNX file.

    Raises:
        InvalidDetector: not such a file.
        MissingExtra: without the `[faces]` extra.
    """
    every = faces_finder(file)

    def find(pixels: Pixels) -> Box | None:
        return max(every(pixels), key=lambda box: box[2] * box[3], default=None)

    return find


def faces_finder(file: Path) -> Callable[[Pixels], Sequence[Box]]:
    """As `face_finder`, but every face, in YuNet's order: the surest first.

    Raises:
        InvalidDetector: not such a file.
        MissingExtra: without the `[faces]` extra.
    """
    cv2 = require("cv2", "faces")
    cv2.setNumThreads(1)
    # OpenCV 5 warns at every start that its new engine has no targets to choose from.
    cv2.utils.logging.setLogLevel(cv2.utils.logging.LOG_LEVEL_ERROR)
    try:
        network = cv2.FaceDetectorYN.create(str(file), "", (LONGEST, LONGEST), score_threshold=LEAST_SCORE)
        # A file of another network loads, and fails when it is used.
        network.detect(np.zeros((LONGEST, LONGEST, 3), np.uint8))
    except cv2.error as error:
        raise InvalidDetector(
            expected="YuNet's ONNX file (face_detection_yunet_2023mar.onnx or newer, from the OpenCV Zoo)",
            found=f"{file}, which OpenCV does not run ({str(error).strip()})",
            do="Check --face-detector.",
        ) from error

    return lambda pixels: _boxes(network, pixels)


def _boxes(network: Any, pixels: Pixels) -> list[Box]:
    height, width = pixels.shape[:2]
    scale = min(1.0, LONGEST / max(height, width))
    small = resize(pixels, max(1, round(height * scale)), max(1, round(width * scale)), "bilinear")
    network.setInputSize((small.shape[1], small.shape[0]))
    # Blue first, as OpenCV has it.
    _, faces = network.detect(np.ascontiguousarray(small[:, :, ::-1]))
    across, down = width / small.shape[1], height / small.shape[0]
    return [_scaled(face, across, down) for face in (() if faces is None else faces)]


def _scaled(face: Any, across: float, down: float) -> Box:
    x, y, wide, high = (float(number) for number in face[:4])
    return x * across, y * down, wide * across, high * down

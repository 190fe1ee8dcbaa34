"""Finds the local patches that give a generated or manipulated picture away."""

from telltale.detector import Detector, Prediction
from telltale.errors import TelltaleError
from telltale.geometry import PatchGrid
from telltale.image import Pixels, Preparation, decode, prepare
from telltale.runtime import load
from telltale.spec import DetectorSpec

__version__ = "0.1.0"

__all__ = [
    "Detector",
    "DetectorSpec",
    "PatchGrid",
    "Pixels",
    "Prediction",
    "Preparation",
    "TelltaleError",
    "__version__",
    "decode",
    "load",
    "prepare",
]

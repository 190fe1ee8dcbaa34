"""Finds the local patches that give a generated or manipulated picture away."""

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
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

# Imported at first use, so that `telltale --help` need not wait for NumPy and Pillow.
_HOMES = {
    "Detector": "detector",
    "DetectorSpec": "spec",
    "PatchGrid": "geometry",
    "Pixels": "image",
    "Prediction": "detector",
    "Preparation": "image",
    "TelltaleError": "errors",
    "decode": "image",
    "load": "runtime",
    "prepare": "image",
}


def __getattr__(name: str) -> Any:
    if name not in _HOMES:
        raise AttributeError(f"module 'telltale' has no attribute {name!r}")
    value = getattr(import_module(f"telltale.{_HOMES[name]}"), name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return sorted(__all__)

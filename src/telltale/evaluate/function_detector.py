"""A Python function as a detector, so that anything that scores pictures can be evaluated beside ours.

The function takes images, uint8 (n, height, width, 3), RGB, upright, and returns n scores in [0, 1]: higher means more
likely fake. That is all: nothing is guessed from its values, and what is not a score is refused.
"""

import sys
from collections.abc import Callable
from hashlib import sha256
from importlib import import_module
from importlib.util import module_from_spec, spec_from_file_location
from inspect import getsourcefile
from pathlib import Path
from threading import Lock
from types import ModuleType
from typing import Any, TypeAlias

import numpy as np
from jaxtyping import Float32, UInt8

from telltale.detector import Detector
from telltale.errors import InvalidDetector
from telltale.image import Preparation
from telltale.spec import DetectorSpec

Function: TypeAlias = Callable[[UInt8[np.ndarray, "n height width 3"]], Any]

ARCHITECTURE = "python function"
# Log-odds of 0 and 1 would not be finite; these are the nearest that a score keeps.
_LEAST, _MOST = 1e-30, float(np.nextafter(1.0, 0.0))
_CONVENTION = "a function of uint8 images (n, height, width, 3) that returns n scores in [0, 1], fake high"

_WRONG = "Return one probability-like score for each image; turn log-odds into one with 1 / (1 + exp(-x))."
_FAILED = "The function itself failed: call it with this picture alone to see where."


def is_function(word: str) -> bool:
    """Whether a detector's name means a Python function: `package.module:function` or `path/to/file.py:function`."""
    where, _, name = word.rpartition(":")
    return bool(where) and name.isidentifier()


def from_function(word: str) -> Detector:
    """The function that `word` names, as a detector of whole images.

    Importing runs the file, as any import does. The function is called with one decoded image at a time, never from two
    threads at once. `sha256` is that of the source file the function is written in: weights and modules that it loads
    are not part of it.

    Args:
        word: `package.module:function` or `path/to/file.py:function`.

    Raises:
        InvalidDetector: no such module, file or function; when it is called, anything but n scores in [0, 1].
    """
    where, _, name = word.rpartition(":")
    module = _module(where)
    function = getattr(module, name, None)
    if not callable(function):
        there = sorted(key for key, value in vars(module).items() if callable(value) and not key.startswith("_"))
        raise InvalidDetector(
            expected=_CONVENTION,
            found=f"no function {name!r} in {where} ({', '.join(there[:8]) or 'none'})",
            do="Check the name after the colon.",
        )
    source = _source(function, module)
    return Detector(
        spec=DetectorSpec(
            name=f"{Path(where).stem if where.endswith('.py') else where}:{name}",
            architecture=ARCHITECTURE,
            preparation=Preparation(side=None),
            grid=None,
        ),
        predict=_predict(function, word),
        sha256=sha256(source).hexdigest(),
    )


def _module(where: str) -> ModuleType:
    try:
        return _from_file(Path(where)) if where.endswith(".py") else import_module(where)
    # Whatever a stranger's file raises while it is imported.
    except Exception as error:
        raise InvalidDetector(
            expected=f"a Python module or file with {_CONVENTION}",
            found=f"{where}, which does not import ({type(error).__name__}: {error})",
            do="Check the path, or that the module can be imported from here.",
        ) from error


def _from_file(path: Path) -> ModuleType:
    """The file as a module of its own name, not to be found under it by any other import."""
    if not path.is_file():
        raise FileNotFoundError(path)
    name = f"_telltale_function_{sha256(str(path.resolve()).encode()).hexdigest()[:12]}"
    found = spec_from_file_location(name, path)
    assert found is not None
    assert found.loader is not None
    module = module_from_spec(found)
    # Dataclasses and pickles look their own module up.
    sys.modules[name] = module
    # As when Python runs the file: it finds its neighbours, but here behind everything that is installed.
    if str(path.resolve().parent) not in sys.path:
        sys.path.append(str(path.resolve().parent))
    found.loader.exec_module(module)
    return module


def _source(function: Any, module: ModuleType) -> bytes:
    try:
        file = getsourcefile(function) or module.__file__
    # A callable object has no source of its own: then the module's counts.
    except TypeError:
        file = module.__file__
    return b"" if file is None else Path(file).read_bytes()


def _predict(function: Function, word: str) -> Callable[..., Float32[np.ndarray, "n 1 1"]]:
    alone = Lock()

    def predict(images: UInt8[np.ndarray, "n height width 3"]) -> Float32[np.ndarray, "n 1 1"]:
        try:
            with alone:
                said = function(images)
        # Whatever a stranger's function raises.
        except Exception as error:
            raise _refused(word, f"{type(error).__name__}: {error}", _FAILED) from error
        return _log_odds(_scores(said, len(images), word))

    return predict


def _scores(said: Any, count: int, word: str) -> np.ndarray[Any, np.dtype[np.float64]]:
    """The function's answer as n numbers in [0, 1], or an error that names what it was."""
    try:
        scores = np.asarray(said, dtype=np.float64)
    except (TypeError, ValueError) as error:
        raise _refused(word, f"{type(said).__name__}, which holds no numbers") from error
    if scores.shape != (count,):
        raise _refused(word, f"shape {scores.shape} for {count} images")
    if not ((scores >= 0) & (scores <= 1)).all():
        raise _refused(word, f"{scores[~((scores >= 0) & (scores <= 1))][0]:g}")
    return scores


def _log_odds(scores: np.ndarray[Any, np.dtype[np.float64]]) -> Float32[np.ndarray, "n 1 1"]:
    inside = np.clip(scores, _LEAST, _MOST)
    return np.asarray(np.log(inside / (1 - inside)), np.float32)[:, None, None]


def _refused(word: str, found: str, do: str = _WRONG) -> InvalidDetector:
    return InvalidDetector(expected=_CONVENTION, found=f"{found} from {word}", do=do)

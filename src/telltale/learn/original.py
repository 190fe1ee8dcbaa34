"""Checkpoints of the paper's released code (`*_net_D.pth`) as classifiers.

Such a file is a pickled dictionary: the state dict under `state_dict`, beside it optimiser, scheduler, epoch and best
metric. Parameters are named as here, except that a truncated model has no prefix before them and that a whole-image
baseline ends in a fully connected layer, `fc` (ResNet) or `last_linear` (Xception). Channel 0 is fake and channel 1 is
real (option `fake_class_id`, default 0), and pixels are scaled to [-1, 1] for every model. MesoInception4 is not part
of that release.
"""

import re
from collections.abc import Iterator, Mapping
from pathlib import Path
from pickle import UnpicklingError
from typing import Any, BinaryIO

import torch
from torch import Tensor

from telltale import __version__
from telltale.errors import InvalidDetector
from telltale.image import Preparation
from telltale.learn.checkpoint import file_hash, save
from telltale.learn.classifier import ARCHITECTURES, PatchClassifier, build
from telltale.learn.xception import Xception
from telltale.spec import DetectorSpec

# Where the state dict may lie; without any of these, the file's own tensors are taken.
KEYS = ("state_dict", "model", "net_D")
# Batches seen in training: older files lack it, and no prediction depends on it.
OPTIONAL = "num_batches_tracked"


def load_original(path: str | Path, architecture: str) -> PatchClassifier:
    """Read a checkpoint of the paper's released code.

    Reads a bare state dict, or one under `state_dict`, `model` or `net_D` with optimiser entries beside it; `module.`
    prefixes are dropped. Nothing but tensors and plain values is ever unpickled.

    Args:
        path: the `.pth` file.
        architecture: a key of `ARCHITECTURES`; the file does not say.

    Returns:
        The classifier, in evaluation mode, float32.

    Raises:
        InvalidConfig: an unknown architecture.
        InvalidDetector: no such file, not a checkpoint, one that holds other objects than tensors and plain values, or
            one that belongs to another architecture; names up to five parameters that do not fit, and the
            architecture that does.
    """
    classifier = build(architecture)
    found = _state_dict(_read(Path(path)), path)
    problems = list(_problems(found, classifier))
    if problems:
        raise _unfit(path, architecture, problems, found)
    state = classifier.state_dict()
    for ours, (theirs, _) in _names(classifier).items():
        if theirs in found:
            # The released baselines' fully connected layer is our 1x1 convolution.
            state[ours] = found[theirs].reshape(state[ours].shape)
    classifier.load_state_dict(state)
    return classifier.eval()


def _read(path: Path) -> object:
    try:
        with path.open("rb") as file:
            return _unpickled(file, path)
    except OSError as error:
        raise _unreadable(f"a file that cannot be read ({error.strerror}): {path}", "Check the path.") from error


def _unpickled(file: BinaryIO, path: Path) -> object:
    try:
        return torch.load(file, map_location="cpu", weights_only=True)
    except UnpicklingError as error:
        # torch's own message advises to switch the protection off, so only the object's name is taken from it.
        name = re.search(r"GLOBAL (\S+)", str(error))
        raise _unreadable(
            f"something other than tensors and plain values{f' ({name[1]})' if name else ''}: {path}",
            "It was not unpickled, since that could run foreign code. Save its state dict alone where it was made.",
        ) from error
    # A damaged archive can raise nearly anything; each means the same to the caller.
    except Exception as error:
        raise _unreadable(f"a damaged file ({type(error).__name__}): {path}", "Fetch it again.") from error


def _unreadable(found: str, do: str) -> InvalidDetector:
    return InvalidDetector(expected="a checkpoint of the paper's released code (*_net_D.pth)", found=found, do=do)


def _state_dict(content: object, path: str | Path) -> dict[str, Tensor]:
    """The tensors by name; what lies beside them (optimiser, epoch) is left out."""
    tensors: dict[str, Tensor] = {}
    if isinstance(content, Mapping):
        inner: Mapping[Any, Any] = next(
            (content[key] for key in KEYS if isinstance(content.get(key), Mapping)), content
        )
        tensors = {
            str(name).removeprefix("module."): value for name, value in inner.items() if isinstance(value, Tensor)
        }
    if not tensors:
        raise InvalidDetector(
            expected=f"a state dict, bare or under {', '.join(KEYS)}",
            found=f"no tensors by name: {path}",
            do="Give the file of the network itself (*_net_D.pth).",
        )
    return tensors


def _names(classifier: PatchClassifier) -> dict[str, tuple[str, tuple[int, ...]]]:
    """For each of our parameters its name and shape in the released code."""
    whole = classifier.grid is None
    head = ("last_linear" if isinstance(classifier.backbone, Xception) else "fc") if whole else "convout"
    names = {}
    for ours, tensor in classifier.state_dict().items():
        shape = tuple(tensor.shape)
        if ours.startswith("convout."):
            names[ours] = (ours.replace("convout", head), shape[:2] if whole else shape)
        elif ours.startswith("backbone."):
            names[ours] = (ours.removeprefix("backbone."), shape)
    return names


def _problems(found: dict[str, Tensor], classifier: PatchClassifier) -> Iterator[str]:
    """What of the file does not fit, in words."""
    wanted = dict(_names(classifier).values())
    for name, shape in wanted.items():
        if name not in found:
            if not name.endswith(OPTIONAL):
                yield f"{name} is missing"
        elif tuple(found[name].shape) != shape:
            yield f"{name} has shape {tuple(found[name].shape)} instead of {shape}"
    yield from (f"{name} is unexpected" for name in found if name not in wanted)


def _unfit(path: str | Path, architecture: str, problems: list[str], found: dict[str, Tensor]) -> InvalidDetector:
    with torch.device("meta"):
        fitting = [name for name in ARCHITECTURES if not any(_problems(found, build(name)))]
    listed = "; ".join(problems[:5]) + (f"; and {len(problems) - 5} more" if len(problems) > 5 else "")
    return InvalidDetector(
        expected=f"the parameters of {architecture}",
        found=f"others in {path}: {listed}",
        do=f"It fits {fitting[0]}: say so." if fitting else "No known architecture fits this file.",
    )


def import_checkpoint(
    path: Path, architecture: str, out: Path, *, side: int | None = None, stored_side: int = 128
) -> DetectorSpec:
    """Turn a checkpoint of the paper's released code into a safetensors detector.

    Args:
        path: the `.pth` file.
        architecture: what it was trained as.
        out: the safetensors file to write.
        side: of the network's input in pixels; None takes the paper's, 299 for Xception and 224 else (256 for
            MesoInception4).
        stored_side: the paper stored every image at 128 px before it was enlarged to `side`.

    Returns:
        The spec that was stored: mean of the patch softmax as pooling, and no calibration, since nobody made one.

    Raises:
        InvalidConfig, InvalidDetector: as `load_original`.
    """
    classifier = load_original(path, architecture)
    fallback = 299 if architecture.startswith("xception") else classifier.input_side or 224
    spec = DetectorSpec(
        name=out.stem,
        architecture=architecture,
        preparation=Preparation(side=side or fallback, fit="square", stored_side=stored_side),
        grid=classifier.grid,
        pooling="mean_probability",
        made_with={
            "imported_from": path.name,
            "imported_sha256": file_hash(path),
            "imported_with": f"telltale {__version__}",
        },
    )
    save(out, classifier, spec)
    return spec

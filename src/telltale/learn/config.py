"""Everything that decides what a training run computes, flat, in one record."""

import json
from dataclasses import asdict, dataclass, fields
from math import cos, isfinite, pi
from typing import Any, Literal, get_args

from telltale.errors import InvalidConfig
from telltale.image import Fit, Preparation, Resample
from telltale.pooling import POOLINGS, Pooling

View = Literal["centre", "whole"]
Balance = Literal["sources", "images"]
Choice = Literal["patch_accuracy", "auc", "average_precision", "loss"]
Precision = Literal["auto", "fp32", "bf16"]
Switch = Literal["auto", "on", "off"]
Device = Literal["auto", "cpu", "cuda"]
Schedule = Literal["constant", "cosine"]
Range = tuple[float, float]

# In the order they are applied: what a camera, a resampler and a codec do to a picture, in that order.
AUGMENTATIONS = ("flip", "resize", "blur", "noise", "jpeg")
# These may differ when a run is resumed: they decide when it ends and where pixels wait, not what a step computes.
FREE_ON_RESUME = frozenset(("epochs", "patience", "memory_mb"))


@dataclass(frozen=True, slots=True, kw_only=True)
class TrainConfig:
    """What a training run is; printed at its start, stored in `run.json` and in the weights' header.

    Attributes:
        data: folders or manifests, as `telltale.data.samples.scan` reads them.
        name: what results will call the detector.
        architecture: a key of `telltale.learn.classifier.ARCHITECTURES`.
        train_split: the split to train on.
        validation_split: the split that chooses the best epoch.
        validation_share: above 0, validation is this share of the training split instead, parted by a hash of each
            image's group or bytes; for data without splits.
        include: only these sources; empty means all.
        exclude: not these sources.
        side: pixels of the prepared image's shorter side (or both, by `fit`); None keeps native pixels.
        fit: "shorter", "centre" or "square", see `telltale.Preparation`.
        resample: filter of the preparation.
        stored_side: see `telltale.Preparation`.
        crop: side in pixels of the random training crop; None trains on whole prepared images of one size.
        allow_small: accept prepared images smaller than one patch's field, which then also reads padding.
        view: what validation sees of an image: its "centre" crop of the same size, or the "whole" prepared image.
        batch: images per step over all processes, half of them fake.
        balance: draw within each label "sources" equally often, or "images" equally often.
        steps_per_epoch: steps between two validations.
        epochs: at most this many.
        patience: stop after this many epochs without a better validation.
        choose_by: the validation figure that decides which epoch is best.
        learning_rate: of Adam, at the first step.
        schedule: "constant", or "cosine": the learning rate falls along half a cosine to nothing at the last of all
            `epochs`, which then cannot change when a run is resumed.
        beta1: of Adam.
        beta2: of Adam.
        seed: decides initial weights, batches and augmentation.
        pooling: how patches become an image score in validation; stored in the weights.
        flip: probability of mirroring a training crop.
        resize: probability of scaling by a factor out of `resize_range` and back.
        resize_range: factors, see `telltale.data.corruptions.resize`.
        blur: probability of blurring.
        blur_range: standard deviations in pixels.
        noise: probability of adding noise.
        noise_range: standard deviations in grey levels.
        jpeg: probability of JPEG compression.
        jpeg_range: qualities.
        precision: "bf16" is autocast; "auto" takes it where the processor multiplies bfloat16 natively.
        channels_last: memory order of activations; "auto" is on.
        device: "auto" takes CUDA where there is one.
        threads: of torch, per process; 0 is the cores divided by the processes on this machine.
        memory_mb: decoded pixels kept in memory per machine, in MB of 10^6 bytes; what does not fit is decoded again
            whenever it is drawn.
    """

    data: tuple[str, ...]
    name: str = "detector"
    architecture: str = "xception_block2"
    train_split: str = "train"
    validation_split: str = "validation"
    validation_share: float = 0.0
    include: tuple[str, ...] = ()
    exclude: tuple[str, ...] = ()
    side: int | None = None
    fit: Fit = "shorter"
    resample: Resample = "lanczos"
    stored_side: int | None = None
    crop: int | None = 128
    allow_small: bool = False
    view: View = "centre"
    batch: int = 32
    balance: Balance = "sources"
    steps_per_epoch: int = 200
    epochs: int = 50
    patience: int = 10
    choose_by: Choice = "patch_accuracy"
    learning_rate: float = 1e-3
    schedule: Schedule = "constant"
    beta1: float = 0.9
    beta2: float = 0.999
    seed: int = 0
    pooling: Pooling = "mean_probability"
    flip: float = 0.5
    resize: float = 0.0
    resize_range: Range = (0.5, 1.0)
    blur: float = 0.0
    blur_range: Range = (0.1, 2.0)
    noise: float = 0.0
    noise_range: Range = (1.0, 10.0)
    jpeg: float = 0.0
    jpeg_range: Range = (60.0, 99.0)
    precision: Precision = "auto"
    channels_last: Switch = "auto"
    device: Device = "auto"
    threads: int = 0
    memory_mb: int = 2000

    def __post_init__(self) -> None:
        """Refuse settings out of range; `preparation` refuses its own.

        Raises:
            InvalidConfig: naming the setting.
        """
        _require(bool(self.data), "data", "at least one folder or manifest", self.data)
        for name, known in _CHOICES.items():
            value = getattr(self, name)
            _require(value in known, name, f"one of {', '.join(known)}", value)
        for name in ("steps_per_epoch", "epochs", "patience"):
            _require(getattr(self, name) >= 1, name, "1 or more", getattr(self, name))
        for name in ("seed", "threads", "memory_mb"):
            _require(getattr(self, name) >= 0, name, "0 or more", getattr(self, name))
        _require(self.crop is None or self.crop >= 1, "crop", "1 pixel or more, or none", self.crop)
        _require(self.batch >= 2 and self.batch % 2 == 0, "batch", "an even number: half real, half fake", self.batch)
        _require(0 < self.learning_rate < 1, "learning_rate", "above 0 and below 1", self.learning_rate)
        for name in ("beta1", "beta2"):
            _require(0 <= getattr(self, name) < 1, name, "0 to below 1", getattr(self, name))
        _require(0 <= self.validation_share < 1, "validation_share", "0 to below 1", self.validation_share)
        both = sorted(set(self.include) & set(self.exclude))
        _require(not both, "exclude", "sources that are not also included", both)
        self._check_augmentations()
        _ = self.preparation

    def _check_augmentations(self) -> None:
        for name in AUGMENTATIONS:
            _require(0 <= getattr(self, name) <= 1, name, "a probability, 0 to 1", getattr(self, name))
        for name, (least, most) in _LIMITS.items():
            low, high = getattr(self, name)
            ordered = isfinite(low) and isfinite(high) and least <= low <= high <= most
            _require(ordered, name, f"a lower and an upper end within {least:g} to {most:g}", (low, high))

    def rate(self, step: int) -> float:
        """The learning rate of a step, counted from 0."""
        if self.schedule == "constant":
            return self.learning_rate
        return self.learning_rate * (1 + cos(pi * step / (self.steps_per_epoch * self.epochs))) / 2

    @property
    def preparation(self) -> Preparation:
        """How pixels are prepared, in training and wherever the weights go."""
        return Preparation(side=self.side, fit=self.fit, resample=self.resample, stored_side=self.stored_side)

    def augmentations(self) -> list[tuple[str, float, Range]]:
        """(name, probability, range of strength) of every augmentation in use, in the order of application."""
        ranges = {name: getattr(self, f"{name}_range", (0.0, 0.0)) for name in AUGMENTATIONS}
        return [(name, getattr(self, name), ranges[name]) for name in AUGMENTATIONS if getattr(self, name) > 0]

    def to_dict(self) -> dict[str, Any]:
        """As JSON reads it back: lists for tuples."""
        plain: dict[str, Any] = json.loads(json.dumps(asdict(self)))
        return plain

    @staticmethod
    def from_dict(settings: dict[str, Any]) -> "TrainConfig":
        """The config of a `run.json` ("config") or of a weights' header; missing settings take their default.

        Raises:
            InvalidConfig: a setting nobody knows, or out of range.
        """
        known = {field.name for field in fields(TrainConfig)}
        strange = sorted(set(settings) - known)
        _require(not strange, "config", f"settings out of {', '.join(sorted(known))}", ", ".join(strange))
        _require("data" in settings, "data", "at least one folder or manifest", None)
        plain: dict[str, Any] = {
            name: tuple(value) if isinstance(value, list) else value for name, value in settings.items()
        }
        return TrainConfig(**plain)


_CHOICES: dict[str, tuple[str, ...]] = {
    "view": get_args(View),
    "balance": get_args(Balance),
    "choose_by": get_args(Choice),
    "pooling": POOLINGS,
    "precision": get_args(Precision),
    "channels_last": get_args(Switch),
    "device": get_args(Device),
    "schedule": get_args(Schedule),
}
# What the corruptions themselves accept.
_LIMITS: dict[str, Range] = {
    "resize_range": (0.01, 8),
    "blur_range": (0, 100),
    "noise_range": (0, 255),
    "jpeg_range": (1, 100),
}


def _require(holds: bool, name: str, expected: str, found: object) -> None:
    if not holds:
        raise InvalidConfig(expected=f"{name}: {expected}", found=repr(found), do=f"Correct {name}.")

"""Pictures and settings small enough to train on in a test."""

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

from telltale.data.samples import Sample
from telltale.image import Pixels
from telltale.learn.config import TrainConfig

SIDE = 40
TINY = TrainConfig(
    data=("unused",),
    architecture="xception_block1",
    crop=32,
    batch=8,
    steps_per_epoch=6,
    epochs=3,
    # Several threads on a busy machine wait for each other longer than they work.
    threads=1,
    learning_rate=3e-3,
    memory_mb=50,
)


def tiny(**changes: Any) -> TrainConfig:
    """`TINY` with some settings changed."""
    return replace(TINY, **changes)


def picture(seed: int, *, is_fake: bool, side: int = SIDE) -> Pixels:
    """Smooth colours; a fake has a grid of brighter pixels, as upsampling leaves it."""
    drawn = np.random.default_rng([seed, is_fake]).integers(40, 200, (5, 5, 3), dtype=np.uint8)
    smooth = np.array(Image.fromarray(drawn).resize((side, side), Image.Resampling.BICUBIC))
    if is_fake:
        smooth[::2, ::2] += 25
    return smooth


def write_samples(folder: Path, *, train: int = 6, validation: int = 4, side: int = SIDE) -> list[Sample]:
    """PNG files of two sources per label, `train` and `validation` of each."""
    for split, count in (("train", train), ("validation", validation)):
        for is_fake in (False, True):
            for number, source in enumerate(("one", "two")):
                home = folder / split / source / ("fake" if is_fake else "real")
                home.mkdir(parents=True)
                for index in range(count):
                    seed = index + 100 * number + 1000 * (split == "train")
                    Image.fromarray(picture(seed, is_fake=is_fake, side=side)).save(home / f"{index}.png")
    return samples_in(folder)


def samples_in(folder: Path) -> list[Sample]:
    """What `write_samples` wrote."""
    return [
        Sample(path=path, is_fake=path.parts[-2] == "fake", source=path.parts[-3], split=path.parts[-4])
        for path in sorted(folder.rglob("*.png"))
    ]

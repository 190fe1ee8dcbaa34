"""Small pictures for tests of data sets: every one different, none of them of anything."""

from io import BytesIO
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

from telltale.image import Pixels


def picture(seed: int, height: int = 72, width: int = 64) -> Pixels:
    """Random colour with less and less at finer scales, as photographs have it."""
    draw = np.random.default_rng(seed)
    total = np.full((height, width, 3), 128.0)
    for cells, strength in ((4, 60), (8, 40), (16, 25), (32, 15)):
        coarse = Image.fromarray(draw.integers(0, 256, (cells, cells, 3), dtype=np.uint8))
        total += (np.asarray(coarse.resize((width, height), Image.Resampling.BICUBIC)) / 127.5 - 1) * strength
    return np.asarray(np.clip(total, 0, 255).astype(np.uint8))


def encoded(pixels: Pixels, kind: str = "JPEG", **options: Any) -> bytes:
    stream = BytesIO()
    Image.fromarray(pixels).save(stream, kind, **options)
    return stream.getvalue()


def write(path: Path, seed: int, *, height: int = 72, width: int = 64, **options: Any) -> Path:
    """A picture file in the format of its ending, in a folder made where it is not there."""
    path.parent.mkdir(parents=True, exist_ok=True)
    kind = {".jpg": "JPEG", ".jpeg": "JPEG", ".png": "PNG", ".webp": "WEBP"}[path.suffix.lower()]
    path.write_bytes(encoded(picture(seed, height, width), kind, **options))
    return path


def real_and_fake(root: Path, count: int = 4, **options: Any) -> Path:
    """`real/*.jpg` and `fake/*.png`, `count` of each."""
    for number in range(count):
        write(root / "real" / f"{number}.jpg", number, **options)
        write(root / "fake" / f"{number}.png", 1000 + number, **options)
    return root


def contents(root: Path) -> dict[str, bytes]:
    """Every file under a folder, by its relative path."""
    return {str(path.relative_to(root)): path.read_bytes() for path in sorted(root.rglob("*")) if path.is_file()}

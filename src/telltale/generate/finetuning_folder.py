"""What a finetuning reads, and what it leaves beside its state: photographs, figures of every check, pictures."""

import csv
from collections.abc import Sequence
from dataclasses import asdict, fields
from io import BytesIO, StringIO
from pathlib import Path

import numpy as np
import torch
from jaxtyping import UInt8
from PIL import Image, ImageDraw, ImageFont
from torch import Tensor

from telltale.data.index import write_whole
from telltale.data.sample import Sample
from telltale.errors import InvalidDataset, UndecodableImage, UnsuitableImage
from telltale.generate.finetuning import Quality
from telltale.generate.finetuning_config import Step
from telltale.generate.quality import face_features, kernel_distance
from telltale.image import Preparation, prepare

STEPS_FILE, FAILURES_FILE, PICTURE_FILE = "steps.csv", "failures.csv", "before_after.png"
# More photographs make the distance surer, at 15 ms each.
_COMPARED = 1000
_ROWS, _COLUMNS, _GAP, _LINE = 6, 6, 8, 14

Failures = list[tuple[str, str]]


def photographs(samples: Sequence[Sample], side: int) -> tuple[UInt8[Tensor, "n 3 side side"], Failures]:
    """The reals among samples, whole, their middle square scaled to one side; and what could not be read, with why.

    Pictures that have this size already keep their pixels; scaling the others leaves traces that a generator learns.

    Raises:
        InvalidDataset: not one that can be read.
    """
    centre = Preparation(side=side, fit="centre")
    found: list[Tensor] = []
    failures: Failures = []
    for sample in samples:
        if sample.is_fake:
            continue
        try:
            prepared = prepare(sample.pixels(), centre)
            found.append(torch.from_numpy(np.ascontiguousarray(prepared.transpose(2, 0, 1))))
        except (UndecodableImage, UnsuitableImage) as error:
            failures.append((str(sample.path), str(error)))
    if not found:
        raise InvalidDataset(
            expected="photographs to learn on",
            found=f"{len(samples)} pictures, {len(failures)} of them unreadable, the others fake",
            do="Name a folder of real pictures.",
        )
    return torch.stack(found), failures


def nearness(pictures: UInt8[Tensor, "n 3 side side"]) -> Quality:
    """Kernel distance (face-parser features) of samples to photographs: value and standard error.

    Of many photographs some, evenly from the first to the last: they may come source by source.
    """
    places = np.linspace(0, len(pictures) - 1, min(len(pictures), _COMPARED)).round().astype(np.intp)
    features = face_features(np.ascontiguousarray(pictures[torch.from_numpy(places)].permute(0, 2, 3, 1).numpy()))

    def measure(made: UInt8[np.ndarray, "n side side 3"]) -> tuple[float, float]:
        found = kernel_distance(face_features(made), features)
        return found.value, found.error

    return measure


def write_steps(out: Path, steps: Sequence[Step]) -> None:
    """Every check's record as `steps.csv`; nothing measured is an empty cell."""
    text = StringIO()
    writer = csv.DictWriter(text, [one.name for one in fields(Step)], lineterminator="\n")
    writer.writeheader()
    for step in steps:
        plain = asdict(step)
        writer.writerow({name: round(value, 6) if isinstance(value, float) else value for name, value in plain.items()})
    write_whole(out / STEPS_FILE, text.getvalue().encode())


def write_failures(out: Path, failures: Failures) -> None:
    """Pictures that could not be read, and why, as `failures.csv`; no file where there are none."""
    if failures:
        text = StringIO()
        csv.writer(text, lineterminator="\n").writerows([("path", "error"), *failures])
        write_whole(out / FAILURES_FILE, text.getvalue().encode("utf-8", "backslashreplace"))


def write_before_after(
    out: Path,
    before: UInt8[np.ndarray, "n side side 3"],
    after: UInt8[np.ndarray, "m side side 3"],
    captions: tuple[str, str],
) -> None:
    """The first samples of both, the same latents at the same place, side by side as `before_after.png`."""
    panels = [_panel(pixels) for pixels in (before, after)]
    width, height = panels[0].size
    sheet = Image.new("RGB", (2 * width + _GAP, height + _LINE), "white")
    draw, font = ImageDraw.Draw(sheet), ImageFont.load_default(11)
    for place, (panel, caption) in enumerate(zip(panels, captions, strict=True)):
        sheet.paste(panel, (place * (width + _GAP), _LINE))
        draw.text((place * (width + _GAP) + 2, 0), caption, fill="black", font=font)
    stream = BytesIO()
    sheet.save(stream, "PNG", optimize=True)
    write_whole(out / PICTURE_FILE, stream.getvalue())


def _panel(pixels: UInt8[np.ndarray, "n side side 3"]) -> Image.Image:
    side = pixels.shape[1]
    sheet = Image.new("RGB", (_COLUMNS * side, _ROWS * side), "white")
    for place, one in enumerate(pixels[: _ROWS * _COLUMNS]):
        sheet.paste(Image.fromarray(one), (place % _COLUMNS * side, place // _COLUMNS * side))
    return sheet

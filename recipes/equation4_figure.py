"""Samples before and after equation 4, and where the evidence lies, as one picture."""

from collections.abc import Sequence
from typing import Any

import numpy as np
from PIL import Image, ImageDraw, ImageFont

from equation4_contest import (
    Contest,
    named,
    pixels,
)
from telltale.explain.heatmaps import colour, heatmap, legend
from telltale.learn.classifier import build

SHOWN, MAP = 6, 128
MAPS = ("first photographs", "first before", "first after", "second after")


def figure(bench: Contest, cells: Sequence[dict[str, Any]]) -> Image.Image:
    """For the first seed of each classifier: the same latents before and after, and where the evidence lies."""
    firsts = [one for one in cells if one["seed"] == 0] or cells[:1]
    side, gap, line = 64, 8, 16
    width = 2 * (SHOWN * side // 2 + gap) + len(MAPS) * (MAP + gap) + 80
    # Below each row of maps a line with their means, above it the titles.
    step = MAP + 2 * line + gap
    height = line + len(firsts) * step
    board = Image.new("RGB", (width, height), "white")
    draw, font = ImageDraw.Draw(board), ImageFont.load_default(11)
    for row, found in enumerate(firsts):
        top = line + row * step
        name = named("finetuned", found["classifier"], found["seed"])
        paths = (bench.generator, bench.work / "finetune" / name / f"{name}.safetensors")
        draw.text((2, top - line), f"{found['classifier']}: before", "black", font)
        left = 0
        for place, path in enumerate(paths):
            if place:
                draw.text((left, top - line), f"after {found['steps']} steps", "black", font)
            for index, one in enumerate(pixels(bench.drawn(path))[:SHOWN]):
                at = (left + index % (SHOWN // 2) * side, top + index // (SHOWN // 2) * side)
                board.paste(Image.fromarray(one), at)
            left += SHOWN // 2 * side + gap
        for kind in MAPS:
            board.paste(drawn_map(found, kind), (left, top))
            draw.text((left, top - line), kind, "black", font)
            draw.text((left, top + MAP + 1), f"mean {np.mean(found['maps'][kind]):.2f}", "black", font)
            left += MAP + gap
    board.paste(Image.fromarray(legend(MAP)), (width - 80, line))
    return board


def drawn_map(found: dict[str, Any], kind: str) -> Image.Image:
    """A mean map placed by receptive field, on the fixed scale."""
    values = np.clip(np.array(found["maps"][kind]), 1e-6, 1 - 1e-6)
    grid = build(found["classifier"]).grid
    assert grid is not None
    heat = heatmap(np.log(values / (1 - values)).astype(np.float32), grid, (64, 64), placement="nearest")
    return Image.fromarray(colour(heat)).resize((MAP, MAP), Image.Resampling.NEAREST)

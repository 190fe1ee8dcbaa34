"""A small network that says of every pixel which part of a face it shows.

An encoder of five halvings and a decoder that adds what each stage of the encoder saw, as in Ronneberger et al.,
*U-Net*, MICCAI 2015, with widths for a CPU.
"""

import os
from collections.abc import Mapping
from pathlib import Path

import torch
from jaxtyping import Float, UInt8
from torch import Tensor, nn
from torch.export import Dim
from torch.nn.functional import interpolate

from telltale.errors import InvalidDetector
from telltale.explain.face_parsing import METADATA_KEY, ClassMap
from telltale.explain.face_parts import PARTS
from telltale.learn.export import graph_bytes
from telltale.runtime import open_graph

# The network learns at this side; the file scales pictures to the second. Eyes and brows are a few pixels large, and on
# validation the larger one, mirrored as well, is better by two hundredths of mean IoU for three times the arithmetic.
SIDE, PARSED_SIDE = 128, 160
# Of pixels whose two likeliest parts are nearly equal, where rounding decides.
MOST_DIFFERENT = 0.001


class FaceParser(nn.Module):
    """Images (n, 3, height, width) in [-1, 1], sides multiples of 32, to logits of each part per pixel.

    Args:
        width: channels of the first stage; the others have 2, 4, 6 and 6 times as many.
    """

    def __init__(self, *, width: int = 24) -> None:
        super().__init__()
        self.width = width
        sizes = [width, 2 * width, 4 * width, 6 * width, 6 * width]
        self.stem = _convolution(3, sizes[0], stride=2)
        self.down = nn.ModuleList(
            nn.Sequential(_convolution(sizes[n], sizes[n + 1], stride=2), _convolution(sizes[n + 1], sizes[n + 1]))
            for n in range(4)
        )
        self.side = nn.ModuleList(nn.Conv2d(sizes[n], sizes[n], 1) for n in range(4))
        self.reduce = nn.ModuleList(_convolution(sizes[n + 1], sizes[n]) for n in range(4))
        self.up = nn.ModuleList(_convolution(sizes[n], sizes[n]) for n in range(4))
        self.head = nn.Conv2d(sizes[0], len(PARTS), 1)

    def forward(self, images: Float[Tensor, "n 3 height width"]) -> Float[Tensor, "n 11 height width"]:
        """Logits of the eleven parts; made at half the resolution and enlarged."""
        seen = [self.stem(images)]
        for stage in self.down:
            seen.append(stage(seen[-1]))
        features = seen[-1]
        for n in reversed(range(4)):
            enlarged = interpolate(self.reduce[n](features), scale_factor=2.0, mode="bilinear")
            features = self.up[n](enlarged + self.side[n](seen[n]))
        logits: Tensor = interpolate(self.head(features), scale_factor=2.0, mode="bilinear")
        return logits


def _convolution(inputs: int, outputs: int, stride: int = 1) -> nn.Sequential:
    return nn.Sequential(
        nn.Conv2d(inputs, outputs, 3, stride=stride, padding=1, bias=False), nn.BatchNorm2d(outputs), nn.ReLU()
    )


class _FromPixels(nn.Module):
    """uint8 pictures (n, side, side, 3) to part numbers (n, 2 side, 2 side), as the ONNX file takes and gives them.

    A picture and its mirror image are parsed, and their logits added: no part knows left from right. The sum is
    enlarged before the choice, so that borders fall between the pixels that were parsed.
    """

    def __init__(self, parser: FaceParser) -> None:
        super().__init__()
        self.parser = parser

    def forward(self, images: UInt8[Tensor, "n side side 3"]) -> UInt8[Tensor, "n twice twice"]:
        """Scale, parse twice, enlarge, choose."""
        scaled = images.permute(0, 3, 1, 2).float() / 127.5 - 1
        logits: Tensor = self.parser(scaled) + self.parser(scaled.flip(3)).flip(3)
        return interpolate(logits, scale_factor=2.0, mode="bilinear").argmax(1).to(torch.uint8)


def export_parser(parser: FaceParser, out: Path, made_with: Mapping[str, str]) -> None:
    """Write a parser as ONNX, its class map in its metadata.

    Args:
        parser: in inference mode.
        out: the file, written under a temporary name first.
        made_with: what else the metadata says.

    Raises:
        InvalidDetector: torch and ONNX Runtime disagree on more than one pixel in a thousand; nothing is written.
    """
    class_map = ClassMap(side=PARSED_SIDE, classes=PARTS, layout="nhwc")
    example = torch.zeros(2, PARSED_SIDE, PARSED_SIDE, 3, dtype=torch.uint8)
    data = graph_bytes(
        _FromPixels(parser).eval(),
        example,
        {0: Dim("n")},
        names=("images", "parts"),
        metadata={METADATA_KEY: class_map.to_json(), **made_with},
    )
    out.parent.mkdir(parents=True, exist_ok=True)
    temporary = out.with_name(f".{out.name}.{os.getpid()}")
    try:
        temporary.write_bytes(data)
        share = _disagreement(parser, temporary)
        if not share <= MOST_DIFFERENT:
            raise InvalidDetector(
                expected=f"torch and ONNX Runtime to agree on all but {MOST_DIFFERENT:.1%} of pixels",
                found=f"{share:.2%} that differ",
                do="Nothing was written. Check the weights.",
            )
        temporary.replace(out)
    finally:
        temporary.unlink(missing_ok=True)


def _disagreement(parser: FaceParser, path: Path) -> float:
    """Share of pixels of smooth noise that torch and ONNX Runtime assign to different parts."""
    draw = torch.Generator().manual_seed(0)
    coarse = torch.rand(2, 3, 12, 12, generator=draw)
    smooth = interpolate(coarse, size=PARSED_SIDE, mode="bicubic").clamp(0, 1) * 255
    images = smooth.byte().permute(0, 2, 3, 1).contiguous()
    with torch.inference_mode():
        expected = _FromPixels(parser).eval()(images).numpy()
    return float((open_graph(path).run(images.numpy()) != expected).mean())

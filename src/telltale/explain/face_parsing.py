"""Which part of a face does a pixel show? One function type, three ways to fill it: masks, our parser, yours.

`Parse` takes a picture and gives a part map of its size. Masks on disk answer for the pictures they were made for; a
parser is any ONNX graph with a class map that says what goes in and what comes out. The shipped parser carries its
class map in its own header, so that ours and yours run through the same lines.
"""

import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal, TypeAlias

import numpy as np
from jaxtyping import Shaped
from PIL import Image

from telltale.data.sample import Sample
from telltale.errors import InvalidConfig, InvalidDataset, InvalidDetector, UndecodableImage
from telltale.explain.face_parts import CELEBAMASK_HQ, PARTS, PartMap, merged
from telltale.explain.masks import MaskFolder
from telltale.image import MAX_PIXELS, Pixels, resize
from telltale.runtime import Graph, open_graph

# None where nothing is known of this picture's parts, as for one without a mask.
Parse: TypeAlias = Callable[[Sample, Pixels], PartMap | None]
METADATA_KEY = "telltale_class_map"
SHIPPED = Path(__file__).parent.parent / "weights" / "parsers" / "face-parser.onnx"


@dataclass(frozen=True, slots=True, kw_only=True)
class ClassMap:
    """What a face parser's graph takes and gives.

    Attributes:
        side: pictures are stretched to this square, pixels.
        classes: what each class means, in the order of the graph's classes: names out of PARTS.
        layout: order of axes of the input; "nhwc" or "nchw".
        mean: subtracted from red, green and blue in [0, 1] first; not for graphs that take uint8.
        std: and divided by this.
    """

    side: int
    classes: tuple[str, ...]
    layout: Literal["nhwc", "nchw"] = "nchw"
    mean: tuple[float, float, float] = (0.0, 0.0, 0.0)
    std: tuple[float, float, float] = (1.0, 1.0, 1.0)

    @classmethod
    def from_json(cls, text: str, name: str) -> "ClassMap":
        """Read `{"side": 512, "classes": ["background", "skin", ...], "layout": "nchw", "mean": [...], "std": [...]}`.

        Raises:
            InvalidConfig: not such an object, or values that mean nothing; `name` says of which file.
        """
        try:
            values: dict[str, Any] = json.loads(text)
            found = cls(
                side=values["side"],
                classes=tuple(values["classes"]),
                layout=values.get("layout", "nchw"),
                mean=_three(values.get("mean", (0, 0, 0))),
                std=_three(values.get("std", (1, 1, 1))),
            )
            wrong = [repr(part) for part in found.classes if part not in PARTS]
            sound = not wrong and found.layout in ("nhwc", "nchw") and found.side in range(8, 4097)
            sound = sound and min(found.std) > 0
            if not sound or len(set(found.classes)) < 2 or unknown_keys(values):
                raise ValueError(", ".join([*wrong, *unknown_keys(values)]) or text[:200])
        except (ValueError, KeyError, TypeError, AttributeError) as error:
            raise InvalidConfig(
                expected=f"a class map: side (8 to 4096), classes (names out of {', '.join(PARTS)}), and where needed "
                "layout (nhwc or nchw), mean and std (three numbers each)",
                found=f"{name}: {type(error).__name__} {error}",
                do="Correct the JSON.",
            ) from error
        return found

    def to_json(self) -> str:
        """As `from_json` reads it."""
        return json.dumps(
            {"side": self.side, "classes": self.classes, "layout": self.layout, "mean": self.mean, "std": self.std}
        )


def _three(values: Any) -> tuple[float, float, float]:
    red, green, blue = values
    return float(red), float(green), float(blue)


def unknown_keys(values: dict[str, Any]) -> list[str]:
    """Keys a class map does not have: a misspelt one must not go unnoticed."""
    return sorted(set(values) - set(ClassMap.__dataclass_fields__))


def mask_classes(text: str, name: str) -> tuple[str, ...]:
    """The part that each value of a mask means, from `{"classes": ["background", "skin", ...]}`: of 0 the first.

    Raises:
        InvalidConfig: not such an object, or names that are no parts; `name` says of which file.
    """
    try:
        values: dict[str, Any] = json.loads(text)
        found = tuple(values["classes"])
        wrong = [repr(part) for part in found if part not in PARTS] + sorted(set(values) - {"classes"})
        if wrong or not found:
            raise ValueError(", ".join(wrong) or "no classes")
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise InvalidConfig(
            expected=f"a class map of masks: classes, and nothing else: names out of {', '.join(PARTS)}",
            found=f"{name}: {type(error).__name__} {error}",
            do="Correct the JSON.",
        ) from error
    return found


def load_parser(path: Path = SHIPPED, class_map: ClassMap | None = None) -> Callable[[Pixels], PartMap]:
    """A face parser: a function from a picture to its part map, of the same size; may be called from several threads.

    The picture is stretched to the parser's square with Lanczos; the answer is brought back by nearest neighbour.

    Args:
        path: an ONNX file: uint8 or float32 pictures in, logits (1, classes, h, w) or class numbers (1, h, w) out.
        class_map: what goes in and out; None reads it from the file's metadata.

    Raises:
        InvalidDetector: no such file, not an ONNX graph of one input, one without a class map, or one that cannot take
            a picture as the class map says.
        InvalidConfig: a class map that does not fit what comes out.
    """
    graph = open_graph(path)
    if class_map is None and METADATA_KEY not in graph.metadata:
        raise InvalidDetector(
            expected="a face parser that says what its classes mean",
            found=f"{path} without a class map in its metadata",
            do="Give one: --class-map FILE.json.",
        )
    known = class_map or ClassMap.from_json(graph.metadata[METADATA_KEY], str(path))
    if graph.dtype not in ("uint8", "float32"):
        raise InvalidConfig(
            expected="a graph that takes uint8 or float32", found=f"{graph.dtype}: {path}", do="Convert the graph."
        )
    groups = np.array([PARTS.index(name) for name in known.classes], np.uint8)
    # What does not fit together shows now, and not as a failure of every picture.
    _classes(
        graph.run(_as_input(np.zeros((known.side, known.side, 3), np.uint8), graph, known)), len(groups), str(path)
    )

    def parse(pixels: Pixels) -> PartMap:
        square = resize(pixels, known.side, known.side)
        found = _classes(graph.run(_as_input(square, graph, known)), len(groups), str(path))
        rows, columns = (
            (2 * np.arange(length) + 1) * there // (2 * length)
            for length, there in zip(pixels.shape[:2], found.shape, strict=True)
        )
        answer: PartMap = groups[found][np.ix_(rows, columns)]
        return answer

    return parse


def _as_input(square: Pixels, graph: Graph, known: ClassMap) -> Shaped[np.ndarray, "..."]:
    values: Shaped[np.ndarray, ...] = square
    if graph.dtype == "float32":
        mean, std = np.array(known.mean, np.float32), np.array(known.std, np.float32)
        values = ((square.astype(np.float32) / 255 - mean) / std).astype(np.float32)
    return np.ascontiguousarray(values[None] if known.layout == "nhwc" else values.transpose(2, 0, 1)[None])


def _classes(found: Shaped[np.ndarray, "..."], count: int, name: str) -> Shaped[np.ndarray, "rows columns"]:
    """Class numbers per pixel from logits without NaN, or from class numbers."""
    if found.ndim == 4 and found.shape[:2] == (1, count) and not np.isnan(found.min()):
        return np.asarray(found[0].argmax(0))
    if found.ndim == 3 and found.shape[0] == 1 and found.dtype.kind in "iu" and 0 <= found.min() <= found.max() < count:
        return np.asarray(found[0])
    raise InvalidConfig(
        expected=f"finite logits (1, {count}, height, width) or class numbers (1, height, width) below {count}, one "
        "for each class of the class map",
        found=f"{found.dtype} of shape {found.shape} from {name}",
        do="Correct the class map, or the graph.",
    )


def by_parser(path: Path = SHIPPED, class_map: ClassMap | None = None) -> Parse:
    """`Parse` by a face parser; raises what `load_parser` raises."""
    parse = load_parser(path, class_map)
    return lambda _sample, pixels: parse(pixels)


def by_masks(folder: Path, classes: Sequence[str] = CELEBAMASK_HQ) -> Parse:
    """`Parse` by masks on disk: grey or palette PNGs whose values are classes.

    A mask belongs to the picture of the same name; one of another size is brought to the picture's by nearest neighbour
    where both have the same aspect. Pictures without a mask are answered with None.

    Args:
        folder: of masks, searched to any depth.
        classes: the part that each value means, names out of PARTS; CelebAMask-HQ's 0 to 18 unless told otherwise.

    Raises:
        InvalidDataset: no masks there; and, from the function, a mask of another aspect or in colour.
        InvalidConfig: from the function: a class that means nothing.
        UndecodableImage: from the function: a mask that cannot be read.
    """
    masks = MaskFolder(folder)

    def parse(sample: Sample, pixels: Pixels) -> PartMap | None:
        path = masks(sample)
        if path is None:
            return None
        values = _read_classes(path)
        (height, width), (rows, columns) = pixels.shape[:2], values.shape
        if abs(rows * width - columns * height) > max(height, width, rows, columns):
            raise InvalidDataset(
                expected=f"a mask of the picture's size, {width} x {height} px, or of its aspect",
                found=f"{columns} x {rows} px: {path}",
                do="Cut and scale the mask as the picture was.",
            )
        down, across = (
            (2 * np.arange(length) + 1) * there // (2 * length) for length, there in ((height, rows), (width, columns))
        )
        return merged(values, classes)[np.ix_(down, across)]

    return parse


def _read_classes(path: Path) -> PartMap:
    """Values as they are stored; `telltale.decode` would turn a palette into colours."""
    try:
        with Image.open(path) as image:
            if image.width * image.height > MAX_PIXELS:
                raise ValueError(f"{image.width} x {image.height} px")
            if image.mode not in ("L", "P"):
                raise InvalidDataset(
                    expected=f"a mask of class numbers, grey or with a palette: {path}",
                    found=f"mode {image.mode}",
                    do="Save it as 8-bit grey: the value is the class.",
                )
            return np.array(image, np.uint8)
    except (OSError, ValueError, SyntaxError) as error:
        raise UndecodableImage(
            expected="a mask", found=f"{path}: {error}", do="Check the file, or leave it out."
        ) from error

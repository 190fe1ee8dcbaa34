"""How near made pictures are to photographs, as sets: the kernel distance (KID) of their features.

KID was defined on features of an Inception network trained on ImageNet, whose weights telltale neither ships nor
fetches. Here the features are those of the shipped face parser's encoder, learned from masks of faces: the means over
the picture of its five stages, from texture to parts. Say "KID (face-parser features)" of such a figure, and compare it
with no other KID. Pictures of anything but faces are outside what these features know.

Like every such figure it has a taste: on faces of 64 px a blur of one pixel costs more than noise of 15 levels, and
the same distance does not look equally bad in two pictures. Open the samples too.
"""

from collections.abc import Callable
from dataclasses import dataclass
from functools import cache
from math import sqrt
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np
import onnx
from jaxtyping import Float, Float32, Float64, Shaped, UInt8
from onnx.utils import Extractor

from telltale.errors import InvalidConfig, InvalidDataset, InvalidDetector
from telltale.explain.face_parsing import METADATA_KEY, SHIPPED, ClassMap
from telltale.image import resize
from telltale.runtime import open_graph

# Pictures of a set: with fewer the distance has no standard error.
LEAST = 4
_STAGES = 4
_PASS, _BLOCK = 16, 1024


@dataclass(frozen=True, slots=True, kw_only=True)
class KernelDistance:
    """A distance between two sets of pictures.

    Attributes:
        value: squared, unbiased: 0 on average where both sets come from one distribution, so that it can be negative.
        error: its standard error, from the choice of pictures in both sets.
    """

    value: float
    error: float


def kernel_distance(
    a: Float[np.ndarray, "n d"],
    b: Float[np.ndarray, "m d"],
    *,
    subsets: int = 100,
    subset_size: int | None = None,
    seed: int = 0,
) -> KernelDistance:
    """KID: the unbiased squared maximum mean discrepancy with the kernel (x.y / d + 1)^3.

    After Binkowski et al., *Demystifying MMD GANs*, ICLR 2018, with two differences: the value is that of all pairs,
    which the mean over random subsets only estimates, and so does not depend on order or seed; and the error is the
    spread over subsets carried over to the whole sets, where the paper's shrinks with the number of subsets.

    Args:
        a, b: features, a row per picture, at least 4 each.
        subsets: drawn for the error, without replacement; 2 or more.
        subset_size: pictures of the larger set in a subset; of the smaller one the same share. At most half, which is
            what None means.
        seed: of the subsets.

    Raises:
        InvalidDataset: fewer than 4 pictures, features of different lengths, or such as are not finite.
        InvalidConfig: fewer than 2 subsets, or a subset's size below 2.
    """
    for features in (a, b):
        if len(features) < LEAST or not np.isfinite(features).all() or a.shape[1] != b.shape[1]:
            raise InvalidDataset(
                expected=f"finite features of one length, of at least {LEAST} pictures in each set",
                found=f"shapes {a.shape} and {b.shape}, smallest value {features.min(initial=np.inf)}",
                do="Compare larger sets, and look at their pictures.",
            )
    if subsets < 2 or (subset_size is not None and subset_size < 2):
        raise InvalidConfig(
            expected="2 or more subsets, of 2 or more pictures",
            found=f"subsets {subsets}, subset_size {subset_size}",
            do="Correct the numbers, or leave them out.",
        )
    longer = max(len(a), len(b))
    share = 0.5 if subset_size is None else min(0.5, subset_size / longer)
    random = np.random.default_rng(seed)
    chosen_a, chosen_b = (_chosen(len(one), share, subsets, random) for one in (a, b))
    found = _discrepancies(np.asarray(a, np.float64), np.asarray(b, np.float64), chosen_a, chosen_b)
    # What a share leaves out varies like 1/share - 1 times the whole; of half, exactly alike.
    return KernelDistance(value=float(found[0]), error=float(found[1:].std(ddof=1)) * sqrt(share / (1 - share)))


def _chosen(n: int, share: float, subsets: int, random: np.random.Generator) -> Float64[np.ndarray, "rows n"]:
    """A row of ones for the whole set, then one per subset: 1 where a picture is in it."""
    size = max(2, round(share * n))
    rows = np.ones((1 + subsets, n))
    rows[1:] = random.permuted(np.tile(np.arange(n) < size, (subsets, 1)), axis=1)
    return rows


def _discrepancies(
    a: Float64[np.ndarray, "n d"],
    b: Float64[np.ndarray, "m d"],
    chosen_a: Float64[np.ndarray, "rows n"],
    chosen_b: Float64[np.ndarray, "rows m"],
) -> Float64[np.ndarray, " rows"]:
    """Unbiased squared discrepancy between the pictures that each row chooses."""
    count_a, count_b = chosen_a.sum(1), chosen_b.sum(1)
    within_a = _pairs(a, a, chosen_a, chosen_a) - chosen_a @ _kernel((a * a).sum(1), a.shape[1])
    within_b = _pairs(b, b, chosen_b, chosen_b) - chosen_b @ _kernel((b * b).sum(1), b.shape[1])
    between = _pairs(a, b, chosen_a, chosen_b) / (count_a * count_b)
    answer: Float64[np.ndarray, " rows"] = (
        within_a / (count_a * (count_a - 1)) + within_b / (count_b * (count_b - 1)) - 2 * between
    )
    return answer


def _pairs(
    a: Float64[np.ndarray, "n d"],
    b: Float64[np.ndarray, "m d"],
    chosen_a: Float64[np.ndarray, "rows n"],
    chosen_b: Float64[np.ndarray, "rows m"],
) -> Float64[np.ndarray, " rows"]:
    """Sums of the kernel over the pairs that each row chooses; in blocks, so that memory stays constant."""
    sums = np.zeros(len(chosen_a))
    for begin in range(0, len(a), _BLOCK):
        part = slice(begin, begin + _BLOCK)
        sums += ((chosen_a[:, part] @ _kernel(a[part] @ b.T, a.shape[1])) * chosen_b).sum(1)
    return sums


def _kernel(products: Float64[np.ndarray, "..."], length: int) -> Float64[np.ndarray, "..."]:
    answer: Float64[np.ndarray, ...] = (products / length + 1) ** 3
    return answer


def face_features(images: UInt8[np.ndarray, "n height width 3"]) -> Float32[np.ndarray, "n d"]:
    """Features of faces by the shipped parser's encoder: the means of its five stages, 456 numbers.

    Pictures are stretched to the parser's square with Lanczos. About 15 ms a picture on one core.

    Raises:
        InvalidDataset: no pictures.
    """
    if not len(images):
        raise InvalidDataset(expected="pictures", found="none", do="Give at least one.")
    encode, side = _encoder(SHIPPED)
    parts = (images[begin : begin + _PASS] for begin in range(0, len(images), _PASS))
    return np.concatenate([encode(np.stack([resize(one, side, side) for one in part])) for part in parts])


# A function of a file that comes with telltale; every other call would read it again.
@cache
def _encoder(path: Path) -> tuple[Callable[[Shaped[np.ndarray, "..."]], Shaped[np.ndarray, "..."]], int]:
    """The encoder half of a parser's file, each stage averaged over the picture; and the side it takes."""
    model = onnx.load(path)
    metadata = {entry.key: entry.value for entry in model.metadata_props}
    first: dict[str, str] = {}
    for node in model.graph.node:
        if node.op_type == "Conv":
            # The parser runs twice, on the picture and on its mirror image: the first is meant.
            first.setdefault(node.input[1], node.input[0])
    wanted = ["parser.side.0.weight", *(f"parser.reduce.{stage}.0.weight" for stage in range(_STAGES))]
    missing = [name for name in (*wanted, METADATA_KEY) if name not in first and name not in metadata]
    if missing:
        raise InvalidDetector(
            expected=f"a face parser that telltale exported: {path}", found=f"no {', '.join(missing)}", do="Export it."
        )
    half = Extractor(model).extract_model([model.graph.input[0].name], [first[name] for name in wanted])
    _average_outputs(half)
    with TemporaryDirectory() as folder:
        file = Path(folder) / "encoder.onnx"
        file.write_bytes(half.SerializeToString())
        run = open_graph(file).run
    return run, ClassMap.from_json(metadata[METADATA_KEY], str(path)).side


def _average_outputs(model: onnx.ModelProto) -> None:
    """Replace a model's outputs by one: their means over rows and columns, side by side."""
    names = [one.name for one in model.graph.output]
    make = onnx.helper.make_node
    for name in names:
        model.graph.node.append(make("GlobalAveragePool", [name], [f"{name}.mean"]))
        model.graph.node.append(make("Flatten", [f"{name}.mean"], [f"{name}.flat"]))
    model.graph.node.append(make("Concat", [f"{name}.flat" for name in names], ["features"], axis=1))
    del model.graph.output[:]
    model.graph.output.append(onnx.helper.make_tensor_value_info("features", onnx.TensorProto.FLOAT, ["n", "d"]))

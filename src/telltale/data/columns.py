"""What else is known of each image: any column of the data's own tables, or something read from the file."""

from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from io import BytesIO
from pathlib import Path
from typing import TypeAlias

import numpy as np
from PIL import Image, UnidentifiedImageError

from telltale.data.formats import jpeg_quality
from telltale.data.layouts import tables
from telltale.data.manifests import table_rows
from telltale.data.sample import Sample
from telltale.errors import InvalidConfig, TelltaleError

# A number, a word, or nothing known.
Value: TypeAlias = float | str | None

# ITU-R BT.601, as JPEG weighs red, green and blue.
_LUMA = (0.299, 0.587, 0.114)


def column(name: str, sources: Sequence[Path], samples: Sequence[Sample], *, workers: int = 1) -> list[Value]:
    """One value for each sample; None where nothing is known.

    A column of that name in the data's tables comes first (`index.parquet` of a built data set, a manifest, a Hugging
    Face metadata file), then what `COMPUTED` names.

    Args:
        name: of the column.
        sources: where the samples were scanned.
        samples: which images.
        workers: images opened at the same time, for what is computed.

    Raises:
        InvalidConfig: no such column; the message names those there are.
    """
    found: dict[Path, Value] = {}
    there: set[str] = set()
    for source in sources:
        for table in tables(source):
            for path, row in table_rows(table):
                there |= row.keys()
                if name in row:
                    found[path] = _value(row[name])
    if name in there:
        return [found.get(sample.path) for sample in samples]
    if name not in COMPUTED:
        raise InvalidConfig(
            expected=f"a column of the data ({', '.join(sorted(there)) or 'it has none'}), or one that is computed "
            f"({', '.join(COMPUTED)})",
            found=repr(name),
            do="Correct the name.",
        )
    with ThreadPoolExecutor(workers) as threads:
        return list(threads.map(lambda sample: _read(COMPUTED[name], sample), samples))


def _value(found: object) -> Value:
    """A table's field: words that are numbers are numbers, as CSV has it."""
    if found is None or (isinstance(found, float) and np.isnan(found)):
        return None
    if isinstance(found, bool):
        return "yes" if found else "no"
    try:
        number = float(str(found))
    except ValueError:
        return str(found) or None
    return number if np.isfinite(number) else str(found)


def _read(compute: Callable[[Sample], Value], sample: Sample) -> Value:
    """Nothing is known of a file that cannot be read."""
    try:
        return compute(sample)
    except (TelltaleError, OSError, UnidentifiedImageError, Image.DecompressionBombError):
        return None


def _shape(sample: Sample) -> tuple[int, int]:
    height, width = sample.pixels().shape[:2]
    return height, width


def _quality(sample: Sample) -> Value:
    with Image.open(BytesIO(sample.read())) as image:
        tables_inside = getattr(image, "quantization", None)
        found = jpeg_quality(tables_inside) if tables_inside else None
    return "no JPEG" if found is None else float(found)


def _brightness(sample: Sample) -> Value:
    return float(sample.pixels().mean(axis=(0, 1)) @ _LUMA)


COMPUTED: Mapping[str, Callable[[Sample], Value]] = {
    "width": lambda sample: float(_shape(sample)[1]),
    "height": lambda sample: float(_shape(sample)[0]),
    "size": lambda sample: float(min(_shape(sample))),
    "jpeg_quality": _quality,
    "face_size": lambda sample: None if sample.face is None else float(min(sample.face[2:])),
    "brightness": _brightness,
    "source": lambda sample: sample.source,
    "split": lambda sample: sample.split,
}

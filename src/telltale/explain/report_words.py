"""Words that files bring into a report: spelled out, so that a name can neither hide nor reorder what it says."""

import math
from typing import Any


def spelled(text: str) -> str:
    """The text with line ends, control codes, reversed writing and bytes that are no text spelled out."""
    return "".join(letter if letter.isprintable() else ascii(letter)[1:-1] for letter in text)


def finite(value: Any) -> float | None:
    """A number of a file, which may hold it as text; None where there is none, or one that is not finite.

    Raises:
        ValueError: something that is no number.
    """
    if value is None or value == "" or isinstance(value, bool):
        return None
    try:
        number = float(value)
    except (TypeError, ValueError) as error:
        raise ValueError(f"{value!r} where a number is expected") from error
    return number if math.isfinite(number) else None

"""What several recipes ask of their command lines.

No script: recipes import it.
"""

from argparse import ArgumentTypeError


def positive(text: str) -> int:
    """A whole number above 0."""
    if not text.isdecimal() or int(text) < 1:
        raise ArgumentTypeError(f"expected a whole number of 1 or more, found {text!r}")
    return int(text)

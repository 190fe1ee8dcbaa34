"""Hashes of pictures' bytes: whether a score is of the picture that lies there now."""

from hashlib import sha256

from telltale.data.sample import Sample
from telltale.errors import UndecodableImage
from telltale.evaluate.results import utf8


class Digests:
    """sha256 of each image's bytes, read once; None for a file that cannot be read."""

    def __init__(self) -> None:
        self._known: dict[str, str | None] = {}

    def __call__(self, sample: Sample) -> str | None:
        """The hash in hexadecimal digits; the same sample's again without a look at the disk."""
        path = utf8(str(sample.path))
        if path not in self._known:
            try:
                self._known[path] = sha256(sample.read()).hexdigest()
            except UndecodableImage:
                self._known[path] = None
        return self._known[path]

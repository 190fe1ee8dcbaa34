"""Every error telltale raises on purpose.

```
TelltaleError                 expected, found, what to do
├── UndecodableImage          not a picture we can read: missing, empty, truncated, another format
│   └── TooManyPixels         larger than the limit; known from the header, before decoding
├── UndecodableVideo          not a video we can read, or one of which a part cannot be read; says from when on
├── UnsuitableImage           a picture, but not one this detector can score: too small, too elongated
├── InvalidDetector           a weights file or spec that is unknown, damaged, or not telltale's
├── InvalidDataset            samples that contradict each other, one class only, an empty folder, a wrong manifest
├── InvalidConfig             a setting out of range, or two settings that exclude each other
├── TrainingStopped           training met a loss that is not finite, or a run that cannot be resumed
└── MissingExtra              an optional dependency is absent; the message holds the pip command
```

A message has three parts: what was expected, what was found, what to do.
"""

from importlib import import_module
from types import ModuleType


class TelltaleError(Exception):
    """Base of every error telltale raises on purpose.

    Args:
        expected: what the caller should have given.
        found: what was there instead, naming the file or the value.
        do: what the reader can do about it.
    """

    def __init__(self, *, expected: str, found: str, do: str) -> None:
        super().__init__(f"expected {expected}; found {found}. {do}")
        self.expected, self.found, self.do = expected, found, do

    def __reduce__(self) -> tuple[object, ...]:
        """Survive the trip between processes: the default pickling drops keyword-only arguments."""
        return (_rebuild, (type(self), self.expected, self.found, self.do))


def _rebuild(kind: type[TelltaleError], expected: str, found: str, do: str) -> TelltaleError:
    return kind(expected=expected, found=found, do=do)


class UndecodableImage(TelltaleError):
    """The bytes are not a picture telltale can read."""


class TooManyPixels(UndecodableImage):
    """A picture larger than the limit, by its header."""


class UndecodableVideo(TelltaleError):
    """A file that is no video telltale can read, or one of which a part cannot be read."""


class UnsuitableImage(TelltaleError):
    """A picture, but not one this detector can score."""


class InvalidDetector(TelltaleError):
    """A weights file or spec that is unknown, damaged, or not telltale's."""


class InvalidDataset(TelltaleError):
    """Samples that contradict each other, one class only, an empty folder, a wrong manifest."""


class InvalidConfig(TelltaleError):
    """A setting out of range, or two settings that exclude each other."""


class TrainingStopped(TelltaleError):
    """Training met a loss that is not finite, or a run that cannot be resumed."""


class MissingExtra(TelltaleError):
    """An optional dependency is absent."""


def require(module: str, extra: str) -> ModuleType:
    """Import `module`, or say which extra brings it.

    Raises:
        MissingExtra: with the exact `pip install` command.
    """
    try:
        return import_module(module)
    except ImportError as error:
        raise MissingExtra(
            expected=f"the package '{module.split('.')[0]}'",
            found=f"no such package here ({error})",
            do=f"Run: pip install 'telltale[{extra}]'",
        ) from error

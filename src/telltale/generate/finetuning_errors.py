"""What ends a finetuning, each by its name; the last good state stays on the disk.

```
TelltaleError
├── InvalidConfig
│   └── NotDifferentiable     no gradient reaches the generator's parameters
├── UnsuitableImage
│   └── WrongImages           a generator's output that is no batch of pictures of the wanted size
└── TrainingStopped
    ├── NotFinite             NaN or infinity in a loss or in a picture
    ├── Collapsed             samples that have become alike
    └── ClassifierChanged     the classifier to fool did not stay as it was
```
"""

from telltale.errors import InvalidConfig, TrainingStopped, UnsuitableImage


class NotDifferentiable(InvalidConfig):
    """No gradient reaches the generator's parameters."""


class WrongImages(UnsuitableImage):
    """A generator's output that is no batch of pictures of the wanted size."""


class NotFinite(TrainingStopped):
    """NaN or infinity in a loss or in a picture."""


class Collapsed(TrainingStopped):
    """Samples that have become alike."""


class ClassifierChanged(TrainingStopped):
    """The classifier to fool did not stay as it was."""

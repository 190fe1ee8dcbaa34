"""Training patch classifiers: the torch half of telltale."""

from telltale.errors import require

require("torch", "learn")

from telltale.learn.checkpoint import load, restore, save  # noqa: E402
from telltale.learn.classifier import ARCHITECTURES, PatchClassifier, build  # noqa: E402
from telltale.learn.original import load_original  # noqa: E402

__all__ = ["ARCHITECTURES", "PatchClassifier", "build", "load", "load_original", "restore", "save"]

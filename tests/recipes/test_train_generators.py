"""The larger settings, which nobody runs in a test: that they can be built, and that they are larger."""

import sys
from pathlib import Path

import pytest
import torch

sys.path.append(str(Path(__file__).resolve().parents[2] / "recipes"))

from telltale.generate.families import build_generator
from train_generators import LARGE_SIZES, LARGE_TRAINING, SIZES, learning


@pytest.mark.parametrize("family", sorted(SIZES))
def test_larger_settings_are_larger(family: str, tmp_path: Path) -> None:
    with torch.device("meta"):
        small, large = (build_generator(family, **sizes[family]) for sizes in (SIZES, LARGE_SIZES))

        def numbers(model: torch.nn.Module) -> int:
            return sum(one.numel() for one in model.state_dict().values())

        # The VAE has one size.
        assert numbers(large) > numbers(small) or family == "vae"
        pictures = torch.zeros(80, 3, 64, 64, dtype=torch.uint8)
        usual, more = (
            learning(family, model, pictures, 0, tmp_path, quick=False, large=size)[0]
            for size, model in ((False, small), (True, large))
        )
    if family in LARGE_TRAINING:
        assert more["steps"] == LARGE_TRAINING[family]["steps"] >= 10 * usual["steps"]

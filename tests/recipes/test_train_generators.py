"""The larger settings, which nobody runs in a test: that they can be built, and that they are larger."""

import sys
from itertools import islice
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


@pytest.mark.slow
@pytest.mark.parametrize("family", sorted(LARGE_TRAINING))
def test_larger_settings_take_steps_and_go_on_where_they_stopped(
    family: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Two steps at the full sizes; on a GPU where there is one."""
    device = "cuda" if torch.cuda.is_available() else "cpu"
    pictures = torch.randint(0, 256, (4, 3, 64, 64), dtype=torch.uint8)
    seen = []
    for steps in (1, 2):
        monkeypatch.setitem(LARGE_TRAINING, family, {"steps": 2, "batch": 2, "save_every": 1})
        torch.manual_seed(0)
        generator = build_generator(family, **LARGE_SIZES[family]).to(device)
        records = learning(family, generator, pictures, 0, tmp_path, quick=False, large=True)[1]
        seen += [one.step for one in islice(records, steps)]
    assert seen == [1, 2]
    samples = generator.eval().cpu().sample(2, 0)  # type: ignore[operator]
    assert bool(samples.isfinite().all())

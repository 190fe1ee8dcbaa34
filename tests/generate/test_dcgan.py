"""The DCGAN: samples by seed, and the trained file's own statistics where it is there."""

from collections.abc import Iterator
from pathlib import Path

import pytest
import torch
from generator_weights import deviation, normalisation_inputs, one_thread, seeded, shared_data, write_weights

from telltale.generate.dcgan import Dcgan, dcgan


@pytest.fixture(autouse=True, scope="module")
def calm() -> Iterator[None]:
    with one_thread():
        yield


@pytest.fixture(scope="module")
def model() -> Dcgan:
    with seeded(0):
        return Dcgan().eval()


def test_samples_are_images_in_range(model: Dcgan) -> None:
    with torch.inference_mode():
        images = model.sample(3, seed=0)
    assert images.shape == (3, 3, 32, 32)
    assert float(images.abs().max()) <= 1


def test_a_seed_names_its_samples_however_many_are_drawn(model: Dcgan) -> None:
    with torch.inference_mode():
        few, many, other = model.sample(1, seed=5), model.sample(4, seed=5), model.sample(1, seed=6)
    torch.testing.assert_close(few[0], many[0], rtol=1e-5, atol=1e-6)
    assert not torch.allclose(few, other)


def test_gradients_reach_every_parameter(tmp_path: Path) -> None:
    loaded = dcgan(write_weights(tmp_path, "dcgan_celeba32"))
    loaded.sample(2, seed=0).square().sum().backward()  # type: ignore[no-untyped-call]
    assert all(value.grad is not None and float(value.grad.abs().sum()) > 0 for value in loaded.parameters())


def test_the_trained_generator_sees_what_it_saw_in_training() -> None:
    trained = dcgan(shared_data() / "generators")
    with torch.inference_mode(), normalisation_inputs(trained) as seen:
        trained.sample(500, seed=0)
    found = {name: deviation(trained, name, given[0]) for name, given in seen.items()}
    # Normal latents give 1.1 in the first block, an activation after it 1.0 in the second.
    assert max(found.values()) < 0.1, found

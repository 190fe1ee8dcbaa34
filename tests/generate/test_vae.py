"""The variational autoencoder: samples by seed, and the trained file's own statistics where it is there."""

from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
import torch
from generator_weights import deviation, normalisation_inputs, one_thread, seeded, shared_data, write_weights

from telltale.generate.vae import Vae, vae
from telltale.image import decode


@pytest.fixture(autouse=True, scope="module")
def calm() -> Iterator[None]:
    with one_thread():
        yield


@pytest.fixture(scope="module")
def model() -> Vae:
    with seeded(0):
        return Vae().eval()


def test_samples_are_images_in_range(model: Vae) -> None:
    with torch.inference_mode():
        images = model.sample(3, seed=0)
    assert images.shape == (3, 3, 64, 64)
    assert float(images.abs().max()) <= 1


def test_a_seed_names_its_samples_however_many_are_drawn(model: Vae) -> None:
    with torch.inference_mode():
        few, many, other = model.sample(1, seed=5), model.sample(4, seed=5), model.sample(1, seed=6)
    torch.testing.assert_close(few[0], many[0], rtol=1e-5, atol=1e-6)
    assert not torch.allclose(few, other)


def test_sampling_leaves_the_global_random_state_alone(model: Vae) -> None:
    before = torch.random.get_rng_state()
    with torch.inference_mode():
        model.sample(2, seed=0)
    assert torch.equal(before, torch.random.get_rng_state())


def test_gradients_reach_the_decoder(model: Vae) -> None:
    model.sample(1, seed=0).sum().backward()  # type: ignore[no-untyped-call]
    assert model.d1.weight.grad is not None
    assert float(model.d1.weight.grad.abs().sum()) > 0
    assert model.e1.weight.grad is None


def test_encoding_gives_mean_and_log_variance(model: Vae, tmp_path: Path) -> None:
    loaded = vae(write_weights(tmp_path, "vae_celeba64"))
    with torch.inference_mode():
        for one in (model, loaded):
            mean, log_variance = one.encode(torch.zeros(2, 3, 64, 64))
            assert mean.shape == log_variance.shape == (2, 32)


def test_the_trained_decoder_sees_what_it_saw_in_training() -> None:
    trained = vae(shared_data() / "generators")
    with torch.inference_mode(), normalisation_inputs(trained) as seen:
        images = trained.sample(400, seed=0)
    found = {name: deviation(trained, name, given[0]) for name, given in seen.items() if given}
    assert set(found) == {"bn6", "bn7", "bn8"}
    # Another activation after d1 gives 0.3 to 0.5.
    assert max(found.values()) < 0.25, found
    assert 0.05 < float(images.std()) < 0.9


def test_the_trained_encoder_maps_faces_to_standard_normal_latents() -> None:
    data = shared_data()
    faces = sorted((data / "celeba64").rglob("*.jpg"))[:300]
    pixels = np.stack([decode(path) for path in faces])
    images = torch.from_numpy(pixels).permute(0, 3, 1, 2).float() / 127.5 - 1
    trained = vae(data / "generators")
    with torch.inference_mode():
        mean, log_variance = trained.encode(images)
        error = float((trained(mean) - images).square().mean()) / 4
    assert float(mean.mean().abs()) < 0.1
    total = mean.var(0) + log_variance.exp().mean(0)
    assert 0.8 < float(total.mean()) < 1.2
    assert error < 0.02  # a better than 17 dB likeness; random latents give 0.08

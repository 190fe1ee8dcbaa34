"""Weights of generators: nothing missing, nothing left over, nothing but safetensors."""

from pathlib import Path

import pytest
import torch
from generator_weights import write_weights
from safetensors.torch import load_file, save_file

from telltale.errors import InvalidConfig
from telltale.generate.dcgan import Dcgan
from telltale.generate.loading import with_weights

WEIGHT = "generator_deconv.1.0.weight"


@pytest.fixture
def file(tmp_path: Path) -> Path:
    return write_weights(tmp_path, "dcgan_celeba32") / "dcgan_celeba32.safetensors"


def test_every_tensor_arrives_and_the_module_is_ready_for_inference(file: Path) -> None:
    model = with_weights(Dcgan(), file)
    assert not model.training
    state = model.state_dict()
    for name, tensor in load_file(file).items():
        torch.testing.assert_close(state[name], tensor, rtol=0, atol=0)


def test_a_missing_file_says_where_to_point(tmp_path: Path) -> None:
    with pytest.raises(InvalidConfig, match=r"absent\.safetensors.*--generators"):
        with_weights(Dcgan(), tmp_path / "absent.safetensors")


def test_a_damaged_file_is_named(tmp_path: Path) -> None:
    path = tmp_path / "damaged.safetensors"
    path.write_bytes(b"not a header at all")
    with pytest.raises(InvalidConfig, match=r"damaged\.safetensors"):
        with_weights(Dcgan(), path)


def test_a_pickle_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "pickled.safetensors"
    torch.save(Dcgan().state_dict(), path)
    with pytest.raises(InvalidConfig, match="a safetensors file"):
        with_weights(Dcgan(), path)


def test_a_missing_name_an_extra_name_and_a_wrong_shape_are_each_named(file: Path) -> None:
    whole = load_file(file)
    without = {name: tensor for name, tensor in whole.items() if name != WEIGHT}
    wrong = {
        WEIGHT: without,
        "stranger": whole | {"stranger": torch.zeros(1)},
        "generator_deconv.4.0.bias": whole | {"generator_deconv.4.0.bias": torch.zeros(4)},
    }
    for name, tensors in wrong.items():
        save_file(tensors, file)
        with pytest.raises(InvalidConfig, match=rf"dcgan_celeba32\.safetensors with 1 .*{name}"):
            with_weights(Dcgan(), file)


def test_a_counter_that_inference_never_reads_may_be_absent(file: Path) -> None:
    kept = {name: tensor for name, tensor in load_file(file).items() if not name.endswith("num_batches_tracked")}
    save_file(kept, file)
    with_weights(Dcgan(), file)


def test_half_precision_files_become_single_precision(file: Path) -> None:
    halves = {name: tensor.half() if tensor.is_floating_point() else tensor for name, tensor in load_file(file).items()}
    save_file(halves, file)
    model = with_weights(Dcgan(), file)
    assert all(value.dtype == torch.float32 for value in model.parameters())
    torch.testing.assert_close(model.state_dict()[WEIGHT], halves[WEIGHT].float(), rtol=0, atol=0)

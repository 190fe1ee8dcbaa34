"""MesoInception4: the paper's parameter count, and the shape of its parts."""

import pytest
import torch

from telltale.errors import UnsuitableImage
from telltale.learn.classifier import build
from telltale.learn.mesonet import Inception, MesoInception4


def test_parameter_count_is_the_papers() -> None:
    """28,615 with one sigmoid output (Afchar et al., table 1); the second output adds 16 weights and a bias."""
    assert sum(value.numel() for value in MesoInception4().parameters()) + 16 + 1 == 28_615
    assert sum(value.numel() for value in build("mesoinception4").parameters()) == 28_615 + 17


def test_inception_branches_read_1_3_5_and_7_pixels() -> None:
    inception = Inception(3, (1, 4, 4, 2)).double()
    for branch, reach in zip(inception.branches, (0, 1, 2, 3), strict=True):
        seen = torch.zeros(15, dtype=torch.bool)
        for seed in range(5):
            image = torch.randn(1, 3, 15, 15, generator=torch.Generator().manual_seed(seed)).double().requires_grad_()
            branch(image)[:, :, :, 7].sum().backward()
            assert image.grad is not None
            seen |= (image.grad != 0).any(0).any(0).any(0)
        assert seen.nonzero().flatten().tolist() == sorted({7 - reach, 7, 7 + reach})


def test_works_at_256_pixels_only() -> None:
    model = build("mesoinception4").eval()
    assert model.input_side == 256
    assert model.grid is None
    pixels = torch.zeros(2, 256, 256, 3, dtype=torch.uint8)
    assert model.from_pixels(pixels).shape == (2, 1, 1)
    with pytest.raises(UnsuitableImage, match="256 x 256"):
        model.from_pixels(pixels[:, :224])


def test_evaluation_is_repeatable_and_training_drops_out() -> None:
    model = build("mesoinception4").eval()
    image = torch.randn(1, 3, 256, 256, generator=torch.Generator().manual_seed(0))
    with torch.no_grad():
        assert torch.equal(model(image), model(image))
        dropout = model.backbone.get_submodule("dropout1").train()
        ones = torch.ones(1000)
        assert 300 < (dropout(ones) == 0).sum() < 700

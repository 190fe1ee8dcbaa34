"""A judge sees what a file would hold, and its gradient points where the plain path's does."""

from pathlib import Path

import numpy as np
import pytest
import torch
from torch import Tensor

from telltale.data.corruptions import jpeg
from telltale.generate.finetuning_judge import as_pixels, judge_of
from telltale.image import Preparation
from telltale.learn import checkpoint
from telltale.learn.classifier import PatchClassifier, build, loss
from telltale.spec import DetectorSpec


@pytest.fixture(scope="module")
def classifier() -> PatchClassifier:
    torch.manual_seed(3)
    return build("resnet18_layer1").eval().requires_grad_(False)


def spec_of(classifier: PatchClassifier, side: int | None) -> DetectorSpec:
    preparation = Preparation(side=side)
    return DetectorSpec(name="own", architecture="resnet18_layer1", preparation=preparation, grid=classifier.grid)


@pytest.fixture
def images() -> Tensor:
    random = torch.Generator().manual_seed(1)
    smooth = torch.nn.functional.interpolate(torch.rand(2, 3, 8, 8, generator=random), size=(48, 48), mode="bilinear")
    return smooth * 2 - 1


@pytest.mark.parametrize("side", [None, 48, 64])
@pytest.mark.parametrize("quality", [None, 80.0])
def test_scores_are_the_detector_s_own_on_the_saved_picture(
    side: int | None, quality: float | None, classifier: PatchClassifier, images: Tensor, tmp_path: Path
) -> None:
    checkpoint.save(tmp_path / "own.safetensors", classifier, spec_of(classifier, side))
    random = np.random.default_rng(0)
    saved = None if quality is None else lambda pixels: jpeg(pixels, 80.0, random)
    judge = judge_of(*checkpoint.restore(tmp_path / "own.safetensors"), saved=saved)
    detector = checkpoint.load(tmp_path / "own.safetensors")
    pixels = [one if saved is None else saved(one) for one in as_pixels(images)]
    scores, patches = judge.scores_and_patches(images)
    np.testing.assert_allclose(scores, [detector(one).score for one in pixels], atol=1e-5)
    assert 0 <= patches <= 1


def test_the_gradient_is_the_plain_path_s_where_only_rounding_differs(
    classifier: PatchClassifier, images: Tensor
) -> None:
    judge = judge_of(classifier, spec_of(classifier, None))
    whole = torch.from_numpy(as_pixels(images)).permute(0, 3, 1, 2).float() / 127.5 - 1  # rounding changes nothing
    gradients = []
    for path in (judge.logits, classifier):
        given = whole.clone().requires_grad_()
        loss(path(given), torch.zeros(2, dtype=torch.bool)).backward()  # type: ignore[no-untyped-call]
        gradients.append(given.grad)
    assert gradients[0] is not None
    torch.testing.assert_close(gradients[0], gradients[1], rtol=1e-3, atol=1e-7)


def test_a_step_along_the_gradient_looks_more_real_through_scaling_and_jpeg(
    classifier: PatchClassifier, images: Tensor
) -> None:
    random = np.random.default_rng(0)
    judge = judge_of(classifier, spec_of(classifier, 64), saved=lambda pixels: jpeg(pixels, 95.0, random))
    given = images.clone().requires_grad_()
    before = judge.towards_real(given)
    before.backward()  # type: ignore[no-untyped-call]
    assert given.grad is not None
    after = judge.towards_real((given - 0.05 * given.grad.sign()).detach())
    assert float(after) < float(before.detach())

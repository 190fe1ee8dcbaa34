"""Equation 4: the summary says what it lacks, and processes that share the work do nothing twice or too early."""

import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

sys.path.append(str(Path(__file__).resolve().parents[2] / "recipes"))

import equation4
import equation4_summary
from equation4_contest import Contest, finetuned
from equation4_summary import summarise
from result_files import keep
from sharing import claimed
from telltale.data.sample import Sample
from telltale.errors import TrainingStopped
from telltale.generate.families import GeneratorFacts, build_generator, read_generator_facts, save_generator
from telltale.generate.finetuning_config import FinetuneConfig
from telltale.generate.finetuning_judge import judge_of
from telltale.image import Preparation
from telltale.learn.classifier import build
from telltale.spec import DetectorSpec


@pytest.fixture
def bench(tmp_path: Path) -> Contest:
    return Contest(reals=[], generator=tmp_path, work=tmp_path, cells=tmp_path / "cells", quick=True)


def test_a_summary_before_the_transfer_matrix_says_how_to_get_it(
    bench: Contest, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(equation4_summary, "complete", lambda _bench: ([{}], []))
    with pytest.raises(SystemExit, match="once more without --summarise"):
        summarise(bench)


def test_the_transfer_matrix_is_left_to_who_makes_the_last_cell(
    bench: Contest, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(equation4, "matrix", lambda *_: {})
    monkeypatch.setattr(equation4, "cell", lambda *_: pytest.fail("computed again"))
    keep(bench.cells / "xception_block1-0.json", {})
    with claimed(bench.work, "equation4-xception_block1-0"), pytest.raises(SystemExit) as ended:
        equation4.run(bench, 1)
    assert ended.value.code == 0
    assert not (bench.cells / "transfer.json").exists()
    equation4.run(bench, 1)
    assert (bench.cells / "transfer.json").exists()


def test_the_transfer_matrix_leaves_out_classifiers_of_other_seeds(
    bench: Contest, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Those that settings were chosen on lie in the same folder."""
    for name in ("first-xception_block1-0", "second-xception_block1-0", "first-xception_block1-7"):
        (bench.work / "train" / name).mkdir(parents=True)
        (bench.work / "train" / name / "done").touch()
    for name in ("finetuned-xception_block1-0", "finetuned-xception_block1-7"):
        (bench.work / "finetune" / name).mkdir(parents=True)
        (bench.work / "finetune" / name / f"{name}.safetensors").touch()
    monkeypatch.setattr(Contest, "drawn", lambda *_: [])
    monkeypatch.setattr(equation4, "pixels", lambda _found: np.zeros((2, 4, 4, 3), np.uint8))
    monkeypatch.setattr(equation4, "scores", lambda _weights, shown: np.linspace(0, 1, len(shown)))
    pairs = equation4.matrix(replace(bench, generator=bench.work / "gan.safetensors"), 1)["pairs"]
    assert {one["classifier"] for one in pairs} == {"first-xception_block1-0", "second-xception_block1-0"}
    assert {one["generator"] for one in pairs} == {"gan", "finetuned-xception_block1-0"}


def test_a_generator_finetuned_otherwise_is_not_taken_for_what_is_asked(
    bench: Contest,
) -> None:
    torch.manual_seed(0)
    start, sizes = bench.work / "gan.safetensors", {"latent": 4, "width": 2}
    facts = GeneratorFacts(family="gan_nearest", sizes=sizes, made_with={})
    save_generator(start, build_generator("gan_nearest", **sizes), facts)
    model = build("resnet18_layer1").eval()
    spec = DetectorSpec(name="own", architecture="resnet18_layer1", preparation=Preparation(side=None), grid=model.grid)
    reals = []
    for place in range(4):
        path = bench.work / f"{place}.png"
        Image.new("RGB", (64, 64), (60 * place, 9, 9)).save(path)
        reals.append(Sample(path=path, is_fake=False, split="train"))
    here, judges = replace(bench, reals=reals), [judge_of(model, spec)]
    how = FinetuneConfig(target=None, steps=1, batch=2, checked=2, check_every=1, warm_up=0, least_diversity=0.0)
    made, past = finetuned(here, "one", start, judges, how)
    before = made.read_bytes()
    assert finetuned(here, "one", start, judges, how) == (made, past)
    assert made.read_bytes() == before
    with pytest.raises(TrainingStopped, match="other weight"):
        finetuned(here, "one", start, judges, replace(how, weight=0.5))
    longer = replace(how, steps=2)
    assert finetuned(here, "one", start, judges, longer)[1][-1].step == 2
    assert read_generator_facts(made).made_with["finetuned"]["settings"]["steps"] == 2
    assert made.read_bytes() != before

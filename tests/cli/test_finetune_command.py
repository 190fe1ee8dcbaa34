"""`telltale finetune`: everything in one folder, resumable, with clear words for what cannot work."""

import csv
import inspect
import json
from dataclasses import fields
from pathlib import Path
from typing import Annotated, Any, get_args, get_origin, get_type_hints

import numpy as np
import pytest
import torch
import typer
from PIL import Image
from safetensors.torch import load_file, save_file
from typer.testing import CliRunner

from telltale.cli.finetune import LATENTS_LEARNING_RATE, finetune
from telltale.cli.finetune_bench import prepare, real_samples
from telltale.errors import InvalidConfig, InvalidDataset, InvalidDetector, TrainingStopped
from telltale.generate import finetuning
from telltale.generate.adapters import open_generator
from telltale.generate.autoencoder import decoder, encoder
from telltale.generate.critics import save_critic
from telltale.generate.dcgan import Dcgan
from telltale.generate.families import GeneratorFacts, build_generator, load_generator, save_generator
from telltale.generate.finetuning_config import FinetuneConfig
from telltale.generate.finetuning_errors import Collapsed
from telltale.generate.gan import ConvolutionalCritic
from telltale.image import Preparation
from telltale.learn import checkpoint
from telltale.learn.classifier import build
from telltale.spec import DetectorSpec

NO_SETTINGS = {
    *("generator", "against", "reals", "split", "include", "out"),
    *("loss", "critic", "jpeg", "side", "quality", "resume", "dry_run", "threads"),
}
SMALL = (
    "--steps",
    2,
    "--batch",
    2,
    "--checked",
    4,
    "--check-every",
    1,
    "--warm-up",
    1,
    "--target",
    0,
    "--least-diversity",
    0,
    "--threads",
    1,
)
app = typer.Typer()
app.command()(finetune)


def run(*words: object, code: int = 0) -> str:
    result = CliRunner().invoke(app, [str(word) for word in words], catch_exceptions=False)
    assert result.exit_code == code, result.output
    return result.output


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A generator, an autoencoder, a detector and photographs."""
    folder = tmp_path_factory.mktemp("finetune")
    torch.manual_seed(0)
    for name, family, sizes in (("gan", "gan_nearest", {"latent": 4, "width": 2}), ("vae", "vae", {})):
        facts = GeneratorFacts(family=family, sizes=sizes, made_with={"seed": 0})
        save_generator(folder / f"{name}.safetensors", build_generator(family, **sizes), facts)
    model = build("resnet18_layer1").eval()
    preparation = Preparation(side=None)
    spec = DetectorSpec(name="mine", architecture="resnet18_layer1", preparation=preparation, grid=model.grid)
    checkpoint.save(folder / "detector.safetensors", model, spec)
    draw = np.random.default_rng(0)
    (folder / "photographs").mkdir()
    for index in range(4):
        pixels = draw.integers(0, 256, (80, 64, 3), dtype=np.uint8)
        Image.fromarray(pixels).save(folder / "photographs" / f"{index}.png")
    return folder


def words(home: Path, name: str = "gan") -> tuple[object, ...]:
    where = ("--against", home / "detector.safetensors", "--reals", home / "photographs")
    return (home / f"{name}.safetensors", *where, *SMALL)


def test_every_setting_is_an_option_with_its_default() -> None:
    hints = get_type_hints(finetune, include_extras=True)
    options: dict[str, Any] = {name: hints[name] for name in inspect.signature(finetune).parameters}
    assert set(options) - NO_SETTINGS == {one.name for one in fields(FinetuneConfig)}
    config = FinetuneConfig()
    for name in set(options) - NO_SETTINGS - {"quality_within"}:
        assert get_origin(options[name]) is Annotated
        said = get_args(options[name])[1].show_default
        if name == "learning_rate":
            said, _, of_latents = said.partition("; latents: ")
            assert float(of_latents) == LATENTS_LEARNING_RATE
        assert said == str(getattr(config, name)), name


def test_a_run_leaves_generator_figures_pictures_and_says_how(home: Path, tmp_path: Path) -> None:
    said = run(*words(home), "--out", tmp_path / "out", "--jpeg", 90)
    assert [line.split()[1] for line in said.splitlines() if line.startswith("step")] == ["0", "1", "2"]
    out = tmp_path / "out"
    rows = list(csv.DictReader((out / "steps.csv").read_text().splitlines()))
    assert [row["step"] for row in rows] == ["0", "1", "2"]
    assert rows[0]["own_loss"] == ""
    assert float(rows[2]["distance"]) > 0
    assert float(rows[2]["quality"]) > 0
    facts = json.loads((out / "run.json").read_text())
    assert facts["seen_as"] == "JPEG 90"
    assert facts["config"]["steps"] == 2
    assert facts["after"]["step"] == 2
    assert facts["photographs"] == 4
    with Image.open(out / "before_after.png") as picture:
        assert picture.size == (2 * 6 * 64 + 8, 6 * 64 + 14)
    made = load_generator(out / "generator.safetensors")
    given = load_generator(home / "gan.safetensors")
    assert any(not torch.equal(a, b) for a, b in zip(made.parameters(), given.parameters(), strict=True))


def test_the_critic_of_its_training_goes_on(home: Path, tmp_path: Path) -> None:
    critic = tmp_path / "critic.safetensors"
    save_critic(
        critic, ConvolutionalCritic(width=4), GeneratorFacts(family="convolutional", sizes={"width": 4}, made_with={})
    )
    out = tmp_path / "out"
    run(*words(home), "--critic", critic, "--average", 0.9, "--no-quality", "--out", out)
    said = json.loads((out / "run.json").read_text())
    assert said["critic"]["sha256"] == checkpoint.file_hash(critic)
    assert said["config"]["average"] == 0.9
    state = load_file(out / "state.safetensors")
    assert state["network.critic.stages.0.bias"].shape == (4,)
    kept = load_generator(out / "generator.safetensors").state_dict()
    torch.testing.assert_close(kept["rgb.weight"], state["network.average.rgb.weight"], atol=1e-3, rtol=1e-3)
    with pytest.raises(TrainingStopped, match=r"other average 0\.5, which was 0\.9"):
        run(*words(home), "--critic", critic, "--average", 0.5, "--no-quality", "--out", out, "--resume")
    with pytest.raises(TrainingStopped, match="other critic"):
        run(*words(home), "--average", 0.9, "--no-quality", "--out", out, "--resume")
    with pytest.raises(InvalidConfig, match="since a critic is given"):
        run(*words(home, "vae"), "--critic", critic, "--no-quality", "--out", tmp_path / "other")


def test_a_run_goes_on_and_is_not_overwritten(home: Path, tmp_path: Path) -> None:
    run(*words(home), "--out", tmp_path)
    with pytest.raises(InvalidConfig, match="a new folder"):
        run(*words(home), "--out", tmp_path)
    said = run(*words(home), "--out", tmp_path, "--resume", "--steps", 3)
    assert [line.split()[1] for line in said.splitlines() if line.startswith("step")] == ["3"]
    assert len((tmp_path / "steps.csv").read_text().splitlines()) == 5


def test_a_run_does_not_go_on_with_other_photographs_or_another_file_format(home: Path, tmp_path: Path) -> None:
    run(*words(home), "--out", tmp_path / "out")
    more = ("--out", tmp_path / "out", "--resume", "--steps", 3)
    with pytest.raises(TrainingStopped, match="other seen_as JPEG 50, which was PNG"):
        run(*words(home), *more, "--jpeg", 50)
    (tmp_path / "others").mkdir()
    Image.new("RGB", (64, 64)).save(tmp_path / "others" / "a.png")
    with pytest.raises(TrainingStopped, match="other photographs_sha256"):
        run(*words(home), *more, "--reals", tmp_path / "others")
    assert "step     3" in run(*words(home), *more)


def test_a_generator_is_not_overwritten_by_what_became_of_it(home: Path, tmp_path: Path) -> None:
    given = tmp_path / "generator.safetensors"
    given.write_bytes((home / "gan.safetensors").read_bytes())
    for more in ((), ("--resume",)):
        with pytest.raises(InvalidConfig, match="no file is lost"):
            run(given, *words(home)[1:], "--out", tmp_path, *more)
    assert given.read_bytes() == (home / "gan.safetensors").read_bytes()


@pytest.mark.parametrize("name", ["latents.safetensors", "steps.csv", "before_after.png", "failures.csv", "run.json"])
def test_no_file_of_somebody_else_is_overwritten(name: str, home: Path, tmp_path: Path) -> None:
    (tmp_path / name).write_text("mine")
    with pytest.raises(InvalidConfig, match=f"no file is lost: .*{name} in it"):
        run(*words(home), "--loss", "latents", "--out", tmp_path)
    assert (tmp_path / name).read_text() == "mine"


def test_a_split_keeps_its_photographs_only_where_folders_say_which(tmp_path: Path) -> None:
    for folder in ("split/train", "split/test", "plain"):
        (tmp_path / folder).mkdir(parents=True)
        Image.new("RGB", (8, 8)).save(tmp_path / folder / "a.png")
    both = [tmp_path / "split", tmp_path / "plain"]
    assert [one.path.parent.name for one in real_samples(both, "train")] == ["train", "plain"]
    assert len(real_samples(both, None)) == 3
    with pytest.raises(InvalidDataset, match="these sources, split validation"):
        real_samples(both[:1], "validation")


def test_manipulated_frames_of_faceforensics_are_no_photographs(tmp_path: Path) -> None:
    for folder in ("original_sequences/youtube/c23/images/000", "manipulated_sequences/Deepfakes/c23/images/000_001"):
        (tmp_path / folder).mkdir(parents=True)
        Image.new("RGB", (8, 8)).save(tmp_path / folder / "0.png")
    assert [one.source for one in real_samples([tmp_path], None)] == ["youtube/c23"]


def test_a_dry_run_counts_what_moves_and_refuses_what_a_run_refuses(home: Path) -> None:
    said = run(*words(home, "vae"), "--dry-run")
    decoding = ("d1", "d2", "d3", "d4", "d5", "bn6", "bn7", "bn8")
    parameters = build_generator("vae").named_parameters()
    moving = sum(one.numel() for name, one in parameters if name.split(".")[0] in decoding)
    assert f"moving parameters     {moving:,}\n" in said
    with pytest.raises(InvalidConfig, match="--quality-within asks for it; found --no-quality"):
        run(*words(home), "--quality-within", 0.1, "--no-quality", "--dry-run")


def test_a_dry_run_writes_nothing(home: Path, tmp_path: Path) -> None:
    said = run(*words(home), "--out", tmp_path / "out", "--dry-run")
    assert '"loss"' not in said
    assert "adversarial" in said
    assert "cost:" in said
    assert not (tmp_path / "out").exists()
    with pytest.raises(InvalidConfig, match="--out FOLDER"):
        run(*words(home))


def test_a_vae_is_finetuned_by_resynthesis_and_latents_move_alone(home: Path, tmp_path: Path) -> None:
    run(*words(home, "vae"), "--out", tmp_path / "vae")
    assert json.loads((tmp_path / "vae" / "run.json").read_text())["loss"] == "resynthesis"
    run(*words(home), "--loss", "latents", "--out", tmp_path / "latents")
    assert load_file(tmp_path / "latents" / "latents.safetensors")["latents"].shape == (4, 4)
    assert not (tmp_path / "latents" / "generator.safetensors").exists()
    rates = [
        json.loads((tmp_path / name / "run.json").read_text())["config"]["learning_rate"] for name in ("vae", "latents")
    ]
    assert rates == [FinetuneConfig().learning_rate, LATENTS_LEARNING_RATE]
    with pytest.raises(InvalidConfig, match="sources out of photographs; found nobody"):
        run(*words(home), "--include", "nobody", "--out", tmp_path / "none")
    with pytest.raises(InvalidConfig, match="with an encoder"):
        run(*words(home), "--loss", "resynthesis", "--out", tmp_path / "none")
    with pytest.raises(InvalidConfig, match="a loss out of"):
        run(*words(home), "--loss", "odd", "--out", tmp_path / "none")


def test_a_flow_is_judged_by_its_samples_since_its_resyntheses_are_the_photographs(home: Path, tmp_path: Path) -> None:
    torch.manual_seed(0)
    sizes = {"width": 4, "side": 16}
    facts = GeneratorFacts(family="glow", sizes=sizes, made_with={})
    save_generator(tmp_path / "glow.safetensors", build_generator("glow", **sizes), facts)
    given = (tmp_path / "glow.safetensors", *words(home)[1:])
    assert '"adversarial"' in run(*given, "--dry-run")
    settings = FinetuneConfig(batch=2, checked=4, seed=1)
    for loss in ("adversarial", "latents"):
        bench = prepare(
            tmp_path / "glow.safetensors",
            [str(home / "detector.safetensors")],
            real_samples([home / "photographs"], None),
            settings,
            loss=loss,
            jpeg=None,
            quality=False,
        )
        seed = 2**32 + 2**31 if loss == "adversarial" else 1
        with torch.no_grad():
            assert torch.equal(bench.network(bench.own.checked), load_generator(given[0]).sample(4, seed)), loss  # type: ignore[operator, arg-type]
    with pytest.raises(InvalidConfig, match="loses something"):
        run(*given, "--loss", "resynthesis", "--dry-run")


def test_generators_of_others_are_finetuned_and_read_again(home: Path, tmp_path: Path) -> None:
    torch.manual_seed(1)
    given = tmp_path / "dcgan_celeba32.safetensors"
    save_file(Dcgan().state_dict(), given)
    for half, network in (("encoder", encoder()), ("decoder", decoder())):
        save_file(network.state_dict(), tmp_path / f"taef2_{half}.safetensors")
    run(given, *words(home)[1:], "--out", tmp_path / "dcgan")
    made, before = open_generator(tmp_path / "dcgan" / "generator.safetensors"), open_generator(given)
    assert made.facts.family == "dcgan"
    assert made.facts.made_with["read_from"] == "dcgan_celeba32.safetensors"
    pairs = zip(made.generator.parameters(), before.generator.parameters(), strict=True)
    assert any(not torch.equal(a, b) for a, b in pairs)
    given.unlink()
    run(tmp_path, *words(home)[1:], "--side", 16, "--out", tmp_path / "tiny")
    assert json.loads((tmp_path / "tiny" / "run.json").read_text())["loss"] == "resynthesis"
    run(tmp_path, *words(home)[1:], "--side", 16, "--loss", "latents", "--out", tmp_path / "moved")
    assert load_file(tmp_path / "moved" / "latents.safetensors")["latents"].shape == (4, 32 * 2 * 2)
    with pytest.raises(InvalidConfig, match="an autoencoder"):
        run(tmp_path, *words(home)[1:], "--side", 16, "--loss", "adversarial", "--out", tmp_path / "none")


def test_what_cannot_be_fooled_or_read_is_said(home: Path, tiny_detector: Path, tmp_path: Path) -> None:
    for word in (tiny_detector, "telltale-faces"):
        with pytest.raises(InvalidDetector, match="with gradients"):
            run(home / "gan.safetensors", "--against", word, "--reals", home / "photographs", "--out", tmp_path)
    with pytest.raises(InvalidConfig, match="a generator of telltale's"):
        run(home / "detector.safetensors", *words(home)[1:], "--out", tmp_path)
    fakes = tmp_path / "fake"
    fakes.mkdir()
    Image.new("RGB", (64, 64)).save(fakes / "a.png")
    with pytest.raises(InvalidDataset, match="nothing labelled real"):
        run(*words(home)[:3], "--reals", fakes, "--out", tmp_path / "out")


def test_too_few_pictures_to_measure_quality_are_said_before_the_critic_learns(home: Path, tmp_path: Path) -> None:
    few = (*words(home), "--checked", 3, "--out", tmp_path / "out")
    with pytest.raises(InvalidConfig, match="--no-quality"):
        run(*few)
    assert not (tmp_path / "out").exists()
    run(*few, "--no-quality")


def test_a_broken_photograph_is_a_row_and_an_exit_code(home: Path, tmp_path: Path) -> None:
    broken = tmp_path / "more"
    broken.mkdir()
    (broken / "broken.png").write_bytes(b"no picture")
    said = run(*words(home), "--reals", broken, "--out", tmp_path / "out", code=1)
    assert "1 photographs could not be read" in said
    assert "broken.png" in (tmp_path / "out" / "failures.csv").read_text()


def test_a_run_that_breaks_keeps_what_could_not_be_read(
    home: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "more").mkdir()
    (tmp_path / "more" / "broken.png").write_bytes(b"no picture")

    def broken(*_: object) -> None:
        raise Collapsed(expected="samples that differ", found="none that do", do="Lower the weight.")

    monkeypatch.setattr(finetuning, "refuse_collapse", broken)
    with pytest.raises(Collapsed):
        run(*words(home), "--reals", tmp_path / "more", "--out", tmp_path / "out")
    assert "broken.png" in (tmp_path / "out" / "failures.csv").read_text()

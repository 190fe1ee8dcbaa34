"""What `telltale finetune` needs before its first step, read from what its words name."""

import sys
from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path
from typing import TYPE_CHECKING, Any

from telltale.errors import InvalidConfig, InvalidDataset, InvalidDetector

if TYPE_CHECKING:
    from collections.abc import Sequence

    from torch import Tensor, nn

    from telltale.data.sample import Sample
    from telltale.generate.families import GeneratorFacts
    from telltale.generate.finetuning import Quality
    from telltale.generate.finetuning_config import FinetuneConfig
    from telltale.generate.finetuning_folder import Failures
    from telltale.generate.finetuning_judge import Judge
    from telltale.generate.finetuning_losses import OwnLoss

LOSSES = ("auto", "adversarial", "resynthesis", "latents")


@dataclass(frozen=True, slots=True, kw_only=True)
class Bench:
    """Everything a run needs, read."""

    about: "GeneratorFacts"
    network: "nn.Module"
    judges: "list[Judge]"
    own: "OwnLoss"
    settings: "FinetuneConfig"
    quality: "Quality | None"
    facts: dict[str, Any]
    failures: "Failures"


def real_samples(sources: list[Path], split: str | None, include: "Sequence[str]" = ()) -> "list[Sample]":
    """The photographs of folders, data sets and manifests; of labelled ones the reals only.

    A split keeps its pictures only, wherever a source says which they are: by label or not. A folder of photographs
    that says nothing of splits is taken whole.

    Raises:
        InvalidDataset: none there; or see `telltale.data.samples.scan`.
        InvalidConfig: a source that no photograph has.
    """
    from telltale.data.samples import scan
    from telltale.evaluate.evaluation import only_sources

    found: list[Sample] = []
    for source in sources:
        listed = scan([source], split=split) if _says_labels(source) else _unlabelled(source, split)
        found += [one for one in listed if one.is_fake is False]
    if not found:
        raise InvalidDataset(
            expected="photographs",
            found="nothing labelled real in these sources" + ("" if split is None else f", split {split}"),
            do="Name real pictures.",
        )
    return only_sources(found, include, ())


def _unlabelled(source: Path, split: str | None) -> "list[Sample]":
    """A folder's pictures as photographs; of one split where its folders' names say splits."""
    from telltale.data.layouts import of_one_label

    listed = of_one_label(source, is_fake=False)
    says_splits = any(one.split for one in listed)
    return [one for one in listed if one.split == split] if split is not None and says_splits else listed


def _says_labels(source: Path) -> bool:
    """Whether names or tables say what is real; a folder that says nothing is what the option's name says."""
    from telltale.data.faceforensics import is_faceforensics
    from telltale.data.layouts import pictures, tables
    from telltale.data.vocabulary import label_of

    # FaceForensics++'s own names are no label words: its manipulated frames would pass for photographs.
    if not source.is_dir() or tables(source) or is_faceforensics(source):
        return True
    words = {word for path in pictures(source) for word in path.relative_to(source).parts[:-1]}
    return any(label_of(word, {}) is not None for word in (source.name, *words))


def _judges(words: list[str], jpeg: int | None) -> "list[Judge]":
    """The detectors, fixed, seeing samples as a file would hold them."""
    from numpy.random import default_rng

    from telltale.data.corruptions import jpeg as as_jpeg
    from telltale.generate.finetuning_judge import judge_of
    from telltale.learn.checkpoint import restore

    random = default_rng(0)  # the corruption's signature asks for one; JPEG draws nothing
    saved = None if jpeg is None else lambda pixels: as_jpeg(pixels, float(jpeg), random)
    for word in words:
        if Path(word).suffix != ".safetensors":
            raise InvalidDetector(
                expected="a detector with gradients: the best.safetensors of `telltale train`",
                found=f"{word}: ONNX files and shipped detectors run on an engine without gradients",
                do="Name the weights that `telltale train` wrote.",
            )
    return [judge_of(*restore(Path(word)), saved=saved) for word in words]


def prepare(
    path: Path,
    against: list[str],
    reals: "list[Sample]",
    settings: "FinetuneConfig",
    *,
    loss: str,
    jpeg: int | None,
    quality: bool,
    side: int | None = None,
    critic: Path | None = None,
) -> Bench:
    """Read generator, detectors and photographs.

    Args:
        path: the generator's file or folder.
        against: the detectors' files.
        reals: photographs.
        settings: of the finetuning.
        loss: one of LOSSES.
        jpeg: quality at which the detectors see the samples; None is without.
        quality: whether the samples' distance to the photographs is measured.
        side: of an autoencoder's images, pixels; other generators say theirs.
        critic: the file of what the generator was trained against; None begins with a new one.

    Raises:
        InvalidConfig: no generator, a loss that it does not have, a critic that does not fit, or a wanted quality that
            is not measured.
        InvalidDetector: a detector without gradients, or damaged.
        InvalidDataset: no photograph that can be read.
    """
    from telltale.generate.adapters import open_generator
    from telltale.generate.finetuning_folder import nearness, photographs
    from telltale.generate.quality import LEAST
    from telltale.learn.checkpoint import file_hash

    if settings.quality_within is not None and not quality:
        raise InvalidConfig(
            expected="a measured quality, since --quality-within asks for it",
            found="--no-quality",
            do="Leave one of them out.",
        )
    judges = _judges(against, jpeg)
    opened = open_generator(path, side=side)
    network, about = opened.generator, opened.facts
    pictures, failures = photographs(reals, int(getattr(network, "side")))  # noqa: B009 (as below)
    if quality and min(settings.checked, len(pictures)) < LEAST:
        raise InvalidConfig(
            expected=f"at least {LEAST} checked samples and {LEAST} photographs, which measuring quality needs",
            found=f"--checked {settings.checked} and {len(pictures)} photographs",
            do="Give more, or add --no-quality.",
        )
    chosen = _chosen_loss(loss, network)
    _check_critic(critic, loss, chosen)
    network, own = _own(chosen, network, pictures, settings, critic)
    facts = {
        "generator": {
            "file": path.name,
            "sha256": file_hash(opened.weights),
            "family": about.family,
            "sizes": dict(about.sizes),
        },
        "against": _of_judges(judges, against),
        "loss": chosen,
        "critic": None if critic is None else _of_critic(critic, opened.generator, opened.weights),
        "seen_as": "PNG" if jpeg is None else f"JPEG {jpeg}",
        "photographs": len(pictures),
        "photographs_sha256": sha256(pictures.numpy().tobytes()).hexdigest(),
        "unreadable": len(failures),
    }
    return Bench(
        about=about,
        network=network,
        judges=judges,
        own=own,
        settings=settings,
        facts=facts,
        quality=nearness(pictures) if quality else None,
        failures=failures,
    )


def _of_judges(judges: "list[Judge]", words: list[str]) -> list[dict[str, str]]:
    from telltale.learn.checkpoint import file_hash

    return [{"name": one.name, "sha256": file_hash(Path(word))} for one, word in zip(judges, words, strict=True)]


def _of_critic(path: Path, generator: "nn.Module", weights: Path) -> dict[str, str]:
    """What run.json says of a critic; a word to standard error where it is not this very generator's."""
    from telltale.generate.critics import read_critic_facts
    from telltale.generate.finetuning import fingerprint
    from telltale.learn.checkpoint import file_hash

    facts = read_critic_facts(path)
    known = {facts.made_with.get(name) for name in ("generator_fingerprint", "generator_sha256")}
    if known.isdisjoint({fingerprint(generator), file_hash(weights)}):
        print(
            f"{path} was trained against another generator than {weights}, or against a twin: --warm-up steps let "
            "it learn this one",
            file=sys.stderr,
        )
    return {"file": path.name, "sha256": file_hash(path), "family": facts.family}


def _chosen_loss(word: str, network: "nn.Module") -> str:
    from telltale.generate.glow import Glow

    if word not in LOSSES:
        raise InvalidConfig(expected=f"a loss out of {', '.join(LOSSES)}", found=repr(word), do="Choose one.")
    # A flow gives back the very photograph: there would be no fake to judge.
    has_encoder = hasattr(network, "encode") and not isinstance(network, Glow)
    if word == "resynthesis" and not has_encoder:
        raise InvalidConfig(
            expected="a generator with an encoder that loses something, which re-synthesis needs",
            found=type(network).__name__,
            do="Choose --loss adversarial or latents.",
        )
    if word != "auto":
        return word
    return "resynthesis" if has_encoder else "adversarial"


def _check_critic(critic: Path | None, loss: str, chosen: str) -> None:
    """Only the adversarial loss has one."""
    if critic is not None and chosen != "adversarial":
        raise InvalidConfig(
            expected="the adversarial loss, since a critic is given",
            found=f"{chosen}, the loss of such a generator" if loss == "auto" else f"--loss {loss}",
            do="Leave --critic out, or add --loss adversarial where the generator has samples.",
        )


def _own(
    loss: str, network: "nn.Module", pictures: "Tensor", settings: "FinetuneConfig", critic: Path | None
) -> "tuple[nn.Module, OwnLoss]":
    """The module that moves, and its own loss."""
    import torch

    from telltale.generate.critics import load_critic, penalty_of, read_critic_facts
    from telltale.generate.finetuning_losses import MovedLatents, adversarial, resynthesis, staying
    from telltale.generate.gan import ConvolutionalCritic
    from telltale.generate.glow import TEMPERATURE, Glow
    from telltale.generate.latents import normal_latents
    from telltale.generate.tiny_decoder import TinyDecoder

    latent = int(getattr(network, "latent"))  # noqa: B009 (a Module's attributes have no type)
    # A flow's samples are drawn nearer to the mean than its latents lie: what it never makes is not to be judged.
    deviation = TEMPERATURE if isinstance(network, Glow) else 1.0
    if loss == "adversarial" and isinstance(network, TinyDecoder):
        raise InvalidConfig(
            expected="a generator that knows which latents are pictures",
            found="an autoencoder",
            do="Choose another --loss.",
        )
    if loss == "latents":
        begin = normal_latents(settings.checked, latent, settings.seed) * deviation
        if isinstance(network, TinyDecoder):
            with torch.no_grad():
                begin = network.encode(pictures[: settings.checked].float() / 127.5 - 1)[0]
        moved = MovedLatents(network, begin)
        return moved, staying(moved, settings)
    if loss == "resynthesis":
        return network, resynthesis(lambda images: network.encode(images)[0], pictures, settings)  # type: ignore[operator]
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(settings.seed)
        side = pictures.shape[-1]
        against = ConvolutionalCritic(side=side) if critic is None else load_critic(critic, side=side)
        r1, r1_every = (0.0, 1) if critic is None else penalty_of(read_critic_facts(critic))
        own = adversarial(against, pictures, settings, latent=latent, deviation=deviation, r1=r1, r1_every=r1_every)
        return network, own

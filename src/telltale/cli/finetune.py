"""`telltale finetune`: how well does a detector hold where a generator learns to fool it? Equation 4 of the paper."""

import json
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from telltale.cli.finetune_bench import LOSSES, Bench, prepare, real_samples
from telltale.cli.train import says
from telltale.errors import InvalidConfig, require

if TYPE_CHECKING:
    from torch import Tensor

    from telltale.generate.finetuning_config import FinetuneConfig, Step

SOME_FAILED = 1
WEIGHTS_FILE, RUN_FILE = "generator.safetensors", "run.json"
LATENTS_FILE = "latents.safetensors"
# run.json states these once, of all steps.
_SAME_ON_RESUME = ("loss", "seen_as", "photographs_sha256")
Number = int | None
Real = float | None
LATENTS_LEARNING_RATE = 0.01
_NOT_SETTINGS = (
    *("generator", "against", "reals", "split", "include", "out"),
    *("loss", "critic", "jpeg", "side", "quality", "resume", "dry_run", "threads"),
)


def finetune(
    generator: Annotated[Path, typer.Argument(help="A generator's file or folder; see docs/generators.md.")],
    against: Annotated[list[str], typer.Option(help="The detector's best.safetensors; several are an ensemble.")],
    reals: Annotated[list[Path], typer.Option(help="Photographs: folders, data sets, manifests; may be repeated.")],
    out: Annotated[Path | None, typer.Option(help="A new folder for the generator, its state and figures.")] = None,
    split: Annotated[str | None, typer.Option(help="Of the photographs: train, validation, test.")] = None,
    include: Annotated[list[str] | None, typer.Option(help="Only this source; may be repeated.")] = None,
    loss: Annotated[
        str,
        typer.Option(
            help=f"The generator's own loss: {', '.join(LOSSES)}; auto is resynthesis where an encoder loses something."
        ),
    ] = "auto",
    critic: Annotated[
        Path | None, typer.Option(help="The critic the generator was trained against; else one begins anew.")
    ] = None,
    jpeg: Annotated[
        int | None, typer.Option(min=1, max=100, help="The detector sees samples saved as JPEG of this quality.")
    ] = None,
    side: Annotated[int | None, typer.Option(help="Of an autoencoder's pictures, px; other files say theirs.")] = None,
    quality: Annotated[
        bool, typer.Option(help="Measure KID (face-parser features) at every check, about 15 ms a sample.")
    ] = True,
    weight: Annotated[Real, says("Lambda: of the detector's loss towards real.", "1.0")] = None,
    target: Annotated[Real, says("Stop at this share of samples taken for real; 0 never stops.", "0.5")] = None,
    quality_within: Annotated[Real, says("Only at a quality at most this share worse, as 0.1.", "not asked")] = None,
    steps: Annotated[Number, says("At most.", "1000")] = None,
    warm_up: Annotated[Number, says("Steps of the critic alone at first.", "300")] = None,
    batch: Annotated[Number, says("Pictures a step.", "32")] = None,
    checked: Annotated[Number, says("Samples judged at every check.", "256")] = None,
    check_every: Annotated[Number, says("Steps between two checks.", "50")] = None,
    learning_rate: Annotated[Real, says("Of Adam, for the generator.", "5e-05; latents: 0.01")] = None,
    critic_learning_rate: Annotated[Real, says("Of Adam, for the critic.", "0.0002")] = None,
    average: Annotated[Real, says("Memory of the average of the weights that is kept, as 0.995.", "0.0")] = None,
    least_diversity: Annotated[Real, says("A smaller share of the first diversity is a collapse.", "0.5")] = None,
    seed: Annotated[Number, says("Latents, order, augmentation, the critic's weights.", "0")] = None,
    resume: Annotated[bool, typer.Option("--resume", help="Go on with the run in --out, with these settings.")] = False,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Say what would be done; write nothing.")] = False,
    threads: Annotated[int, typer.Option(min=0, help="Of torch; 0 = all cores.")] = 0,
) -> None:
    """Finetune a generator against a fixed detector, to measure how long the detector holds; see docs/misuse.md.

    Exit code 0: done; 1: some photographs could not be read; 2: nothing could be done, or the run broke, with the last
    good state in --out.
    """
    given = {name: value for name, value in locals().items() if name not in _NOT_SETTINGS and value is not None}
    torch = require("torch", "learn")
    if threads:
        torch.set_num_threads(threads)
    if not dry_run:
        _check_out(out, resume=resume)  # first: reading many photographs takes a while
    bench = prepare(
        generator,
        against,
        real_samples(reals, split, include or []),
        _settings(given, loss),
        loss=loss,
        critic=critic,
        jpeg=jpeg,
        quality=quality,
        side=side,
    )
    if dry_run:
        print("\n".join(_described(bench)))
        return
    assert out is not None
    _run(bench, out)
    if bench.failures:
        print(f"{len(bench.failures)} photographs could not be read: {out / 'failures.csv'}", file=sys.stderr)
        raise typer.Exit(SOME_FAILED)


def _settings(given: dict[str, Any], loss: str) -> "FinetuneConfig":
    from telltale.generate.finetuning_config import FinetuneConfig

    if loss == "latents":
        # Latents are numbers around 1, weights around 0.05: what moves weights hardly moves latents.
        given.setdefault("learning_rate", LATENTS_LEARNING_RATE)

    if given.get("target") == 0:
        given["target"] = None
    return FinetuneConfig(**given)


def _described(bench: Bench) -> Iterator[str]:
    from dataclasses import asdict, replace

    from telltale.generate.finetuning import seconds_per_step

    yield "settings"
    for name, value in asdict(bench.settings).items():
        yield f"  {name:<21} {json.dumps(value)}"
    yield "run"
    for name, value in bench.facts.items():
        yield f"  {name:<21} {json.dumps(value)}"
    seconds = seconds_per_step(bench.network, bench.judges, bench.own, replace(bench.settings, quality_within=None))
    # Those that a step reached: an encoder stays as it is.
    moving = sum(one.numel() for one in bench.network.parameters() if one.grad is not None)
    yield f"  {'moving parameters':<21} {moving:,}"
    minutes = seconds * (bench.settings.steps + bench.settings.warm_up / 2) / 60
    yield f"cost: {seconds:.3f} s a step, checks apart at most {minutes:.1f} min"


def _check_out(out: Path | None, *, resume: bool) -> None:
    from telltale.generate.finetuning import STATE_FILE
    from telltale.generate.finetuning_folder import FAILURES_FILE, PICTURE_FILE, STEPS_FILE

    if out is None:
        raise InvalidConfig(expected="--out FOLDER", found="none", do="Name a new folder, or add --dry-run.")
    if not resume and (out / STATE_FILE).exists():
        raise InvalidConfig(
            expected=f"a new folder, so that no state is lost: {out}",
            found="a run in it",
            do="Add --resume to go on with it, or choose another folder.",
        )
    # Without a state they are somebody else's, perhaps the very generator that is to be finetuned: the state is written
    # before any of them.
    written = (WEIGHTS_FILE, LATENTS_FILE, RUN_FILE, STEPS_FILE, FAILURES_FILE, PICTURE_FILE)
    taken = [name for name in written if (out / name).exists()]
    if taken and not (out / STATE_FILE).exists():
        raise InvalidConfig(
            expected=f"a new folder, so that no file is lost: {out}",
            found=f"{' and '.join(taken)} in it, of no finetuning that could go on",
            do="Choose another folder.",
        )


def _run(bench: Bench, out: Path) -> None:
    import torch

    from telltale.generate.finetuning import finetune as run_finetuning
    from telltale.generate.finetuning import history
    from telltale.generate.finetuning_folder import write_before_after, write_failures, write_steps
    from telltale.generate.finetuning_judge import as_pixels

    def shown() -> "Tensor":
        with torch.inference_mode():
            return bench.network(bench.own.checked[:36])  # type: ignore[no-any-return]

    same = {name: bench.facts[name] for name in _SAME_ON_RESUME}
    critic = bench.facts["critic"]
    same["critic"] = critic and critic["sha256"]
    before = as_pixels(shown().clone())
    with _bar(bench.settings) as advance:
        for step in run_finetuning(
            bench.network, bench.judges, bench.own, bench.settings, out, quality=bench.quality, same=same
        ):
            print(_line(step), flush=True)
            write_steps(out, history(out))
            # At once: a run that breaks later must not lose them.
            write_failures(out, bench.failures)
            advance(step)
    past = history(out)
    write_steps(out, past)
    write_failures(out, bench.failures)
    captions = ("before", f"after {past[-1].step} steps, {past[-1].fooled:.0%} taken for real")
    write_before_after(out, before, as_pixels(shown().clone()), captions)
    _write_result(bench, out, past)


def _write_result(bench: Bench, out: Path, past: "list[Step]") -> None:
    """run.json, and the generator or the latents as a file."""
    from dataclasses import asdict

    from safetensors.torch import save as serialised

    from telltale import __version__
    from telltale.data.index import write_whole
    from telltale.generate.families import GeneratorFacts, save_generator
    from telltale.generate.finetuning_config import reached
    from telltale.generate.finetuning_losses import MovedLatents
    from telltale.learn.journal import write_run
    from telltale.provenance import commit

    facts = {
        "telltale": __version__,
        "commit": commit(),
        "command": " ".join(["telltale", *sys.argv[1:]]),
        "config": asdict(bench.settings),
        **bench.facts,
        "reached": reached(bench.settings, past[0], past[-1]),
        "before": asdict(past[0]),
        "after": asdict(past[-1]),
    }
    if isinstance(bench.network, MovedLatents):
        write_whole(out / LATENTS_FILE, serialised({"latents": bench.network.latents.detach().contiguous()}))
    else:
        about = bench.about
        made_with = {
            **about.made_with,
            "finetuned": {name: facts[name] for name in ("command", "commit", "config", "against", "critic")},
        }
        save_generator(
            out / WEIGHTS_FILE,
            bench.network,
            GeneratorFacts(family=about.family, sizes=about.sizes, made_with=made_with),
        )
    write_run(out, facts)
    print(f"{out}: {RUN_FILE}, steps.csv, before_after.png, state and weights", file=sys.stderr)


def _line(step: "Step") -> str:
    losses = (("own", step.own_loss), ("detector", step.classifier_loss), ("critic", step.critic_loss))
    said = "  ".join(f"{name} {value:.3f}" for name, value in losses if value is not None)
    quality = "" if step.quality is None else f"  quality {step.quality:.4f} ± {step.quality_error:.4f}"
    return (
        f"step {step.step:>5}  fooled {step.fooled:.3f}  patches {step.patches_fooled:.3f}  "
        f"distance {step.distance:.1f}  diversity {step.diversity:.1f}{quality}  {said}".rstrip()
    )


@contextmanager
def _bar(settings: "FinetuneConfig") -> Iterator[Callable[["Step"], None]]:
    """What to call at each check; draws only where a person watches standard error."""
    if not sys.stderr.isatty():
        yield lambda _step: None
        return
    from rich.console import Console
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

    shown = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
    both = sys.stdout.isatty()
    with Progress(*shown, console=Console(stderr=True), transient=True, redirect_stdout=both) as bar:
        task = bar.add_task("finetuning", total=settings.steps)

        def advance(step: "Step") -> None:
            quality = "" if step.quality is None else f"  quality {step.quality:.3f}"
            loss = "" if step.classifier_loss is None else f"  loss {step.classifier_loss:.3f}"
            bar.update(task, completed=step.step, description=f"finetuning{loss}  fooled {step.fooled:.2f}{quality}")

        yield advance

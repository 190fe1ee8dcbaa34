"""`telltale train`: a patch detector from folders of real and fake images."""

import json
import os
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from telltale.errors import InvalidConfig

if TYPE_CHECKING:
    from telltale.learn.config import TrainConfig
    from telltale.learn.distributed import World
    from telltale.learn.run import Run
    from telltale.learn.train import Epoch

Text = str | None
Number = int | None
Real = float | None
Span = tuple[float, float] | None
# What 0 says on the command line, where there is no way to write None.
_ZERO_IS_NONE = ("crop", "side", "stored_side")
_NOT_SETTINGS = ("out", "config", "resume", "dry_run")


def says(what: str, default: str) -> Any:
    """An option whose default lives in `TrainConfig`; here it is only shown."""
    return typer.Option(help=what, show_default=default)


def train(
    data: Annotated[list[str] | None, typer.Argument(help="Folders of images, or manifests (.csv, .parquet).")] = None,
    out: Annotated[Path | None, typer.Option(help="New folder for weights, state and logs.")] = None,
    config: Annotated[Path | None, typer.Option(help="Take settings from an earlier run's run.json.")] = None,
    resume: Annotated[bool, typer.Option("--resume", help="Go on with the run in --out, with its settings.")] = False,
    dry_run: Annotated[
        bool, typer.Option("--dry-run", help="Say what would be done and its cost; write nothing.")
    ] = False,
    name: Annotated[Text, says("What results call the detector.", "detector")] = None,
    architecture: Annotated[Text, says("Unknown names list the known.", "xception_block2")] = None,
    train_split: Annotated[Text, says("Split to train on.", "train")] = None,
    validation_split: Annotated[Text, says("Split that chooses the epoch.", "validation")] = None,
    validation_share: Annotated[Real, says("Validate on this share of the training split.", "0.0")] = None,
    include: Annotated[list[str] | None, typer.Option(help="Only this source; may be repeated.")] = None,
    exclude: Annotated[list[str] | None, typer.Option(help="Not this source; may be repeated.")] = None,
    side: Annotated[Number, says("Scale images to this many px; 0 keeps native pixels.", "0")] = None,
    fit: Annotated[Text, says("shorter, centre or square.", "shorter")] = None,
    resample: Annotated[Text, says("lanczos, bicubic or bilinear.", "lanczos")] = None,
    stored_side: Annotated[Number, says("Stretch to this many px first; 0 does not.", "0")] = None,
    crop: Annotated[Number, says("Training crop, px; 0 takes whole images.", "128")] = None,
    allow_small: Annotated[
        bool | None, typer.Option("--allow-small", help="Accept images smaller than the field.")
    ] = None,
    view: Annotated[Text, says("What validation sees: centre (crop) or whole.", "centre")] = None,
    batch: Annotated[Number, says("Images a step, half of them fake.", "32")] = None,
    balance: Annotated[Text, says("Draw sources or images equally often.", "sources")] = None,
    steps_per_epoch: Annotated[Number, says("Steps between validations.", "200")] = None,
    epochs: Annotated[Number, says("At most.", "50")] = None,
    patience: Annotated[Number, says("Epochs without a better validation.", "10")] = None,
    choose_by: Annotated[Text, says("patch_accuracy, auc, average_precision or loss.", "patch_accuracy")] = None,
    learning_rate: Annotated[Real, says("Of Adam.", "0.001")] = None,
    schedule: Annotated[Text, says("constant, or cosine: the learning rate falls to 0.", "constant")] = None,
    beta1: Annotated[Real, says("Of Adam.", "0.9")] = None,
    beta2: Annotated[Real, says("Of Adam.", "0.999")] = None,
    seed: Annotated[Number, says("Weights, batches, augmentation.", "0")] = None,
    pooling: Annotated[Text, says("mean_probability, mean_logit or vote.", "mean_probability")] = None,
    flip: Annotated[Real, says("Probability of mirroring.", "0.5")] = None,
    resize: Annotated[Real, says("Probability of scaling and back.", "0.0")] = None,
    resize_range: Annotated[Span, says("Factors.", "0.5 1.0")] = None,
    blur: Annotated[Real, says("Probability of blur.", "0.0")] = None,
    blur_range: Annotated[Span, says("Standard deviations, px.", "0.1 2.0")] = None,
    noise: Annotated[Real, says("Probability of noise.", "0.0")] = None,
    noise_range: Annotated[Span, says("Standard deviations, grey levels.", "1.0 10.0")] = None,
    jpeg: Annotated[Real, says("Probability of JPEG.", "0.0")] = None,
    jpeg_range: Annotated[Span, says("Qualities.", "60.0 99.0")] = None,
    precision: Annotated[Text, says("auto, fp32 or bf16.", "auto")] = None,
    channels_last: Annotated[Text, says("auto, on or off.", "auto")] = None,
    device: Annotated[Text, says("auto, cpu or cuda.", "auto")] = None,
    threads: Annotated[Number, says("Of torch, per process; 0 = all cores.", "0")] = None,
    memory_mb: Annotated[Number, says("Pixels kept in memory, MB.", "2000")] = None,
) -> None:
    """Train a patch detector and keep its best epoch.

    Several processes: torchrun --nproc-per-node N -m telltale train ...
    """
    given = {name: value for name, value in locals().items() if name not in _NOT_SETTINGS and value not in (None, [])}
    settings = _settings(given, config, out, resume=resume)
    if dry_run:
        _plan(settings)
        return
    if out is None:
        raise InvalidConfig(expected="--out FOLDER", found="none", do="Name a new folder, or add --dry-run.")
    _train(settings, out, resume=resume)


def _settings(given: dict[str, Any], earlier: Path | None, out: Path | None, *, resume: bool) -> "TrainConfig":
    """Options over the settings of an earlier run over the defaults."""
    from telltale.learn.config import TrainConfig
    from telltale.learn.journal import RUN_FILE

    if earlier is None and resume and out is not None and (out / RUN_FILE).exists():
        earlier = out / RUN_FILE
    before = {} if earlier is None else _read_config(earlier)
    plain = {name: None if name in _ZERO_IS_NONE and value == 0 else value for name, value in given.items()}
    return TrainConfig.from_dict(before | plain)


def _read_config(path: Path) -> dict[str, Any]:
    try:
        settings: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))["config"]
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise InvalidConfig(
            expected=f"a run.json with a config: {path}", found=f"{type(error).__name__}: {error}", do="Check the path."
        ) from error
    return settings


def _world() -> "World":
    from telltale.learn.distributed import world_of

    return world_of(os.environ)


def _plan(settings: "TrainConfig") -> None:
    from telltale.learn.plan import cost, described
    from telltale.learn.run import set_up

    run = set_up(settings)
    for line in (*described(run), *cost(run)):
        print(line)


def _train(settings: "TrainConfig", out: Path, *, resume: bool) -> None:
    from telltale.learn.distributed import joined
    from telltale.learn.plan import described
    from telltale.learn.precision import execution
    from telltale.learn.train import train as run_training

    def start(run: "Run") -> None:
        if world.leads:
            print("\n".join(described(run)), flush=True)

    cuda = execution(settings).device.type == "cuda"
    with joined(_world(), cuda=cuda) as world, _bar(settings, world) as (on_read, on_step):
        command = " ".join(["telltale", *sys.argv[1:]])
        epochs = run_training(
            settings, out, resume=resume, world=world, command=command, on_read=on_read, on_start=start, on_step=on_step
        )
        for epoch in epochs:
            if world.leads:
                print(_line(epoch), flush=True)
    if world.leads:
        print(f"best and last weights, state and logs: {out}")


def _line(epoch: "Epoch") -> str:
    said = epoch.validation
    mark = "  best" if epoch.best else ""
    return (
        f"epoch {epoch.epoch:>3}  step {epoch.step:>6}  loss {epoch.loss:.4f}  validation: loss {said.loss:.4f}  "
        f"patch accuracy {said.patch_accuracy:.4f}  AUC {said.auc:.4f}  AP {said.average_precision:.4f}  "
        f"{epoch.images_per_second:.0f} images/s{mark}"
    )


@contextmanager
def _bar(
    settings: "TrainConfig", world: "World"
) -> Iterator[tuple[Callable[[], None] | None, Callable[[int, float], None] | None]]:
    """What to call for each image read and each step done; draws only where a person watches standard error."""
    if not (world.leads and sys.stderr.isatty()):
        yield None, None
        return
    from rich.console import Console
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

    shown = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
    # Left alone, rich would move what is printed on standard output to standard error, out of a pipe or file.
    both = sys.stdout.isatty()
    with Progress(*shown, console=Console(stderr=True), transient=True, redirect_stdout=both) as bar:
        reading = bar.add_task("reading images", total=None)
        training = bar.add_task("training", total=settings.epochs * settings.steps_per_epoch, visible=False)
        clock = [time.perf_counter()]

        def on_step(step: int, loss: float) -> None:
            now = time.perf_counter()
            speed, clock[0] = settings.batch / (now - clock[0]), now
            bar.update(reading, visible=False)
            text = f"training  loss {loss:.3f}  {speed:.0f} images/s"
            bar.update(training, completed=step, visible=True, description=text)

        yield lambda: bar.advance(reading), on_step

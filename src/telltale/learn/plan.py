"""What a run is about to do, in lines to print, and what it will cost."""

import json
import time
from collections.abc import Iterator

from telltale.geometry import PatchGrid
from telltale.learn.run import Run

# The first step allocates and chooses kernels; the others show the speed.
WARM_UP, TIMED = 1, 2


def described(run: Run) -> Iterator[str]:
    """Settings, machine, images by part, label and source, and the model's geometry."""
    yield "settings"
    for name, value in run.config.to_dict().items():
        yield f"  {name:<17} {json.dumps(value)}"
    yield "machine"
    for name, value in run.how.facts().items():
        yield f"  {name:<17} {json.dumps(value)}"
    yield f"images ({run.dataset.store.kept} of {len(run.dataset.samples)} kept in memory)"
    for part, labels in run.dataset.counts().items():
        for label, sources in labels.items():
            each = ", ".join(f"{source or 'unnamed source'} {count}" for source, count in sources.items())
            yield f"  {part:<10} {label} {sum(sources.values()):>7}  ({each})"
    yield f"  fingerprint       {run.dataset.fingerprint}"
    yield "model"
    yield f"  {run.config.architecture}, {parameters(run):,} parameters"
    yield f"  {_geometry(run.model.grid, run.config.crop)}"


def cost(run: Run) -> Iterator[str]:
    """Time per step, measured, and what the whole run takes at most."""
    list(run.steps(0, WARM_UP))
    begin = time.perf_counter()
    list(run.steps(WARM_UP, TIMED))
    seconds = (time.perf_counter() - begin) / TIMED
    config = run.config
    # The forward pass is about a third of a step.
    validation = seconds / config.batch * len(run.dataset.part("validation")) / 3
    total = config.epochs * (config.steps_per_epoch * seconds + validation)
    yield "cost"
    yield f"  {seconds:.3f} s a step, {config.batch / seconds:.0f} images/s"
    yield f"  at most {config.epochs} epochs: about {total / 60:.0f} min"


def parameters(run: Run) -> int:
    """How many numbers training adjusts."""
    return sum(parameter.numel() for parameter in run.model.parameters())


def _geometry(grid: PatchGrid | None, crop: int | None) -> str:
    if grid is None:
        return "one prediction per image"
    text = f"field {grid.size} px, stride {grid.stride} px, start {grid.start} px"
    if crop is None:
        return text
    padded = (
        "; the crop is smaller than the field, so every training patch also reads padding" if crop < grid.size else ""
    )
    return f"{text}; {grid.count(crop)} x {grid.count(crop)} patches on a crop of {crop} px{padded}"

"""`telltale explain extremes`: the pictures a detector is most right and most wrong about, by source and label."""

import os
import shlex
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from telltale.cli.detectors import BACKENDS, DETECTOR
from telltale.cli.progress import one_line, progress
from telltale.errors import InvalidConfig

if TYPE_CHECKING:
    from telltale.detector import Detector
    from telltale.explain.extremes import Group, Judged

SOME_FAILED = 1


def explain_extremes(
    data: Annotated[
        list[Path],
        typer.Argument(help="Labelled data sets, folders, manifests, shards; or one scores.parquet of an evaluation."),
    ],
    out: Annotated[Path, typer.Option(help="A folder for extremes.html, extremes.csv and, of data, scores.parquet.")],
    count: Annotated[int, typer.Option(min=1, help="So many at each end, of each source and label.")] = 12,
    detector: Annotated[str, typer.Option(help=DETECTOR)] = "telltale-faces",
    split: Annotated[str | None, typer.Option(help="Of the data: train, validation, test.")] = None,
    include: Annotated[list[str] | None, typer.Option(help="Only this source; may be repeated.")] = None,
    exclude: Annotated[list[str] | None, typer.Option(help="Not this source; may be repeated.")] = None,
    workers: Annotated[int, typer.Option(min=0, help="Images at a time; 0 = one for each core.")] = 0,
    backend: Annotated[str, typer.Option(help=BACKENDS)] = "onnxruntime",
) -> None:
    """Show the easiest and hardest pictures of each source and label on one page, each with its heatmap.

    Scores of data are kept in OUT/scores.parquet, and a second run goes on with them. Exit code 0: all shown; 1: some
    pictures failed, each with its reason; 2: nothing could be done.
    """
    from telltale.cli.detectors import load_detector
    from telltale.data.index import write_whole
    from telltale.explain.extremes import extremes
    from telltale.explain.extremes_page import draw, page, table
    from telltale.explain.heatmaps import grid_of

    loaded = load_detector(detector, backend=backend, threads=1)
    grid_of(loaded)
    cores = workers or os.cpu_count() or 1
    judged = _judged(data, out, loaded, (split, include or [], exclude or []), cores)
    groups = extremes(judged, count=count)
    out.mkdir(parents=True, exist_ok=True)
    with progress("drawing", total=sum(len(group.choices) for group in groups)) as advance:
        gallery = draw(groups, loaded, workers=cores, visit=advance)
    failed = [one for one in judged if one.score is None]
    write_whole(out / "extremes.html", page(groups, gallery, failed, _about(loaded)).encode())
    write_whole(out / "extremes.csv", table(groups, gallery, failed).encode())
    print("\n".join(map(_line, groups)))
    print(f"{out}: extremes.html, extremes.csv", file=sys.stderr)
    if failed or gallery.errors:
        print(f"{len(failed)} without a score, {len(gallery.errors)} not shown; extremes.csv says why", file=sys.stderr)
        raise typer.Exit(SOME_FAILED)


def _judged(
    data: Sequence[Path],
    out: Path,
    loaded: "Detector",
    chosen: tuple[str | None, Sequence[str], Sequence[str]],
    cores: int,
) -> "list[Judged]":
    """Scores as they lie there, or of data, made and kept."""
    from telltale.explain.extremes import from_scores, is_scores

    split, include, exclude = chosen
    ready = [path for path in data if is_scores(path)]
    if not ready:
        return _scored(data, out, loaded, chosen, cores)
    if len(data) > 1:
        raise InvalidConfig(
            expected="one scores.parquet alone, or data",
            found=", ".join(map(str, data)),
            do="Leave out what is too much.",
        )
    found = [one for one in from_scores(ready[0], loaded) if split in (None, one.sample.split)]
    sources = {one.sample.source for one in found}
    strange = sorted({*include, *exclude} - sources)
    if strange or not found:
        raise InvalidConfig(
            expected=f"sources out of {', '.join(sorted(sources)) or 'none'}",
            found=", ".join(strange) or f"no picture of the split {split!r}",
            do="Correct --split, --include and --exclude.",
        )
    return [one for one in found if _wanted(one, include, exclude)]


def _wanted(one: "Judged", include: Sequence[str], exclude: Sequence[str]) -> bool:
    return one.sample.source not in exclude and (not include or one.sample.source in include)


def _scored(
    data: Sequence[Path],
    out: Path,
    loaded: "Detector",
    chosen: tuple[str | None, Sequence[str], Sequence[str]],
    cores: int,
) -> "list[Judged]":
    from telltale.data.samples import scan
    from telltale.evaluate.evaluation import only_sources
    from telltale.evaluate.kept_scores import keep_scores
    from telltale.explain.extremes import from_kept

    split, include, exclude = chosen
    samples = [one for one in only_sources(scan(data, split=split), include, exclude) if one.is_fake is not None]
    if not samples:
        raise InvalidConfig(
            expected="labelled pictures", found="none with a label", do="Sort them into folders named real and fake."
        )
    with progress("scoring", total=len(samples)) as advance:
        keep_scores(out / "scores.parquet", loaded, samples, workers=cores, visit=advance)
    return from_kept(out / "scores.parquet", samples)


def _about(loaded: "Detector") -> dict[str, str]:
    from telltale import __version__
    from telltale.provenance import commit

    return {
        "detector": loaded.spec.name,
        "weights": loaded.sha256,
        "command": shlex.join(["telltale", *sys.argv[1:]]),
        "telltale": f"{__version__}, commit {commit() or 'unknown'}",
    }


def _line(group: "Group") -> str:
    spans = []
    for end in ("hardest", "easiest"):
        scores = [one.judged.score or 0.0 for one in group.choices if one.end == end]
        if scores:
            spans.append(f"{end} {scores[0]:.3f} to {scores[-1]:.3f}")
    name = f"{group.source or 'no source'} ({group.label})"
    return one_line(f"{name:<32} n {group.count:>5}  mean score {group.score:.3f}  {', '.join(spans)}")

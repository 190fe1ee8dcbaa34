"""`telltale audit`: does anything but the picture tell real from fake?"""

import json
import os
import shlex
import sys
import traceback
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer
from typer.core import TyperCommand

from telltale.cli.progress import one_line, progress
from telltale.errors import InvalidConfig, TelltaleError

if TYPE_CHECKING:
    from telltale.data.audit import Audit
    from telltale.data.sample import Sample

# The verdict is the exit code, so an error needs another.
EXIT = {"clean": 0, "suspicious": 1, "leaking": 2}
FAILED = 3
WRONG_USAGE = 2


class AuditCommand(TyperCommand):
    """Wrong options end with 3 here, as every error of `audit` does: 2 would read as "leaking"."""

    def make_context(self, info_name: str | None, args: list[str], parent: Any = None, **extra: Any) -> Any:
        """Parse the options."""
        try:
            return super().make_context(info_name, args, parent, **extra)
        except Exception as error:
            if getattr(error, "exit_code", None) == WRONG_USAGE:
                vars(error)["exit_code"] = FAILED
            raise


def audit(
    sources: Annotated[
        list[Path] | None,
        typer.Argument(
            help="Manifests (.csv, .parquet, .jsonl), folders whose names say real or fake, built data sets, "
            "FaceForensics++, Hugging Face imagefolders, WebDataset shards (.tar)."
        ),
    ] = None,
    real: Annotated[list[Path] | None, typer.Option(help="A folder of real pictures; may be repeated.")] = None,
    fake: Annotated[list[Path] | None, typer.Option(help="A folder of fake pictures; may be repeated.")] = None,
    split: Annotated[str | None, typer.Option(help="Only this split: train, validation or test.")] = None,
    max_images: Annotated[
        int, typer.Option(min=0, help="Files of each label and source to look at, drawn at random; 0 = all.")
    ] = 500,
    seed: Annotated[int, typer.Option(min=0, help="Of every draw.")] = 0,
    as_json: Annotated[bool, typer.Option("--json", help="The report as one JSON object.")] = False,
    html: Annotated[Path | None, typer.Option(help="Also write a page with each cue's two distributions.")] = None,
    workers: Annotated[int, typer.Option(min=0, help="Processes; 0 = one for each core.")] = 0,
) -> None:
    """Ask whether files give away what is real: by format, metadata, traces of compression and resampling.

    Exit code 0: clean; 1: suspicious; 2: leaking; 3: no verdict, because of an error.
    """
    try:
        verdict = _run(sources or [], (real or [], fake or []), split, max_images, seed, as_json, html, workers)
    except (TelltaleError, OSError) as error:
        print(f"telltale: {one_line(str(error))}", file=sys.stderr)
        raise typer.Exit(FAILED) from error
    # Python would end with 1, which here means suspicious.
    except Exception as error:
        traceback.print_exc()
        raise typer.Exit(FAILED) from error
    raise typer.Exit(EXIT[verdict])


def _run(
    sources: Sequence[Path],
    labelled: tuple[Sequence[Path], Sequence[Path]],
    split: str | None,
    max_images: int,
    seed: int,
    as_json: bool,
    html: Path | None,
    workers: int,
) -> str:
    """Audit and print; returns the verdict."""
    from telltale import __version__
    from telltale.data.audit import audit as look
    from telltale.data.audit_words import as_values

    samples = _samples(sources, labelled, split)
    with progress("auditing", total=None) as advance:
        found = look(samples, max_images=max_images, seed=seed, workers=workers or os.cpu_count() or 1, visit=advance)
    command = build_command(sources, labelled)
    values = {
        **as_values(found),
        "build_command": command if found.verdict != "clean" else None,
        "settings": {"max_images": max_images, "seed": seed, "split": split},
        "telltale_version": __version__,
    }
    if html is not None:
        from telltale.data.audit_page import page

        html.parent.mkdir(parents=True, exist_ok=True)
        html.write_text(page(found, values), encoding="utf-8")
    print(json.dumps(values, allow_nan=False) if as_json else "\n".join(map(one_line, _lines(found, values))))
    return found.verdict


def build_command(sources: Sequence[Path], labelled: tuple[Sequence[Path], Sequence[Path]]) -> str:
    """The command that makes a data set of the same pictures, all through one path."""
    words = ["telltale", "build", *map(str, sources)]
    for option, folders in zip(("--real", "--fake"), labelled, strict=True):
        words += [word for folder in folders for word in (option, str(folder))]
    return shlex.join([*words, "--preset", "web", "--out", "built"])


def _samples(
    sources: Sequence[Path], labelled: tuple[Sequence[Path], Sequence[Path]], split: str | None
) -> "list[Sample]":
    from telltale.data.layouts import of_one_label
    from telltale.data.samples import scan

    found = scan(sources, split=split) if sources else []
    for folders, is_fake in zip(labelled, (False, True), strict=True):
        each = [sample for folder in folders for sample in of_one_label(folder, is_fake)]
        found += [sample for sample in each if split in (None, sample.split)]
    if not found:
        raise InvalidConfig(
            expected="something to audit", found="no files", do="Name manifests or folders, or --real and --fake."
        )
    return found


def _lines(found: "Audit", values: dict[str, Any]) -> list[str]:
    counts, whole = values["counts"], values["probes"]["all"]
    lines = [
        values["headline"],
        f"{counts['real']} real and {counts['fake']} fake files; {counts['failed']} could not be read, "
        f"{counts['unlabelled']} without a label, {counts['left_out']} over the limit of a source",
        f"probe on everything in the files: AUC {whole['auc']:.2f} ({whole['low']:.2f} to {whole['high']:.2f}); "
        + _floor_line(whole),
    ]
    lines += [f"{number}. {words}" for number, words in enumerate(values["worst"], 1)]
    lines += [f"- {reason}" for reason in values["reasons"]]
    lines += [f"failed  {path}: {reason}" for path, reason in found.failures.items()][:10]
    if values["build_command"]:
        lines.append(f"To remove what can be removed: {values['build_command']}")
    return lines


def _floor_line(whole: dict[str, Any]) -> str:
    if whole["floor_auc"] is None:
        return "no floor, which takes two sources of reals"
    return f"between two sources of reals {whole['floor_auc']:.2f} on average, at most {whole['floor_highest']:.2f}"

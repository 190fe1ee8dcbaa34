"""`telltale audit`: does anything but the picture tell real from fake?"""

import json
import os
import shlex
import sys
import traceback
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
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
FAILED, STOPPED = 3, 130
WRONG_USAGE = 2
_FEW = 10


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
    path_column: Annotated[str | None, typer.Option(help="Manifest column of the path.")] = None,
    label_column: Annotated[str | None, typer.Option(help="Manifest column of the label.")] = None,
    source_column: Annotated[str | None, typer.Option(help="Manifest column of the source.")] = None,
    split_column: Annotated[str | None, typer.Option(help="Manifest column of the split.")] = None,
    group_column: Annotated[str | None, typer.Option(help="Manifest column of the group: identity, video.")] = None,
    real_label: Annotated[list[str] | None, typer.Option(help="A word that means real; may be repeated.")] = None,
    fake_label: Annotated[list[str] | None, typer.Option(help="A word that means fake; may be repeated.")] = None,
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
    columns = {
        "path": path_column,
        "label": label_column,
        "source": source_column,
        "split": split_column,
        "group": group_column,
    }
    given = Given(
        sources=tuple(sources or ()),
        real=tuple(real or ()),
        fake=tuple(fake or ()),
        columns={key: name for key, name in columns.items() if name is not None},
        words=(tuple(real_label or ()), tuple(fake_label or ())),
    )
    with _no_verdict_on_errors():
        from telltale.data.audit import audit as look

        samples = _samples(given, split)
        with progress("auditing") as advance:
            found = look(
                samples, max_images=max_images, seed=seed, workers=workers or os.cpu_count() or 1, visit=advance
            )
        values = _values(found, given, {"max_images": max_images, "seed": seed, "split": split})
        if html is not None:
            _write_page(html, found, values)
        print(json.dumps(values, allow_nan=False) if as_json else "\n".join(map(one_line, _lines(values))))
    raise typer.Exit(EXIT[found.verdict])


@dataclass(frozen=True, slots=True, kw_only=True)
class Given:
    """What the command line names: sources, folders of one label, manifest columns, words for (real, fake)."""

    sources: tuple[Path, ...] = ()
    real: tuple[Path, ...] = ()
    fake: tuple[Path, ...] = ()
    columns: dict[str, str] = field(default_factory=dict)
    words: tuple[tuple[str, ...], tuple[str, ...]] = ((), ())


def build_command(given: Given) -> str:
    """The command that makes a data set of the same pictures, all through one path."""
    options = [
        *(("--real", str(folder)) for folder in given.real),
        *(("--fake", str(folder)) for folder in given.fake),
        *((f"--{key}-column", name) for key, name in given.columns.items()),
        *((option, word) for option, words in zip(_WORDS, given.words, strict=True) for word in words),
        ("--preset", "web"),
        ("--out", "built"),
    ]
    return shlex.join(["telltale", "build", *map(str, given.sources), *(word for pair in options for word in pair)])


_WORDS = ("--real-label", "--fake-label")


@contextmanager
def _no_verdict_on_errors() -> Iterator[None]:
    """Whatever goes wrong ends with its own exit code, never with one that is a verdict."""
    try:
        yield
    except (TelltaleError, OSError) as error:
        print(f"telltale: {one_line(str(error))}", file=sys.stderr)
        raise typer.Exit(FAILED) from error
    except KeyboardInterrupt as stopped:
        raise typer.Exit(STOPPED) from stopped
    # Python would end with 1, which here means suspicious.
    except Exception as error:
        traceback.print_exc()
        raise typer.Exit(FAILED) from error


def _samples(given: Given, split: str | None) -> "list[Sample]":
    from telltale.data.layouts import of_one_label
    from telltale.data.samples import check_columns, scan
    from telltale.data.vocabulary import vocabulary

    found = []
    if given.sources:
        found += scan(given.sources, columns=given.columns, split=split, labels=vocabulary(*given.words))
    check_columns(given.sources, given.columns)
    for folders, is_fake in ((given.real, False), (given.fake, True)):
        names = [folder.resolve().name for folder in folders]
        for folder, name in zip(folders, names, strict=True):
            # Two folders of one name are two sources all the same.
            source = name if names.count(name) == 1 else str(folder)
            each = (replace(sample, source=source) for sample in of_one_label(folder, is_fake))
            found += [sample for sample in each if split in (None, sample.split)]
    if not found:
        raise InvalidConfig(
            expected="something to audit", found="no files", do="Name manifests or folders, or --real and --fake."
        )
    return found


def _values(found: "Audit", given: Given, settings: dict[str, Any]) -> dict[str, Any]:
    from telltale import __version__
    from telltale.data.audit_words import as_values

    command = None if found.verdict == "clean" else build_command(given)
    return {**as_values(found), "build_command": command, "settings": settings, "telltale_version": __version__}


def _write_page(path: Path, found: "Audit", values: dict[str, Any]) -> None:
    from telltale.data.audit_page import page

    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(page(found, values), encoding="utf-8", errors="backslashreplace")


def _lines(values: dict[str, Any]) -> list[str]:
    """The report in a few lines."""
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
    lines += [f"failed  {one['path']}: {one['reason']}" for one in values["failures"][:_FEW]]
    if values["build_command"]:
        lines.append(f"To remove what can be removed: {values['build_command']}")
    return lines


def _floor_line(whole: dict[str, Any]) -> str:
    if whole["floor_auc"] is None:
        return "no floor, which takes two sources of reals"
    return f"between two sources of reals {whole['floor_auc']:.2f} on average, at most {whole['floor_highest']:.2f}"

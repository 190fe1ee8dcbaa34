"""The `telltale` command: one function per command, each in a file of its name; parse, call, print.

Heavy imports stay inside the functions, so that `telltale --help` answers at once.
"""

import sys
import warnings
from io import TextIOWrapper
from typing import Annotated, NoReturn

import typer

from telltale import __version__
from telltale.cli.audit import audit
from telltale.cli.build import build
from telltale.cli.calibrate import calibrate
from telltale.cli.evaluate import evaluate
from telltale.cli.explain import explain
from telltale.cli.export import export
from telltale.cli.finetune import finetune
from telltale.cli.import_original import import_original
from telltale.cli.predict import predict
from telltale.cli.progress import one_line
from telltale.cli.report import report
from telltale.cli.robustness import robustness
from telltale.cli.train import train
from telltale.errors import TelltaleError

NOTHING_DONE = 2

app = typer.Typer(
    name="telltale",
    help="Finds the local patches that give a generated or manipulated picture away.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)
app.command("predict")(predict)
app.command("build")(build)
app.command("audit")(audit)
app.command("train")(train)
app.command("export")(export)
app.command("import-original")(import_original)
app.command("evaluate")(evaluate)
app.command("calibrate")(calibrate)
app.command("robustness")(robustness)
app.command("finetune")(finetune)
app.command("report")(report)
app.add_typer(explain, name="explain")


def _version(wanted: bool) -> bool:
    if wanted:
        typer.echo(f"telltale {__version__}")
        raise typer.Exit
    return wanted


@app.callback()
def _options(
    version: Annotated[
        bool, typer.Option("--version", callback=_version, is_eager=True, help="Print the version.")
    ] = False,
) -> None:
    """Finds the local patches that give a generated or manipulated picture away."""


def main() -> None:
    """Run the command line; a warning is one line on standard error, and so is an error, with exit code 2."""
    if isinstance(sys.stdout, TextIOWrapper):
        # A file name that the terminal's encoding does not know must not end the run.
        sys.stdout.reconfigure(errors="backslashreplace")
    try:
        with warnings.catch_warnings():
            warnings.showwarning = lambda message, *_, **__: _say(f"warning: {message}")
            app()
    except TelltaleError as error:
        _stop(str(error))
    # The disk is full, a folder may not be written: nothing a traceback would explain better.
    except OSError as error:
        _stop(f"expected to read and write files; found {error}. Check the path, permissions and free space.")


def _say(text: str) -> None:
    print(f"telltale: {one_line(text)}", file=sys.stderr)


def _stop(reason: str) -> NoReturn:
    _say(reason)
    raise SystemExit(NOTHING_DONE)

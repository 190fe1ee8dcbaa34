"""`telltale explain`: one sub-command per question; each lies in a file of its name, `explain_<name>.py`."""

import typer

from telltale.cli.explain_average import explain_average
from telltale.cli.explain_extremes import explain_extremes
from telltale.cli.explain_heatmap import explain_heatmap
from telltale.cli.explain_localise import explain_localise
from telltale.cli.explain_patches import explain_patches
from telltale.cli.explain_regions import explain_regions

explain = typer.Typer(
    help="Show where the evidence of a detector lies.",
    no_args_is_help=True,
    add_completion=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)
# Each sub-command is registered here, in the order of `telltale explain --help`.
explain.command("heatmap")(explain_heatmap)
explain.command("average")(explain_average)
explain.command("extremes")(explain_extremes)
explain.command("regions")(explain_regions)
explain.command("patches")(explain_patches)
explain.command("localise")(explain_localise)

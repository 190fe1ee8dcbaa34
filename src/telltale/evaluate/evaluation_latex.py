"""The table of an evaluation as LaTeX, for a paper."""

from collections.abc import Collection, Sequence
from math import isnan

from telltale.evaluate.evaluation_table import ALL, MEAN, WORST, EvaluationRow
from telltale.evaluate.evaluation_words import (
    FLATTERED,
    RESOLUTION,
    TITLES,
    by_judge,
    is_flattered,
    is_unresolved,
    named,
    of_both,
    plain,
)

_PAPER = ("ap_fake", "auc", "accuracy_real", "accuracy_fake", "tpr_at_1_fpr", "tpr_at_5_fpr", "eer")


def table_latex(rows: Sequence[EvaluationRow], here: Collection[str] = ()) -> str:
    """One booktabs table for each detector and pooling: sources of fakes and reals, then all, mean and worst."""
    return "\n".join(_latex(title, mine, here) for title, mine in by_judge(rows).items())


def _latex(title: str, rows: Sequence[EvaluationRow], here: Collection[str]) -> str:
    whole = next(row for row in rows if row.source == ALL)
    share = whole.n_fake / max(1, whole.n_fake + whole.n_real)
    over = [row for row in rows if row.source in (ALL, MEAN, WORST)]
    heads = " & ".join(_escaped(TITLES[name][0]) for name in _PAPER)
    marked = any(is_unresolved(row, name) for row in rows for name in row.figures)
    both = of_both((row.source, row.label) for row in rows)
    body = [_line(row, both) for row in rows if row not in over]
    return "\n".join(
        [
            "% needs \\usepackage{booktabs}",
            "\\begin{table}",
            "\\centering",
            f"\\caption{{{_escaped(title)}. Fake is positive; 95\\,\\% bootstrap intervals of AUC in brackets. Chance "
            f"is 0.5 for AUC and the share of fakes for AP ({share:.2f} on all images)."
            + (f" {_escaped(RESOLUTION)}." if marked else "")
            + (f" {_escaped(FLATTERED)}." if is_flattered(rows, here) else "")
            + "}",
            f"\\begin{{tabular}}{{l{'r' * (len(_PAPER) + 2)}}}",
            "\\toprule",
            f"source & real & fake & {heads} \\\\",
            "\\midrule",
            *body,
            "\\midrule",
            *(_line(row, both) for row in over),
            "\\bottomrule",
            "\\end{tabular}",
            "\\end{table}",
            "",
        ]
    )


def _line(row: EvaluationRow, both: Collection[str]) -> str:
    cells = [_escaped(named(row.source, row.label, both)), str(row.n_real), str(row.n_fake)]
    if not row.figures:
        return " & ".join([*cells, f"\\multicolumn{{{len(_PAPER)}}}{{l}}{{{row.note}}} \\\\"])
    for name in _PAPER:
        found = row.figures.get(name)
        bracket = (
            f" [{found.low:.2f}, {found.high:.2f}]"
            if found is not None and name == "auc" and not isnan(found.low)
            else ""
        )
        cells.append(plain(row, name) + bracket)
    return " & ".join(cells) + " \\\\"


def _escaped(text: str) -> str:
    """On one line, and safe behind a line's end, which would take a bracket or a star for its own."""
    flat = "".join(_LATEX.get(letter, letter) for letter in " ".join(text.split()))
    return f"{{}}{flat}" if flat[:1] in ("[", "*") else flat


_LATEX = {
    "\\": "\\textbackslash{}", "{": "\\{", "}": "\\}", "_": "\\_", "%": "\\%", "&": "\\&", "#": "\\#", "$": "\\$",
    "~": "\\textasciitilde{}", "^": "\\textasciicircum{}",
    "<": "\\textless{}", ">": "\\textgreater{}", "|": "\\textbar{}",
}  # fmt: skip

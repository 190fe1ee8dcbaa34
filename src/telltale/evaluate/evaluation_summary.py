"""An evaluation as one JSON object: what was evaluated on what, by which code, and what came out."""

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from typing import Any

from telltale.evaluate.evaluation import Contender, fingerprint
from telltale.evaluate.evaluation_comparison import ComparisonRow
from telltale.evaluate.evaluation_table import ALL, ERRORS, MEAN, WORST, EvaluationRow
from telltale.evaluate.evaluation_words import by_judge, is_unresolved
from telltale.evaluate.metrics import Estimate
from telltale.evaluate.results import Row
from telltale.evaluate.tabulation import Evaluation

_LISTED = 20


def summary(
    entrants: Sequence[Contender],
    scores: Sequence[Row],
    found: Evaluation,
    run: Mapping[str, Any],
) -> dict[str, Any]:
    """Everything but the single scores.

    Args:
        entrants: the detectors.
        scores: the rows of `evaluate`.
        found: the tables.
        run: command, commit, seconds, settings: what only the caller knows.
    """
    return {
        **run,
        "data": {**_data(scores[: len(scores) // len(entrants)]), "copies": found.images.copies},
        "detectors": [_detector(one, scores) for one in entrants],
        "failures": _failures(scores),
        "results": [_result(mine) for mine in by_judge(found.rows).values()],
        "comparisons": [_comparison(row) for row in found.comparisons],
        "slices": [
            {
                **{"detector": row.judge.detector, "pooling": row.judge.pooling, "column": row.column},
                **{"value": row.value, "n_real": row.n_real, "n_fake": row.n_fake, "note": row.note},
                **{name: _estimate(getattr(row, name)) for name in ("auc", "false_alarm", "detected")},
            }
            for row in found.slices
        ],
    }


def _data(images: Sequence[Row]) -> dict[str, Any]:
    counts = Counter((row["source"], "fake" if row["is_fake"] else "real", row["split"]) for row in images)
    return {
        "fingerprint": fingerprint(images),
        "images": len(images),
        "real": sum(not row["is_fake"] for row in images),
        "fake": sum(row["is_fake"] for row in images),
        "groups": len({row["group"] for row in images} - {""}),
        "sources": [
            {"source": source, "label": label, "split": split, "images": count}
            for (source, label, split), count in sorted(counts.items())
        ],
    }


def _detector(one: Contender, scores: Sequence[Row]) -> dict[str, Any]:
    spec = one.detector.spec
    # Of those with a score, since a calibration is of nothing else.
    mine = fingerprint(row for row in scores if row["detector"] == one.name and row["error"] is None)
    known = {part.fingerprint for part in (spec.calibration, spec.thresholds) if part is not None}
    return {
        "name": one.name,
        "sha256": one.detector.sha256,
        "sha256_of": one.hashed,
        "engine": one.engine,
        "architecture": spec.architecture,
        "preparation": asdict(spec.preparation),
        "pooling": spec.pooling,
        "receptive_field": None if spec.grid is None else spec.grid.size,
        "calibrated_on": None if spec.calibration is None else spec.calibration.fitted_on,
        "calibrated_on_these_images": mine in known,
        "thresholds": None if spec.thresholds is None else asdict(spec.thresholds),
    }


def _failures(scores: Sequence[Row]) -> dict[str, Any]:
    failed = [row for row in scores if row["error"] is not None]
    listed = [{name: row[name] for name in ("detector", "path", "error")} for row in failed[:_LISTED]]
    return {"count": len(failed), "listed": listed}


def _result(rows: Sequence[EvaluationRow]) -> dict[str, Any]:
    judge = rows[0].judge
    each = {(row.source, row.label): row for row in rows}
    own = [row for row in rows if row.source not in (ALL, MEAN, WORST)]
    return {
        **asdict(judge),
        "all": _figures(each[ALL, "all"]),
        **{f"over_sources_of_{label}s": _over(each, label) for label in ("fake", "real")},
        "sources": [
            {
                **{name: getattr(row, name) for name in ("source", "label", "n", "n_real", "n_fake", "failed", "note")},
                "figures": _figures(row),
            }
            for row in own
        ],
        "false_alarms": [
            {"source": row.source, "reals": row.n, **(_estimate(row.false_alarm) or {})}
            for row in own
            if row.label == "real"
        ],
    }


def _over(each: Mapping[tuple[str, str], EvaluationRow], label: str) -> dict[str, Any] | None:
    """Mean of every figure; minimum, with its source, or maximum where less is better."""
    if (MEAN, label) not in each:
        return None
    mean, worst = each[MEAN, label], each[WORST, label]
    found: dict[str, Any] = {"mean": _figures(mean), "minimum": {}, "maximum": {}}
    for name, estimate in worst.figures.items():
        end = "maximum" if name in ERRORS else "minimum"
        found[end][name] = {**(_estimate(estimate) or {}), "source": worst.worst_source[name]}
    return found


def _figures(row: EvaluationRow) -> dict[str, Any]:
    found: dict[str, dict[str, Any]] = {
        name: {**(_estimate(one) or {}), **({"resolved": False} if is_unresolved(row, name) else {})}
        for name, one in row.figures.items()
    }
    if row.ece_if_calibrated is not None:
        found["ece"]["if_calibrated"] = _estimate(row.ece_if_calibrated)
    return found


def _comparison(row: ComparisonRow) -> dict[str, Any]:
    return {
        "first": row.first.title,
        "second": row.second.title,
        "source": row.source,
        "label": row.label,
        "n_real": row.n_real,
        "n_fake": row.n_fake,
        "figure": row.figure,
        "test": row.found.test,
        "values": [row.found.first, row.found.second],
        "difference": _estimate(row.found.difference),
        "p": row.found.p,
    }


def _estimate(found: Estimate | None) -> dict[str, float | None] | None:
    return None if found is None else found.plain()

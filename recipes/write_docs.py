"""Write every number of README, model card and docs from the files in results/.

    python recipes/write_docs.py            writes
    python recipes/write_docs.py --check    exits 1 where a file would change; `make test` runs this

Needs nothing but the repository; takes a second.
"""

import argparse
import csv
import json
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from statistics import mean
from textwrap import fill, indent
from typing import Any

from findings import findings

ROOT = Path(__file__).resolve().parent.parent
RESULTS = ROOT / "results"
CARD = ROOT / "src" / "telltale" / "weights" / "telltale-faces.md"
# Whose interval an evaluation does not take from plain percentiles (`telltale.evaluate.evaluation_table.BIASED`; ECE).
CORRECTED = ("ap_fake", "ap_real", "tpr_at_1_fpr", "ece")


def between(text: str, mark: str, content: str) -> str:
    """The text with what stands between <!-- mark --> and <!-- /mark --> replaced."""
    head, _, rest = text.partition(f"<!-- {mark} -->")
    _, _, tail = rest.partition(f"<!-- /{mark} -->")
    assert rest, f"the file lost its mark {mark}"
    assert tail, f"the file lost its mark /{mark}"
    return f"{head}<!-- {mark} -->\n{content.strip()}\n<!-- /{mark} -->{tail}"


def percent(value: float) -> str:
    return f"{100 * value:.0f} %"


def span(row: dict[str, Any], name: str) -> str:
    """A value with its interval, as in 0.81 (0.77 to 0.85)."""
    return f"{row[name]:.2f} ({row[f'{name}_low']:.2f} to {row[f'{name}_high']:.2f})"


def shares(row: dict[str, Any], name: str) -> str:
    return f"{percent(row[name])} ({percent(row[f'{name}_low'])} to {percent(row[f'{name}_high'])})"


def warning(found: dict[str, Any]) -> str:
    """README and card: what the shipped detector is worth, in a few sentences."""
    seen, unseen = found["summary"]["trained on"]["none"], found["summary"]["held out"]["none"]
    alarms = [value for part in (seen, unseen) for value in part["false_alarms"].values()]
    halved = [
        value
        for part in ("trained on", "held out")
        for value in found["summary"][part]["downscaled to 50 %"]["false_alarms"].values()
    ]
    (stranger,) = [
        row for row in found["rows"] if row["source"] == found["unseen_generator"] and row["corruption"] == "none"
    ]
    text = (
        f"The shipped detector `{found['detector']}` was trained on a few thousand face pictures, and its card is "
        "sobering. "
        "On test pictures of the sources it was trained on, its mean AUC over generators is "
        f"**{seen['auc_mean']:.2f}** "
        f"(worst {seen['auc_minimum']:.2f}, {seen['worst_source']}); on generators and cameras it has never seen "
        f"**{unseen['auc_mean']:.2f}** (worst {unseen['auc_minimum']:.2f}, {unseen['worst_source']}); on faithful "
        f"re-syntheses by an autoencoder it has never seen **{stranger['auc']:.2f}**. Guessing is 0.5. Of real "
        f"pictures it calls {percent(min(alarms))} to {percent(max(alarms))} \u201clikely generated\u201d, "
        f"by source; of the same pictures scaled to half their size first, {percent(min(halved))} to "
        f"{percent(max(halved))}. Real and "
        "fake had equal formats. Its verdict is a hint to look closer, never evidence by itself."
    )
    return fill(text, 118)


def source_table(rows: list[dict[str, Any]], part: str) -> Iterator[str]:
    yield "| source | label | images | AUC | AP | likely generated | likely real |"
    yield "|---|---|---|---|---|---|---|"
    for row in rows:
        if row["corruption"] == "none" and row["sources"] == part:
            yield (
                f"| {row['source']} | {row['label']} | {row['n']} | {span(row, 'auc')} | {span(row, 'ap')} "
                f"| {shares(row, 'called_fake')} | {shares(row, 'called_real')} |"
            )


def corruption_table(summary: dict[str, Any]) -> Iterator[str]:
    yield "| corruption | mean AUC, trained on | minimum | mean AUC, held out | minimum | false alarms by source |"
    yield "|---|---|---|---|---|---|"
    for name, seen in summary["trained on"].items():
        unseen = summary["held out"][name]
        alarms = [*seen["false_alarms"].values(), *unseen["false_alarms"].values()]
        yield (
            f"| {name} | {seen['auc_mean']:.2f} | {seen['auc_minimum']:.2f} | {unseen['auc_mean']:.2f} "
            f"| {unseen['auc_minimum']:.2f} | {percent(min(alarms))} to {percent(max(alarms))} |"
        )


def outside(rows: list[dict[str, str]], detector: str = "telltale-faces") -> str:
    """How little the shipped detector finds where a face was manipulated, in two sentences."""
    films, composites = (
        next(row for row in rows if (row["set"], row["model"]) == (name, detector))
        for name in ("swap_videos", "photoshop600")
    )
    text = (
        f"On {films['films']} films of swapped faces its AUC over single face crops is {_auc(films)}, on "
        f"composites by experts {_auc(composites)}; chance is 0.50. A verdict on such pictures says next to nothing."
    )
    return fill(text, 116)


def _auc(row: dict[str, str]) -> str:
    return f"{float(row['auc']):.2f} [{float(row['auc_low']):.2f}, {float(row['auc_high']):.2f}]"


def card(found: dict[str, Any]) -> str:
    """The model card of the shipped detector."""
    thresholds, choice = found["thresholds"], found["choice"]
    candidates = "\n".join(
        f"| {name} | {said['mean_auc']:.3f} | "
        + ", ".join(f"{source} {value:.2f}" for source, value in said["auc"].items())
        + " |"
        for name, said in choice.items()
    )
    fingerprints = ", ".join(f"{name} `{value[:16]}`" for name, value in found["dataset_fingerprints"].items())
    return CARD_TEXT.format(
        name=found["detector"],
        architecture=found["architecture"],
        sha=found["weights_sha256"],
        trained_real=", ".join(found["trained_on"]["real"]),
        trained_fake=", ".join(found["trained_on"]["fake"]),
        held_out=", ".join(found["held_out"]),
        command=found["command"],
        commit=found["commit"],
        date=found["date"],
        machine=found["machine"],
        fingerprints=fingerprints,
        candidates=candidates,
        chosen=found["chosen"],
        warning=warning(found),
        outside=indent(outside(table(RESULTS / "outside_checks.csv")), "  "),
        seen="\n".join(source_table(found["rows"], "trained on")),
        familiar="\n".join(source_table(found["rows"], "unseen generator, familiar reals")),
        unseen="\n".join(source_table(found["rows"], "held out")),
        corrupted="\n".join(corruption_table(found["summary"])),
        fake_above=thresholds["fake_above"],
        real_below=thresholds["real_below"],
        alarm=percent(thresholds["false_alarm_rate"]),
        miss=percent(thresholds["miss_rate"]),
        error=found["validation"]["calibration_error"],
        plain=found["validation"]["calibration_error_unweighted"],
        fakes=percent(found["validation"]["share_of_fakes"]),
    )


CARD_TEXT = """# Model card: {name}

<!-- written by recipes/write_docs.py from results/shipped_detector.json; do not edit -->

Patch detector, architecture `{architecture}`, ONNX, sha256 `{sha}`.

## In short

{warning}

## Intended use

To show where in a **face picture** a detector of this kind sees a generator's texture, to try telltale's tools on, and
as a baseline to beat. It was trained on face crops scaled to a shorter side of 224 px; every picture is brought to that
size before it is scored.

## Not intended

- As evidence about a person or a picture, alone. At one generated picture in a hundred, a false-alarm rate of 5 % means
  that at most one alarm in six is right.
- On swapped faces in films, or faces edited by hand:
{outside}
- On pictures without faces, screenshots, drawings: nobody has measured it there.
- To decide automatically what is removed, published or believed. A valid C2PA manifest outranks any detector; a missing
  one means nothing.
- A generator can be trained against this detector; it is public. Faces of some groups are rare in its training data;
  see the false alarms of `aaf` (mostly Asian faces) below.

## Data

Reals: {trained_real}.
Fakes: {trained_fake}; the last is a re-synthesis of some of the
reals by a GAN upsampler. All went through one code path, `telltale build --preset web
--side 224`: face crop, 224 px, JPEG of quality 70 to 95 drawn alike for both labels.
Never used before the test: {held_out}.
The images were offered for research use; they are not part of telltale. Data-set fingerprints:
{fingerprints}.

## How it was made

`{command}`, commit `{commit}`, {date}, {machine}.

The depth was chosen by mean AUC over sources of fakes on the validation split, and nothing else:

| candidate | mean AUC, validation | by source of fakes |
|---|---|---|
{candidates}

Chosen: **{chosen}**. One seed a candidate; differences of a few hundredths are within what another seed would change.

Probability: Platt scaling of the pooled score on the validation split, every source weighing the same, so that it
supposes equally many reals and fakes: calibration error {error:.3f}, weighed so. Counting every picture once, {fakes}
of them fakes, it says too much: {plain:.3f}. Both are on the pictures that it was fitted on. It holds for such sources
and no further; `telltale calibrate` fits it to yours. Verdicts: "likely generated" at
{fake_above:.2f} and above ({alarm} of the validation reals), "likely real" at {real_below:.2f} and below
({miss} of the validation fakes), "inconclusive" in between.

## Test

AUC and AP with 95 % bootstrap intervals over images; fake is the positive class. A source of fakes is measured against
all reals of its table, a source of reals against all fakes. Chance is an AUC of 0.5; that of AP is the share of fakes.

Sources it was trained on, test split:

{seen}

A generator it has never seen, `taef2`, that made some of the same reals anew through a latent-diffusion autoencoder:

{familiar}

Sources held out of training, choice and calibration, all their pictures:

{unseen}

## Under corruption

The built pictures once more through what happens to pictures on the web:

{corrupted}

## Licence

The weights are offered for **research use**, as the terms of the images they were trained on ask; telltale's code is
Apache-2.0.
"""


PARSER_CARD = ROOT / "src" / "telltale" / "weights" / "parsers" / "face-parser.md"


def parser_card(found: dict[str, Any]) -> str:
    """The model card of the shipped face parser."""
    tight = found["tight_crops"]
    rows = "\n".join(
        f"| {part} | {one['value']:.2f} ({one['low']:.2f} to {one['high']:.2f}) "
        f"| {tight['iou'][part]['value']:.2f} ({tight['iou'][part]['low']:.2f} to {tight['iou'][part]['high']:.2f}) |"
        for part, one in found["iou"].items()
    )
    worst = min(found["iou"], key=lambda part: found["iou"][part]["value"])
    return PARSER_CARD_TEXT.format(
        rows=rows,
        worst=worst,
        worst_iou=found["iou"][worst]["value"],
        tight_mean=tight["mean_iou"],
        megabytes=found["onnx_bytes"] / 1e6,
        train=found["n"]["train"],
        validation=found["n"]["validation"],
        test=found["n"]["test"],
        **{name: found[name] for name in ("mean_iou", "pixel_accuracy", "parameters", "command", "commit", "date")},
        **{name: found[name] for name in ("machine", "epoch", "split_fingerprint")},
        **{name: found[name] for name in ("validation_mean_iou_at_128_px", "validation_mean_iou")},
        low=found["mean_iou_interval"][0],
        high=found["mean_iou_interval"][1],
        accuracy_low=found["pixel_accuracy_interval"][0],
        accuracy_high=found["pixel_accuracy_interval"][1],
    )


PARSER_CARD_TEXT = """# Model card: face-parser

<!-- written by recipes/write_docs.py from results/face_parser.json; do not edit -->

Says of every pixel of a face picture which of eleven parts it shows: background, skin, brows, eyes, ears, nose, mouth,
neck, clothes, hair, hat. A network of {parameters:,} parameters, ONNX, {megabytes:.1f} MB.

Mean IoU over the eleven parts **{mean_iou:.2f}** ({low:.2f} to {high:.2f}), pixel accuracy **{pixel_accuracy:.2f}**
({accuracy_low:.2f} to {accuracy_high:.2f}), on the {test} test pictures at their masks' own 512 px. The weakest part is
{worst} ({worst_iou:.2f}). With 95 % bootstrap intervals over pictures:

| part | IoU | IoU in the middle 60 % of each picture alone |
|---|---|---|
{rows}
| mean | {mean_iou:.2f} | {tight_mean:.2f} |

IoU counts all pixels of the set together. A part that is small or rare (a hat is in one picture of twenty-five) has a
wide interval.

## Intended use

To assign patches to parts of a face in `telltale explain regions`, where a patch is tens of pixels wide and a boundary
a few pixels off changes little. The picture should show one upright face, as `telltale build` crops it.

## Not intended

Anything about who a person is, or what they are like: it names no identity, sex, age or emotion, and must not be used
to find or measure people. It was never measured on pictures with several faces, profiles, or faces covered by hands or
masks, nor on groups of people that are rare among its {train} training pictures, which show celebrities.

## How it was made

`{command}`, commit `{commit}`, {date}, {machine}.
Learned {train} pictures of CelebA-HQ and their masks, chose the epoch ({epoch}) by mean IoU on {validation} validation
pictures ({validation_mean_iou_at_128_px:.2f} at 128 px, as it learned; {validation_mean_iou:.2f} as the file parses:
at 160 px, a picture and its mirror image, without the loss's weights, logits enlarged twofold before the choice).
Every choice was made by validation; but the test pictures had been measured twice before the last choices, so take
these figures as slightly hopeful. Glasses count as eyes, earrings as ears, a necklace as neck. Split fingerprint
`{split_fingerprint:.16}`.

## Licence

The weights are offered for **research use**, as the terms of the pictures they were trained on ask; telltale's code is
Apache-2.0.
"""


@dataclass(frozen=True, slots=True)
class Spread:
    """Mean over seeds with its 95 % interval (Student's t)."""

    mean: float
    half: float

    def __str__(self) -> str:
        """As tables show it."""
        return f"{self.mean:.2f} \u00b1 {self.half:.2f}"


# Student's t, 97.5 %, for 1 to 9 degrees of freedom.
_T = (12.71, 4.30, 3.18, 2.78, 2.57, 2.45, 2.36, 2.31, 2.26)


def spread(values: list[float]) -> Spread:
    n = len(values)
    middle = mean(values)
    if n < 2:
        return Spread(middle, float("nan"))
    deviation = (sum((value - middle) ** 2 for value in values) / (n - 1)) ** 0.5
    return Spread(middle, _T[n - 2] * deviation / n**0.5)


STATES = ("raw", "same codec", "same codec and size", "built")


def ablation(rows: list[dict[str, str]]) -> str:
    """Two tables: AUC on the trained pair by preparation of training and test, and on other sources."""
    models = list(dict.fromkeys(row["model"] for row in rows))
    pairs = list(dict.fromkeys(row["tested_on"] for row in rows))
    trained = rows[0]["trained_on"]

    def found(column: str, **wanted: str) -> Spread:
        values = [float(row[column]) for row in rows if all(row[key] == value for key, value in wanted.items())]
        return spread(values)

    parts = []
    for model in models:
        lines = [
            f"**{model}**",
            "",
            "| trained on | "
            + " | ".join(f"tested {state}" for state in STATES)
            + " | other sources, built | verdicts turned by a swap |",
            "|---|" + "---|" * (len(STATES) + 2),
        ]
        for train in STATES:
            same = {"model": model, "preparation_train": train}
            cells = [str(found("auc", **same, preparation_test=test, tested_on=trained)) for test in STATES]
            others = [
                float(row["auc"])
                for row in rows
                if row["model"] == model
                and row["preparation_train"] == train
                and row["preparation_test"] == "built"
                and row["tested_on"] in pairs[1:]
            ]
            flips = found("flip_share", **same, preparation_test=train, tested_on=trained)
            lines.append(
                f"| {train} | {' | '.join(cells)} | {mean(others):.2f} (worst {min(others):.2f}) "
                f"| {percent(flips.mean)} \u00b1 {100 * flips.half:.0f} |"
            )
        parts.append("\n".join(lines))
    return "\n\n".join(parts)


def audited(found: dict[str, Any]) -> str:
    """The shared data before and after a build, as the audit sees them."""
    lines = [
        "| | verdict | headers | traces in the pixels | traces, reals against reals |",
        "|---|---|---|---|---|",
    ]
    for state in ("raw", "built"):
        for name, values in found[state].items():
            headers, traces = (values["probes"][probe] for probe in ("container", "pixels"))
            floor = traces["floor_auc"]
            under = "one source of reals" if floor is None else f"{floor:.2f} (at most {traces['floor_highest']:.2f})"
            shown = " | ".join(f"{one['auc']:.2f} ({one['low']:.2f} to {one['high']:.2f})" for one in (headers, traces))
            lines.append(f"| {state}, {name} | {values['verdict']} | {shown} | {under} |")
    return "\n".join(lines)


def speeds(rows: list[dict[str, str]]) -> str:
    """Images a second and memory, telltale beside what one would write first."""
    lines = [
        f"{rows[0]['threads']} threads, {rows[0]['cpu']}; {rows[0]['engines']}.",
        "",
        "| model | side, px | eager torch, images/s | telltale, images/s | ratio | eager torch, MB | telltale, MB |",
        "|---|---|---|---|---|---|---|",
    ]
    of = {(row["model"], row["side"], row["backend"]): row for row in rows}
    for (model, side, backend), row in of.items():
        if backend == "telltale onnxruntime":
            eager = of.get((model, side, "torch"), {})
            lines.append(
                f"| {model} | {side} | {eager.get('images_per_second', '')} | {row['images_per_second']} | "
                f"{row['ratio_to_eager']} | {eager.get('on_top_mb', '')} | {row['on_top_mb']} |"
            )
    return "\n".join(lines)


def builds(rows: list[dict[str, str]]) -> str:
    """Building beside a plain loop."""
    lines = ["| way | processes | images/s | ratio | 10,000 images |", "|---|---|---|---|---|"]
    names = {"pillow": "plain Pillow loop", "build": "`telltale build`"}
    for row in rows:
        lines.append(
            f"| {names[row['way']]} | {row['processes']} | {row['images_per_second']} | {row['ratio']} | "
            f"{float(row['seconds_for_10000']):.0f} s |"
        )
    return "\n".join(lines)


def steps(rows: list[dict[str, str]]) -> str:
    """Training steps beside plain eager ones."""
    first = rows[0]
    native = "with" if first["bf16_native"] == "True" else "without"
    ways = {"eager": "plain eager float32", "steps": "our step, batches ready", "train": "`telltale train`, augmented"}
    lines = [
        f"{first['side']} px, batches of {first['batch']}, {first['threads']} threads, {first['processor']} {native} "
        f"bf16; torch {first['torch']}.",
        "",
        "| model | way | precision | images/s | ratio | by processor time |",
        "|---|---|---|---|---|---|",
    ]
    for row in rows:
        lines.append(
            f"| {row['model']} | {ways[row['way']]} | {row['precision']} | {row['images_per_second']} | "
            f"{row['ratio_to_eager']} | {row['cpu_ratio_to_eager']} |"
        )
    return "\n".join(lines)


def explaining(rows: list[dict[str, str]]) -> str:
    """What explaining costs on top of scoring."""
    lines = [
        "| | images at a time | images/s | processor, ms an image | times scoring alone: clock | processor |",
        "|---|---|---|---|---|---|",
    ]
    for row in rows:
        lines.append(
            f"| {row['way']} | {row['workers']} | {row['images_per_second']} | {row['cpu_ms']} | {row['ratio']} | "
            f"{row['cpu_ratio']} |"
        )
    return "\n".join(lines)


def films(rows: list[dict[str, str]]) -> str:
    """Videos: how many times faster than real time, and how much memory."""
    lines = [
        "| | video | times real time | times a plain decoding of every frame | memory at five minutes | at most |",
        "|---|---|---|---|---|---|",
    ]
    for row in rows:
        length = f"{int(row['clip_seconds']) // 60} min"
        early = f"{row['mb_at_5_min']} MB" if row["mb_at_5_min"] else ""
        lines.append(
            f"| {row['way']} | {length} | {row['times_real_time']} | {row['ratio']} | {early} | {row['mb_peak']} MB |"
        )
    return "\n".join(lines)


def found_faces(rows: list[dict[str, str]]) -> str:
    """How many known faces the parser finds, by source."""
    lines = [
        "| source | known faces | pictures | found | median overlap | seconds a picture |",
        "|---|---|---|---|---|---|",
    ]
    for row in rows:
        share, low, high = (100 * float(row[name]) for name in ("found", "found_low", "found_high"))
        lines.append(
            f"| {row['source']} | {row['faces']} | {row['pictures']} | {share:.0f} % ({low:.0f} to {high:.0f}) "
            f"| {row['median_overlap']} | {row['seconds']} |"
        )
    return "\n".join(lines)


def localised(rows: list[dict[str, str]]) -> str:
    """What the change of a region adds to the pixel AUC, by network, source and placement, at the smallest size."""
    side = min(rows, key=lambda row: int(row["side"]))["side"]
    whole = [row for row in rows if (row["side"], row["origin"], row["region"]) == (side, "(all)", "(all)")]
    sources = list(dict.fromkeys(row["source"] for row in whole))
    of = {(row["model"], row["placement"], row["source"]): row for row in whole}
    heads = [f"{source}, control" if source == "real" else source for source in sources]
    lines = [
        f"Gain in pixel AUC over the same masks on untouched faces, {side} px, by average (by nearest patch); in bold "
        "where the 95 % interval of the average leaves out 0. Pointing: by average.",
        "",
        f"| model | field, px | {' | '.join(heads)} | pointing, {sources[-2]} | pointing, control | by chance |",
        "|---|---|" + "---|" * (len(sources) + 3),
    ]
    for model in dict.fromkeys(row["model"] for row in whole):
        cells = []
        for source in sources:
            row, near = of[model, "mean", source], of[model, "nearest", source]
            shown = f"{float(row['gain']):+.2f}"
            sure = float(row["gain_low"]) > 0 or float(row["gain_high"]) < 0
            cells.append(f"{f'**{shown}**' if sure else shown} ({float(near['gain']):+.2f})")
        cells += [f"{float(of[model, 'mean', source]['pointing']):.2f}" for source in sources[-2:]]
        row = of[model, "mean", sources[0]]
        lines.append(f"| {model} | {row['field']} | {' | '.join(cells)} | {float(row['chance']):.2f} |")
    return "\n".join(lines)


def parts_together(text: str) -> str:
    """Of the table of face parts, its heading and the lines over all sources."""
    lines = text.splitlines()
    start = next(i for i, line in enumerate(lines) if line.startswith("|"))
    whole = [line for line in lines[start + 2 :] if "| (all) |" in line]
    return "\n".join([*lines[: start + 2], *whole])


def faces_told(rows: list[dict[str, str]]) -> str:
    """What either rule takes for a face, of faces and of pictures without one."""
    lines = ["| pictures | number | two features and skin, anywhere | as in a face |", "|---|---|---|---|"]
    for kind, name in (("face", "faces"), ("no face", "without a face, whole and in windows")):
        mine = [row for row in rows if row["kind"] == kind]
        n, named, shown = (sum(int(row[column]) for row in mine) for column in ("pictures", "named", "shown"))
        lines.append(f"| {name} | {n} | {named} ({percent(named / n)}) | {shown} ({percent(shown / n)}) |")
    return "\n".join(lines)


def generators(rows: list[dict[str, str]]) -> str:
    """Size, cost and quality of the generators trained here, with the floor that photographs set."""
    lines = ["| generator | parameters | training, processor minutes | KID, times 1000 |", "|---|---|---|---|"]
    for row in rows:
        size = f"{int(row['parameters']):,}" if row["parameters"] else ""
        minutes = f"{float(row['train_seconds']) / 60:.0f}" if row["train_seconds"] else ""
        kid, error = (1000 * float(row[name]) for name in ("kid", "kid_error"))
        lines.append(f"| {row['name']} | {size} | {minutes} | {kid:.1f} ± {error:.1f} |")
    note = "Minutes are those of the last run: of an interrupted training what came after. ± is one standard error."
    return "\n".join([*lines, "", note])


def coverage(rows: list[dict[str, str]]) -> str:
    """How often intervals hold the truth: plain percentiles, and what an evaluation gives where that is another."""
    titles = {
        "auc": "AUC", "ap_fake": "AP", "ap_real": "AP, real positive", "balanced_accuracy": "balanced accuracy",
        "eer": "EER", "brier": "Brier score",
        "tpr_at_5_fpr": "TPR at 5 % FPR", "tpr_at_1_fpr": "TPR at 1 % FPR", "ece": "ECE",
    }  # fmt: skip
    settings = list(dict.fromkeys((row["n_real"], row["n_fake"], row["apart"]) for row in rows))
    found = {(*(row[name] for name in ("n_real", "n_fake", "apart")), row["figure"]): row for row in rows}
    auc = [float(found[*one, "auc"]["truth"]) for one in settings]
    heads = [f"{one[0]} reals, {one[1]} fakes, AUC {area:.2f}" for one, area in zip(settings, auc, strict=True)]
    lines = [f"| | {' | '.join(heads)} |", "|---|" + "---|" * len(settings)]
    for name, title in titles.items():
        each = [found[*one, name] for one in settings]
        shown = [percent(float(row["plain_covers"])) for row in each]
        if name in CORRECTED:
            shown = [f"{one} → {percent(float(row['corrected_covers']))}" for one, row in zip(shown, each, strict=True)]
        lines.append(f"| {title} | {' | '.join(shown)} |")
    return "\n".join(lines)


def below_title(path: Path) -> str:
    """A summary without its own title, to stand under a heading of the page."""
    title, _, rest = path.read_text(encoding="utf-8").partition("\n")
    assert title.startswith("# "), f"{path} has no title"
    return rest


def measured(path: Path) -> str:
    """A summary without its title, with its figure where there is one; or how to make it."""
    if not path.exists():
        return (
            f"Not measured yet: `python recipes/{path.stem}.py --data PATH_TO_SHARED_DATA` computes the cells, and the "
            "same with `--summarise` writes what stands here."
        )
    figure = f"\n![Curves](../results/{path.stem}.png)\n" if path.with_suffix(".png").exists() else ""
    return f"{below_title(path)}{figure}"


def table(path: Path) -> list[dict[str, str]]:
    """The rows of a CSV file."""
    with path.open(newline="", encoding="utf-8") as stream:
        return list(csv.DictReader(stream))


def documents() -> Iterator[tuple[Path, str]]:
    """Every file and what it should hold, for the results that are there."""
    readme = ROOT / "README.md"
    text = readme.read_text(encoding="utf-8")
    if (RESULTS / "shipped_detector.json").exists():
        found = json.loads((RESULTS / "shipped_detector.json").read_text(encoding="utf-8"))
        text = between(text, "card", f"{warning(found)}\n[Model card](src/telltale/weights/telltale-faces.md).")
        yield CARD, card(found)
    if (RESULTS / "face_parser.json").exists():
        yield PARSER_CARD, parser_card(json.loads((RESULTS / "face_parser.json").read_text(encoding="utf-8")))
    if (RESULTS / "demo.txt").exists():
        shown = (RESULTS / "demo.txt").read_text(encoding="utf-8")
        text = between(text, "demo", f"```\n{shown.rstrip()}\n```")
    yield readme, between(text, "findings", findings(RESULTS))
    docs = ROOT / "docs"
    pages: tuple[tuple[str, str, str, Callable[[Path], str]], ...] = (
        ("format-ablation.md", "tables", "format_ablation.csv", lambda path: ablation(table(path))),
        ("evaluation.md", "coverage", "interval_coverage.csv", lambda path: coverage(table(path))),
        ("runtime.md", "speed", "speed.csv", lambda path: speeds(table(path))),
        ("training.md", "speed", "training_speed.csv", lambda path: steps(table(path))),
        ("datasets.md", "speed", "build_speed.csv", lambda path: builds(table(path))),
        ("audit.md", "audit", "audit_shared.json", lambda path: audited(json.loads(path.read_text(encoding="utf-8")))),
        ("explain.md", "heatmaps", "figure_heatmaps.md", lambda path: path.read_text(encoding="utf-8")),
        ("video.md", "faces", "face_search.csv", lambda path: found_faces(table(path))),
        ("video.md", "outside", "outside_checks.csv", lambda path: outside(table(path))),
        ("video.md", "speed", "video_speed.csv", lambda path: films(table(path))),
        ("explain.md", "speed", "explain_speed.csv", lambda path: explaining(table(path))),
        ("explain.md", "faces", "face_rule.csv", lambda path: faces_told(table(path))),
        ("explain.md", "localisation", "localisation.csv", lambda path: localised(table(path))),
        ("transfer.md", "left out", "leave_one_source_out.md", below_title),
        ("manipulation.md", "manipulations", "table_manipulation.md", below_title),
        ("manipulation.md", "outside", "outside_checks.md", below_title),
        ("manipulation.md", "films", "manipulated_videos.md", below_title),
        ("generators.md", "generators", "generators.csv", lambda path: generators(table(path))),
        ("finetune.md", "equation4", "equation4.md", lambda path: path.read_text(encoding="utf-8")),
        ("finetune.md", "equation4 settings", "equation4_settings.md", below_title),
        ("finetune.md", "equation4 regions", "equation4_regions.md", lambda path: path.read_text(encoding="utf-8")),
        ("finetune.md", "equation4 kinds", "equation4_kinds.md", lambda path: path.read_text(encoding="utf-8")),
        ("finetune.md", "arms race", "arms_race.md", lambda path: path.read_text(encoding="utf-8")),
        ("explain.md", "regions", "regions.md", lambda path: parts_together(path.read_text(encoding="utf-8"))),
    )
    texts: dict[Path, str] = {}
    for page, mark, source, written in pages:
        if (RESULTS / source).exists():
            path = docs / page
            before = texts[path] if path in texts else path.read_text(encoding="utf-8")
            texts[path] = between(before, mark, written(RESULTS / source))
    transfer = docs / "transfer.md"
    before = texts.get(transfer, transfer.read_text(encoding="utf-8"))
    for name in ("table_generators", "table_generators_controlled", "table_seeds", "robustness_surface"):
        before = between(before, name, measured(RESULTS / f"{name}.md"))
    texts[transfer] = before
    yield from texts.items()


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--check", action="store_true", help="write nothing; exit 1 where a file would change")
    check: bool = parser.parse_args().check
    stale = [
        (path, text) for path, text in documents() if not path.exists() or path.read_text(encoding="utf-8") != text
    ]
    for path, text in stale:
        print(f"{'stale' if check else 'written'}: {path.relative_to(ROOT)}")
        if not check:
            path.write_text(text, encoding="utf-8")
    sys.exit(1 if check and stale else 0)


if __name__ == "__main__":
    main()

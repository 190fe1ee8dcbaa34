"""`telltale evaluate` as a user runs it: from pictures to tables, page and exit code."""

import csv
import json
import shutil
from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np
import pytest
import typer
from PIL import Image
from sklearn.metrics import roc_auc_score
from typer.testing import CliRunner, Result

import telltale
from telltale.cli.calibrate import calibrate
from telltale.cli.evaluate import evaluate
from telltale.errors import InvalidConfig, InvalidDataset, InvalidDetector
from telltale.evaluate.evaluation import COLUMNS
from telltale.evaluate.results import read_rows

pytest.importorskip("pyarrow")
app = typer.Typer()
app.command("evaluate")(evaluate)

FILES = {"scores.parquet", "table.csv", "table.md", "table.tex", "summary.json", "report.html"}


def run(*words: object, workers: int = 1) -> Result:
    return CliRunner().invoke(app, [*map(str, words), "--workers", str(workers), "--rounds", "20"])


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Twelve reals of two sources, twelve fakes of two generators."""
    root = tmp_path_factory.mktemp("data")
    lines = ["path,label,source,split,camera"]
    for number in range(24):
        label, source = ("fake", "gan" if number % 2 else "vae") if number >= 12 else ("real", "ab"[number % 2])
        draw = np.random.default_rng(number)
        low = 40 if label == "fake" else 0
        Image.fromarray(draw.integers(low, 200, (24, 24, 3), np.uint8)).save(root / f"{number}.png")
        lines.append(f"{number}.png,{label},{source},{'test' if number % 12 < 10 else 'train'},{number % 3}")
    (root / "manifest.csv").write_text("\n".join(lines) + "\n")
    return root


@pytest.fixture
def function(tmp_path: Path) -> str:
    path = tmp_path / "bright.py"
    path.write_text("def score(images):\n    return images.mean(axis=(1, 2, 3)) / 255\n")
    return f"{path}:score"


def table(out: Path) -> list[dict[str, str]]:
    with (out / "table.csv").open(newline="") as stream:
        return list(csv.DictReader(stream))


def test_one_command_from_pictures_to_tables_and_page(
    data: Path, tiny_detector: Path, function: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    out = tmp_path / "out"
    words = ("--data", data, "--out", out, "--min-images", 4, "--pooling", "own", "--pooling", "vote")
    monkeypatch.setattr("sys.argv", ["telltale", "evaluate", "a detector", "--seed", "0"])
    done = run(tiny_detector, function, *words, "--slice", "camera", "--slice", "brightness")
    assert done.exit_code == 0, done.output
    assert {path.name for path in out.iterdir()} == FILES | {"comparisons.csv", "slices.csv"}
    rows = table(out)
    assert {(row["detector"], row["pooling"]) for row in rows} == {
        ("tiny", "mean_probability"), ("tiny", "vote"), ("bright:score", "mean_probability"),
    }  # fmt: skip
    scores = list(read_rows(out / "scores.parquet", columns=COLUMNS))
    theirs = [row for row in scores if row["detector"] == "bright:score"]
    expected = roc_auc_score([row["is_fake"] for row in theirs], [row["score_mean_probability"] for row in theirs])
    whole = next(row for row in rows if (row["detector"], row["source"]) == ("bright:score", "(all)"))
    assert float(whole["auc"]) == pytest.approx(expected, abs=1e-6)
    assert whole["judged_by"] == "score"
    assert "all images" in done.stdout
    assert "bright:score" in done.stdout
    found = json.loads((out / "summary.json").read_text())
    assert found["data"]["real"] == found["data"]["fake"] == 12
    assert [one["sha256_of"] for one in found["detectors"]] == ["weights file", "source file"]
    ours = found["results"][0]
    assert ours["over_sources_of_fakes"]["minimum"]["auc"]["source"] in ("gan", "vae")
    assert ours["over_sources_of_fakes"]["maximum"].keys() == {"eer", "ece", "brier", "log_loss"}
    assert {one["source"] for one in ours["false_alarms"]} == {"a", "b"}
    assert ours["all"]["tpr_at_1_fpr"]["resolved"] is False
    assert found["command"] == "telltale evaluate 'a detector' --seed 0"
    assert found["seconds"] > 0


def test_a_detector_without_patches_is_compared_whatever_the_pooling(
    data: Path, tiny_detector: Path, function: str, tmp_path: Path
) -> None:
    words = ("--data", data, "--min-images", 4, "--pooling", "vote", "--pooling", "mean_logit")
    done = run(tiny_detector, function, *words, "--out", tmp_path / "both")
    assert done.exit_code == 0, done.output
    assert {(row["detector"], row["pooling"]) for row in table(tmp_path / "both")} == {
        ("tiny", "vote"), ("tiny", "mean_logit"), ("bright:score", "mean_probability"),
    }  # fmt: skip
    with (tmp_path / "both" / "comparisons.csv").open(newline="") as stream:
        pairs = {(row["first"], row["second"]) for row in csv.DictReader(stream)}
    assert pairs == {("tiny (vote)", "bright:score"), ("tiny (mean_logit)", "bright:score")}
    assert done.stderr.count("bright:score: without patches to pool") == 1
    alone = run(function, *words, "--out", tmp_path / "alone")
    assert alone.exit_code == 0, alone.output
    own = run(function, *words[:4], "--out", tmp_path / "own")
    assert table(tmp_path / "alone") == table(tmp_path / "own")
    assert "without patches to pool" not in own.stderr


def test_page_and_tables_hold_what_readers_need_and_load_nothing(
    data: Path, tiny_detector: Path, uncalibrated_detector: Path, tmp_path: Path
) -> None:
    out = tmp_path / "out"
    done = run(tiny_detector, uncalibrated_detector, "--data", data, "--out", out, "--min-images", 4)
    assert done.exit_code == 0, done.output
    page, markdown, latex = ((out / name).read_text() for name in ("report.html", "table.md", "table.tex"))
    assert not {"http:", "https:", "src=", "@import", "url("} & set(page.replace("'", " ").split())
    assert "http" not in page
    for title in ("ROC", "Precision and recall", "Reliability", "False alarms by source of reals", "Differences"):
        assert title in page
    assert page.count("<svg") == page.count("</svg>") == 6
    shown = page.partition("<script>")[0]
    assert "NaN" not in shown
    assert ">nan" not in shown
    assert " nan " not in shown
    assert markdown.count("\n## ") == 3
    assert "AP (real positive)" in markdown
    assert latex.count("\\begin{tabular}") == latex.count("\\end{tabular}") == 2
    assert "\\%" in latex
    assert all(line.count("&") in (3, 9) for line in latex.splitlines() if line.endswith("\\\\"))


def test_awkward_names_break_no_table_and_no_page(tiny_detector: Path, data: Path, tmp_path: Path) -> None:
    name = "[<b>a|b & 50 % _x_\\</b>"
    lines = ["path,label,source"]
    lines += [f'{data / f"{number}.png"},{"fake" if number >= 12 else "real"},"{name}"' for number in range(24)]
    (tmp_path / "list.csv").write_text("\n".join(lines) + "\n")
    out = tmp_path / "out"
    done = run(tiny_detector, "--data", tmp_path / "list.csv", "--out", out, "--min-images", 4)
    assert done.exit_code == 0, done.output
    page = (out / "report.html").read_text()
    assert "<b>" not in page
    assert "[&lt;b&gt;a|b &amp; 50 % _x_" in page
    assert "a/b & 50 % _x_" in (out / "table.md").read_text()
    latex = (out / "table.tex").read_text()
    assert "\\textless{}b\\textgreater{}a\\textbar{}b \\& 50 \\% \\_x\\_\\textbackslash{}" in latex
    assert not any(line.startswith(("[", "*")) for line in latex.splitlines()), "an option of the row before"
    assert {row["source"] for row in table(out)} >= {name}


def test_the_same_on_more_workers_and_after_a_resume(
    data: Path, tiny_detector: Path, function: str, tmp_path: Path
) -> None:
    for name, workers in (("one", 1), ("three", 3)):
        assert run(tiny_detector, function, "--data", data, "--out", tmp_path / name, workers=workers).exit_code == 0
    again = tmp_path / "again"
    assert run(tiny_detector, "--data", data, "--out", again, "--max-images", 3).exit_code == 0
    assert run(tiny_detector, function, "--data", data, "--out", again, "--resume").exit_code == 0
    for name in ("table.csv", "table.md", "table.tex", "comparisons.csv"):
        texts = {(tmp_path / folder / name).read_text() for folder in ("one", "three", "again")}
        assert len(texts) == 1, name


def test_split_sources_and_number_of_images(data: Path, tiny_detector: Path, tmp_path: Path) -> None:
    out = tmp_path / "out"
    words = ("--split", "test", "--exclude", "vae", "--max-images", 3, "--min-images", 1)
    assert run(tiny_detector, "--data", data, "--out", out, *words).exit_code == 0
    counts = {row["source"]: int(row["n"]) for row in table(out) if not row["source"].startswith("(")}
    assert counts == {"a": 3, "b": 3, "gan": 3}
    scores = list(read_rows(out / "scores.parquet", columns=COLUMNS))
    assert {row["split"] for row in scores} == {"test"}
    other = tmp_path / "other"
    assert run(tiny_detector, "--data", data, "--out", other, *words, "--seed", 1).exit_code == 0
    assert [row["path"] for row in scores] != [
        row["path"] for row in read_rows(other / "scores.parquet", columns=COLUMNS)
    ]


def test_pictures_of_the_train_split_are_said(data: Path, function: str, tmp_path: Path) -> None:
    words = (function, function.replace("score", "darker"), "--data", data)
    path = Path(function.rpartition(":")[0])
    path.write_text(path.read_text() + "\n\ndef darker(images):\n    return score(images) / 2\n")
    done = run(*words, "--out", tmp_path / "all")
    assert done.exit_code == 0, done.output
    assert "\n4 images of the train split: on pictures it was trained on a detector seems better" in done.stderr
    assert "train split" not in run(*words, "--out", tmp_path / "test", "--split", "test").stderr


def test_a_broken_picture_costs_the_exit_code_only(data: Path, tiny_detector: Path, tmp_path: Path) -> None:
    (tmp_path / "broken.png").write_bytes(b"\x89PNG")
    lines = (data / "manifest.csv").read_text().splitlines()
    head, rest = lines[0], [f"{data}/{line}" for line in lines[1:]]
    path = tmp_path / "list.csv"
    path.write_text("\n".join([head, *rest, "broken.png,real,a,test,0"]) + "\n")
    done = run(tiny_detector, "--data", path, "--out", tmp_path / "out", "--min-images", 4)
    assert done.exit_code == 1, done.output
    assert "1 scores are missing" in done.stderr
    assert next(row for row in table(tmp_path / "out") if row["source"] == "a")["failed"] == "1"
    assert "broken.png" in (tmp_path / "out" / "report.html").read_text()


def test_one_class_only_has_false_alarms_and_no_curves(data: Path, tiny_detector: Path, tmp_path: Path) -> None:
    out = tmp_path / "out"
    done = run(tiny_detector, "--data", data, "--out", out, "--include", "a", "--include", "b", "--min-images", 4)
    assert done.exit_code == 0, done.output
    assert "one class only" in done.stderr
    assert not any(line.endswith(("real", "fake")) for line in map(str.rstrip, done.stdout.splitlines()))
    assert "over sources" not in done.stdout
    rows = table(out)
    assert all(row["auc"] == "" for row in rows)
    assert next(row for row in rows if row["source"] == "a")["false_alarm_rate"] != ""
    assert "One class only: no curves" in (out / "report.html").read_text()


def greys(folder: Path, groups: Mapping[tuple[str, str], Sequence[int]]) -> Path:
    """Grey pictures of some values for each source and label, in a manifest; each has another size."""
    folder.mkdir()
    lines, number = ["path,label,source"], 0
    for (source, label), values in groups.items():
        for value in values:
            number += 1
            Image.new("L", (24, 24 + number), value).save(folder / f"{number}.png")
            lines.append(f"{number}.png,{label},{source}")
    (folder / "manifest.csv").write_text("\n".join(lines) + "\n")
    return folder


def test_the_worst_ap_names_its_own_source(function: str, tmp_path: Path) -> None:
    groups = {("camera", "real"): range(10, 210, 10), ("many", "fake"): [105] * 15, ("few", "fake"): [151] * 4}
    done = run(function, "--data", greys(tmp_path / "data", groups), "--out", tmp_path / "out", "--min-images", 4)
    assert done.exit_code == 0, done.output
    line = next(line for line in done.stdout.splitlines() if "worst source of fakes" in line)
    assert line.endswith("AP 0.444  (AUC: many, AP: few)")
    assert "<small>AUC: many</small>" in (tmp_path / "out" / "report.html").read_text()


def test_with_groups_detectors_are_compared_by_the_bootstrap(
    data: Path, tiny_detector: Path, function: str, tmp_path: Path
) -> None:
    lines = (data / "manifest.csv").read_text().splitlines()[1:]
    rows = [f"{data}/{line},{place // 2}" for place, line in enumerate(lines)]
    manifest = tmp_path / "list.csv"
    for name, head, body in (("alone", "", [f"{data}/{line}" for line in lines]), ("groups", ",group", rows)):
        manifest.write_text("\n".join([f"path,label,source,split,camera{head}", *body]) + "\n")
        done = run(tiny_detector, function, "--data", manifest, "--out", tmp_path / name, "--min-images", 4)
        assert done.exit_code == 0, done.output
        line = next(line for line in done.stdout.splitlines() if line.startswith("tiny - bright:score, all images"))
        assert line.endswith("(bootstrap)" if head else "(delong)")
        page = (tmp_path / name / "report.html").read_text()
        assert ("DeLong’s test takes images for independent" in page) == bool(head)


def test_copies_are_said_and_no_interval_takes_them_for_more_pictures(function: str, tmp_path: Path) -> None:
    groups = {("camera", "real"): range(60, 100), ("gan", "fake"): range(80, 120)}
    once = greys(tmp_path / "once", groups)
    lines = (once / "manifest.csv").read_text().splitlines()
    for copy in range(4):
        shutil.copytree(once, tmp_path / f"copy{copy}")
    originals = [line.split(",") for line in lines[1:]]
    lines += [
        f"{tmp_path}/copy{copy}/{name},{label},{source}{copy}" for copy in range(4) for name, label, source in originals
    ]
    # Two downloads that failed are no copies of each other, and no contradiction.
    for label in ("real", "fake"):
        (once / f"empty_{label}.png").touch()
        lines.append(f"empty_{label}.png,{label},camera")
    manifest = once / "five.csv"
    manifest.write_text("\n".join(lines) + "\n")
    widths = []
    for failed, data in enumerate((once / "manifest.csv", manifest)):
        done = run(function, "--data", data, "--out", tmp_path / data.stem)
        assert done.exit_code == failed, done.output
        whole = table(tmp_path / data.stem)[0]
        widths.append(float(whole["auc_high"]) - float(whole["auc_low"]))
    assert "320 of the images are copies of others (equal bytes)" in done.stderr
    assert widths[1] > 0.75 * widths[0], "with 400 pictures of their own it would be less than half as wide"
    summary = json.loads((tmp_path / "five" / "summary.json").read_text())
    assert (summary["data"]["images"], summary["data"]["copies"]) == (402, 320)
    page = (tmp_path / "five" / "report.html").read_text()
    assert "bootstrap over groups of images. Copies of other images, by their bytes: 320;" in page
    assert "Copies" not in (tmp_path / "manifest" / "report.html").read_text()


def test_one_picture_of_both_labels_is_refused_before_anything_is_scored(function: str, tmp_path: Path) -> None:
    folder = greys(tmp_path / "data", {("camera", "real"): range(60, 70), ("gan", "fake"): range(80, 90)})
    (folder / "11.png").write_bytes((folder / "1.png").read_bytes())
    done = run(function, "--data", folder, "--out", tmp_path / "out")
    assert isinstance(done.exception, InvalidDataset)
    found = f"1 both real and fake: {folder / '1.png'} (real) = {folder / '11.png'} (fake)"
    assert f"expected one label for the same picture; found {found}. Correct the labels" in str(done.exception)
    assert not list((tmp_path / "out").glob("*"))


def test_a_source_of_both_labels_is_named_with_its_label(function: str, tiny_detector: Path, tmp_path: Path) -> None:
    kinds = [("gan", "real"), ("gan", "fake"), ("vae", "real"), ("vae", "fake"), ("camera", "real")]
    folder = greys(tmp_path / "data", {kind: range(20 * place, 20 * place + 5) for place, kind in enumerate(kinds)})
    out = tmp_path / "out"
    done = run(function, tiny_detector, "--data", folder, "--out", out, "--min-images", 4)
    assert done.exit_code == 0, done.output
    names = {"gan, reals", "gan, fakes", "vae, reals", "vae, fakes", "camera"}
    assert names <= {line[2:30].strip() for line in done.stdout.splitlines()}
    assert "(gan, fakes)" in next(line for line in done.stdout.splitlines() if "worst source of fakes" in line)
    markdown, latex = (out / "table.md").read_text(), (out / "table.tex").read_text()
    for name in names:
        # The figures and the verdicts of two detectors.
        assert markdown.count(f"| {name} |") == 4, name
        assert latex.count(f"\n{name} &") == 2, name
    assert "| gan |" not in markdown
    page = (out / "report.html").read_text()
    assert "<title>gan, fakes</title>" in page
    assert not any(f"{before}gan{after}" in page for before, after in ((">", "<"), (", ", "<"), (">", " <small>")))
    assert {(row["source"], row["label"]) for row in table(out) if row["label"] != "all"} >= set(kinds)


def test_too_few_images_are_said(data: Path, tiny_detector: Path, tmp_path: Path) -> None:
    done = run(tiny_detector, "--data", data, "--out", tmp_path / "out", "--min-images", 50)
    assert done.exit_code == 0, done.output
    assert "too few" in done.stdout
    assert {row["note"] for row in table(tmp_path / "out")} == {"too few"}


@pytest.mark.parametrize(
    ("words", "error", "message"),
    [
        (["--split", "validation"], InvalidDataset, "none of the split 'validation'"),
        (["--include", "nowhere"], InvalidConfig, "sources out of a, b, gan, vae"),
        (["--pooling", "median"], InvalidConfig, "poolings out of own, mean_probability"),
        (["--slice", "lens"], InvalidConfig, "a column of the data"),
    ],
)
def test_what_cannot_be_done_is_said_before_anything_is_scored(
    data: Path, tiny_detector: Path, tmp_path: Path, words: list[str], error: type[Exception], message: str
) -> None:
    done = run(tiny_detector, "--data", data, "--out", tmp_path / "out", *words)
    assert isinstance(done.exception, error)
    assert message in str(done.exception)
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize("inside", ["", "evaluation"])
def test_a_file_where_the_folder_should_be_is_named(
    data: Path, tiny_detector: Path, tmp_path: Path, inside: str
) -> None:
    (tmp_path / "notes.txt").touch()
    out = tmp_path / "notes.txt" / inside
    done = run(tiny_detector, "--data", data, "--out", out)
    assert isinstance(done.exception, InvalidConfig)
    assert f"expected a folder, new or there already: {out}; found a file" in str(done.exception)


def test_ctrl_c_says_how_to_go_on(data: Path, tmp_path: Path) -> None:
    out, stops = tmp_path / "out", tmp_path / "stops.py"
    stops.write_text(
        "from pathlib import Path\ncalls = []\n"
        "def score(images):\n"
        "    calls.append(1)\n"
        "    if len(calls) == 5 and not Path(__file__).with_name('once').exists():\n"
        "        Path(__file__).with_name('once').touch()\n"
        "        raise KeyboardInterrupt\n"
        "    return [0.5]\n"
    )
    words = (f"{stops}:score", "--data", data, "--out", out)
    done = run(*words)
    assert done.exit_code == 130
    assert done.stderr == f"telltale: stopped; {out} keeps the scores: --resume goes on with them\n"
    assert len(list(read_rows(out / "scores.parquet", columns=COLUMNS))) == 4
    assert run(*words, "--resume").exit_code == 0


@pytest.mark.parametrize("name", ["(all)", "(mean)", "(worst)"])
def test_a_source_by_a_name_of_the_tables_is_refused(function: str, tmp_path: Path, name: str) -> None:
    folder = greys(tmp_path / "data", {("camera", "real"): range(10), (name, "fake"): range(20, 30)})
    done = run(function, "--data", folder, "--out", tmp_path / "out")
    assert isinstance(done.exception, InvalidDataset)
    assert f"found sources called {name}. Rename" in str(done.exception)
    assert not (tmp_path / "out").exists()
    assert run(function, "--data", folder, "--out", tmp_path / "out", "--exclude", name).exit_code == 0


def test_an_unknown_backend_is_refused_for_functions_as_well(data: Path, function: str, tmp_path: Path) -> None:
    done = run(function, "--data", data, "--out", tmp_path / "out", "--backend", "nonsense")
    assert isinstance(done.exception, InvalidConfig)
    assert "found nonsense" in str(done.exception)
    assert not (tmp_path / "out").exists()


def test_functions_that_are_none_and_nothing_readable(data: Path, tiny_detector: Path, tmp_path: Path) -> None:
    done = run("nowhere_at_all:score", "--data", data, "--out", tmp_path / "out")
    assert isinstance(done.exception, InvalidDetector)
    (tmp_path / "bad.py").write_text("def score(images):\n    return [7.0]\n")
    done = run(f"{tmp_path / 'bad.py'}:score", "--data", data, "--out", tmp_path / "out")
    assert isinstance(done.exception, InvalidDetector)
    assert "found 7 from" in str(done.exception)
    folder = tmp_path / "broken"
    for label in ("real", "fake"):
        (folder / label).mkdir(parents=True)
        (folder / label / "0.png").write_bytes(b"no picture")
    done = run(tiny_detector, "--data", folder, "--out", tmp_path / "none")
    assert isinstance(done.exception, InvalidDataset)
    assert "at least one image with a score" in str(done.exception)


def test_a_calibration_on_the_very_pictures_of_an_evaluation_is_seen_and_said(
    tiny_detector: Path, tmp_path: Path
) -> None:
    folder, calibrated = tmp_path / "data", tmp_path / "calibrated.onnx"
    for number in range(24):
        place = folder / ("fake" if number % 2 else "real")
        place.mkdir(parents=True, exist_ok=True)
        noise = np.random.default_rng(number).integers(0, 200, (24, 24, 3), np.uint8)
        Image.fromarray(noise).save(place / f"{number:02d}.png")
    shutil.copy(folder / "real" / "00.png", folder / "real" / "copy.png")
    calibrating = typer.Typer()
    calibrating.command()(calibrate)
    words = (tiny_detector, "--data", folder, "--out", calibrated, "--recalibrate", "shift", "--name", "new")
    done = CliRunner().invoke(calibrating, [*map(str, words), "--workers", "1"])
    assert done.exit_code == 0, (done.output, done.exception)
    # Elsewhere, and with a picture that nothing scores: what the calibration saw is the same.
    moved = folder.rename(tmp_path / "moved")
    (moved / "real" / "broken.png").write_bytes(b"none")
    out, told = tmp_path / "out", "calibrated on exactly these images"
    asked = ("--data", moved, "--pooling", "own", "--pooling", "vote", "--min-images", 4)
    assert run(calibrated, tiny_detector, *asked, "--out", out).exit_code == 1
    found = json.loads((out / "summary.json").read_text())
    assert [one["calibrated_on_these_images"] for one in found["detectors"]] == [True, False]
    assert [(out / name).read_text().count(told) for name in ("table.md", "table.tex", "report.html")] == [1, 1, 1]
    (moved / "real" / "broken.png").unlink()
    again = run(calibrated, *asked, "--out", tmp_path / "whole")
    assert again.exit_code == 0
    assert f"new: {told}" in again.stderr
    spec = telltale.load(calibrated).spec
    assert spec.calibration is not None
    whole = json.loads((tmp_path / "whole" / "summary.json").read_text())
    assert whole["data"]["fingerprint"] == spec.calibration.fingerprint
    # One picture fewer is other data.
    (moved / "fake" / "01.png").unlink()
    assert run(calibrated, *asked, "--out", tmp_path / "fewer").exit_code == 0
    assert told not in (tmp_path / "fewer" / "table.md").read_text()


def test_json_is_the_summary(data: Path, tiny_detector: Path, tmp_path: Path) -> None:
    done = run(tiny_detector, "--data", data, "--out", tmp_path / "out", "--json")
    assert json.loads(done.stdout) == json.loads((tmp_path / "out" / "summary.json").read_text())


def test_a_slice_that_parts_no_image_says_so(data: Path, tiny_detector: Path, tmp_path: Path) -> None:
    done = run(tiny_detector, "--data", data, "--out", tmp_path, "--slice", "face_size", "--slice", "camera")
    assert done.exit_code == 0, done.output
    assert "--slice face_size: known of no image" in done.stderr
    assert "camera" not in done.stderr


def test_tables_of_an_earlier_call_do_not_stay(data: Path, tiny_detector: Path, tmp_path: Path) -> None:
    out = tmp_path / "out"
    assert run(tiny_detector, "--data", data, "--out", out, "--slice", "camera").exit_code == 0
    assert (out / "slices.csv").exists()
    assert run(tiny_detector, "--data", data, "--out", out, "--resume").exit_code == 0
    assert {path.name for path in out.iterdir()} == FILES

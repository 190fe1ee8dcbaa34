import csv
import json
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
import typer
from PIL import Image
from typer.testing import CliRunner, Result

from telltale.cli.robustness import robustness
from telltale.errors import InvalidConfig, InvalidDataset
from telltale.evaluate import robustness as robustness_module

pytest.importorskip("matplotlib")
app = typer.Typer()
app.command("robustness")(robustness)


def run(*words: object) -> Result:
    return CliRunner().invoke(app, [*map(str, words), "--workers", "1", "--rounds", "10"])


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    root = tmp_path_factory.mktemp("data")
    for label in ("real", "fake"):
        (root / label).mkdir()
        for number in range(4):
            pixels = np.random.default_rng(number + 10 * (label == "fake")).integers(0, 256, (24, 24, 3), np.uint8)
            Image.fromarray(pixels).save(root / label / f"{number}.png")
    return root


def test_one_command_from_pictures_to_tables_and_figure(
    data: Path, tiny_detector: Path, uncalibrated_detector: Path, tmp_path: Path
) -> None:
    out = tmp_path / "out"
    words = (tiny_detector, uncalibrated_detector, "--data", data, "--out", out)
    done = run(*words, "--corruption", "jpeg=90,30", "--corruption", "crop")
    assert done.exit_code == 0, done.output
    assert "## tiny" in done.stdout
    with (out / "robustness.csv").open() as stream:
        rows = list(csv.DictReader(stream))
    assert {(row["corruption"], float(row["strength"])) for row in rows} == {
        ("none", 0), ("jpeg", 90), ("jpeg", 30), ("crop", 0.9), ("crop", 0.75), ("crop", 0.5),
    }  # fmt: skip
    assert {(row["model"], row["verdict_by"]) for row in rows} == {("tiny", "thresholds"), ("raw", "score 0.5")}
    assert (out / "robustness.png").stat().st_size > 10_000
    assert (out / "robustness.md").read_text() == done.stdout.removesuffix("\n")
    again = run(*words, "--corruption", "jpeg=90,30", "--corruption", "blur=1", "--resume", "--json")
    assert again.exit_code == 0, again.output
    found = [json.loads(line) for line in again.stdout.splitlines()]
    kept = [row for row in rows if row["corruption"] == "jpeg"]
    assert [str(row["auc"]) for row in found if row["corruption"] == "jpeg"] == [row["auc"] for row in kept]
    assert {row["corruption"] for row in found} == {"none", "jpeg", "blur"}


def test_a_corruption_named_twice_has_the_strengths_of_both(data: Path, tiny_detector: Path, tmp_path: Path) -> None:
    words = ("--corruption", "jpeg=95", "--corruption", "blur=1", "--corruption", "jpeg=30,95")
    done = run(tiny_detector, "--data", data, "--out", tmp_path / "out", *words)
    assert done.exit_code == 0, done.output
    with (tmp_path / "out" / "robustness.csv").open() as stream:
        found = [(row["corruption"], float(row["strength"])) for row in csv.DictReader(stream) if row["label"] == "all"]
    assert found == [("none", 0), ("jpeg", 95), ("jpeg", 30), ("blur", 1)]


def test_a_broken_and_a_tiny_picture_cost_the_exit_code_only(data: Path, tiny_detector: Path, tmp_path: Path) -> None:
    folder = tmp_path / "data"
    for label in ("real", "fake"):
        (folder / label).mkdir(parents=True)
        for path in (data / label).iterdir():
            (folder / label / path.name).symlink_to(path)
    (folder / "real" / "broken.png").write_bytes(b"\x89PNG\r\n")
    Image.new("RGB", (5, 5)).save(folder / "fake" / "tiny.png")
    done = run(tiny_detector, "--data", folder, "--out", tmp_path / "out", "--corruption", "jpeg=50")
    assert done.exit_code == 1, done.output
    assert "2 images could not be scored" in done.stderr
    assert "4 reals, 4 fakes. 2 images without a score" in done.stdout


def test_what_cannot_be_done_is_said_before_anything_is_scored(data: Path, tiny_detector: Path, tmp_path: Path) -> None:
    for word in ("sepia", "sepia=1", "flip", "flip=1", "jpeg=high", "jpeg=0", "jpeg=", "jpeg=90,", "jpeg=95.4,95"):
        done = run(tiny_detector, "--data", data, "--out", tmp_path / "out", "--corruption", word)
        assert isinstance(done.exception, InvalidConfig), word
        assert not (tmp_path / "out").exists()
    done = run(tiny_detector, "--data", data, "--out", tmp_path / "else", "--where", "between")
    assert isinstance(done.exception, InvalidConfig)
    assert not (tmp_path / "else").exists()


def test_a_source_of_both_labels_is_named_with_its_label(data: Path, tiny_detector: Path, tmp_path: Path) -> None:
    manifest = tmp_path / "manifest.csv"
    lines = [f"{path},{path.parent.name},gan\n" for path in sorted(data.rglob("*.png"))]
    manifest.write_text("path,label,source\n" + "".join(lines))
    out = tmp_path / "out"
    done = run(tiny_detector, "--data", manifest, "--out", out, "--corruption", "jpeg=50")
    assert done.exit_code == 0, done.output
    lowest, flips, alarms = (next(csv.reader([line], delimiter="|"))[place] for line in done.stdout.splitlines()
                             if line.startswith("| jpeg") for place in (4, 6, 8))  # fmt: skip
    assert lowest.endswith(" gan, fakes ")
    assert flips.endswith((" gan, fakes ", " gan, reals "))
    assert alarms.endswith(" gan, reals ")
    with (out / "robustness.csv").open() as stream:
        assert {row["source"] for row in csv.DictReader(stream)} == {"(all)", "gan"}


def test_a_source_by_the_name_of_all_is_refused(data: Path, tiny_detector: Path, tmp_path: Path) -> None:
    manifest = tmp_path / "manifest.csv"
    lines = [f"{path},{path.parent.name},(all)\n" for path in sorted(data.rglob("*.png"))]
    manifest.write_text("path,label,source\n" + "".join(lines))
    done = run(tiny_detector, "--data", manifest, "--out", tmp_path / "out", "--corruption", "jpeg=50")
    assert isinstance(done.exception, InvalidDataset)
    assert not (tmp_path / "out").exists()


def test_ctrl_c_says_how_to_go_on(
    data: Path, tiny_detector: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def stop(*_: object, **__: object) -> Iterator[None]:
        raise KeyboardInterrupt
        yield

    words = (tiny_detector, "--data", data, "--out", tmp_path / "out", "--corruption", "jpeg=50")
    with monkeypatch.context() as patched:
        patched.setattr(robustness_module, "sweep", stop)
        done = run(*words)
    assert done.exit_code == 130
    assert done.stderr == f"telltale: stopped; {tmp_path / 'out'} keeps the scores: --resume goes on with them\n"
    assert run(*words, "--resume").exit_code == 0


def test_reals_alone_have_verdicts(data: Path, tiny_detector: Path, tmp_path: Path) -> None:
    manifest = tmp_path / "manifest.csv"
    manifest.write_text("path,label\n" + "".join(f"{path},real\n" for path in sorted((data / "real").iterdir())))
    done = run(tiny_detector, "--data", manifest, "--out", tmp_path / "out", "--corruption", "jpeg=50")
    assert done.exit_code == 0, done.output
    assert "one class only: no AUC" in done.stderr


@pytest.mark.parametrize("inside", ["", "sweep"])
def test_a_file_where_the_folder_should_be_is_named(
    data: Path, tiny_detector: Path, tmp_path: Path, inside: str
) -> None:
    (tmp_path / "notes.txt").touch()
    out = tmp_path / "notes.txt" / inside
    done = run(tiny_detector, "--data", data, "--out", out, "--corruption", "jpeg=50", "--resume")
    assert isinstance(done.exception, InvalidConfig)
    assert f"expected a folder, new or there already: {out}; found a file" in str(done.exception)

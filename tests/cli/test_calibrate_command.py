import json
import shutil
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import typer
from PIL import Image
from typer.testing import CliRunner, Result

import telltale
from telltale.cli.calibrate import _place, _scored, calibrate
from telltale.data.samples import scan
from telltale.errors import InvalidConfig, InvalidDataset
from telltale.spec import DetectorSpec

pytest.importorskip("sklearn")
pytest.importorskip("pyarrow")
app = typer.Typer()
app.command("calibrate")(calibrate)
SIDE, REALS, FAKES = 16, 40, 30


def run(*words: object) -> Result:
    return CliRunner().invoke(app, [*map(str, words), "--workers", "1"])


def paint(path: Path, seed: int, score: float) -> None:
    """A picture of which `detector` thinks more the brighter it is."""
    level = int(np.clip(128 + 12 * score, 0, 255))
    noise = np.random.default_rng(seed).integers(-8, 9, (SIDE, SIDE, 3))
    Image.fromarray(np.clip(level + noise, 0, 255).astype(np.uint8)).save(path)


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    root, draw = tmp_path_factory.mktemp("data"), np.random.default_rng(0)
    for label, count, middle in (("real", REALS, -1.0), ("fake", FAKES, 1.0)):
        (root / label).mkdir()
        for number in range(count):
            paint(root / label / f"{number:02d}.png", number, float(draw.normal(middle, 1.2)))
    return root


@pytest.fixture(scope="module")
def upright(
    write_detector: Callable[..., Path], tiny_spec: DetectorSpec, tmp_path_factory: pytest.TempPathFactory
) -> Path:
    """A tiny detector whose score rises with brightness: weights drawn until they sum to more than nothing."""
    folder = tmp_path_factory.mktemp("upright")
    black, white = (np.full((SIDE, SIDE, 3), level, np.uint8) for level in (0, 255))
    for seed in range(20):
        path = write_detector(folder / f"{seed}.onnx", replace(tiny_spec, thresholds=None, calibration=None), seed=seed)
        detector = telltale.load(path, threads=1)
        if detector(white).score > detector(black).score + 0.2:
            return path
    raise AssertionError("no seed gives a detector that rises with brightness")


@pytest.mark.parametrize("method", ["platt", "temperature", "isotonic"])
def test_a_calibrated_file_predicts_the_same_and_says_what_it_means(
    method: str, data: Path, upright: Path, tmp_path: Path
) -> None:
    out = tmp_path / "new.onnx"
    words = (upright, "--data", data, "--out", out, "--method", method, "--false-alarm-rate", "0.1", "--name", "new")
    done = run(*words, "--miss-rate", "0.1")
    if method == "temperature" and done.exception is not None:
        assert isinstance(done.exception, InvalidConfig)  # all scores on one side of 0.5: no temperature fits
        assert not out.exists()
        return
    assert done.exit_code == 0, (done.output, done.exception)
    old, new = telltale.load(upright, threads=1), telltale.load(out, threads=1)
    pixels = np.random.default_rng(5).integers(0, 256, (40, 31, 3), dtype=np.uint8)
    np.testing.assert_array_equal(new(pixels).patch_logits, old(pixels).patch_logits)
    assert new.spec.name == "new"
    assert new.spec.calibration is not None
    assert new.spec.thresholds is not None
    assert bool(new.spec.calibration.curve) == (method == "isotonic")
    assert new.spec.calibration.fitted_on == "40 reals and 30 fakes, every source weighing the same" or (
        "40 reals (" in new.spec.calibration.fitted_on
    )
    assert len(new.spec.calibration.fingerprint) == 64
    assert new.spec.thresholds.false_alarm_rate <= 0.1
    assert new.spec.made_with["calibrated_before"][-1]["from_weights_sha256"] == old.sha256
    assert "before" in done.stdout
    assert "after, cross-validated" in done.stdout
    assert "40 reals, 30 fakes" in done.stdout
    assert new(pixels).verdict is not None


def test_the_data_count_by_what_they_are_not_where_they_lie(data: Path, upright: Path, tmp_path: Path) -> None:
    moved = tmp_path / "elsewhere"
    for label in ("real", "fake"):
        (moved / label).mkdir(parents=True)
        for path in (data / label).iterdir():
            (moved / label / path.name).write_bytes(path.read_bytes())
    found = [
        json.loads(run(upright, "--data", folder, "--out", tmp_path / f"{number}.onnx", "--json").stdout)
        for number, folder in enumerate((data, moved))
    ]
    one, other = (each["calibration"] for each in found)
    assert one["fingerprint"] == other["fingerprint"]
    assert one["slope"] == pytest.approx(other["slope"], rel=1e-6)
    assert found[0]["warnings"][0].startswith("40 reals are too few")


def test_recalibration_moves_one_number_and_remembers_the_steps(data: Path, upright: Path, tmp_path: Path) -> None:
    first, second = tmp_path / "first.onnx", tmp_path / "second.onnx"
    assert run(upright, "--data", data, "--out", first).exit_code == 0
    done = run(first, "--data", data, "--out", second, "--recalibrate", "shift", "--per-source", 12)
    assert done.exit_code == 0, (done.output, done.exception)
    old, new = telltale.load(first).spec, telltale.load(second).spec
    assert old.calibration is not None
    assert new.calibration is not None
    assert new.calibration.slope == old.calibration.slope
    assert new.thresholds is not None
    assert old.thresholds is not None
    assert new.thresholds.fake_above == old.thresholds.fake_above
    assert "thresholds of before stand" in done.stderr
    assert [step["how"] for step in new.made_with["calibrated_before"]] == ["platt", "shift"]
    assert new.made_with["calibrated_before"][1]["calibration"]["slope"] == old.calibration.slope


def test_reals_alone_set_a_threshold(data: Path, tiny_detector: Path, tmp_path: Path) -> None:
    manifest = tmp_path / "manifest.csv"
    manifest.write_text("path,label\n" + "".join(f"{path},real\n" for path in sorted((data / "real").iterdir())))
    words = ("--data", manifest, "--out", tmp_path / "new.onnx")
    done = run(tiny_detector, *words, "--recalibrate", "shift")
    assert done.exit_code == 0, (done.output, done.exception)
    assert "likely real never" in done.stdout
    spec = telltale.load(tmp_path / "new.onnx").spec
    assert spec.thresholds is not None
    assert spec.thresholds.false_alarm_rate <= 0.05
    refused = run(tiny_detector, "--data", manifest, "--out", tmp_path / "other.onnx")
    assert isinstance(refused.exception, InvalidDataset)
    manifest.write_text(manifest.read_text().replace(",real", ",fake"))
    refused = run(tiny_detector, "--data", manifest, "--out", tmp_path / "other.onnx", "--recalibrate", "shift")
    assert isinstance(refused.exception, InvalidDataset)


def test_what_cannot_be_done_writes_nothing(data: Path, upright: Path, tiny_detector: Path, tmp_path: Path) -> None:
    out = tmp_path / "new.onnx"
    for words in (
        ("--method", "magic"),
        ("--method", "platt", "--recalibrate", "shift"),
        ("--recalibrate", "shift"),  # nobody has calibrated it
        ("--balance", "nothing"),
        ("--per-source", "9"),  # too few for a slope
    ):
        done = run(upright, "--data", data, "--out", out, *words)
        assert isinstance(done.exception, InvalidConfig), words
        assert not out.exists()
    assert isinstance(run(upright, "--data", data, "--out", tmp_path / "new.safetensors").exception, InvalidConfig)
    out.write_bytes(b"mine")
    assert isinstance(run(upright, "--data", data, "--out", out).exception, InvalidConfig)
    assert out.read_bytes() == b"mine"


@pytest.mark.parametrize("how", [(), ("--recalibrate", "shift")])
@pytest.mark.parametrize("rate", ["--false-alarm-rate", "--miss-rate"])
def test_percent_in_place_of_a_share_is_refused_before_anything_is_scored(
    rate: str, how: tuple[str, ...], data: Path, tiny_detector: Path, tmp_path: Path
) -> None:
    for value in ("5", "1", "-0.1", "nan"):
        done = run(tiny_detector, "--data", data, "--out", tmp_path / "new.onnx", *how, rate, value)
        assert isinstance(done.exception, InvalidConfig), value
        assert f"expected {rate} in [0, 1)" in str(done.exception)
        assert "Give a share, not percent" in str(done.exception)
    assert list(tmp_path.iterdir()) == []


def test_a_detector_that_is_worse_than_chance_is_refused(data: Path, upright: Path, tmp_path: Path) -> None:
    turned = tmp_path / "turned.csv"
    lines = [
        f"{path},{label}\n" for label, at in (("real", "fake"), ("fake", "real")) for path in (data / at).iterdir()
    ]
    turned.write_text("path,label\n" + "".join(lines))
    calibrated = tmp_path / "calibrated.onnx"
    assert run(upright, "--data", data, "--out", calibrated).exit_code == 0
    for detector, how, what in (
        (upright, ("--method", "platt"), "better than chance"),
        (upright, ("--method", "isotonic"), "scores that rise with the share of fakes"),
        (calibrated, ("--recalibrate", "shift"), "worse than chance"),
    ):
        out = tmp_path / how[1] / "new.onnx"  # kept scores are of one detector
        done = run(detector, "--data", turned, "--out", out, *how)
        assert isinstance(done.exception, InvalidConfig)
        assert what in str(done.exception)
        assert not out.exists()


def test_pictures_that_changed_are_not_calibrated_on_by_their_old_scores(
    data: Path, upright: Path, tmp_path: Path
) -> None:
    folder, out = tmp_path / "data", tmp_path / "new.onnx"
    shutil.copytree(data, folder)
    assert run(upright, "--data", folder, "--out", out).exit_code == 0
    # The very same paths, the other way round: the scores beside the file are of other pictures now.
    out.unlink()
    shutil.rmtree(folder)
    for label, other in (("real", "fake"), ("fake", "real")):
        shutil.copytree(data / other, folder / label)
    done = run(upright, "--data", folder, "--out", out)
    assert isinstance(done.exception, InvalidConfig)
    assert "better than chance" in str(done.exception)
    assert not out.exists()


def test_copies_are_one_group_and_have_one_label(data: Path, upright: Path, tmp_path: Path) -> None:
    folder = tmp_path / "data"
    shutil.copytree(data, folder)
    for name in ("00.png", "01.png"):
        shutil.copy(folder / "real" / name, folder / "real" / f"copy of {name}")
    detector = telltale.load(upright, threads=1)
    used, images = _scored(detector, scan([folder]), tmp_path / "s.parquet", 1, "images")
    by_name = {f"{one.path.parent.name}/{one.path.name}": group for one, group in zip(used, images.group, strict=True)}
    assert by_name["real/00.png"] == by_name["real/copy of 00.png"] != by_name["real/01.png"]
    assert len(set(images.group)) == REALS + FAKES
    shutil.copy(folder / "real" / "00.png", folder / "fake" / "torn.png")
    done = run(upright, "--data", folder, "--out", tmp_path / "new.onnx")
    assert isinstance(done.exception, InvalidDataset)
    assert "torn.png (fake)" in str(done.exception)
    assert not (tmp_path / "new.onnx").exists()


def test_broken_pictures_are_counted_and_scores_kept(data: Path, upright: Path, tmp_path: Path) -> None:
    folder = tmp_path / "data"
    for label in ("real", "fake"):
        (folder / label).mkdir(parents=True)
        for path in (data / label).iterdir():
            (folder / label / path.name).symlink_to(path)
    (folder / "real" / "broken.png").write_bytes(b"\x89PNG\r\n")
    out = tmp_path / "new.onnx"
    done = run(upright, "--data", folder, "--out", out)
    assert done.exit_code == 0, (done.output, done.exception)
    assert "1 images could not be scored" in done.stderr
    assert (tmp_path / "new.onnx.scores.parquet").exists()


def test_pictures_of_the_test_split_are_warned_of_as_those_of_the_train_split_are(
    data: Path, upright: Path, tmp_path: Path
) -> None:
    manifest, splits = tmp_path / "list.csv", ("train", "validation", "test")
    lines = [
        f"{path},{label},{splits[number % 3]}\n"
        for label in ("real", "fake")
        for number, path in enumerate(sorted((data / label).iterdir()))
    ]
    manifest.write_text("path,label,split\n" + "".join(lines))
    for words, warned in (
        ((), ["24 images of the train split", "23 images of the test split"]),
        (("--split", "test"), ["23 images of the test split"]),
        (("--split", "validation"), []),
    ):
        out = tmp_path / f"new{''.join(words)}.onnx"
        done = run(upright, "--data", manifest, "--out", out, "--json", *words)
        assert done.exit_code == 0, (done.output, done.exception)
        found = json.loads(done.stdout)["warnings"]
        assert [one.partition(":")[0] for one in found if "split" in one] == warned


@pytest.mark.parametrize(
    ("threshold", "shown"),
    [(0.73149, "0.731"), (0.99951, "0.9995"), (0.9999999, "0.9999999"), (1.0, "1.000"), (0.00004, "0.00004")],
)
def test_no_threshold_within_looks_like_0_or_1(threshold: float, shown: str) -> None:
    assert _place(threshold) == shown
    last = float(np.nextafter(1, 0))
    assert _place(last) != "1.000"
    assert float(_place(last)) == last


def test_a_whole_image_baseline_is_calibrated_alike(
    data: Path, write_detector: Callable[..., Path], upright: Path, tiny_spec: DetectorSpec, tmp_path: Path
) -> None:
    whole = write_detector(tmp_path / "whole.onnx", replace(tiny_spec, grid=None), seed=int(upright.stem))
    done = run(whole, "--data", data, "--out", tmp_path / "new.onnx")
    assert done.exit_code == 0, (done.output, done.exception)
    assert telltale.load(tmp_path / "new.onnx").spec.grid is None

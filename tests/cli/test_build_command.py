import json
from pathlib import Path

import numpy as np
import pytest
import typer
from PIL import Image
from typer.testing import CliRunner, Result

from telltale.cli.build import build
from telltale.data.samples import scan
from telltale.errors import InvalidConfig, InvalidDataset, InvalidDetector

pytest.importorskip("pyarrow")
DRAWN = "6 originals came without a split: theirs was drawn (--splits)\n"
app = typer.Typer()
app.command()(build)


def run(*words: object) -> Result:
    return CliRunner().invoke(app, [str(word) for word in words], catch_exceptions=False)


def write(path: Path, seed: int) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    coarse = np.random.default_rng(seed).integers(0, 256, (8, 8, 3), dtype=np.uint8)
    Image.fromarray(coarse).resize((64, 64)).save(path)
    return path


@pytest.fixture
def data(tmp_path: Path) -> Path:
    for number in range(3):
        write(tmp_path / "data" / "real" / f"{number}.jpg", number)
        write(tmp_path / "data" / "fake" / f"{number}.png", 10 + number)
    return tmp_path / "data"


def settings(out: Path) -> dict[str, object]:
    found: dict[str, object] = json.loads((out / "dataset.json").read_text())["settings"]
    return found


def test_folders_are_built_and_reported(tmp_path: Path, data: Path) -> None:
    done = run(data, "--out", tmp_path / "out", "--workers", 1)
    assert (done.exit_code, done.stderr) == (0, DRAWN)
    assert "3 real, 3 fake, fingerprint" in done.stdout
    assert settings(tmp_path / "out")["side"] == 256
    again = run(data, "--out", tmp_path / "out", "--workers", 2, "--json")
    report = json.loads(again.stdout)
    assert (report["real"], report["kept"], report["out"]) == (3, 6, str(tmp_path / "out"))
    assert again.stderr == ""


def test_a_flag_outranks_its_preset(tmp_path: Path, data: Path) -> None:
    flags = ["--preset", "paper", "--side", 32, "--codec", "webp", "--quality", 50, 60, "--no-enlarge", "--seed", 3]
    assert run(data, "--out", tmp_path / "out", "--workers", 1, *flags).exit_code == 0
    found = settings(tmp_path / "out")
    assert [found[name] for name in ("side", "codec", "quality", "enlarge", "seed", "crop")] == [
        32, "webp", [50, 60], False, 3, "auto",
    ]  # fmt: skip
    assert {sample.path.suffix for sample in scan([tmp_path / "out"])} == {".webp"}


def test_a_bad_file_is_said_and_changes_the_exit_code(tmp_path: Path, data: Path) -> None:
    (data / "fake" / "bad.png").write_bytes(b"no picture")
    done = run(data, "--out", tmp_path / "out", "--workers", 1)
    assert done.exit_code == 1
    assert done.stderr == f"{DRAWN}1 failed (failures.csv)\n"


def test_real_and_fake_folders_can_be_named(tmp_path: Path, data: Path) -> None:
    done = run("--real", data / "fake", "--fake", data / "real", "--out", tmp_path / "out", "--workers", 1)
    assert done.exit_code == 0
    assert {(sample.source, sample.is_fake) for sample in scan([tmp_path / "out"])} == {("fake", False), ("real", True)}


def test_a_manifests_columns_and_words_can_be_named(tmp_path: Path, data: Path) -> None:
    manifest = data / "list.csv"
    manifest.write_text(
        "image,kind,who,part,set,a,b,c,d\nreal/0.jpg,human,ann,test,cam,8,8,20,20\nfake/0.png,bot,bob,train,gan,,,,\n"
    )
    names = ["--path-column", "image", "--label-column", "kind", "--group-column", "who", "--split-column", "part"]
    names += ["--source-column", "set", "--face-columns", "a", "b", "c", "d"]
    words = ["--real-label", "human", "--fake-label", "bot"]
    assert run(manifest, "--out", tmp_path / "out", "--workers", 1, *names, *words).exit_code == 0
    found = {(s.is_fake, s.source, s.split, s.group) for s in scan([tmp_path / "out"])}
    assert found == {(False, "cam", "test", "ann"), (True, "gan", "train", "bob")}


def test_shares_of_the_splits_can_be_given(tmp_path: Path, data: Path) -> None:
    assert run(data, "--out", tmp_path / "out", "--workers", 1, "--splits", 0, 0, 1).exit_code == 0
    assert {sample.split for sample in scan([tmp_path / "out"])} == {"test"}


def test_what_cannot_be_done_is_an_error(tmp_path: Path, data: Path) -> None:
    out = tmp_path / "out"
    with pytest.raises(InvalidConfig, match="found no source"):
        run("--out", out)
    with pytest.raises(InvalidConfig, match="--generators DIR with --resynthesise"):
        run(data, "--out", out, "--resynthesise", "taef2")
    with pytest.raises(InvalidConfig, match="a preset out of"):
        run(data, "--out", out, "--preset", "papers")
    with pytest.raises(InvalidDataset, match="nothing there"):
        run(data / "gone", "--out", out, "--group-column", "person")
    for sources in ((data,), ("--real", data / "real", "--fake", data / "fake")):
        with pytest.raises(InvalidDataset, match="a manifest or shards with the column person"):
            run(*sources, "--out", out, "--group-column", "person")
    assert not out.exists()


@pytest.mark.parametrize("workers", [1, 2])
def test_a_face_detector_that_is_none_is_named(tmp_path: Path, data: Path, workers: int) -> None:
    pytest.importorskip("cv2")
    detector = tmp_path / "faces.onnx"
    detector.write_bytes(b"no network")
    with pytest.raises(InvalidDetector, match=r"faces\.onnx"):
        run(data, "--out", tmp_path / "out", "--face-detector", detector, "--workers", workers)


def test_weights_are_part_of_the_settings(tmp_path: Path, data: Path) -> None:
    pytest.importorskip("torch")
    weights = tmp_path / "generators"
    weights.mkdir()
    (weights / "some.safetensors").write_bytes(b"weights")
    with pytest.raises(InvalidConfig):
        run(data, "--out", tmp_path / "out", "--resynthesise", "taef2", "--generators", weights, "--workers", 1)
    journal = (tmp_path / "out" / "build.partial.jsonl").read_text()
    assert json.loads(journal.splitlines()[0])["settings"]["weights"][0][0] == "some.safetensors"

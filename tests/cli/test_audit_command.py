import json
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import typer
from PIL import Image
from typer.testing import CliRunner, Result

from telltale.cli.audit import AuditCommand, Given, audit, build_command

pytest.importorskip("sklearn")
app = typer.Typer()
app.command("audit", cls=AuditCommand)(audit)
COUNT = 24


def run(*words: object) -> Result:
    return CliRunner().invoke(app, [*map(str, words), "--workers", "1"])


def fill(folder: Path, first: int, ending: str = "jpg", quality: int = 90) -> Path:
    folder.mkdir(parents=True, exist_ok=True)
    for number in range(COUNT):
        coarse = np.random.default_rng(first + number).integers(0, 256, (24, 24, 3), dtype=np.uint8)
        Image.fromarray(coarse).resize((64, 64)).save(folder / f"{number:03d}.{ending}", quality=quality)
    return folder


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    root = tmp_path_factory.mktemp("data")
    for name, first in (("real", 0), ("more", 100), ("fake", 200)):
        fill(root / name, first)
    fill(root / "png", 300, "png")
    fill(root / "coarse", 400, quality=30)
    return root


def test_the_exit_code_is_the_verdict(data: Path, tmp_path: Path) -> None:
    clean = run("--real", data / "real", "--fake", data / "fake")
    assert (clean.exit_code, clean.stderr) == (0, "")
    assert clean.stdout.startswith("Clean: ")
    assert "telltale build" not in clean.stdout
    leaking = run("--real", data / "real", "--fake", data / "png")
    assert leaking.exit_code == 2
    assert "1. file format: PNG in 100 % of fakes and 0 % of reals" in leaking.stdout
    for number in range(COUNT):
        (tmp_path / "fake").mkdir(exist_ok=True)
        os.link(data / "fake" / f"{number:03d}.jpg", tmp_path / "fake" / f"gen{number:03d}.jpg")
    suspicious = run("--real", data / "real", "--fake", tmp_path / "fake")
    assert suspicious.exit_code == 1
    assert "beginning of the file name: gen in 100 % of fakes" in suspicious.stdout


def test_json_is_one_object_with_the_promised_names(data: Path) -> None:
    done = run("--real", data / "real", "--fake", data / "coarse", "--json")
    found = json.loads(done.stdout)
    assert (done.exit_code, found["verdict"]) == (2, "leaking")
    assert {"probe_auc", "floor_auc", "cues", "probes", "worst", "counts", "duplicates", "failures"} <= set(found)
    assert found["floor_auc"] is None
    assert {"name", "auc", "low", "high"} <= set(found["cues"][0])
    assert found["cues"][0]["name"] == "jpeg_quality"
    assert found["build_command"].startswith("telltale build --real ")
    assert found["settings"] == {"max_images": 500, "seed": 0, "split": None}


def test_two_sources_of_reals_make_a_floor(data: Path) -> None:
    found = json.loads(run("--real", data / "real", "--real", data / "more", "--fake", data / "fake", "--json").stdout)
    assert 0.5 <= found["floor_auc"] <= found["floor_highest"] < 1
    assert [one["source"] for one in found["counts"]["sources"]] == ["more", "real", "fake"]


def test_folders_of_one_name_are_two_sources(data: Path, tmp_path: Path) -> None:
    for name in ("a", "b"):
        (tmp_path / name).mkdir()
        (tmp_path / name / "images").symlink_to(data / {"a": "real", "b": "more"}[name])
    reals = [word for name in "ab" for word in ("--real", fill(tmp_path / name / "pictures", ord(name)))]
    found = json.loads(run(*reals, "--fake", data / "fake", "--json").stdout)
    assert len(found["counts"]["sources"]) == 3


def test_labelled_folders_and_a_split_are_read(data: Path, tmp_path: Path) -> None:
    for split in ("train", "test"):
        for label in ("real", "fake"):
            (tmp_path / split).mkdir(exist_ok=True)
            (tmp_path / split / label).symlink_to(data / label)
    copied = tmp_path / "copied"
    for split in ("train", "test"):
        fill(copied / split / "real", 500 if split == "train" else 600)
        fill(copied / split / "fake", 700 if split == "train" else 800)
    found = json.loads(run(copied, "--split", "test", "--json").stdout)
    assert (found["counts"]["real"], found["counts"]["fake"]) == (COUNT, COUNT)
    assert json.loads(run(copied, "--json").stdout)["counts"]["real"] == 2 * COUNT


def test_the_page_is_written_beside_the_report(data: Path, tmp_path: Path) -> None:
    target = tmp_path / "new" / "audit.html"
    done = run("--real", data / "real", "--fake", data / "png", "--html", target)
    assert done.exit_code == 2
    assert "Leaking" in target.read_text(encoding="utf-8")


@pytest.mark.parametrize(
    ("words", "said"),
    [
        ((), "something to audit"),
        (("/nowhere",), "nothing there: /nowhere"),
        (("--real", "/nowhere", "--fake", "/nowhere"), "a folder of pictures"),
    ],
)
def test_an_error_is_no_verdict(words: tuple[str, ...], said: str) -> None:
    done = run(*words)
    assert done.exit_code == 3
    assert done.stdout == ""
    assert said in done.stderr
    assert len(done.stderr.splitlines()) == 1


def test_names_of_columns_that_nothing_reads_are_an_error(data: Path) -> None:
    done = run("--real", data / "real", "--fake", data / "png", "--group-column", "person")
    assert done.exit_code == 3
    assert "found folders of one label only" in done.stderr


def test_one_label_only_is_no_verdict(data: Path) -> None:
    done = run("--real", data / "real")
    assert done.exit_code == 3
    assert "0 fake" in done.stderr


@pytest.mark.parametrize("words", [("--bla",), ("--max-images", "-1"), ("--seed", "x")])
def test_wrong_options_are_no_verdict_either(words: tuple[str, ...]) -> None:
    assert run(*words).exit_code == 3


def test_a_fault_of_our_own_is_no_verdict(data: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(*_: object, **__: object) -> None:
        raise ZeroDivisionError

    monkeypatch.setattr("telltale.data.audit.audit", fail)
    done = run("--real", data / "real", "--fake", data / "fake")
    assert done.exit_code == 3
    assert "ZeroDivisionError" in done.stderr


def test_help_says_what_the_exit_codes_mean() -> None:
    done = CliRunner().invoke(app, ["--help"])
    assert done.exit_code == 0
    assert "3: no verdict" in " ".join(done.stdout.split())


def test_the_build_command_names_everything_that_was_given() -> None:
    given = Given(
        sources=(Path("my data"),),
        real=(Path("a"),),
        fake=(Path("b"), Path("c")),
        columns={"label": "kind"},
        words=(("echt",), ("falsch",)),
    )
    assert build_command(given) == (
        "telltale build 'my data' --real a --fake b --fake c --label-column kind --real-label echt "
        "--fake-label falsch --preset web --out built"
    )


@pytest.mark.slow
def test_the_command_gates_a_shell(data: Path) -> None:
    command = [sys.executable, "-m", "telltale", "audit", "--workers", "2", "--json"]
    done = subprocess.run(
        [*command, "--real", str(data / "real"), "--fake", str(data / "png")], capture_output=True, check=False
    )
    assert done.returncode == 2
    assert json.loads(done.stdout)["verdict"] == "leaking"

"""The recipes run: documents follow the results, and each `--quick` gets through on the shared data."""

import csv
import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
DATA = Path(os.environ.get("TELLTALE_DATA", ROOT.parent / "shared" / "data"))
needs_data = pytest.mark.skipif(
    not (DATA / "manifest.csv").is_file(), reason=f"no manifest.csv in {DATA}: point TELLTALE_DATA at the shared data"
)


def run(recipe: str, *arguments: str) -> str:
    done = subprocess.run(
        [sys.executable, str(ROOT / "recipes" / recipe), *arguments], capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def test_documents_say_what_the_results_say() -> None:
    assert run("write_docs.py", "--check") == ""


@pytest.mark.slow
@needs_data
def test_the_shipped_detector_can_be_made_again(tmp_path: Path) -> None:
    run("ship_detector.py", "--data", str(DATA), "--work", str(tmp_path), "--quick")
    made = tmp_path / "quick"
    assert {path.name for path in made.iterdir()} >= {
        "telltale-faces.onnx",
        "shipped_detector.json",
        "shipped_detector.csv",
    }


@pytest.mark.slow
@needs_data
def test_the_shipped_calibration_is_measured_again(tmp_path: Path) -> None:
    kept = (ROOT / "results" / "shipped_detector.json").read_bytes()
    found = json.loads(run("shipped_calibration.py", "--data", str(DATA), "--work", str(tmp_path), "--quick"))
    assert found["n"] > 0
    assert 0 < found["share_of_fakes"] < 1
    assert 0 <= found["calibration_error"] <= 1
    # Fitted where every source weighs the same, it cannot be right where few are fakes.
    assert found["calibration_error_unweighted"] != found["calibration_error"]
    assert (ROOT / "results" / "shipped_detector.json").read_bytes() == kept


@pytest.mark.slow
def test_how_often_intervals_hold_the_truth_is_counted() -> None:
    kept = (ROOT / "results" / "interval_coverage.csv").read_bytes()
    rows = list(csv.DictReader(run("interval_coverage.py", "--quick").splitlines()))
    for row in rows:
        for kind in ("plain", "corrected"):
            shares = [float(row[f"{kind}_{where}"]) for where in ("covers", "too_high", "too_low")]
            assert sum(shares) == pytest.approx(1, abs=0.002)
    assert {row["figure"]: row["plain_covers"] for row in rows}["ece"] == "0.0"
    assert (ROOT / "results" / "interval_coverage.csv").read_bytes() == kept


@pytest.mark.slow
@needs_data
def test_the_ablation_of_formats_fills_every_cell(tmp_path: Path) -> None:
    run("format_ablation.py", "--data", str(DATA), "--work", str(tmp_path), "--quick")
    lines = (tmp_path / "quick" / "format_ablation.csv").read_text().splitlines()
    models, states, pairs = 2, 4, 4
    assert len(lines) == 1 + models * states * states * pairs


@pytest.mark.slow
@needs_data
def test_the_tables_across_generators_and_corruptions_fill(tmp_path: Path) -> None:
    run("table_generators.py", "--data", str(DATA), "--work", str(tmp_path), "--quick")
    lines = (tmp_path / "quick" / "table_generators.csv").read_text().splitlines()
    models, fakes, reals = 4, 6, 7
    assert len(lines) == 1 + models * (fakes + reals)
    assert "| xception_block1 | none | 1 |" in (tmp_path / "quick" / "table_generators.md").read_text()
    run("robustness_surface.py", "--data", str(DATA), "--work", str(tmp_path), "--quick")
    lines = (tmp_path / "quick" / "robustness_surface.csv").read_text().splitlines()
    cells, sources = 3, 5
    assert len(lines) == 1 + cells * (sources + 1)


@pytest.mark.slow
@needs_data
def test_films_are_manipulated_and_found_on_films_nobody_learned(tmp_path: Path) -> None:
    pytest.importorskip("av")
    pytest.importorskip("cv2")
    run("manipulated_videos.py", "--data", str(DATA), "--work", str(tmp_path), "--quick")
    rows = list(csv.DictReader((tmp_path / "quick" / "manipulated_videos.csv").read_text().splitlines()))
    kinds = {"swap", "autoencoder", "self_blended", "part", "inpainted"}
    assert {(row["model"], row["trained_on"], row["tested_on"]) for row in rows} == {
        (model, "swap", kind) for model in ("xception_block1", "resnet18") for kind in kinds
    }
    # Patches have places; a whole-image network has none.
    assert {row["model"] for row in rows if row["pixel_auc"]} == {"xception_block1"}
    tree = tmp_path / "quick" / "tree"
    films = {path.name for path in (tree / "original_sequences" / "youtube" / "c23" / "videos").iterdir()}
    assert films == {f"0{number}.mp4" for number in range(6)}
    for kind in kinds:
        for folder in ("c23", "masks"):
            assert len(list((tree / "manipulated_sequences" / kind / folder / "videos").iterdir())) == len(films)


@pytest.mark.slow
@needs_data
def test_a_source_is_left_out(tmp_path: Path) -> None:
    said = run("leave_one_source_out.py", "--data", str(DATA), "--work", str(tmp_path), "--quick")
    assert "| stylegan2_web | fake |" in said
    assert len((tmp_path / "quick" / "leave_one_source_out.csv").read_text().splitlines()) == 2


@pytest.mark.slow
@needs_data
def test_every_generator_is_trained_kept_and_told_from_photographs(tmp_path: Path) -> None:
    run("train_generators.py", "--data", str(DATA), "--work", str(tmp_path), "--quick")
    kept = tmp_path / "quick" / "results"
    made = {path.name for path in (kept / "generators").iterdir()}
    others = ("gan_nearest-0", "vae-0", "factor_analysers-0", "resnet_gan-0", "diffusion-0", "glow-0")
    names = {*(f"gan_transposed-{n}" for n in range(3)), *others}
    assert made == {f"{name}.{ending}" for name in names for ending in ("png", "safetensors")}
    gans = {f"{name}.safetensors" for name in names if "gan" in name}
    assert {path.name for path in (kept / "critics").iterdir()} == gans
    # Of the larger settings the way they are taken, at the sizes of --quick; and that they can be built.
    run("train_generators.py", "--data", str(DATA), "--work", str(tmp_path), "--quick", "--large", "--only", "vae-0")
    assert {path.name for path in (tmp_path / "quick" / "large" / "results" / "generators").iterdir()} == {
        *("vae-0.png", "vae-0.safetensors"),
    }
    generators = str(kept / "generators")
    run("generator_quality.py", "--data", str(DATA), "--generators", generators, "--work", str(tmp_path), "--quick")
    measured = list(csv.DictReader((tmp_path / "quick" / "generators.csv").read_text().splitlines()))
    assert {row["name"] for row in measured} == {"photographs", *names}
    assert all(float(row["kid_error"]) > 0 for row in measured)
    # Four steps of training make no faces.
    assert min(float(row["kid"]) for row in measured[1:]) > 10 * abs(float(measured[0]["kid"]))
    run("table_seeds.py", "--data", str(DATA), "--generators", generators, "--work", str(tmp_path), "--quick")
    lines = (tmp_path / "quick" / "table_seeds.csv").read_text().splitlines()
    assert [line.split(",")[4] for line in lines[1:]] == [*(f"gan_transposed-{n}" for n in range(3)), "gan_nearest-0"]
    run(
        *("table_generators_controlled.py", "--data", str(DATA), "--generators", generators),
        *("--work", str(tmp_path), "--quick"),
    )
    rows = list(csv.DictReader((tmp_path / "quick" / "table_generators_controlled.csv").read_text().splitlines()))
    sources = {*names, "gan_transposed-0 inverted", "celeba64", "aaf", "landmark256", "utkface"}
    kinds = {"gan_transposed-0", "gan_transposed-0 inverted", "both"}
    assert {(row["trained_on"], row["source"]) for row in rows} == {(kind, one) for kind in kinds for one in sources}
    assert {row["source"] for row in rows if row["trained_on"] == "both" and row["familiar"] == "1"} == {
        *("gan_transposed-0", "gan_transposed-0 inverted", "celeba64"),
    }


@pytest.mark.slow
@needs_data
def test_a_generator_is_finetuned_against_a_classifier_round_after_round(tmp_path: Path) -> None:
    run("equation4.py", "--data", str(DATA), "--work", str(tmp_path / "fooled"), "--quick")
    made = tmp_path / "fooled" / "quick"
    (row,) = csv.DictReader((made / "equation4.csv").read_text().splitlines())
    assert (row["generator"], row["classifier"], row["steps"]) == ("gan_transposed-0", "xception_block1", "2")
    assert float(row["distance"]) > 0
    run("equation4_settings.py", "--data", str(DATA), "--work", str(tmp_path / "fooled"), "--quick")
    kept = list(csv.DictReader((made / "equation4_settings.csv").read_text().splitlines()))
    assert [one["setting"] for one in kept] == ["table but a critic begun anew", "nothing to fool"]
    assert {one["steps"] for one in kept} == {"2"}
    pairs = list(csv.DictReader((made / "transfer_matrix.csv").read_text().splitlines()))
    assert {pair["relation"] for pair in pairs} == {
        *("first, the one fooled", "second, these samples"),
        *(
            f"{role}, {whose}"
            for role in ("first", "second")
            for whose in ("samples before finetuning", "another generator")
        ),
    }
    assert "**Recovered**" in (made / "equation4.md").read_text()
    assert (made / "equation4.png").read_bytes()[:4] == b"\x89PNG"
    run("equation4_regions.py", "--data", str(DATA), "--work", str(tmp_path / "fooled"), "--quick")
    parts = list(csv.DictReader((made / "equation4_regions.csv").read_text().splitlines()))
    studies = {("first", "before"), ("first", "after"), ("second", "after")}
    assert {(row["judge"], row["samples"]) for row in parts} == studies
    run("equation4_kinds.py", "--data", str(DATA), "--work", str(tmp_path / "kinds"), "--quick")
    rows = list(csv.DictReader((tmp_path / "kinds" / "quick" / "equation4_kinds.csv").read_text().splitlines()))
    assert {row["generator"] for row in rows} == {"vae-0, decoder", "gan_transposed-0, latents"}
    assert all(float(row["distance"]) > 0 for row in rows)
    run("arms_race.py", "--data", str(DATA), "--work", str(tmp_path / "race"), "--quick")
    rows = list(csv.DictReader((tmp_path / "race" / "quick" / "arms_race.csv").read_text().splitlines()))
    assert {(row["defence"], row["round"]) for row in rows} == {
        (defence, number) for defence in ("single", "replay") for number in "012"
    }


@pytest.mark.slow
@needs_data
def test_average_heatmaps_are_drawn_for_every_source(tmp_path: Path) -> None:
    run("figure_heatmaps.py", "--data", str(DATA), "--work", str(tmp_path), "--quick")
    made = tmp_path / "quick"
    fakes, reals = 6, 7
    assert len((made / "figure_heatmaps.csv").read_text().splitlines()) == 1 + 2 * (fakes + reals)
    assert "| xception_block1 | 19 px | " in (made / "figure_heatmaps.md").read_text()
    for name in ("figure_heatmaps.png", "figure_heatmaps_contrast.png"):
        assert (made / name).stat().st_size > 5000
    # A rerun finds what it made.
    assert "xception_block1" not in run("figure_heatmaps.py", "--data", str(DATA), "--work", str(tmp_path), "--quick")


@pytest.mark.slow
@needs_data
def test_a_face_parser_is_trained_and_found_again(tmp_path: Path) -> None:
    words = ("train_face_parser.py", "--data", str(DATA), "--work", str(tmp_path), "--quick")
    assert "epoch 2 " in run(*words)
    made = tmp_path / "quick"
    found = json.loads((made / "face_parser.json").read_text())
    assert found["n"] == {"train": 10, "validation": 3, "test": 5}
    assert len(found["iou"]) == 11
    assert found["onnx_bytes"] == (made / "face-parser.onnx").stat().st_size
    assert "epoch" not in run(*words), "nothing is learned twice"
    again = json.loads((made / "face_parser.json").read_text())
    assert {name: again[name] for name in ("iou", "split_fingerprint")} == {
        name: found[name] for name in ("iou", "split_fingerprint")
    }


@pytest.mark.slow
@needs_data
def test_face_parts_are_counted_for_every_network_and_source(tmp_path: Path) -> None:
    run("figure_regions.py", "--data", str(DATA), "--work", str(tmp_path), "--quick")
    made = tmp_path / "quick"
    rows = list(csv.DictReader((made / "regions.csv").read_text().splitlines()))
    assert {row["model"] for row in rows} == {"telltale-faces", "xception_block1"}
    kinds = {(row["model"], row["source"], row["label"], row["n"]) for row in rows}
    for kind in kinds:
        mine = [row for row in rows if (row["model"], row["source"], row["label"], row["n"]) == kind]
        assert len(mine) == 11
        assert sum(int(row["top_count"]) for row in mine) == int(kind[3])
        assert sum(float(row["random_count"]) for row in mine) == pytest.approx(int(kind[3]), rel=1e-3)
    assert (made / "figure_regions.png").read_bytes()[:4] == b"\x89PNG"
    assert (made / "regions.md").read_text().count("\n| ") == 1 + len(kinds)


@pytest.mark.slow
@needs_data
def test_the_rule_for_faces_passes_faces(tmp_path: Path) -> None:
    run("face_rule.py", "--data", str(DATA), "--work", str(tmp_path), "--quick")
    rows = list(csv.DictReader((tmp_path / "quick" / "face_rule.csv").read_text().splitlines()))
    assert all(int(row["shown"]) <= int(row["named"]) <= int(row["pictures"]) for row in rows)
    for kind in ("face", "no face"):
        mine = [row for row in rows if row["kind"] == kind]
        share = sum(int(row["shown"]) for row in mine) / sum(int(row["pictures"]) for row in mine)
        assert share > 0.95 if kind == "face" else share < 0.3


def test_a_recipe_without_its_data_says_what_to_point_it_at(tmp_path: Path) -> None:
    needing = (
        "ship_detector",
        "format_ablation",
        "table_generators",
        "table_generators_controlled",
        "robustness_surface",
        "leave_one_source_out",
        "train_generators",
        "generator_quality",
        "train_face_parser",
        "figure_regions",
        "face_rule",
        "equation4",
        "arms_race",
    )
    for name in needing:
        recipe = f"{name}.py"
        command = [sys.executable, str(ROOT / "recipes" / recipe), "--data", str(tmp_path)]
        done = subprocess.run(command, capture_output=True, text=True, check=False)
        assert done.returncode == 2
        assert "manifest.csv" in done.stderr
        assert "--data" in done.stderr

"""Functions as detectors: one convention, and nothing else is let through."""

import sys
from hashlib import sha256
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from telltale.data.sample import Sample
from telltale.errors import InvalidDetector
from telltale.evaluate.function_detector import from_function, is_function
from telltale.evaluate.scoring import Score, score_files

SOURCE = """
import numpy as np
calls = []

def brightness(images):
    assert images.dtype == np.uint8 and images.ndim == 4 and images.shape[3] == 3
    calls.append(images.shape)
    return images.mean(axis=(1, 2, 3)) / 255

def constant(images):
    return [0.7] * len(images)

def ends(images):
    return (images[:, 0, 0, 0] > 0).astype(np.float32)

class Both:
    def __call__(self, images):
        return np.full(len(images), 0.25)

thing = Both()
not_callable = 3

def log_odds(images):
    return np.full(len(images), 3.2)

def missing(images):
    return np.full(len(images), np.nan)

def too_many(images):
    return np.zeros((len(images), 2))

def one(images):
    return 0.5

def words(images):
    return ["real"] * len(images)

def broken(images):
    raise RuntimeError("no weights")
"""


@pytest.fixture
def file(tmp_path: Path) -> Path:
    path = tmp_path / "theirs.py"
    path.write_text(SOURCE)
    return path


def grey(value: int, side: int = 6) -> np.ndarray[tuple[int, ...], np.dtype[np.uint8]]:
    return np.full((side, side + 2, 3), value, np.uint8)


def test_a_file_gives_its_scores_through(file: Path) -> None:
    detector = from_function(f"{file}:brightness")
    for value in (0, 1, 51, 128, 254, 255):
        said = detector(grey(value))
        assert said.score == pytest.approx(value / 255, abs=1e-7)
        assert (said.probability, said.verdict, said.patch_logits.shape) == (None, None, (1, 1))
    assert detector.spec.name == "theirs:brightness"
    assert detector.sha256 == sha256(SOURCE.encode()).hexdigest()
    assert from_function(f"{file}:thing")(grey(9)).score == pytest.approx(0.25)


def test_half_stays_half_and_the_ends_stay_ends(file: Path) -> None:
    detector = from_function(f"{file}:ends")
    assert detector(grey(0)).score == pytest.approx(0, abs=1e-29)
    assert detector(grey(1)).score == pytest.approx(1, abs=1e-15)
    file.write_text("def half(images):\n    return [0.5]\n")
    assert from_function(f"{file}:half")(grey(0)).score == 0.5


def test_order_and_ties_of_close_scores_survive(file: Path) -> None:
    file.write_text("def exact(images):\n    return [images[0, 0, 0, 0] / 255 * 1e-6 + (1 - 1e-6)]\n")
    detector = from_function(f"{file}:exact")
    scores = [detector(grey(value)).score for value in (0, 50, 100, 100, 200)]
    assert scores == sorted(scores)
    assert len(set(scores)) == 4


def test_a_module_on_the_path(file: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.syspath_prepend(str(file.parent))
    detector = from_function("theirs:constant")
    assert detector(grey(1)).score == pytest.approx(0.7)
    assert detector.spec.name == "theirs:constant"
    sys.modules.pop("theirs")


@pytest.mark.parametrize(
    ("name", "found"),
    [
        ("log_odds", "3.2"),
        ("missing", "nan"),
        ("too_many", r"shape \(1, 2\) for 1 images"),
        ("one", r"shape \(\)"),
        ("words", "list, which holds no numbers"),
        ("broken", "RuntimeError: no weights"),
        ("absent", "no function 'absent' .*brightness"),
        ("not_callable", "no function 'not_callable'"),
    ],
)
def test_what_is_no_score_is_refused(file: Path, name: str, found: str) -> None:
    with pytest.raises(InvalidDetector, match=rf"scores in \[0, 1\].*{found}"):
        from_function(f"{file}:{name}")(grey(3))


@pytest.mark.parametrize("workers", [1, 2])
@pytest.mark.parametrize(
    ("name", "found", "do"),
    [
        ("log_odds", "3.2", "turn log-odds into one with"),
        ("too_many", "shape (1, 2) for 1 images", "Return one probability-like score"),
        ("broken", "RuntimeError: no weights", "The function itself failed"),
    ],
)
def test_the_picture_is_named_and_the_advice_is_of_the_fault(
    file: Path, tmp_path: Path, name: str, found: str, do: str, workers: int
) -> None:
    samples = [Sample(path=tmp_path / f"{value}.png") for value in range(3)]
    for sample in samples:
        Image.fromarray(grey(9)).save(sample.path)
    with pytest.raises(InvalidDetector) as caught:
        list(score_files(from_function(f"{file}:{name}"), samples, workers=workers))
    assert caught.value.found == f"{found} from {file}:{name}, asked about {samples[0].path}"
    assert do in caught.value.do
    assert ("log-odds" in caught.value.do) == (name != "broken")


def test_a_file_that_does_not_import_is_named(tmp_path: Path) -> None:
    (tmp_path / "bad.py").write_text("import nowhere_at_all\n")
    for where in (tmp_path / "bad.py", tmp_path / "absent.py"):
        with pytest.raises(InvalidDetector, match=rf"{where.name}, which does not import"):
            from_function(f"{where}:score")
    with pytest.raises(InvalidDetector, match="does not import"):
        from_function("no_such_package.at_all:score")


def test_a_file_finds_its_neighbours(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "path", list(sys.path))
    (tmp_path / "weights_beside_it.py").write_text("VALUE = 0.125\n")
    (tmp_path / "theirs.py").write_text("def score(images):\n    import weights_beside_it as w\n    return [w.VALUE]\n")
    assert from_function(f"{tmp_path / 'theirs.py'}:score")(grey(1)).score == pytest.approx(0.125)
    sys.modules.pop("weights_beside_it")


def test_names_of_functions_are_told_from_names_of_files() -> None:
    assert is_function("package.module:score")
    assert is_function("path/to/file.py:score")
    for word in ("telltale-faces", "mine.onnx", "C:\\mine.onnx", "file.py:", ":score"):
        assert not is_function(word), word


def test_several_workers_never_call_it_at_once_and_give_the_same(file: Path, tmp_path: Path) -> None:
    file.write_text(
        "import threading, time\ninside = []\n"
        "def score(images):\n"
        "    assert not inside, 'called from two threads at once'\n"
        "    inside.append(1)\n    time.sleep(0.002)\n    inside.pop()\n"
        "    return images.mean(axis=(1, 2, 3)) / 255\n"
    )
    samples = []
    for value in range(12):
        Image.fromarray(grey(value * 20)).save(tmp_path / f"{value}.png")
        samples.append(Sample(path=tmp_path / f"{value}.png"))
    detector = from_function(f"{file}:score")
    found = [
        [
            record.prediction.score
            for record in score_files(detector, samples, workers=workers)
            if isinstance(record, Score)
        ]
        for workers in (1, 4)
    ]
    assert found[0] == found[1] == sorted(found[0])
    assert len(found[0]) == 12

"""What happens to scores when pictures are saved again, scaled, cropped: every detector under every corruption.

A cell is one corruption at one strength. Each detector's scores of each cell are a file of their own, so that a sweep
that was interrupted goes on where it stopped, and a later one adds what is missing.
"""

import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from hashlib import sha256
from pathlib import Path
from typing import Literal, get_args

import numpy as np
from PIL import __version__ as pillow_version

from telltale import __version__
from telltale.data.copies import check_one_label, copies
from telltale.data.corruptions import corrupt
from telltale.data.index import write_whole
from telltale.data.sample import Sample
from telltale.detector import Detector
from telltale.errors import InvalidConfig, InvalidDataset
from telltale.evaluate.digests import Digests
from telltale.evaluate.kept_scores import KEPT_COLUMNS, keep_scores
from telltale.evaluate.results import ResultFile, make_folder, utf8
from telltale.evaluate.scoring import Change
from telltale.image import Pixels, Preparation, Resized, prepare

Where = Literal["before", "after"]
PICTURES = "pictures.json"

# Mild to strong, in each corruption's own unit; where one goes both ways, from one end to the other.
SWEEP: Mapping[str, tuple[float, ...]] = {
    "jpeg": (95.0, 90.0, 80.0, 70.0, 50.0, 30.0),
    "webp": (90.0, 75.0, 50.0, 30.0),
    "blur": (0.5, 1.0, 2.0, 3.0),
    "noise": (2.0, 5.0, 10.0, 20.0),
    "resize": (2.0, 1.5, 0.75, 0.5, 0.25),
    "gamma": (0.5, 0.7, 1.4, 2.0),
    "crop": (0.9, 0.75, 0.5),
    "jitter": (0.1, 0.2, 0.4),
    "screenshot": (1.5, 1.25, 0.8, 0.67),
    "social": (1.0, 0.75, 0.5),
}


@dataclass(frozen=True, slots=True)
class Cell:
    """One corruption at one strength; CLEAN is none at all.

    Attributes:
        corruption: a key of `telltale.data.corruptions.CORRUPTIONS`, or "none".
        strength: in the corruption's own unit.
    """

    corruption: str
    strength: float


CLEAN = Cell("none", 0.0)


@dataclass(frozen=True, slots=True, kw_only=True)
class Setup:
    """What must be the same for every cell of one folder.

    Attributes:
        where: corrupt the decoded picture ("before" its preparation: what happens on the web) or the prepared one
            ("after": the same strength for pictures of all sizes).
        seed: of all that corruptions draw.
        images: hash of which images take part, with their labels and sources.
        backend: what computes; engines differ in the last digits.
        telltale_version, pillow_version: whose code corrupts.
    """

    where: str
    seed: int
    images: str
    backend: str = "onnxruntime"
    telltale_version: str = __version__
    pillow_version: str = pillow_version

    def __post_init__(self) -> None:
        """Refuse a place nobody knows.

        Raises:
            InvalidConfig: neither before nor after.
        """
        if self.where not in get_args(Where):
            raise InvalidConfig(expected="before or after the preparation", found=self.where, do="Choose one.")


@dataclass(frozen=True, slots=True, kw_only=True)
class Progress:
    """One cell of one detector is on disk.

    Attributes:
        model: the detector's name in this sweep.
        cell: which.
        scored: images with a score.
        failed: images without one.
    """

    model: str
    cell: Cell
    scored: int
    failed: int


def cells(sweep: Mapping[str, Sequence[float]] = SWEEP) -> list[Cell]:
    """The clean cell and every other, in the order of `sweep`.

    Raises:
        InvalidConfig: an unknown corruption, or a strength out of its range, before anything is scored.
    """
    found = [CLEAN, *(Cell(name, float(strength)) for name, strengths in sweep.items() for strength in strengths)]
    probe = np.zeros((8, 8, 3), np.uint8)
    for cell in found[1:]:
        corrupted(probe, cell, seed=0)
    return list(dict.fromkeys(found))


def corrupted(pixels: Pixels, cell: Cell, *, seed: int) -> Pixels:
    """The picture after one corruption; what is drawn depends on seed, picture, corruption and strength alone.

    The picture counts by its pixels, so that neither its name nor its place in a list nor the number of workers moves
    a number; two detectors meet the very same corrupted picture.

    Raises:
        InvalidConfig: an unknown corruption, or a strength out of its range.
    """
    if cell == CLEAN:
        return pixels
    digest = sha256(f"{seed} {cell.corruption} {float(cell.strength)!r} {pixels.shape}".encode())
    digest.update(pixels.tobytes())
    generator = np.random.default_rng(int.from_bytes(digest.digest()))
    return corrupt(pixels, cell.corruption, cell.strength, generator)


def change(cell: Cell, setup: Setup, preparation: Preparation) -> Change:
    """The corruption as scoring takes it: of decoded pixels, or of prepared ones, which pass preparation unchanged."""

    def before(pixels: Pixels) -> Resized:
        return corrupted(pixels, cell, seed=setup.seed)

    def after(pixels: Pixels) -> Resized:
        return before(prepare(pixels, preparation))

    return before if setup.where == "before" else after


def chosen(samples: Iterable[Sample], *, per_source: int | None = None, seed: int = 0) -> list[Sample]:
    """The labelled images of a sweep, each path once, at most `per_source` for each source and label.

    Which ones is drawn from seed and file name, whatever the order and the folder.

    Raises:
        InvalidDataset: nothing labelled, or one path with two labels or sources.
    """
    once: dict[Path, Sample] = {}
    for sample in samples:
        if sample.is_fake is None:
            continue
        first = once.setdefault(sample.path, sample)
        if (first.is_fake, first.source) != (sample.is_fake, sample.source):
            raise InvalidDataset(
                expected="one label and one source for each image",
                found=f"two for {sample.path}",
                do="Correct the manifests.",
            )
    if not once:
        raise InvalidDataset(expected="labelled images", found="none", do="Name a data set with reals and fakes.")
    return list(once.values()) if per_source is None else _fewer(list(once.values()), per_source, seed)


def _fewer(samples: Sequence[Sample], per_source: int, seed: int) -> list[Sample]:
    def rank(sample: Sample) -> tuple[bytes, str]:
        name = utf8(sample.path.name)
        return sha256(f"{seed} {name}".encode()).digest(), utf8(str(sample.path))

    kept: set[Path] = set()
    for kind in {(sample.is_fake, sample.source) for sample in samples}:
        mine = sorted((one for one in samples if (one.is_fake, one.source) == kind), key=rank)
        kept.update(sample.path for sample in mine[:per_source])
    return [sample for sample in samples if sample.path in kept]


def fingerprint(samples: Iterable[Sample]) -> str:
    """sha256 over path, label and source of every image, whatever their order."""
    said = sorted(json.dumps([utf8(str(one.path)), one.is_fake, one.source]) for one in samples)
    return sha256("\n".join(said).encode()).hexdigest()


def named(detectors: Iterable[Detector]) -> dict[str, Detector]:
    """Detectors by the name they have in a sweep: with the hash of the weights where two share one.

    Raises:
        InvalidConfig: the same weights twice.
    """
    each = list(detectors)
    names = [one.spec.name for one in each]
    found = {
        name if names.count(name) == 1 else f"{name}@{one.sha256[:8]}": one
        for name, one in zip(names, each, strict=True)
    }
    if len(found) < len(each):
        raise InvalidConfig(expected="each detector once", found="one twice", do="Leave the second out.")
    return found


def open_folder(out: Path, setup: Setup, *, resume: bool) -> None:
    """Make the sweep's folder with its `setup.json`, or check that an earlier one's cells belong with ours.

    Raises:
        InvalidConfig: something is there and `resume` is False, it was made of other images or in another way, or `out`
            is a file.
    """
    path = out / "setup.json"
    if out.is_dir() and any(out.iterdir()) and not (resume and path.is_file()):
        raise InvalidConfig(
            expected=f"a new or empty folder, or --resume with one of an earlier sweep: {out}",
            found="files there already",
            do="Add --resume to go on with an earlier sweep, or choose another --out.",
        )
    ours = asdict(setup)
    theirs = _read_setup(path) if path.is_file() else ours
    if theirs != ours:
        changed = [_turned(name, theirs.get(name), value) for name, value in ours.items() if theirs.get(name) != value]
        raise InvalidConfig(
            expected=f"the setup of the sweep in {out}",
            found="; ".join(changed) or f"a setup with {', '.join(sorted(theirs.keys() - ours.keys()))} besides",
            do="Call it as before, or choose another --out.",
        )
    make_folder(out)
    path.write_text(json.dumps(ours, indent=1) + "\n", encoding="utf-8")


def _turned(name: str, before: object, now: object) -> str:
    """What a setting was and is; images are known by a hash, of which nobody needs more than the beginning."""
    if name == "images":
        return f"other pictures, labels or sources (their hash was {str(before)[:12]}, is now {str(now)[:12]})"
    return f"{name} {now}, which was {before}"


def check_pictures(out: Path, samples: Sequence[Sample]) -> int:
    """Note every picture's hash in `out`/pictures.json; refuse scored pictures whose bytes are others by now.

    A picture without a score yet may change: it may have been mended.

    Returns:
        How many pictures are copies of others, by their bytes.

    Raises:
        InvalidConfig: a picture that an earlier call scored has changed, or the notes are damaged.
        InvalidDataset: the same bytes are real here and fake there.
    """
    path = out / PICTURES
    digests = Digests()
    hashes = [digests(sample) for sample in samples]
    check_one_label(samples, hashes)
    now = {utf8(str(sample.path)): digest for sample, digest in zip(samples, hashes, strict=True)}
    before = _read_setup(path) if path.is_file() else {}
    changed = [name for name, digest in now.items() if before.get(name, digest) != digest]
    stale = sorted(set(changed) & _scored(out)) if changed else []
    if stale:
        raise InvalidConfig(
            expected=f"the pictures that the sweep in {out} has scored",
            found=f"{len(stale)} changed since, such as {stale[0]}",
            do="Choose another --out.",
        )
    write_whole(path, (json.dumps(now, indent=0) + "\n").encode())
    return sum(len(same) - 1 for same in copies(hashes))


def _scored(out: Path) -> set[str]:
    """Paths of the pictures that have a score in some cell, also of one that was interrupted."""
    files = {path.with_name("scores.parquet") for path in out.glob("scores/*/*/*/scores.parquet*")}
    return {row["path"] for path in files for row in ResultFile(path, resume=True, columns=KEPT_COLUMNS).kept()}


def _read_setup(path: Path) -> Mapping[str, object]:
    try:
        found = json.loads(path.read_text(encoding="utf-8"))
    except ValueError as error:
        raise InvalidConfig(
            expected=f"a sweep's setup: {path}", found=str(error), do="Choose another --out."
        ) from error
    return found if isinstance(found, dict) else {}


def cell_file(out: Path, model: str, cell: Cell) -> Path:
    """Where one cell's scores lie; folders are named as readers of partitioned Parquet expect."""
    name = "".join(letter if letter.isalnum() or letter in "-_.@" else f"%{ord(letter):02X}" for letter in model)
    return out / f"scores/model={name}/corruption={cell.corruption}/strength={cell.strength!r}/scores.parquet"


def sweep(
    detectors: Mapping[str, Detector],
    samples: Sequence[Sample],
    out: Path,
    setup: Setup,
    *,
    over: Sequence[Cell],
    workers: int = 1,
) -> Iterator[Progress]:
    """Score every image under every cell by every detector; what an earlier run of the same setup scored is kept.

    Args:
        detectors: by name, as `named` gives them.
        samples: as `chosen` gives them.
        out: the folder, as `open_folder` left it.
        setup: where corruptions act, and the seed.
        over: cells.
        workers: images scored at the same time; no number depends on it.

    Raises:
        InvalidDetector: a detector does not do what its spec says.
        InvalidConfig: scores of other weights lie under a detector's name.
    """
    digests = Digests()
    for model, detector in detectors.items():
        # Tiles of one thread each: their number would move the last digits of a score.
        single = replace(detector, threads=1)
        for cell in over:
            failed = keep_scores(
                cell_file(out, model, cell),
                single,
                samples,
                workers=workers,
                change=change(cell, setup, detector.spec.preparation),
                digests=digests,
            )
            yield Progress(model=model, cell=cell, scored=len(samples) - failed, failed=failed)

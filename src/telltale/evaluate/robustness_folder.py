"""The folder of a sweep: how it was made, which pictures it has scored, and where a cell's scores lie.

An earlier sweep's cells are gone on with only where they belong with the new ones.
"""

import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Literal, get_args

from PIL import __version__ as pillow_version

from telltale import __version__
from telltale.data.copies import check_one_label, copies
from telltale.data.index import write_whole
from telltale.data.sample import Sample
from telltale.errors import InvalidConfig
from telltale.evaluate.digests import Digests
from telltale.evaluate.kept_scores import KEPT_COLUMNS
from telltale.evaluate.results import ResultFile, make_folder, utf8
from telltale.evaluate.robustness_cells import Cell

Where = Literal["before", "after"]
PICTURES = "pictures.json"


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

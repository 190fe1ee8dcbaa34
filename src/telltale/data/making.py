"""Make the pictures of a built data set, one original at a time; runs in worker processes.

What comes in is a sample without its label, source, split and group: whatever happens here cannot depend on them.
"""

import os
import warnings
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass, field, replace
from hashlib import sha256
from pathlib import Path
from typing import Any, TypeAlias

from telltale.data.equalise import (
    Box,
    Window,
    choose_quality,
    choose_window,
    encode,
    equalise,
    picture_key,
    twin_key,
)
from telltale.data.formats import format_facts
from telltale.data.perceptual import perceptual_hash
from telltale.data.sample import Sample
from telltale.data.settings import BuildSettings
from telltale.errors import TelltaleError, UnsuitableImage
from telltale.image import Pixels, Resized, decode

FindFace: TypeAlias = Callable[[Pixels], Box | None]
Resynthesise: TypeAlias = Callable[[Pixels], Resized]
Row: TypeAlias = dict[str, Any]

# Every built file has the same time, or the order in which sources were read would tell them apart.
BUILT_AT = 1_000_000_000
NAME_DIGITS = 20
ENDING = {"png": ".png", "jpeg": ".jpg", "webp": ".webp"}


@dataclass(frozen=True, slots=True, kw_only=True)
class Tools:
    """What a build may need besides Pillow: factories that can be pickled, each called once in every process.

    Attributes:
        find_face: makes the function that finds the face box in decoded pixels, for samples without one.
        resynthesisers: name -> makes the function from a built picture's pixels to its fake twin's.
    """

    find_face: Callable[[], FindFace] | None = None
    resynthesisers: Mapping[str, Callable[[], Resynthesise]] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class Job:
    """One original.

    Attributes:
        number: its place in the list of samples.
        sample: its path, bytes and face box, and nothing else.
        twins: re-syntheses to make of it.
    """

    number: int
    sample: Sample
    twins: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Made:
    """What became of one original.

    Attributes:
        number: its place in the list of samples.
        rows: re-synthesis ("" for the picture itself) -> (key, facts of the built file; None where an earlier run's
            file and facts stand).
        failures: re-synthesis ("" for the picture itself) -> why there is no such file.
    """

    number: int
    rows: dict[str, tuple[str, Row | None]]
    failures: dict[str, str]


def blind(sample: Sample) -> Sample:
    """The sample without what it is: label, source, split and group."""
    return replace(sample, is_fake=None, source="", split="", group="")


def built_name(key: str, settings: BuildSettings) -> str:
    """Path of a built picture inside the data set."""
    return f"images/{key[:2]}/{key[:NAME_DIGITS]}{ENDING[settings.codec]}"


class Maker:
    """Turns originals into built files.

    Args:
        out: the data set's folder.
        settings: what built pictures look like.
        tools: face detector and re-syntheses.
        known: key -> sha256 of files that an earlier run built; those still there are not made again.
    """

    def __init__(self, out: Path, settings: BuildSettings, tools: Tools, known: Mapping[str, str]) -> None:
        self._out, self._settings, self._known = out, settings, known
        self._find_face = tools.find_face() if tools.find_face is not None and settings.crop in _FACED else None
        self._resynthesise = {name: make() for name, make in tools.resynthesisers.items()}

    def __call__(self, job: Job) -> Made:
        """Build the picture and its twins, or say why not."""
        made = Made(number=job.number, rows={}, failures={})
        names = ("", *job.twins)
        try:
            self._make(job.sample, names, made)
        except TelltaleError as error:
            made.failures.update({name: str(error) for name in names if name not in made.rows})
        except MemoryError:
            reason = "expected a picture that fits into memory; found one that does not"
            made.failures.update({name: reason for name in names if name not in made.rows})
        return made

    def _make(self, sample: Sample, names: tuple[str, ...], made: Made) -> None:
        data = sample.read()
        key = picture_key(data, sample.face, self._settings.seed)
        keys = {name: twin_key(key, name) if name else key for name in names}
        made.rows.update({name: (keys[name], None) for name in names if self._stands(keys[name])})
        missing = [name for name in names if name not in made.rows]
        if not missing:
            return
        pixels, about = self._equalised(data, sample, key)
        for name in missing:
            try:
                made.rows[name] = (keys[name], self._write(keys[name], self._twin(name, pixels), dict(about)))
            except TelltaleError as error:
                made.failures[name] = str(error)

    def _stands(self, key: str) -> bool:
        """Whether an earlier run's file is there, whole."""
        path = self._out / built_name(key, self._settings)
        return key in self._known and path.is_file() and sha256(path.read_bytes()).hexdigest() == self._known[key]

    def _equalised(self, data: bytes, sample: Sample, key: str) -> tuple[Pixels, Row]:
        """The built picture's pixels, and what is to be told of the original."""
        settings = self._settings
        with warnings.catch_warnings(record=True) as notes:
            warnings.simplefilter("always")
            pixels = decode(data, max_pixels=settings.max_pixels, name=str(sample.path))
        face, origin = self._face(pixels, sample)
        window = choose_window((pixels.shape[0], pixels.shape[1]), face, settings, key)
        about = _about(data, str(sample.path), window, origin) | {
            "quality": choose_quality(settings, key),
            "seed": settings.seed,
            "perceptual_hash": perceptual_hash(pixels),
            "notes": "; ".join(str(note.message) for note in notes),
        }
        return equalise(pixels, window, settings), about

    def _face(self, pixels: Pixels, sample: Sample) -> tuple[Box | None, str]:
        """The face box and where it comes from."""
        if self._settings.crop not in _FACED:
            return None, ""
        if sample.face is not None or self._find_face is None:
            return sample.face, "" if sample.face is None else "given"
        found = self._find_face(pixels)
        return found, "" if found is None else "detected"

    def _twin(self, name: str, pixels: Pixels) -> Resized:
        twin = self._resynthesise[name](pixels) if name else pixels
        if twin.shape != pixels.shape:
            raise UnsuitableImage(
                expected=f"a re-synthesis of {pixels.shape[1]} x {pixels.shape[0]} px from {name}",
                found=f"{twin.shape[1]} x {twin.shape[0]}",
                do="Choose another side.",
            )
        return twin

    def _write(self, key: str, pixels: Pixels, about: Row) -> Row:
        """The file, under its name only when it is whole."""
        built = encode(pixels, self._settings, about["quality"])
        path = self._out / built_name(key, self._settings)
        path.parent.mkdir(parents=True, exist_ok=True)
        temporary = path.with_name(f".{path.name}.{os.getpid()}")
        temporary.write_bytes(built)
        os.utime(temporary, (BUILT_AT, BUILT_AT))
        temporary.replace(path)
        return about | {"built_sha256": sha256(built).hexdigest()}


_FACED = ("face", "auto")


def _about(data: bytes, name: str, window: Window, face: str) -> Row:
    facts = {f"original_{name}": value for name, value in asdict(format_facts(data, name=name)).items()}
    crop = {f"crop_{name}": value for name, value in asdict(window).items()}
    return {"sha256": sha256(data).hexdigest(), **facts, **crop, "face": face}

"""Real faces with one region that a generator made, and the masks that say which: what `figure_localisation.py` tests.

    python recipes/composites.py --data PATH_TO_SHARED_DATA --out composites
    python recipes/composites.py --data PATH_TO_SHARED_DATA --out composites --quick       (two originals a source)

Writes pictures, masks/ (white where another's pixels are) and manifest.csv: `telltale explain localise composites
--masks composites/masks` reads them. The pictures show real people: keep them to yourself.

- Originals: the test split of celebahq and unsplash600. Each is cut and scaled as `telltale build --preset paper` does
  it, so that no later step resamples anything.
- A region of it: a rectangle, an ellipse, or (celebahq, by its parsing masks) a part of the face. Drawn from the file's
  hash: nobody chose among them.
- Another's pixels in it: `taef2` and `srgan_x4` make the same picture anew, `stylegan2` is a generated face of the test
  split, and `real` is another real face: the control that has a seam and no generator. They are blended over the
  border with a feather of about 1 % of the side; the mask is where they weigh half or more.
- Untouched originals and composites alike are PNG files written by the same line of code.

photoshop600 is left out: of its expert composites only the names of the replaced parts are known, not the pixels;
`outside_checks.py` asks what can be asked of them.

Cost: two minutes on one core of a 2021 server CPU at 128 px, six at 256 px.
"""

import argparse
import csv
import sys
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from functools import partial
from hashlib import sha256
from pathlib import Path

import numpy as np
import torch
from jaxtyping import Bool
from PIL import Image, ImageFilter

from telltale.data.equalise import choose_window, encode, equalise, picture_key
from telltale.data.sample import Sample
from telltale.data.samples import scan
from telltale.data.settings import BuildSettings, preset
from telltale.generate.resynthesis import resynthesiser
from telltale.image import Pixels, decode

Mask = Bool[np.ndarray, "side side"]
# Source -> how many originals, at most.
ORIGINALS = {"celebahq": 60, "unsplash600": 40}
RESYNTHESES = ("taef2", "srgan_x4")
GENERATED, CONTROL = "stylegan2", "real"
SOURCES = (*RESYNTHESES, GENERATED, CONTROL)
GENERATED_FROM, CONTROL_FROM = "stylegan2_ffhq256", "celebahq"
UNTOUCHED = "untouched"
REGIONS = ("part", "ellipse", "rectangle")
# Numbers of the parsing masks' classes; left and right together, so that they are large enough to be seen.
PARTS: Mapping[str, tuple[int, ...]] = {
    "background": (0,),
    "face": (1, 2, 3, 4, 5, 6, 7, 10, 11, 12),
    "nose": (2,),
    "eyes and brows": (3, 4, 5, 6, 7),
    "mouth": (10, 11, 12),
    "hair": (13,),
}
SHARE = (0.015, 0.6)
FEATHER = 0.01


@dataclass(frozen=True, slots=True, kw_only=True)
class Original:
    """A real face as built, and its regions by name with the part's name where it is one."""

    key: str
    origin: str
    pixels: Pixels
    regions: dict[str, tuple[str, Mask]]


@dataclass(frozen=True, slots=True, kw_only=True)
class Composite:
    """One picture of the set.

    Attributes:
        path: of the picture; its mask lies under the same name in masks/.
        source: whose pixels are in the region, out of `SOURCES`; `UNTOUCHED` for none.
        group: the same for all that were made from one original.
        origin: source of that original.
        region: out of `REGIONS`; "" for none.
        part: of the face; "" where the region is none.
    """

    path: Path
    source: str
    group: str
    origin: str
    region: str
    part: str


def composites(data: Path, out: Path, *, side: int, quick: bool) -> list[Composite]:
    """Make the set, or read what an earlier run finished.

    Args:
        data: the shared data.
        out: its folder.
        side: of the pictures, pixels.
        quick: two originals of each source, and no re-synthesis by taef2, which is slow.

    Raises:
        SystemExit: an earlier run made another set there.
    """
    if not (out / "manifest.csv").is_file():
        (out / "masks").mkdir(parents=True, exist_ok=True)
        rows = list(_made(data, out, side=side, quick=quick))
        with (out / "manifest.tmp").open("w", newline="", encoding="utf-8") as stream:
            table = csv.writer(stream, lineterminator="\n")
            table.writerow(("path", "label", "source", "group", "origin", "region", "part"))
            for one in rows:
                label = "real" if one.source == UNTOUCHED else "fake"
                table.writerow((one.path.name, label, one.source, one.group, one.origin, one.region, one.part))
        (out / "manifest.tmp").replace(out / "manifest.csv")
    with (out / "manifest.csv").open(newline="", encoding="utf-8") as stream:
        found = [
            Composite(path=out / row.pop("path"), **{name: row[name] for name in row if name != "label"})
            for row in csv.DictReader(stream)
        ]
    with Image.open(found[0].path) as image:
        there = image.width, not any(one.source == RESYNTHESES[0] for one in found)
    if there != (side, quick):
        sys.exit(f"{out} holds {_said(*there)}, not {_said(side, quick)}: choose another folder, or delete that one")
    return found


def _said(side: int, quick: bool) -> str:
    return f"{'a few' if quick else 'all'} composites of {side} px"


def fingerprint(found: list[Composite]) -> str:
    """sha256 over the names, pictures and masks of a set."""
    digest = sha256()
    for one in found:
        digest.update(one.path.name.encode() + one.path.read_bytes())
        if one.source != UNTOUCHED:
            digest.update(mask_of(one).read_bytes())
    return digest.hexdigest()


def mask_of(composite: Composite) -> Path:
    """Where the mask of a composite lies."""
    return composite.path.parent / "masks" / composite.path.name


def _made(data: Path, out: Path, *, side: int, quick: bool) -> Iterator[Composite]:
    settings = replace(preset("paper"), side=side)
    samples = [one for one in scan([data / "manifest.csv"]) if one.split == "test"]
    chosen = {
        source: [one for one in samples if one.source == source][: 2 if quick else most]
        for source, most in ORIGINALS.items()
    }
    taken = {one.path for group in chosen.values() for one in group}
    donors = {
        maker: [one for one in samples if one.source == source and one.path not in taken]
        for maker, source in ((GENERATED, GENERATED_FROM), (CONTROL, CONTROL_FROM))
    }
    makers = SOURCES[1:] if quick else SOURCES
    anew = {name: resynthesiser(name, data / "generators") for name in RESYNTHESES if name in makers}
    for sample in (one for group in chosen.values() for one in group):
        original = _original(sample, settings)
        about = {"group": original.key, "origin": original.origin}
        yield _write(out, settings, original.pixels, None, **about, source=UNTOUCHED, region="", part="")
        for maker in makers:
            whole = anew[maker](original.pixels) if maker in anew else None
            for region, (part_name, mask) in original.regions.items():
                there = _donor(donors[maker], original.key + region, settings) if whole is None else whole
                pixels = blended(original.pixels, there, mask)
                yield _write(out, settings, pixels, mask, **about, source=maker, region=region, part=part_name)


def _original(sample: Sample, settings: BuildSettings) -> Original:
    data = sample.read()
    key = picture_key(data, sample.face, settings.seed)
    draw = np.random.default_rng(int(key[:15], 16))
    pixels = _built(sample, settings)
    regions = {
        name: ("", _drawn(partial(shape, draw, settings.side)))
        for name, shape in (("ellipse", _ellipse), ("rectangle", _rectangle))
    }
    parsed = sample.path.parents[1] / f"{sample.source}_masks" / f"{sample.path.stem}.png"
    if parsed.is_file():
        with Image.open(parsed) as image:
            classes = np.asarray(image)
        window = choose_window(classes.shape, sample.face, settings, key)
        cut = Image.fromarray(np.ascontiguousarray(classes[window.y :, window.x :][: window.height, : window.width]))
        small = np.asarray(cut.resize((settings.side, settings.side), Image.Resampling.NEAREST))
        parts = {name: np.isin(small, numbers) for name, numbers in PARTS.items()}
        fitting = [name for name, mask in parts.items() if SHARE[0] <= mask.mean() <= SHARE[1]]
        name = fitting[draw.integers(len(fitting))]
        regions = {"part": (name, parts[name]), **regions}
    return Original(key=key, origin=sample.source, pixels=pixels, regions=regions)


def _built(sample: Sample, settings: BuildSettings) -> Pixels:
    """As `telltale build` makes it."""
    data = sample.read()
    pixels = decode(data, name=str(sample.path))
    key = picture_key(data, sample.face, settings.seed)
    window = choose_window((pixels.shape[0], pixels.shape[1]), sample.face, settings, key)
    return equalise(pixels, window, settings)


def _donor(donors: list[Sample], word: str, settings: BuildSettings) -> Pixels:
    return _built(donors[int(sha256(word.encode()).hexdigest()[:8], 16) % len(donors)], settings)


def _drawn(shape: "partial[Mask]") -> Mask:
    """The first draw whose share of the picture is in range."""
    while True:
        mask = shape()
        if SHARE[0] <= mask.mean() <= SHARE[1]:
            return mask


def _ellipse(draw: np.random.Generator, side: int) -> Mask:
    rows, columns = np.mgrid[:side, :side] + 0.5
    y, x = draw.uniform(0.2, 0.8, 2) * side
    high, wide = draw.uniform(0.1, 0.35, 2) * side
    return np.asarray(((rows - y) / high) ** 2 + ((columns - x) / wide) ** 2 <= 1)


def _rectangle(draw: np.random.Generator, side: int) -> Mask:
    high, wide = draw.uniform(0.2, 0.6, 2) * side
    top, left = draw.uniform(0, side - high), draw.uniform(0, side - wide)
    rows, columns = np.mgrid[:side, :side] + 0.5
    return np.asarray((rows >= top) & (rows < top + high) & (columns >= left) & (columns < left + wide))


def blended(original: Pixels, there: Pixels, mask: Mask) -> Pixels:
    """`there` inside the mask, the original outside, feathered over the border."""
    soft = Image.fromarray(mask.astype(np.uint8) * 255).filter(ImageFilter.GaussianBlur(FEATHER * mask.shape[0]))
    weight = np.asarray(soft, np.float32)[:, :, None] / 255
    mixed = original * (1 - weight) + there * weight
    pixels: Pixels = np.rint(mixed).astype(np.uint8)
    return pixels


def _write(out: Path, settings: BuildSettings, pixels: Pixels, mask: Mask | None, **about: str) -> Composite:
    """The picture under a name that says nothing, and its mask."""
    words = " ".join((about["group"], about["source"], about["region"]))
    path = out / f"{sha256(words.encode()).hexdigest()[:16]}.png"
    path.write_bytes(encode(pixels, settings, None))
    made = Composite(path=path, **about)
    if mask is not None:
        Image.fromarray(mask.astype(np.uint8) * 255).save(mask_of(made), optimize=True)
    return made


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--data", type=Path, required=True, help="the shared data: holds manifest.csv and generators/")
    parser.add_argument("--out", type=Path, required=True, help="a folder for pictures, masks and manifest.csv")
    parser.add_argument("--side", type=int, default=128, help="of the pictures, pixels")
    parser.add_argument("--quick", action="store_true", help="two originals of each source")
    chosen = parser.parse_args()
    if not (chosen.data / "manifest.csv").is_file():
        parser.error(f"no manifest.csv in {chosen.data}: point --data at the folder of images and generators")
    torch.set_num_threads(1)
    found = composites(chosen.data, chosen.out, side=chosen.side, quick=chosen.quick)
    print(f"{chosen.out}: {len(found)} pictures, {sum(one.source == UNTOUCHED for one in found)} of them untouched")


if __name__ == "__main__":
    main()

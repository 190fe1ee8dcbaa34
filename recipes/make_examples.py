"""Make the example pictures that `make demo` scores: a photograph, parts of it made anew, and generated faces.

    python recipes/make_examples.py --generators PATH_TO_GENERATORS
    python recipes/make_examples.py --generators PATH_TO_GENERATORS --out quick --quick   (one face per generator)

Writes into examples/: the pictures, masks/ (white where a generator's pixels are), truth.csv.

- The photograph is NASA's portrait of Eileen Collins (public domain) as scikit-image distributes it, cropped to head
  and collar: 256 px, never resized.
- Two forgeries of it: pixels inside a hard-edged region are replaced by a re-synthesis of the whole crop; everything
  outside the region stays the photograph.
- Generated faces: seeds 0, 1, 2 of each generator, nobody chose among them; enlarged four times by the upsampler.
- Real and fake pass through one encoder: JPEG, quality 92, 4:4:4, no metadata.

Cost: about 5 s on one core of a 2021 server CPU, 0.4 GB of memory; no GPU. Expected: 9 pictures, 2 masks, 140 kB.
The generators' files: `taef2_encoder`, `taef2_decoder`, `fast_srgan_x4`, `vae_celeba64`, `dcgan_celeba32`, all
.safetensors. Last run with torch 2.13, Pillow 13.0, scikit-image 0.26.
"""

import argparse
import csv
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from jaxtyping import Bool, Float
from PIL import Image
from skimage.data import astronaut
from torch import Tensor

from telltale.generate.dcgan import dcgan
from telltale.generate.resynthesis import resynthesiser
from telltale.generate.srgan import upsampler
from telltale.generate.vae import vae
from telltale.image import Pixels

ROOT = Path(__file__).resolve().parent.parent
SEEDS = (0, 1, 2)
# Head and collar of the 512-px portrait.
CROP = (slice(0, 256), slice(96, 352))
# Of the face in the crop: (row, column) of its centre, and half its height and width.
FACE_CENTRE, FACE_REACH = (127, 131), (60, 44)


@dataclass(frozen=True, slots=True, kw_only=True)
class Example:
    """One picture with its truth: `mask` marks the pixels that a generator made, where that is not all or none."""

    name: str
    kind: str
    is_fake: bool
    pixels: Pixels
    mask: Bool[np.ndarray, "height width"] | None = None


def portrait() -> Pixels:
    """The untouched crop, 256 x 256."""
    pixels: Pixels = np.ascontiguousarray(astronaut()[CROP])  # type: ignore[no-untyped-call]
    return pixels


def face() -> Bool[np.ndarray, "256 256"]:
    """An ellipse over the face, from chin to hairline."""
    rows, columns = np.mgrid[:256, :256]
    distance = ((rows - FACE_CENTRE[0]) / FACE_REACH[0]) ** 2 + ((columns - FACE_CENTRE[1]) / FACE_REACH[1]) ** 2
    return np.asarray(distance <= 1)


def right_half() -> Bool[np.ndarray, "256 256"]:
    """Everything right of the middle: half of face, hair, background and collar."""
    return np.broadcast_to(np.arange(256) >= 128, (256, 256)).copy()


def forgeries(generators: Path) -> Iterator[Example]:
    """The portrait with one region made anew, once per re-synthesis."""
    photograph = portrait()
    for generator, region, mask, words in (
        ("taef2", "face", face(), "face made anew by a latent-diffusion autoencoder (taef2)"),
        ("srgan_x4", "half", right_half(), "right half made anew by a GAN upsampler (srgan_x4)"),
    ):
        made = resynthesiser(generator, generators)(photograph)
        pixels = np.where(mask[:, :, None], made, photograph)
        yield Example(name=f"portrait_{generator}_{region}", kind=words, is_fake=True, pixels=pixels, mask=mask)


def faces(generators: Path, seeds: tuple[int, ...]) -> Iterator[Example]:
    """Samples of both generators, enlarged four times: 256 px (VAE) and 128 px (DCGAN)."""
    enlarge = upsampler(generators)
    for name, generator in (("vae", vae(generators)), ("dcgan", dcgan(generators))):
        for seed in seeds:
            with torch.inference_mode():
                image = enlarge(generator.sample(1, seed))[0]
            kind = f"face from a {name.upper()}, enlarged by a GAN upsampler (seed {seed})"
            yield Example(name=f"{name}_{seed}", kind=kind, is_fake=True, pixels=as_pixels(image))


def as_pixels(image: Float[Tensor, "3 height width"]) -> Pixels:
    """From [-1, 1] to 8 bit."""
    pixels: Pixels = ((image + 1) * 127.5).round().clamp(0, 255).byte().permute(1, 2, 0).numpy()
    return pixels


def examples(generators: Path, seeds: tuple[int, ...]) -> Iterator[Example]:
    yield Example(name="portrait", kind="photograph as published by NASA", is_fake=False, pixels=portrait())
    yield from forgeries(generators)
    yield from faces(generators, seeds)


def write(example: Example, out: Path) -> dict[str, str]:
    """Write picture and mask; return the row of truth.csv."""
    path = out / f"{example.name}.jpg"
    Image.fromarray(example.pixels).save(path, quality=92, subsampling="4:4:4")
    mask = ""
    if example.mask is not None:
        mask = f"masks/{example.name}.png"
        Image.fromarray(example.mask.astype(np.uint8) * 255).save(out / mask, optimize=True)
    return {"path": path.name, "is_fake": str(int(example.is_fake)), "kind": example.kind, "mask": mask}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--generators", type=Path, required=True, help="folder of the generators' safetensors files")
    parser.add_argument("--out", type=Path, default=ROOT / "examples", help="folder for pictures, masks and truth.csv")
    parser.add_argument("--quick", action="store_true", help="one generated face per generator")
    chosen = parser.parse_args()
    torch.set_num_threads(1)
    (chosen.out / "masks").mkdir(parents=True, exist_ok=True)
    seeds = SEEDS[:1] if chosen.quick else SEEDS
    rows = [write(example, chosen.out) for example in examples(chosen.generators, seeds)]
    with (chosen.out / "truth.csv").open("w", newline="", encoding="utf-8") as stream:
        table = csv.DictWriter(stream, fieldnames=("path", "is_fake", "kind", "mask"), lineterminator="\n")
        table.writeheader()
        table.writerows(rows)
    for row in rows:
        print(f"{row['path']:<28} {'fake' if row['is_fake'] == '1' else 'real'}  {row['kind']}")


if __name__ == "__main__":
    main()

"""The settings of a build, and the presets."""

from dataclasses import asdict, dataclass, replace
from typing import Any, Literal, get_args

from telltale.errors import InvalidConfig
from telltale.image import MAX_PIXELS, Resample

Crop = Literal["auto", "face", "centre", "whole", "uncut"]
Codec = Literal["png", "jpeg", "webp"]


@dataclass(frozen=True, slots=True, kw_only=True)
class BuildSettings:
    """Everything that decides what a built data set's pictures look like; part of its fingerprint.

    Attributes:
        crop: "face", the face box scaled and made square; "centre", the largest square; "whole", all but a border of
            8 px in all, stretched to a square; "uncut", all of it, for pictures that were cut already and whose real
            and fake must show the same pixels; "auto", the face box where there is one and else the centre at a
            matching scale.
        face_scale: side of a face crop over the larger side of the face box.
        side: pixels of both sides of every built picture.
        resample: filter; None takes crops of `side` native pixels and never resamples.
        enlarge: False makes a failure of a crop that is smaller than `side`.
        codec: what every picture is saved as.
        quality: lowest and highest quality of JPEG and WebP; each picture's is drawn uniformly in between.
        subsampling: JPEG's chroma.
        seed: another seed draws other offsets and qualities.
        max_pixels: larger pictures are failures.
        resynthesise: re-syntheses to make of every real.
        weights: (file name, sha256) of each weights file that took part: re-synthesis, face detector.
    """

    crop: Crop = "auto"
    face_scale: float = 1.5
    side: int = 128
    resample: Resample | None = "lanczos"
    enlarge: bool = True
    codec: Codec = "png"
    quality: tuple[int, int] = (70, 95)
    subsampling: Literal["4:2:0", "4:4:4"] = "4:2:0"
    seed: int = 0
    max_pixels: int = MAX_PIXELS
    resynthesise: tuple[str, ...] = ()
    weights: tuple[tuple[str, str], ...] = ()

    def __post_init__(self) -> None:
        """Refuse settings that mean nothing.

        Raises:
            InvalidConfig: an unknown crop, filter, codec or chroma, or a number out of range.
        """
        _check(self.crop in get_args(Crop), f"crop {', '.join(get_args(Crop))}", self.crop)
        _check(self.codec in get_args(Codec), f"codec {', '.join(get_args(Codec))}", self.codec)
        filters = get_args(Resample)
        _check(self.resample is None or self.resample in filters, f"filter {', '.join(filters)}", self.resample)
        _check(self.subsampling in ("4:2:0", "4:4:4"), "subsampling 4:2:0 or 4:4:4", self.subsampling)
        low, high = self.quality
        _check(1 <= low <= high <= 100, "qualities of 1 to 100, the lower first", self.quality)
        _check(8 <= self.side <= 8192, "a side of 8 to 8192 px", self.side)
        _check(0.1 <= self.face_scale <= 10, "a face scale of 0.1 to 10", self.face_scale)
        cuts = self.crop not in ("whole", "uncut")
        _check(self.resample is not None or cuts, "a crop when nothing is resampled", self.crop)

    def json(self) -> dict[str, Any]:
        """As plain JSON values."""
        return {
            **asdict(self),
            "quality": list(self.quality),
            "resynthesise": list(self.resynthesise),
            "weights": [list(pair) for pair in self.weights],
        }


def _check(holds: bool, expected: str, found: object) -> None:
    if not holds:
        raise InvalidConfig(expected=expected, found=str(found), do="Correct the setting.")


PRESETS = {
    # 128-px PNG by Lanczos, as the paper stored its images.
    "paper": BuildSettings(),
    # The generator's and the camera's own pixels, cut out.
    "native": BuildSettings(resample=None),
    # What a web site makes of an upload.
    "web": BuildSettings(side=256, codec="jpeg"),
}


def preset(name: str, **changes: Any) -> BuildSettings:
    """Settings of a preset, with the changes that are not None.

    Raises:
        InvalidConfig: an unknown preset, or settings out of range.
    """
    if name not in PRESETS:
        raise InvalidConfig(expected=f"a preset out of {', '.join(PRESETS)}", found=repr(name), do="Choose one.")
    return replace(PRESETS[name], **{key: value for key, value in changes.items() if value is not None})

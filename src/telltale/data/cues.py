"""What an audit looks at in each file: cues that need no content, in the order in which one causes the next.

Of several cues that give the label away equally well, the earliest is named: when only the fakes are PNG, quality,
marks, name ending and bytes per pixel follow from that.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from itertools import takewhile
from pathlib import Path
from typing import Literal, TypeAlias

from telltale.data.formats import FormatFacts

Value: TypeAlias = float | str | None
Family = Literal["container", "pixels", "size", "name"]
Kind = Literal["number", "flag", "category"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Cue:
    """Something that may tell real from fake without looking at what the picture shows.

    Attributes:
        name: key in reports.
        family: "container", what the file's header says; "pixels", traces of compression and resampling in the decoded
            picture; "size", the length of the file, which follows the content too; "name", name and time of the file,
            which no detector sees.
        kind: "number"; "flag", 0 or 1; "category", a word.
        title: what a report calls it.
        meaning: what it measures, and what more of it points to.
    """

    name: str
    family: Family
    kind: Kind
    title: str
    meaning: str


def _cue(name: str, family: Family, kind: Kind, title: str, meaning: str) -> Cue:
    return Cue(name=name, family=family, kind=kind, title=title, meaning=meaning)


CUES = (
    _cue("format", "container", "category", "file format", "JPEG, PNG, WebP and so on"),
    _cue("exif", "container", "flag", "EXIF block", "cameras and photo editors write one"),
    _cue("icc", "container", "flag", "colour profile (ICC)", "photo editors and phones write one"),
    _cue("xmp", "container", "flag", "XMP packet", "photo editors write one"),
    _cue("jpeg_quality", "container", "number", "JPEG quality", "from the quantisation tables, libjpeg's scale"),
    _cue("quantisation_tables", "container", "category", "quantisation tables", "which encoder at which setting"),
    _cue("subsampling", "container", "category", "chroma subsampling", "of JPEG files"),
    _cue("progressive", "container", "flag", "progressive or interlaced", "of JPEG and PNG files"),
    _cue("colour_mode", "container", "category", "colour mode", "grey, RGB, palette, alpha, CMYK"),
    _cue("bit_depth", "container", "number", "bit depth", "bits of a sample"),
    _cue("width", "container", "number", "width", "pixels"),
    _cue("height", "container", "number", "height", "pixels"),
    _cue("aspect", "container", "number", "aspect", "width over height"),
    _cue("encoder_marks", "container", "category", "order of segments", "segments or chunks as the encoder wrote them"),
    _cue("overhead_bytes", "container", "number", "bytes that are not picture", "headers, metadata, trailing data"),
    _cue("exif_date", "container", "number", "date in the EXIF block", "days, of files that have one"),
    _cue("jpeg_history", "pixels", "number", "traces of an earlier JPEG", "gaps in the DCT histograms on the 8x8 grid"),
    _cue("resampling", "pixels", "number", "resampling traces", "regular pattern of pixels their neighbours predict"),
    _cue("nyquist", "pixels", "number", "energy near Nyquist", "finest detail; less after resampling or blurring"),
    _cue("nyquist_edge", "pixels", "number", "cut-off at Nyquist", "sharper after enlarging"),
    _cue("block_grid", "pixels", "number", "8x8 grid in place", "lines of the JPEG grid that begins at the corner"),
    _cue("shifted_grid", "pixels", "number", "8x8 grid moved", "lines of a JPEG grid cropped since"),
    _cue("chroma_detail", "pixels", "number", "detail in chroma", "less where chroma was once stored at half size"),
    _cue("level_gaps", "pixels", "number", "gaps between grey levels", "brightness or contrast changed in eight bits"),
    _cue("noise_floor", "pixels", "number", "noise floor", "noise of the calmest blocks"),
    _cue("detail", "pixels", "number", "fine detail", "fine over coarse; less after resampling or blurring"),
    _cue("saturation", "pixels", "number", "share of black and white", "samples at 0 or 255"),
    _cue("flat_border", "pixels", "number", "flat borders", "rows and columns of one colour: padding"),
    _cue("bytes_per_pixel", "size", "number", "bytes per pixel", "quality, codec, and how busy the picture is"),
    _cue("file_bytes", "size", "number", "file bytes", "as bytes per pixel, and the size in pixels"),
    _cue("name_extension", "name", "category", "file name ending", "as written, upper or lower case"),
    _cue("name_prefix", "name", "category", "beginning of the file name", "letters before the first other character"),
    _cue("name_length", "name", "number", "length of the file name", "characters, without the ending"),
    _cue("name_digits", "name", "number", "digits in the file name", "how many"),
    _cue("modified", "name", "number", "time of the file", "days after the oldest; less than a day is no difference"),
)
BY_NAME: Mapping[str, Cue] = {cue.name: cue for cue in CUES}


def container_cues(facts: FormatFacts) -> dict[str, Value]:
    """The cues of families "container" and "size"; None where a file has no such thing."""
    jpeg = facts.format == "JPEG"
    return {
        "format": facts.format,
        "exif": float(facts.has_exif),
        "icc": float(facts.has_icc),
        "xmp": float(facts.has_xmp),
        "jpeg_quality": None if facts.quality is None else float(facts.quality),
        "quantisation_tables": facts.tables if jpeg else None,
        "subsampling": facts.subsampling if jpeg else None,
        "progressive": float(facts.progressive) if facts.format in ("JPEG", "PNG") else None,
        "colour_mode": facts.mode,
        "bit_depth": float(facts.depth),
        "width": float(facts.width),
        "height": float(facts.height),
        "aspect": facts.width / facts.height,
        "encoder_marks": facts.marks or None,
        "overhead_bytes": None if facts.overhead is None else float(facts.overhead),
        "exif_date": _day(facts.exif_date),
        "bytes_per_pixel": facts.bytes / (facts.width * facts.height),
        "file_bytes": float(facts.bytes),
    }


def name_cues(path: Path, modified: float | None) -> dict[str, Value]:
    """The cues of family "name": of the file's own name, never of its folder, which by convention is the label.

    Args:
        path: the file.
        modified: when it was last written, seconds; None where it is only a name inside an archive.
    """
    return {
        "name_extension": path.suffix or "(none)",
        "name_prefix": "".join(takewhile(str.isalpha, path.stem.lower())) or "(none)",
        "name_length": float(len(path.stem)),
        "name_digits": float(sum(letter.isdigit() for letter in path.stem)),
        "modified": modified,
    }


def _day(written: str) -> float | None:
    """An EXIF date as a day number with fraction; None where there is none or it is no date."""
    try:
        moment = datetime.strptime(written[:19], "%Y:%m:%d %H:%M:%S")
    except ValueError:
        return None
    return moment.toordinal() + (moment.hour * 60 + moment.minute) / 1440

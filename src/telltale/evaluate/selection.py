"""Which pictures and which detectors take part in a measurement, and what they are called in it."""

import json
from collections.abc import Iterable, Sequence
from hashlib import sha256
from pathlib import Path

from telltale.data.sample import Sample
from telltale.detector import Detector
from telltale.errors import InvalidConfig, InvalidDataset
from telltale.evaluate.results import utf8


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
    """sha256 over path, label and source of every image, whatever their order.

    It tells which files a run was of. That of a calibration and of an evaluation, `evaluation.fingerprint`, is of the
    pictures' bytes, and never the same.
    """
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

"""What training refuses to begin with, each error naming up to five files."""

from collections import Counter, defaultdict
from collections.abc import Sequence

from telltale.data.copies import SHOWN, check_one_label, label, listed
from telltale.data.sample import Sample
from telltale.errors import InvalidDataset
from telltale.learn.config import TrainConfig


def check_labels(name: str, samples: Sequence[Sample]) -> None:
    """Every sample must be labelled, and both labels be there.

    Args:
        name: what the error calls these samples.
        samples: which.

    Raises:
        InvalidDataset: naming those without a label, or the numbers of reals and fakes.
    """
    unlabelled = [str(sample.path) for sample in samples if sample.is_fake is None]
    if unlabelled:
        raise InvalidDataset(
            expected=f"a label, real or fake, for every image of {name}",
            found=listed(unlabelled, "without one"),
            do="Label them, or leave their source out with --exclude.",
        )
    counts = Counter(label(sample) for sample in samples)
    if len(counts) < 2:
        held = f"{counts['real']} reals and {counts['fake']} fakes"
        raise InvalidDataset(
            expected=f"reals and fakes in {name}", found=held, do="Add the other class, or choose other sources."
        )


def check_twins(train: Sequence[Sample], validation: Sequence[Sample], hashes: Sequence[str]) -> None:
    """The same bytes, and with them the same file, must have one label and lie in one part.

    Args:
        train: the training samples.
        validation: the validation samples.
        hashes: of the bytes of each, training first.

    Raises:
        InvalidDataset: naming pictures that are both real and fake, or in both parts.
    """
    check_one_label([*train, *validation], hashes)
    twins: defaultdict[str, list[tuple[str, Sample]]] = defaultdict(list)
    parts = [*(("train", sample) for sample in train), *(("validation", sample) for sample in validation)]
    for member, digest in zip(parts, hashes, strict=True):
        twins[digest].append(member)
    shared = [
        " = ".join(f"{sample.path} ({part})" for part, sample in same[:SHOWN])
        for same in twins.values()
        if len({part for part, _ in same}) > 1
    ]
    if shared:
        raise InvalidDataset(
            expected="pictures that are either for training or for validation",
            found=listed(shared, "in both"),
            do="Remove one of each, or part the data anew.",
        )


def check_sizes(config: TrainConfig, samples: Sequence[Sample], shapes: Sequence[tuple[int, int]], least: int) -> None:
    """Prepared pictures must hold a crop and a patch, and have one size where they are not cropped.

    Args:
        config: says the crop.
        samples: which pictures.
        shapes: (height, width) of each.
        least: side of one patch, pixels.

    Raises:
        InvalidDataset: naming those that are too small, or the sizes there are.
    """
    crop = config.crop or 1
    needed = max(crop, least)
    small = [
        f"{sample.path} ({width} x {height})"
        for sample, (height, width) in zip(samples, shapes, strict=True)
        if min(height, width) < needed
    ]
    if small:
        raise InvalidDataset(
            expected=f"prepared images of at least {needed} x {needed} px, "
            + ("the field of one patch" if least > crop else "the crop"),
            found=listed(small, "smaller"),
            do="Use a --side to scale to, leave these out, or accept patches that read padding: --allow-small."
            if least > crop
            else "Use a smaller --crop, a --side to scale to, or leave these out.",
        )
    if config.crop is None and len(set(shapes)) > 1:
        kinds = Counter(shapes).most_common(SHOWN)
        found = ", ".join(f"{count} of {width} x {height}" for (height, width), count in kinds)
        raise InvalidDataset(
            expected="images of one size, since no crop is set",
            found=found,
            do="Set --crop, or prepare with --fit square or centre and a --side.",
        )

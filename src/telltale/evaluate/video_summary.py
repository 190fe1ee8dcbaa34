"""What the scored moments of a video come to: means, the highest, the frames that matter."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from math import ceil

import numpy as np

from telltale.data.equalise import Window
from telltale.spec import Thresholds, Verdict

# Of a video's pictures, the share that its `top` is the mean of.
TOP_SHARE = 0.1
# Frames that matter are at least so many seconds apart: neighbours show the same.
APART = 2.0
MATTER = 3
# Far below the distance of two frames, far above what is lost where times are floats.
_ROUNDING = 1e-6
# A face seen in fewer pictures than this share of the most seen one's does not decide for the video.
LEAST_SEEN = 0.1


@dataclass(frozen=True, slots=True, kw_only=True)
class View:
    """A part of a frame to be scored as a picture.

    Attributes:
        window: which pixels.
        track: number of the face it shows, from 1; None for the whole frame.
    """

    window: Window
    track: int | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Moment:
    """One scored part of one frame.

    Attributes:
        frame: number of the frame, of those looked at, from 0.
        seconds: when it is shown.
        view: which pixels of the frame.
        frame_shape: (height, width) of the frame; a video's resolution may change on its way.
        score, probability, verdict: as of a picture.
        patch_logits_shape: (rows, columns) of patches.
        strongest_patch: P(fake) of the patch that looks most fake.
        strongest_window: (x, y, width, height) of what it reads, in pixels of the frame.
        enlarged: how many times the preparation enlarged the view; 1 where it did not.
    """

    frame: int
    seconds: float
    view: View
    frame_shape: tuple[int, int]
    score: float
    probability: float | None
    verdict: Verdict | None
    patch_logits_shape: tuple[int, int]
    strongest_patch: float
    strongest_window: tuple[int, int, int, int]
    enlarged: float

    @property
    def value(self) -> float:
        """What the timeline shows: the probability, or the score of a detector that nobody calibrated."""
        return self.score if self.probability is None else self.probability


@dataclass(frozen=True, slots=True, kw_only=True)
class Summary:
    """Many moments as one: a whole video's, or one face's.

    Attributes:
        moments: how many.
        first, last: seconds of the earliest and the latest.
        score: mean score.
        probability: mean probability; None if the detector was never calibrated.
        top: mean of the highest tenth of the probabilities, at least one; of the scores if it was never calibrated.
        highest: the highest of the same.
        verdict: the detector's thresholds on the mean probability.
        called_generated: share of the moments with the verdict "likely generated"; None if not calibrated.
        enlarged: how many times the smallest view was enlarged; 1 where none was.
    """

    moments: int
    first: float
    last: float
    score: float
    probability: float | None
    top: float
    highest: float
    verdict: Verdict | None
    called_generated: float | None
    enlarged: float


def summarise(moments: Sequence[Moment], thresholds: Thresholds | None) -> Summary:
    """What several moments, one or more, come to."""
    values = sorted((one.value for one in moments), reverse=True)
    probabilities = [one.probability for one in moments if one.probability is not None]
    probability = float(np.mean(probabilities)) if probabilities else None
    verdicts = [one.verdict for one in moments if one.verdict is not None]
    return Summary(
        moments=len(moments),
        first=moments[0].seconds,
        last=moments[-1].seconds,
        score=float(np.mean([one.score for one in moments])),
        probability=probability,
        top=float(np.mean(values[: ceil(TOP_SHARE * len(values))])),
        highest=values[0],
        verdict=None if probability is None or thresholds is None else thresholds(probability),
        called_generated=verdicts.count("likely generated") / len(verdicts) if verdicts else None,
        enlarged=max(one.enlarged for one in moments),
    )


def leading(tracks: Sequence[tuple[int, Summary]]) -> tuple[int, Summary]:
    """The face that looks most fake, among those seen long enough not to be a slip of the face detector."""
    most = max(summary.moments for _, summary in tracks)
    seen = [one for one in tracks if one[1].moments >= LEAST_SEEN * most]
    return max(seen, key=lambda one: one[1].score if one[1].probability is None else one[1].probability)


def mattering(moments: Iterable[Moment], count: int = MATTER, apart: float = APART) -> tuple[Moment, ...]:
    """The moments that look most fake, no two of them close together: the highest, then the highest far from it, ...

    It takes all moments at once, since few could be told apart as they come: while values rise, each moment of the last
    `apart` seconds may yet be the second that is taken, so what would have to be held grows with the frame rate.

    Args:
        moments: in any order; of equal ones the first counts as higher.
        count: how many at the most.
        apart: seconds; none are closer.
    """
    found: list[Moment] = []
    for moment in sorted(moments, key=lambda one: -one.value):
        if len(found) == count:
            break
        # 2.3 - 0.3 is a little less than 2.
        if all(abs(moment.seconds - other.seconds) >= apart - _ROUNDING for other in found):
            found.append(moment)
    return tuple(found)

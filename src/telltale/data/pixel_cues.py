"""Traces of compression, resampling and colour coding in decoded pixels: one cheap number each, no content meant.

Cameras and generators leave some of these by themselves, so a difference between real and fake means little until it is
larger than the difference between two sources of reals.
"""

from collections.abc import Sequence

import numpy as np
from jaxtyping import Float, Shaped, UInt8

from telltale.image import Pixels

# Pixels of the central window that is looked at; all of a smaller picture.
WINDOW = 384
# Smaller pictures have too few blocks and frequencies to say anything.
SMALLEST = 32
BLOCK = 8
# Low frequencies of the 8x8 transform, where enough coefficients survive quantisation: (row, column).
_MODES = ((0, 1), (1, 0), (2, 0), (1, 1), (0, 2), (0, 3), (1, 2), (2, 1), (3, 0))
_LARGEST_COEFFICIENT = 24

Plane = Float[np.ndarray, "height width"]


def pixel_cues(pixels: Pixels, *, steps: Sequence[int] | None = None) -> dict[str, float]:
    """Format traces of one picture, measured in its central window; NaN for all of them below 32 px.

    Args:
        pixels: the decoded picture.
        steps: the 64 luminance quantisation steps of the file in raster order, where it is a JPEG.

    Returns:
        name -> value; `telltale.data.cues.CUES` says what each means.
    """
    if min(pixels.shape[:2]) < SMALLEST:
        return dict.fromkeys(PIXEL_CUES, float("nan"))
    window = _centre(pixels)
    red, green, blue = (window[..., channel].astype(np.float32) for channel in range(3))
    luma = np.float32(0.299) * red + np.float32(0.587) * green + np.float32(0.114) * blue
    # Twice the second difference, along rows and along columns: zero wherever a plane passes through the pixels.
    residue = _second_difference(_second_difference(luma, 0), 1)
    aligned, shifted = _grids(luma)
    nyquist, edge, detail = _spectrum(luma)
    values = (
        aligned,
        shifted,
        _jpeg_history(luma, steps),
        _resampling(residue),
        nyquist,
        edge,
        detail,
        _chroma_detail(blue - luma, red - luma),
        _noise_floor(residue),
        _level_gaps(window[..., 1]),
        float(((window == 0) | (window == 255)).mean()),
        _flat_border(pixels),
    )
    return dict(zip(PIXEL_CUES, values, strict=True))


PIXEL_CUES = (
    "block_grid",
    "shifted_grid",
    "jpeg_history",
    "resampling",
    "nyquist",
    "nyquist_edge",
    "detail",
    "chroma_detail",
    "noise_floor",
    "level_gaps",
    "saturation",
    "flat_border",
)


def _centre(pixels: Pixels) -> UInt8[np.ndarray, "rows columns 3"]:
    """The central window, at an offset that keeps the 8x8 grid of the whole picture in place."""
    height, width = pixels.shape[:2]
    top, left = (max(length - WINDOW, 0) // 2 // BLOCK * BLOCK for length in (height, width))
    return pixels[top : top + WINDOW, left : left + WINDOW]


def _second_difference(plane: Plane, axis: int) -> Float[np.ndarray, "rows columns"]:
    return np.diff(plane, n=2, axis=axis)


def _grids(luma: Plane) -> tuple[float, float]:
    """Strength of an 8x8 grid at phase 0, and at the strongest other phase.

    The logarithm of the mean absolute difference across a line of the grid, over the mean two, four and six pixels
    away; of rows and columns the mean. Differences are taken of neighbouring differences, so that edges in the picture
    weigh little; an even distance leaves out what enlarging by two does to every other pixel.
    """
    crossed = np.minimum(np.abs(np.diff(np.diff(luma, axis=0), axis=1)), 32)
    by_phase = [_log_contrast(_phases(crossed.mean(axis=axis))) for axis in (0, 1)]
    aligned = float(np.mean([line[BLOCK - 1] for line in by_phase]))
    return aligned, float(np.mean([line[: BLOCK - 1].max() for line in by_phase]))


def _phases(profile: Float[np.ndarray, "n"]) -> Float[np.ndarray, "8"]:
    """Mean of the profile at each position within a block."""
    whole = profile[: profile.size // BLOCK * BLOCK].reshape(-1, BLOCK)
    return np.asarray(whole.mean(axis=0, dtype=np.float64))


def _log_contrast(phases: Float[np.ndarray, "8"]) -> Float[np.ndarray, "8"]:
    """Each phase over the mean of the three others at an even distance."""
    same_parity = phases.reshape(-1, 2).sum(axis=0)[np.arange(BLOCK) % 2]
    # A hundredth of a grey level keeps flat pictures from dividing nothing by nothing.
    return np.asarray(np.log((phases + 0.01) / ((same_parity - phases) / 3 + 0.01)))


def _waves() -> Float[np.ndarray, "4 8"]:
    """The four lowest basis functions of the DCT as JPEG defines it, along one axis."""
    waves = np.cos((2 * np.arange(BLOCK) + 1) * np.arange(4)[:, None] * np.pi / (2 * BLOCK)) / 2
    waves[0] /= np.sqrt(2)
    return waves.astype(np.float32)


_WAVES = _waves()


def _jpeg_history(luma: Plane, steps: Sequence[int] | None) -> float:
    """How much the histograms of DCT coefficients change when the grid is moved by half a block, 0 to 2.

    In units of the file's own quantisation steps, so that what shows is an earlier compression: its steps leave gaps
    and peaks on the old grid, and none on the moved one (calibration: Lukas and Fridrich, "Estimation of primary
    quantization matrix in double compressed JPEG images", 2003). Never compressed, or once only: near 0.
    """
    units = np.array([1 if steps is None else steps[row * BLOCK + column] for row, column in _MODES], np.float32)
    here, moved = (_histograms(part, units) for part in (luma, luma[BLOCK // 2 :, BLOCK // 2 :]))
    return float(np.abs(here - moved).sum(axis=1).mean())


def _histograms(luma: Plane, units: Float[np.ndarray, "modes"]) -> Float[np.ndarray, "modes bins"]:
    height, width = (length // BLOCK for length in luma.shape)
    rows = _WAVES @ luma[: height * BLOCK, : width * BLOCK].reshape(height, BLOCK, width * BLOCK)
    both = rows.reshape(height, 4, width, BLOCK) @ _WAVES.T
    modes = np.stack([both[:, row, :, column].ravel() for row, column in _MODES])
    bins = _LARGEST_COEFFICIENT + 1
    levels = np.minimum(np.abs(np.rint(modes / units[:, None])), _LARGEST_COEFFICIENT).astype(np.intp)
    levels += bins * np.arange(len(_MODES))[:, None]
    counts = np.bincount(levels.ravel(), minlength=bins * len(_MODES)).reshape(-1, bins)
    return np.asarray(counts / modes.shape[1])


def _resampling(residue: Plane) -> float:
    """The strongest period in how well each row and column is predicted by its neighbours, over the typical one; log.

    Interpolated pixels are predicted better than others, and they lie at regular distances (Kirchner, "Fast and
    reliable resampling detection by spectral analysis of fixed linear predictor residue", 2008). Periods that divide
    8 px are left out: JPEG makes them too.
    """
    scale = np.median(np.abs(residue)) + np.float32(0.25)
    predicted = np.exp(-np.square(residue / scale))
    return float(np.mean([_strongest_period(predicted.mean(axis=axis, dtype=np.float64)) for axis in (0, 1)]))


def _strongest_period(profile: Float[np.ndarray, "n"]) -> float:
    # The second difference takes out whatever changes slowly along the picture.
    spectrum = np.abs(np.fft.rfft(np.diff(profile, n=2) * np.hanning(profile.size - 2)))
    frequency = np.fft.rfftfreq(profile.size - 2)
    # The filter's own gain.
    spectrum[1:] /= 2 - 2 * np.cos(2 * np.pi * frequency[1:])
    # In steps of the spectrum; in small pictures there are few between one multiple of 1/8 and the next.
    from_grid = np.abs(frequency * BLOCK - np.rint(frequency * BLOCK)) / BLOCK * (profile.size - 2)
    kept = spectrum[(frequency > 1 / 16) & (from_grid > min(2, profile.size / 32))]
    return float(np.log((kept.max() + 1e-9) / (np.median(kept) + 1e-9)))


def _spectrum(luma: Plane) -> tuple[float, float, float]:
    """Energy at the finest frequencies, along rows and along columns, in cycles per pixel; all log10.

    Returns:
        0.44 to 0.5 (Nyquist) over 0.2 to 0.4; 0.48 to 0.5 over 0.43 to 0.46, where interpolation cuts off; and
        0.3 to 0.4 over 0.1 to 0.2.
    """
    nyquist = edge = detail = 0.0
    # Every second line: neighbours say the same.
    for plane in (luma[::2], luma.T[::2]):
        centred = plane - plane.mean(axis=1, keepdims=True)
        waves = np.fft.rfft(centred * np.hanning(plane.shape[1]).astype(np.float32), axis=1)
        power = np.square(waves.real) + np.square(waves.imag)
        frequency = np.fft.rfftfreq(plane.shape[1])
        energy = _bands(power.mean(axis=0) + 0.01, frequency, (0.44, 0.5), (0.2, 0.4), (0.3, 0.4), (0.1, 0.2))
        # The mean of logarithms over lines: no single edge in the picture decides.
        fine = _bands(10 ** np.log10(power + 0.01).mean(axis=0), frequency, (0.48, 0.5), (0.43, 0.46))
        nyquist += (energy[0] - energy[1]) / 2
        edge += (fine[0] - fine[1]) / 2
        detail += (energy[2] - energy[3]) / 2
    return nyquist, edge, detail


def _bands(
    power: Float[np.ndarray, "n"], frequency: Float[np.ndarray, "n"], *bands: tuple[float, float]
) -> list[float]:
    """log10 of the mean power in each band."""
    return [float(np.log10(power[(frequency >= low) & (frequency <= high)].mean())) for low, high in bands]


def _chroma_detail(*planes: Plane) -> float:
    """Colour differences of neighbours over those two pixels apart; log. Low where chroma was stored at half size."""
    near = sum(float(np.abs(_second_difference(plane, axis)).mean()) for plane in planes for axis in (0, 1))
    far = sum(float(np.abs(_second_difference(plane[::2, ::2], axis)).mean()) for plane in planes for axis in (0, 1))
    return float(np.log((near + 0.01) / (far + 0.01)))


def _noise_floor(residue: Plane) -> float:
    """Standard deviation of the residue in the calmest tenth of the 8x8 blocks, in grey levels; log."""
    height, width = (length // BLOCK * BLOCK for length in residue.shape)
    blocks = residue[:height, :width].reshape(height // BLOCK, BLOCK, width // BLOCK, BLOCK)
    return float(np.log(np.quantile(blocks.std(axis=(1, 3)), 0.1) + 0.01))


def _level_gaps(channel: Shaped[np.ndarray, "height width"]) -> float:
    """How ragged the histogram of grey levels is: mean second difference over mean height, in its middle nine tenths.

    Brightness or contrast changes in eight bits leave levels empty or doubled.
    """
    counts = np.bincount(channel.ravel(), minlength=256)
    below = np.cumsum(counts) / channel.size
    middle = counts[np.searchsorted(below, 0.05) : np.searchsorted(below, 0.95) + 1]
    if middle.size < 8:
        return float("nan")
    return float(np.abs(np.diff(middle, n=2)).mean() / middle.mean())


def _flat_border(pixels: Pixels) -> float:
    """Rows and columns at the four borders in which every pixel is the same, as a share of the sides; 0 to 4."""
    turned = pixels.swapaxes(0, 1)
    return sum(_leading(lines) / len(lines) for lines in (pixels, pixels[::-1], turned, turned[::-1]))


def _leading(lines: Pixels) -> int:
    """How many lines there are before the first one that is not of one colour."""
    return next((place for place, line in enumerate(lines) if (line != line[0]).any()), len(lines))

"""The paper's rule, the random baseline, the exact test, and pictures that do not count."""

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from jaxtyping import Float32, UInt8
from PIL import Image
from scipy.stats import binom

from telltale.data.sample import Sample
from telltale.detector import Detector
from telltale.errors import InvalidConfig, UnsuitableImage
from telltale.explain.face_parsing import Parse, by_masks
from telltale.explain.face_parts import PARTS
from telltale.explain.region_files import bars, chart, omission_table, sheets, table
from telltale.explain.regions import ALL, Regions, _two_sided, counted_parts, find_regions, holm, part_of, region_rows
from telltale.geometry import PatchGrid
from telltale.image import Preparation
from telltale.spec import DetectorSpec

GRID = PatchGrid(8, 8, 0)
SIDE = 64
# Of CelebAMask-HQ.
SKIN, NOSE, EYE, MOUTH, HAIR = 1, 2, 4, 11, 13


def brightness(images: UInt8[np.ndarray, "n height width 3"]) -> Float32[np.ndarray, "n rows columns"]:
    n, height, width, _ = images.shape
    means = images.reshape(n, height // 8, 8, width // 8, 8, 3).mean((2, 4, 5))
    return np.asarray(means / 16 - 8, np.float32)


def detector(grid: PatchGrid | None = GRID) -> Detector:
    return Detector(
        spec=DetectorSpec(name="bright", architecture="x", preparation=Preparation(), grid=grid), predict=brightness
    )


def classes() -> UInt8[np.ndarray, "64 64"]:
    """Hair above, skin below with a mouth, a nose and an eye."""
    mask = np.full((SIDE, SIDE), SKIN, np.uint8)
    mask[:24] = HAIR
    mask[48:56, 24:40] = MOUTH
    mask[36:42, 28:36] = NOSE
    mask[30:34, 16:24] = EYE
    return mask


@pytest.fixture
def faces(tmp_path: Path) -> tuple[list[Sample], Parse]:
    """Fakes bright at the mouth, reals dark in the hair; each with a mask."""
    (tmp_path / "masks").mkdir()
    random = np.random.default_rng(0)
    samples = []
    for number in range(12):
        pixels = random.integers(100, 140, (SIDE, SIDE, 3), dtype=np.uint8)
        fake = number % 2 == 0
        if fake:
            pixels[48:56, 24:32] = 250
        else:
            pixels[8:16, 40:48] = 0
        path = tmp_path / f"{number}.png"
        Image.fromarray(pixels).save(path)
        Image.fromarray(classes()).save(tmp_path / "masks" / f"{number}.png")
        samples.append(Sample(path=path, is_fake=fake, source="ours"))
    return samples, by_masks(tmp_path / "masks")


def rows_of(found: Regions, label: str) -> dict[str, tuple[int, float]]:
    return {row.part: (row.top_count, row.random_count) for row in region_rows(found) if row.label == label}


def test_a_part_counts_against_its_own_pixels() -> None:
    parts = np.full((10, 10), PARTS.index("hair"), np.uint8)
    parts[0, :2] = PARTS.index("ears")
    assert part_of((0, 0, 5, 5), parts) == PARTS.index("ears"), "all of the ears, a quarter of the hair"
    assert part_of((4, 4, 5, 5), parts) == PARTS.index("hair")
    assert part_of((10, 10, 3, 3), parts) is None


@given(st.integers(0, 2**32), st.integers(1, 6))
def test_the_rule_against_the_definition(seed: int, side: int) -> None:
    random = np.random.default_rng(seed)
    parts = random.integers(0, len(PARTS), (12, 12)).astype(np.uint8)
    x, y = (int(one) for one in random.integers(0, 6, 2))
    held = [
        (parts[y : y + side, x : x + side] == part).sum() / max(1, (parts == part).sum()) for part in range(len(PARTS))
    ]
    assert part_of((x, y, side, side), parts) == held.index(max(held))
    assert part_of((x, y, side, side), parts, counted_parts(parts)) == held.index(max(held))


def test_where_fakes_are_bright_and_reals_dark(faces: tuple[list[Sample], Parse]) -> None:
    samples, parse = faces
    found = find_regions(detector(), samples, parse, draws=30)
    fakes, reals = rows_of(found, "fake"), rows_of(found, "real")
    assert fakes["mouth"][0] == 6
    assert reals["hair"][0] == 6
    assert sum(count for count, _ in fakes.values()) == 6
    assert sum(count for _, count in fakes.values()) == pytest.approx(6)
    above = [row for row in region_rows(found) if row.p_holm < 0.05 and row.share > row.random_share]
    assert {(row.label, row.part) for row in above} == {("fake", "mouth"), ("real", "hair")}
    p = {row.label: row.p for row in above}
    assert p["fake"] < p["real"], "a random patch lies in the hair more often than on the mouth"


def test_random_patches_fall_as_the_grid_lies(faces: tuple[list[Sample], Parse]) -> None:
    """24 of 64 patches lie in the hair."""
    samples, parse = faces
    found = find_regions(detector(), samples[:1], parse, draws=4000)
    assert rows_of(found, "fake")["hair"][1] == pytest.approx(24 / 64, abs=0.03)


def test_order_and_workers_change_nothing(faces: tuple[list[Sample], Parse]) -> None:
    samples, parse = faces
    once = region_rows(find_regions(detector(), samples, parse, seed=3))
    assert region_rows(find_regions(detector(), samples[::-1], parse, seed=3, workers=3)) == once
    assert region_rows(find_regions(detector(), samples, parse, seed=4)) != once


def test_towards_fake_whatever_the_label(faces: tuple[list[Sample], Parse]) -> None:
    samples, parse = faces
    found = find_regions(detector(), samples, parse, towards="real")
    assert rows_of(found, "real")["hair"][0] == 6
    assert rows_of(found, "fake")["mouth"][0] == 0


def test_pictures_that_do_not_count(faces: tuple[list[Sample], Parse], tmp_path: Path) -> None:
    samples, _ = faces
    (tmp_path / "masks" / "0.png").unlink()
    Image.fromarray(np.full((SIDE, SIDE), HAIR, np.uint8)).save(tmp_path / "masks" / "1.png")
    Image.fromarray(np.full((SIDE, SIDE // 2), SKIN, np.uint8)).save(tmp_path / "masks" / "2.png")
    samples[3].path.write_bytes(b"nothing")
    found = find_regions(detector(), samples, by_masks(tmp_path / "masks"))
    assert [(one.sample.path.name, one.why) for one in found.omissions] == [("0.png", "no mask"), ("1.png", "no face")]
    assert [one.sample.path.name for one in found.failures] == ["2.png", "3.png"]
    assert sum(map(len, found.pictures.values())) == 8
    assert [row["why"][:7] for row in omission_table(found)][:2] == ["no mask", "no face"]


@pytest.mark.parametrize(("count", "n", "chance"), [(3, 20, 0.3), (0, 10, 0.2), (10, 10, 0.5), (6, 20, 0.3)])
def test_the_exact_test_is_the_binomial_where_chances_are_equal(count: int, n: int, chance: float) -> None:
    expected = min(1.0, 2 * min(binom.cdf(count, n, chance), binom.sf(count - 1, n, chance)))
    assert _two_sided(count, np.full(n, chance)) == pytest.approx(expected)


def test_chance_alone_is_seldom_marked() -> None:
    """Surest patches drawn like the others: in 200 tables of 11 parts, a table with a mark is as rare as promised."""
    random = np.random.default_rng(0)
    marked = 0
    for _ in range(200):
        found = Regions()
        found.pictures[("s", True)] = [
            (int(parts[0]), parts[1:].astype(np.uint8)) for parts in random.integers(0, 4, (30, 21))
        ]
        marked += any(row.p_holm < 0.05 for row in region_rows(found))
    assert marked <= 200 * 0.05 + 3 * (200 * 0.05 * 0.95) ** 0.5


def test_holm() -> None:
    assert holm([0.01, 0.04, 0.03, 0.005]) == pytest.approx([0.03, 0.06, 0.06, 0.02])
    assert holm([0.9, 0.8]) == [1.0, 1.0]


def test_all_sources_together(faces: tuple[list[Sample], Parse]) -> None:
    samples, parse = faces
    two: Sequence[Sample] = [
        Sample(path=one.path, is_fake=True, source="even" if n % 4 else "odd") for n, one in enumerate(samples)
    ]
    rows = region_rows(find_regions(detector(), two, parse))
    whole = [row for row in rows if row.source == "(all)"]
    assert {row.n for row in whole} == {12}
    assert sum(row.top_count for row in whole) == 12


def test_no_bar_leaves_the_chart(faces: tuple[list[Sample], Parse]) -> None:
    samples, parse = faces
    rows = [row for row in region_rows(find_regions(detector(), samples, parse)) if row.label == "fake"][: len(PARTS)]
    # The surest patch of the second panel lies in one part always; the first panel's parts are even.
    even = [replace(row, source="even", share=1 / 11, low=0.01, high=0.2, random_share=1 / 11) for row in rows]
    other = [replace(row, source="even", label="real") for row in even]
    sure = [replace(row, source="sure", share=float(n == 3), low=0.0, high=float(n == 3)) for n, row in enumerate(rows)]
    panels = [panel for panel in bars([*even, *other, *sure]).axes if panel.axison]
    assert [panel.get_title() for panel in panels] == [
        f"{kind}, {rows[0].n} pictures" for kind in ("even, real", "even, fake", "sure, fake")
    ]
    for panel in panels:
        assert panel.get_xlim()[0] == 0
        assert max(bar.get_width() for bar in panel.patches) <= panel.get_xlim()[1]
    assert max(bar.get_width() for bar in panels[2].patches) == 100


def test_sources_of_one_label_each_fill_their_lines(faces: tuple[list[Sample], Parse]) -> None:
    """Five sources, and all of them together by label: three panels in a line, and none empty but at the end."""
    samples, parse = faces
    rows = [row for row in region_rows(find_regions(detector(), samples, parse)) if row.label == "fake"]
    kinds = [("a", "fake"), ("b", "real"), ("c", "fake"), ("d", "fake"), ("e", "real"), (ALL, "real"), (ALL, "fake")]
    shown = [replace(row, source=source, label=label) for source, label in kinds for row in rows]
    panels = bars(shown).axes
    assert len(panels) == 9
    assert [panel.axison for panel in panels] == [True] * 7 + [False] * 2
    assert [panel.get_title().partition(",")[0] for panel in panels[:7]] == [*"abcde", ALL, ALL]


def test_files(faces: tuple[list[Sample], Parse]) -> None:
    samples, parse = faces
    found = find_regions(detector(), samples, parse, kept=2)
    rows = region_rows(found)
    assert next(list(row)[:7] for row in table(rows)) == [
        "source", "label", "part", "top_count", "random_count", "low", "high",
    ]  # fmt: skip
    assert chart(rows)[:4] == b"\x89PNG"
    assert chart(rows) == chart(rows), "no time, no version"
    names = [name for name, _ in sheets(found)]
    assert "patches-ours-mouth-fake.png" in names
    assert "patches-ours-hair-real.png" in names
    assert len(names) == len(set(names))


def test_what_cannot_be_asked(faces: tuple[list[Sample], Parse]) -> None:
    samples, parse = faces
    with pytest.raises(UnsuitableImage, match="whole-image"):
        find_regions(detector(None), samples, parse)
    for draws, kept in ((0, 1), (1, 0)):
        with pytest.raises(InvalidConfig, match="1 or more"):
            find_regions(detector(), samples, parse, draws=draws, kept=kept)

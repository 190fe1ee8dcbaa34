import re
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from small_pictures import write

from telltale.data.audit import Audit, audit
from telltale.data.audit_page import page
from telltale.data.audit_words import as_values
from telltale.data.sample import Sample

pytest.importorskip("sklearn")


class Reader(HTMLParser):
    """Notes every tag, link and text."""

    def __init__(self) -> None:
        super().__init__()
        self.tags: list[str] = []
        self.links: list[str] = []
        self.ids: list[str] = []
        self.text = ""

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append(tag)
        self.links += [value or "" for name, value in attrs if name in ("href", "src", "srcset", "data", "action")]
        self.ids += [value or "" for name, value in attrs if name == "id"]

    def handle_data(self, data: str) -> None:
        self.text += data


def read(text: str) -> Reader:
    reader = Reader()
    reader.feed(text)
    return reader


@pytest.fixture(scope="module")
def found(tmp_path_factory: pytest.TempPathFactory) -> Audit:
    root = tmp_path_factory.mktemp("audited")
    samples = []
    for number in range(48):
        fake = number % 2 == 1
        source = "<b>made</b>" if fake else "camera"
        path = write(root / f"{number}.jpg", number, quality=70 + number % 5 + 10 * fake)
        samples.append(Sample(path=path, is_fake=fake, source=source))
    broken = root / "<script>alert('x')</script>.jpg"
    broken.parent.mkdir(parents=True, exist_ok=True)
    broken.write_bytes(b"")
    return audit([*samples, Sample(path=broken, is_fake=True)])


def values(found: Audit) -> dict[str, Any]:
    return {
        **as_values(found),
        "build_command": "telltale build '<folder>' --out built",
        "settings": {"max_images": 500, "seed": 0},
        "telltale_version": "0",
    }


def test_the_page_needs_no_network_and_no_other_file(found: Audit) -> None:
    reader = read(page(found, values(found)))
    assert all(link.startswith("#") for link in reader.links)
    assert not {"img", "link", "iframe", "object"} & set(reader.tags)
    assert reader.tags.count("script") == reader.tags.count("style") == 1
    assert "http" not in page(found, values(found))
    assert "@import" not in page(found, values(found))


def test_names_from_files_are_text_and_never_markup(found: Audit) -> None:
    text = page(found, values(found))
    assert "<script>alert" not in text
    assert "<b>made" not in text
    assert "<b>made</b>" in read(text).text
    assert "telltale build '<folder>' --out built" in read(text).text


def test_every_cue_has_a_row_and_every_one_that_varies_a_plot(found: Audit) -> None:
    reader = read(page(found, values(found)))
    names = [report.cue.name for report in found.cues]
    varying = {name for name in names if np.unique(found.table.columns[name]).size > 1}
    assert set(reader.ids) == varying
    assert {"jpeg_quality", "nyquist"} <= varying
    assert all(report.cue.title in reader.text for report in found.cues)


def test_verdict_worst_cues_and_failures_are_told(found: Audit) -> None:
    said = values(found)
    text = read(page(found, said)).text
    assert found.verdict == "leaking"
    assert said["headline"] in text
    assert all(words in text for words in said["worst"])
    assert "Could not be read: 1" in text
    assert "alert('x')" in text


def test_plots_hold_finite_numbers_only(found: Audit) -> None:
    text = page(found, values(found))
    drawn = " ".join(re.findall(r"<svg.*?</svg>", text, flags=re.S))
    assert "nan" not in drawn
    assert "inf" not in drawn.replace("info", "")


def test_labels_are_shown_as_in_every_figure_blue_real_red_fake(found: Audit) -> None:
    text = page(found, values(found))
    assert "--real: #2166ac" in text
    assert "--fake: #b2182b" in text
    assert "class='area real'" in text
    assert "class='bar fake'" in text


def test_a_path_as_long_as_a_file_system_allows_does_not_break_the_page(found: Audit, tmp_path: Path) -> None:
    said = values(found)
    said["failures"] = [{"path": "x" * 4000, "reason": "long"}]
    assert "x" * 4000 in page(found, said)

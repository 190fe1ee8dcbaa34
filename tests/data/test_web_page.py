"""Pages that hold everything themselves, and any text as text."""

import re
from html.parser import HTMLParser

from telltale.data.web_page import Cell, document, number, sortable, word


class Reader(HTMLParser):
    def __init__(self) -> None:
        super().__init__()
        self.cells: list[tuple[str | None, str]] = []
        self.tags: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append(tag)
        if tag == "td":
            self.cells.append((dict(attrs).get("data-value"), ""))

    def handle_data(self, data: str) -> None:
        if self.cells and self.tags[-1] in ("td", "small"):
            self.cells[-1] = (self.cells[-1][0], self.cells[-1][1] + data)


def read(text: str) -> Reader:
    reader = Reader()
    reader.feed(text)
    return reader


def test_cells_keep_text_and_value() -> None:
    rows = [(False, [word("a <b> & 'c' \"d\""), number(0.25, "0.250", "0.2 to 0.3"), number(None, "never shown")])]
    found = read(sortable([("name", "what's it"), ("value", ""), ("more", "")], rows))
    assert found.cells == [("a <b> & 'c' \"d\"",) * 2, ("0.25", "0.250 0.2 to 0.3"), ("", "")]
    assert "b" not in found.tags
    assert found.tags.count("button") == 3


def test_numbers_stand_right_and_rows_are_set_off() -> None:
    text = sortable([("a", ""), ("n", "")], [(True, [word("x"), number(3, "3")]), (False, [word("y"), number(4, "4")])])
    assert text.count("<tr class=over>") == 1
    assert text.count("class=number") == 3
    assert Cell("x", "x").html() == "<td data-value='x'>x"
    assert "<tbody></table>" in sortable([("a", "")], [])


def test_a_page_needs_nothing_else() -> None:
    text = document("a </title> b", ["<p>body</p>"], style=".x { color: red; }")
    assert text.startswith("<!doctype html>")
    assert "<title>a &lt;/title&gt; b</title>" in text
    assert ".x { color: red; }" in text
    assert not {"link", "img", "iframe"} & set(read(text).tags)
    assert "http" not in text


def test_a_sealed_page_names_its_style_and_script_by_hash() -> None:
    assert "Content-Security-Policy" not in document("a", [])
    one, other = (document("a", [], style=f".x {{ top: {n}px; }}", script="x();", sealed=True) for n in (1, 2))
    policies = [re.search(r'http-equiv=Content-Security-Policy content="([^"]*)"', text) for text in (one, other)]
    first, second = (found[1].split("; ") for found in policies if found)
    assert first[0] == "default-src 'none'"
    assert [part for part in first if part not in second] == [part for part in first if part.startswith("style-src")]
    assert "unsafe" not in one
    assert one.index("Content-Security-Policy") < one.index("<style>")

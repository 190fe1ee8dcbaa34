"""A card's Markdown becomes HTML; nothing in it becomes more than text, links and tables."""

from html.parser import HTMLParser

from report_folders import CARD, HARM

from telltale.explain.report_card import rendered


class Tags(HTMLParser):
    def __init__(self) -> None:
        super().__init__()
        self.found: list[tuple[str, dict[str, str | None]]] = []
        self.text = ""

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.found.append((tag, dict(attrs)))

    def handle_data(self, data: str) -> None:
        self.text += data


def read(text: str) -> Tags:
    reader = Tags()
    reader.feed(rendered(text))
    return reader


def test_headings_tables_lists_code_and_links() -> None:
    reader = read(CARD)
    tags = [tag for tag, _ in reader.found]
    assert {"h3", "strong", "code", "table", "th", "td", "ul", "li", "a"} <= set(tags)
    assert not {"h1", "img", "script"} & set(tags)
    links = [values.get("href") for tag, values in reader.found if tag == "a"]
    assert links == ["https://example.org/a", None, "https://example.org/p.png"]
    assert HARM in reader.text
    assert "written by a script" not in reader.text
    assert "[no](javascript:alert(1))" in reader.text


def test_html_is_text() -> None:
    harm = "<script>x()</script> <b onclick=x()> <!-- open\n\n| <i> |\n|---|\n| <u> |\n\n[a](http://x.org/'onclick='x)"
    reader = read(harm)
    assert not {"script", "b", "i", "u"} & {tag for tag, _ in reader.found}
    assert all(set(values) <= {"href", "rel", "class", "tabindex"} for _, values in reader.found)
    assert "<!-- open" in reader.text


def test_letters_that_reverse_what_follows_are_spelled_out() -> None:
    assert read("a \u202e b\x07\n\n- c\n\t- d").text.split() == ["a", "\\u202e", "b\\x07", "c", "d"]


def test_levels_end_at_six() -> None:
    assert [tag for tag, _ in read("# a\n\n##### b").found] == ["h3", "h6"]

"""An audit inside a report: read from its JSON or its page, and shown with its three worst cues."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from html import escape
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

from telltale.data.web_page import Cell, number, sortable, word
from telltale.explain.report_words import finite, spelled

Row = Mapping[str, Any]
AUDIT_KEYS = frozenset(("verdict", "headline", "probe_auc", "cues", "worst", "reasons"))
_TITLE = "<title>telltale audit</title>"
_CUES = 3


@dataclass(frozen=True, slots=True, kw_only=True)
class AuditFacts:
    """What an audit says: verdict, one sentence, what gives labels away (the worst first), and counts where known."""

    path: Path
    verdict: str
    headline: str
    said: tuple[str, ...]
    values: Mapping[str, Any] = field(default_factory=dict)


def audit_of_json(path: Path, values: Row) -> AuditFacts:
    """What `telltale audit --json` says; `values` has the keys `AUDIT_KEYS`."""
    return AuditFacts(
        path=path,
        verdict=str(values["verdict"]),
        headline=str(values["headline"]),
        said=tuple(str(one) for one in [*values["worst"], *values["reasons"]]),
        values=values,
    )


def audit_of_page(path: Path, text: str) -> AuditFacts | None:
    """What the page of `telltale audit --html` says, the same in fewer words; None for another page.

    Raises:
        ValueError: an audit's page without a verdict.
    """
    if _TITLE not in text[:2000]:
        return None
    reader = _AuditPage()
    reader.feed(text)
    if not reader.verdict:
        raise ValueError("an audit's page without a verdict")
    return AuditFacts(path=path, verdict=reader.verdict, headline=reader.headline, said=tuple(reader.said))


class _AuditPage(HTMLParser):
    """Heading and first list of an audit's page; both stand before its first section."""

    def __init__(self) -> None:
        super().__init__()
        self.verdict, self.headline = "", ""
        self.said: list[str] = []
        self._inside, self._is_top = "", True

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        """Note where the text to come belongs."""
        self._inside = tag
        if tag == "h1":
            self.verdict = dict(attrs).get("class") or ""
        self._is_top = self._is_top and tag != "h2"
        if tag == "li" and self._is_top:
            self.said.append("")

    def handle_data(self, data: str) -> None:
        """Keep heading and list items."""
        if self._is_top and self._inside == "h1":
            self.headline += data
        elif self._is_top and self._inside == "li":
            self.said[-1] += data

    def handle_endtag(self, tag: str) -> None:
        """What follows belongs to nothing yet."""
        if tag == self._inside:
            self._inside = ""


def audit(found: AuditFacts, folder: Path) -> Iterator[str]:
    """Verdict, what the files hold, and the three worst cues."""
    kind = found.verdict if found.verdict in ("clean", "suspicious", "leaking") else "faint"
    yield f"<p class='headline {kind}'>{escape(spelled(found.headline))}</p>"
    counts = found.values.get("counts")
    if isinstance(counts, dict):
        size = spelled(f"{counts.get('real')} real and {counts.get('fake')} fake files")
        name = escape(spelled(str(found.path.relative_to(folder))))
        yield f"<p class=faint>{escape(size)}; from <code>{name}</code>.</p>"
    cues = found.values.get("cues")
    if isinstance(cues, list):
        yield from _worst_cues([cue for cue in cues if isinstance(cue, dict)])
    if found.said:
        yield f"<ol>{''.join(f'<li>{escape(spelled(words))}' for words in found.said)}</ol>"
    command = found.values.get("build_command")
    if command:
        yield f"<p>To remove what can be removed:</p><pre>{escape(spelled(str(command)))}</pre>"


def _worst_cues(cues: Sequence[Row]) -> Iterator[str]:
    """Three, clean ones too: how far from chance the worst is, is what a clean verdict rests on."""
    heads = [("cue", ""), ("kind", ""), ("AUC", "of the cue alone; chance 0.5"), ("verdict", "")]
    body = [
        (
            False,
            [
                word(spelled(str(cue.get("title")))),
                word(spelled(str(cue.get("family")))),
                _auc(cue),
                word(spelled(str(cue.get("verdict")))),
            ],
        )
        for cue in cues[:_CUES]
    ]
    yield f"<h3 class=part>The {len(body)} worst of {len(cues)} cues</h3>{sortable(heads, body)}"


def _auc(cue: Row) -> Cell:
    value, low, high = (finite(cue.get(name)) for name in ("auc", "low", "high"))
    if value is None or low is None or high is None:
        return number(None, "")
    return number(value, f"{value:.3f}", f"{low:.2f} to {high:.2f}")

"""A model card's Markdown as HTML: headings, tables, lists, code and links; never HTML of its own, never a picture."""

from html import escape
from typing import Any
from urllib.parse import urlsplit

from telltale.detector import Detector
from telltale.explain.report_words import spelled

# Under the page's own headings, which go down to the second level.
_DEEPER = 2
_DEEPEST = 6


def rendered(text: str) -> str:
    """Markdown as HTML for the inside of a page.

    HTML in the text is shown as text. Links are kept where they lead to the web; others, which lead to files beside the
    card, become plain text, and so do pictures: the page loads nothing.
    """
    # Comes with rich, which the base install has; loaded here, since `telltale --help` can do without.
    from markdown_it import MarkdownIt

    reader = MarkdownIt("commonmark", {"html": False}).enable(["table", "strikethrough"]).disable("image")
    # Letters that reverse or hide what follows are spelled out, as everywhere on the page.
    plain = "\n".join(spelled(line.expandtabs(4)) for line in _without_comments(text).split("\n"))
    tokens = reader.parse(plain)
    for token in tokens:
        if token.type in ("heading_open", "heading_close"):
            token.tag = f"h{min(int(token.tag[1]) + _DEEPER, _DEEPEST)}"
        for child in token.children or ():
            _tame(child)
    shown = str(reader.renderer.render(tokens, reader.options, {}))
    return shown.replace("<table>", "<div class=scroll tabindex=0><table>").replace("</table>", "</table></div>")


def _tame(token: Any) -> None:
    """A link away leaves no trace of this page; a link to a file, which the page does not have, is no link."""
    if token.type != "link_open":
        return
    if urlsplit(str(token.attrs.get("href", ""))).scheme in ("http", "https"):
        token.attrSet("rel", "noreferrer noopener")
    else:
        del token.attrs["href"]


def _without_comments(text: str) -> str:
    """Notes to whoever edits the file; shown as text they would only puzzle."""
    kept, rest = "", text
    while "<!--" in rest:
        before, _, after = rest.partition("<!--")
        _, closed, rest = after.partition("-->")
        kept += before if closed else f"{before}<!--{after}"
        rest = rest if closed else ""
    return kept + rest


def from_spec(detector: Detector) -> str:
    """What stands in for a card where nobody wrote one: the facts in the weights file, as HTML."""
    spec = detector.spec
    facts: dict[str, Any] = {
        "architecture": spec.architecture,
        "receptive field": "whole image" if spec.grid is None else f"{spec.grid.size} px, {spec.grid.stride} px apart",
        "pooling": spec.pooling,
        "calibrated on": "nothing" if spec.calibration is None else spec.calibration.fitted_on,
        "weights, sha256": detector.sha256,
    }
    rows = [*facts.items(), *_flat("trained on", spec.trained_on), *_flat("made with", spec.made_with)]
    body = "".join(f"<tr><th scope=row>{escape(name)}<td class=wraps>{escape(str(value))}" for name, value in rows)
    said = "No card lies beside the weights. What their file says of itself:"
    return f"<p>{said}</p><div class=scroll><table>{body}</table></div>"


def _flat(name: str, found: Any) -> list[tuple[str, Any]]:
    if not isinstance(found, dict):
        return [(name, found)]
    return [line for key, value in found.items() for line in _flat(f"{name}: {key}", value)]

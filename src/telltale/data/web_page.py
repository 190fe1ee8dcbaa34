"""A page that needs no network and no other file: its look, and tables that sort themselves."""

from base64 import b64encode
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from hashlib import sha256
from html import escape

_STYLE = """
:root { color-scheme: light dark; --text: #1b1f24; --faint: #5c6672; --line: #d5dae0; --ground: #fff; --card: #f6f7f9;
  --real: #2166ac; --fake: #b2182b; }
@media (prefers-color-scheme: dark) { :root { --text: #e6e9ed; --faint: #98a2ad; --line: #38404a; --ground: #14171b;
  --card: #1d2127; --real: #6aaee6; --fake: #f0767f; } }
* { box-sizing: border-box; }
body { font: 15px/1.5 system-ui, sans-serif; color: var(--text); background: var(--ground); margin: 0 auto;
  max-width: 1180px; padding: 20px; overflow-wrap: break-word; }
h1 { font-size: 26px; margin: 0 0 4px; } h2 { font-size: 19px; margin: 34px 0 6px; } h3 { font-size: 15px; margin: 0; }
p { margin: 6px 0; max-width: 78ch; } .faint { color: var(--faint); }
pre { background: var(--card); padding: 10px 12px; white-space: pre-wrap; overflow-wrap: anywhere; font-size: 13px; }
.scroll { overflow-x: auto; } table { border-collapse: separate; border-spacing: 0; font-size: 14px; }
th, td { text-align: left; vertical-align: top; padding: 4px 14px 4px 0; white-space: nowrap;
  border-bottom: 1px solid var(--line); }
th { vertical-align: bottom; } th.number { text-align: right; }
th button { all: unset; cursor: pointer; font-weight: 600; }
th button:focus-visible { outline: 2px solid var(--real); } th button::after { content: ' ↕'; color: var(--faint); }
th[aria-sort=ascending] button::after { content: ' ↑'; } th[aria-sort=descending] button::after { content: ' ↓'; }
.number { text-align: right; font-variant-numeric: tabular-nums; } tr.over td { font-weight: 600; }
td small { color: var(--faint); font-weight: 400; }
.number small { display: block; font-size: 12px; }
td:first-child, th:first-child { position: sticky; left: 0;
  background: var(--ground); }
@media (max-width: 640px) { body { padding: 14px; } td:first-child { white-space: normal; overflow-wrap: anywhere;
  min-width: 130px; max-width: 46vw; } }
.cards { display: grid; grid-template-columns: repeat(auto-fit, minmax(min(320px, 100%), 1fr)); gap: 14px; }
.card { background: var(--card); padding: 12px; border-radius: 6px; min-width: 0; }
svg { max-width: 100%; height: auto; display: block; } svg text { fill: var(--faint); font-size: 11px; }
.key { display: inline-block; width: 11px; height: 11px; border-radius: 50%; margin-right: 6px; }
"""

_SORT = """
document.querySelectorAll('th button').forEach(function (button) {
  button.addEventListener('click', function () {
    var head = button.parentNode, body = head.closest('table').tBodies[0], place = head.cellIndex;
    var down = head.getAttribute('aria-sort') !== 'descending';
    head.parentNode.querySelectorAll('th').forEach(function (other) { other.removeAttribute('aria-sort'); });
    head.setAttribute('aria-sort', down ? 'descending' : 'ascending');
    var key = function (row) { return row.cells[place].dataset.value; };
    Array.from(body.rows).sort(function (a, b) {
      var x = key(a), y = key(b);
      if (x === '' || y === '') { return (x === '') - (y === ''); }
      var order = isNaN(x) || isNaN(y) ? x.localeCompare(y) : x - y;
      return down ? -order : order;
    }).forEach(function (row) { body.appendChild(row); });
  });
});
"""


@dataclass(frozen=True, slots=True)
class Cell:
    """One cell of a sortable table.

    Attributes:
        text: what is shown.
        value: what it is sorted by; "" is last either way.
        small: shown after it, smaller.
        is_number: set to the right.
    """

    text: str
    value: str | float | int
    small: str = ""
    is_number: bool = False

    def html(self) -> str:
        """The cell, every letter of the text as it is."""
        kind = " class=number" if self.is_number else ""
        small = f" <small>{escape(self.small)}</small>" if self.small else ""
        return f"<td{kind} data-value='{escape(str(self.value))}'>{escape(self.text)}{small}"


def word(text: str, small: str = "") -> Cell:
    """A cell of words."""
    return Cell(text, text, small)


def number(value: float | int | None, text: str, small: str = "") -> Cell:
    """A cell that sorts by its number; None is empty and last."""
    return Cell("" if value is None else text, "" if value is None else value, small, is_number=True)


def sortable(heads: Sequence[tuple[str, str]], rows: Iterable[tuple[bool, Sequence[Cell]]]) -> str:
    """A table that sorts by the heading that is clicked.

    Args:
        heads: of each column, with an explanation.
        rows: whether to set it off, and its cells.
    """
    lines = list(rows)
    right = [cell.is_number for cell in lines[0][1]] if lines else [False] * len(heads)
    first = "".join(
        f"<th scope=col{' class=number' * is_number} title='{escape(meaning)}'><button>{escape(title)}</button>"
        for (title, meaning), is_number in zip(heads, right, strict=True)
    )
    body = "".join(
        f"<tr{' class=over' if over else ''}>{''.join(cell.html() for cell in cells)}" for over, cells in lines
    )
    return f"<div class=scroll tabindex=0><table><thead><tr>{first}<tbody>{body}</table></div>"


def document(title: str, body: Iterable[str], *, style: str = "", script: str = "", sealed: bool = False) -> str:
    """The whole page.

    Args:
        title: in the browser's tab.
        body: HTML.
        style: further CSS.
        script: further JavaScript, run after the tables' own.
        sealed: tell the browser to load nothing from anywhere, and to obey no style and no script but these two, so
            that whatever slipped into the body would do nothing; pictures are data: addresses.
    """
    look, deeds = _STYLE + style, _SORT + script
    policy = f'<meta http-equiv=Content-Security-Policy content="{_policy(look, deeds)}">' if sealed else ""
    return (
        f"<!doctype html><html lang=en><meta charset=utf-8>{policy}<title>{escape(title)}</title>"
        f"<meta name=viewport content='width=device-width, initial-scale=1'><style>{look}</style>"
        f"<body>{''.join(body)}<script>{deeds}</script></body></html>\n"
    )


def _policy(style: str, script: str) -> str:
    allowed = {
        "default-src": "'none'",
        "img-src": "data:",
        "style-src": _fingerprint(style),
        "script-src": _fingerprint(script),
        "base-uri": "'none'",
        "form-action": "'none'",
    }
    return "; ".join(f"{name} {value}" for name, value in allowed.items())


def _fingerprint(text: str) -> str:
    """How a policy names one inline style or script: by what it holds."""
    return f"'sha256-{b64encode(sha256(text.encode()).digest()).decode()}'"

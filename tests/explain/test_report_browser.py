"""The page in a real browser: it sorts, filters, opens pictures, fits a phone, and obeys nobody but itself."""

from pathlib import Path

import pytest
from page_browser import TELL, look
from report_folders import HARM, everything
from test_report_page import text


@pytest.fixture(scope="module")
def page(tmp_path_factory: pytest.TempPathFactory) -> str:
    return text(everything(tmp_path_factory.mktemp("run")))


DEEDS = """
var said = {title: document.title, harmed: document.querySelectorAll('img[src=x]').length};
var each = function (all) { return Array.from(document.querySelectorAll(all)); };
var paths = function () {
  return each('#verdict-table td.path').map(function (cell) { return cell.firstChild.data; });
};
var head = function (name) {
  return each('#verdict-table th button').find(function (one) { return one.textContent === name; });
};
said.heads = each('#verdict-table th button').map(function (one) { return one.textContent; });
said.before = paths();
head('probability').click(); said.falling = paths();
head('probability').click(); said.rising = paths();
said.marked = head('probability').parentNode.getAttribute('aria-sort');
head('verdict').click(); head('path').click(); said.byPath = paths();
var select = document.getElementById('filter-verdict');
select.value = Array.from(select.options).find(function (one) { return one.text === 'likely real'; }).value;
select.dispatchEvent(new Event('change')); said.filtered = paths();
select.value = -1; select.dispatchEvent(new Event('change'));
var find = document.getElementById('find');
find.value = 'ONERROR'; find.dispatchEvent(new Event('input')); said.searched = paths();
said.count = document.getElementById('shown').textContent;
find.value = ''; find.dispatchEvent(new Event('input'));

var large = document.getElementById('large'), about = document.getElementById('about');
var thumbnail = document.querySelector('.thumbnail');
thumbnail.focus(); thumbnail.click();
said.opened = large.open; said.about = about.textContent;
said.drawn = document.querySelector('#frame img').naturalWidth;
var key = function (name) { large.dispatchEvent(new KeyboardEvent('keydown', {key: name})); };
key('ArrowRight'); said.next = about.textContent; key('ArrowLeft'); said.again = about.textContent;
document.getElementById('close').click(); said.closed = !large.open;
said.back = document.activeElement === thumbnail;
document.querySelector('#robustness button.open').click();
said.chart = document.querySelectorAll('#frame svg path').length; said.chartAbout = about.textContent;
large.close();
var box = document.querySelector('.sweep input'); box.click();
said.hidden = each('.sweep g[data-model="0"]').every(function (one) {
  return getComputedStyle(one).display === 'none';
});
said.others = each('.sweep g[data-model="1"]').every(function (one) {
  return getComputedStyle(one).display !== 'none';
});

var sources = each('#evaluation table')[1];
sources.querySelectorAll('th button')[2].click();
said.bestSource = sources.tBodies[0].rows[0].cells[0].textContent.trim();
said.asked = performance.getEntriesByType('resource').map(function (one) { return one.name.slice(0, 20); })
  .filter(function (name) { return name.indexOf('data:') !== 0; });
said.broken = each('img').filter(function (one) { return one.complete && !one.naturalWidth; }).length;
said.links = each('nav a').filter(function (one) { return !document.querySelector(one.getAttribute('href')); }).length;
"""


@pytest.mark.slow
def test_it_sorts_filters_and_opens_pictures(browser: str, page: str, tmp_path: Path) -> None:
    said, console = look(browser, page, DEEDS + TELL.format("said"), tmp_path)
    assert console == []
    assert said["heads"] == ["picture", "path", "verdict", "probability", "score", "strongest patch"]
    names = ["0.png", "1.png", "2.png", "3.png", f"{HARM}.png", "gone.png", "broken.png"]
    assert [path.rsplit("/", 1)[-1] for path in said["before"]] == names
    order = [5, 0, 3, 2, 4, 1, 6]
    assert said["falling"] == [said["before"][place] for place in order]
    assert said["rising"] == [said["before"][place] for place in (1, 4, 2, 3, 0, 5, 6)]
    assert said["marked"] == "ascending"
    assert len(said["byPath"]) == 7
    assert sorted(said["filtered"]) == sorted(said["before"][place] for place in (1, 4))
    assert said["searched"] == [said["before"][4]]
    assert "Rows 1 to 1 of 1 that fit, of 7" in said["count"]
    assert said["opened"]
    assert said["closed"]
    assert said["back"]
    assert said["drawn"] == 48
    assert said["about"] == said["again"] != said["next"]
    assert said["chart"] >= 8
    assert said["chartAbout"] == f"jpeg one two {HARM}"
    assert said["hidden"]
    assert said["others"]
    assert said["bestSource"].startswith("gan <b>")
    assert (said["asked"], said["broken"], said["links"], said["harmed"]) == ([], 0, 0, 0)
    assert said["title"].endswith("telltale")


WIDE = """
var outside = function () {
  return Array.from(document.querySelectorAll('body *')).filter(function (one) {
    return one.getBoundingClientRect().right > innerWidth + 0.5 && !one.closest('.scroll, svg, dialog:not([open])');
  }).map(function (one) { return one.tagName + ' ' + one.className + ' ' + one.textContent.slice(0, 40); });
};
var said = [innerWidth, document.documentElement.scrollWidth, outside()];
document.querySelector('button.open').click();
said.push(document.documentElement.scrollWidth, outside(),
  document.getElementById('large').getBoundingClientRect().width);
document.getElementById('large').close();
document.querySelector('#robustness button.open').click();
document.getElementById('actual').click();
var frame = document.getElementById('frame');
said.push(frame.scrollWidth > frame.clientWidth, document.documentElement.scrollWidth);
"""


@pytest.mark.slow
def test_it_fits_a_phone(browser: str, page: str, tmp_path: Path) -> None:
    said, console = look(browser, page, WIDE + TELL.format("said"), tmp_path, width=360)
    assert console == []
    inner, page_width, outside, with_dialog, outside_dialog, dialog, scrolls, with_actual = said
    assert inner == 360
    assert outside == outside_dialog == []
    assert page_width <= inner
    assert with_dialog <= inner
    assert dialog <= inner
    assert scrolls
    assert with_actual <= inner


@pytest.mark.slow
def test_another_script_is_refused(browser: str, page: str, tmp_path: Path) -> None:
    said, console = look(browser, page, TELL.format("'ran'"), tmp_path, allowed=False)
    assert said == "nothing said"
    assert any("Content Security Policy" in line for line in console)

"""A page in a real browser, headless: what a script finds there, and what the console says."""

import json
import re
import subprocess
from base64 import b64encode
from hashlib import sha256
from html import unescape
from pathlib import Path
from typing import Any

FLAGS = (
    "--headless", "--no-sandbox", "--disable-gpu", "--disable-dev-shm-usage", "--no-first-run", "--disable-sync",
    "--disable-background-networking", "--disable-component-update", "--disable-extensions", "--mute-audio",
    "--enable-logging=stderr", "--virtual-time-budget=10000", "--window-size=1400,900", "--dump-dom",
)  # fmt: skip
# Waits until pictures are decoded, then says what was found to the page around.
PROBE = "window.addEventListener('load', function () {{ setTimeout(function () {{ {0}\n }}, 50); }});"
TELL = "parent.postMessage(JSON.stringify({0}), '*');"


def look(browser: str, page: str, deeds: str, folder: Path, *, width: int = 1280, allowed: bool = True) -> Any:
    """What a script at the end of the page finds, and what the browser's console said.

    The page stands in a frame of the given width, since a window of Chromium has 500 px or more. Its policy is widened
    by this one script, unless it is to be refused.
    """
    script = PROBE.format(deeds)
    said = f"'sha256-{b64encode(sha256(script.encode()).digest()).decode()}'"
    widened = re.sub(r"(script-src '[^']*')", rf"\1 {said}", page, count=1) if allowed else page
    (folder / "page.html").write_text(widened.replace("</body>", f"<script>{script}</script></body>"))
    around = (
        "<!doctype html><title>nothing said</title><script>addEventListener('message', function (event) {"
        f"document.title = event.data; }});</script><iframe src=page.html width={width} height=740></iframe>"
    )
    (folder / "around.html").write_text(around)
    address = (folder / "around.html").as_uri()
    done = subprocess.run(
        [browser, *FLAGS, f"--user-data-dir={folder / 'profile'}", address],
        capture_output=True, text=True, timeout=120, check=True,
    )  # fmt: skip
    title = re.search(r"<title>(.*?)</title>", done.stdout, re.DOTALL)
    assert title, done.stdout[:500]
    told = unescape(title[1])
    return told if told == "nothing said" else json.loads(told), re.findall(r"CONSOLE.*", done.stderr)

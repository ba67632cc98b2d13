"""The README's picture: two windows of the demo, and the database shell that has just changed what both show.

Everything in it has happened: the windows are screenshots, and the shell's lines are what was run and what it answered.
``python -m tests.demo.picture`` makes it anew in docs/images.
"""

from __future__ import annotations

import base64
import html
import tempfile
from pathlib import Path

from playwright.sync_api import Browser, sync_playwright

from .serving import DemoServer
from .window import CHROMIUM, SWITCHES, Window

PICTURE = Path(__file__).parents[2] / "docs" / "images" / "two-browsers.png"
TODOS = ("Buy milk", "Water the plants", "Call home", "Fix the bike")
STATEMENTS = (
    "update todo set title = 'Buy oat milk' where title = 'Buy milk';",
    "update todo set completed = 1 where title like '%plants';",
    "select id, title, completed from todo;",
)
ROWS = ("Buy oat milk", "[x] Water the plants", "Call home", "Fix the bike")

FRAME = """
<figure style="left: {left}px"><figcaption><i></i><i></i><i></i><span>{address}</span></figcaption>
<img src="data:image/png;base64,{image}"></figure>
"""
STYLE = """
body { margin: 0; width: 1240px; height: 790px; position: relative; background: #e9edf1; font: 13px sans-serif; }
figure { position: absolute; top: 28px; margin: 0; width: 580px; border-radius: 9px; overflow: hidden;
         background: #dde1e6; box-shadow: 0 0 0 1px #bcc3cb, 0 14px 34px rgba(20, 30, 50, .18); }
figcaption { display: flex; align-items: center; height: 38px; padding: 0 14px; gap: 8px; }
figcaption i { width: 11px; height: 11px; border-radius: 50%; background: #b5bcc5; }
figcaption span { flex: 1; margin-left: 10px; padding: 5px 12px; border-radius: 12px; background: #fff; color: #445; }
img { display: block; width: 580px; height: 530px; }
pre { position: absolute; left: 250px; top: 560px; width: 740px; box-sizing: border-box; margin: 0; padding: 16px 20px;
      border-radius: 9px; background: #1d2430; color: #dbe3ee; font: 14px/1.5 "DejaVu Sans Mono", monospace;
      box-shadow: 0 0 0 1px #10151d, 0 18px 40px rgba(20, 30, 50, .35); }
b { color: #8fd3a8; font-weight: normal; }
"""


def take(browser: Browser, server: DemoServer, path: Path) -> None:
    """Make the picture.

    server: of the demo, with an empty list.  path: of the PNG.
    """
    windows = [
        Window(browser, server.address, size=(580, 530)),
        Window(browser, server.address, size=(580, 530)),
    ]
    for window in windows:
        window.expect_light("live")
    windows[0].add(*TODOS)
    for window in windows:
        window.expect_rows(*TODOS)
    answers = [server.shell(statement) for statement in STATEMENTS]
    for window in windows:
        window.expect_rows(*ROWS)
        window.page.mouse.move(5, 5)
        window.page.evaluate("document.activeElement.blur()")
    frames = "".join(
        FRAME.format(
            left=left,
            address=window.page.url.split("//")[1],
            image=image(window.page.screenshot(animations="disabled")),
        )
        for left, window in zip((28, 632), windows, strict=True)
    )
    page = browser.new_page(viewport={"width": 1240, "height": 790})
    page.set_content(f"<!doctype html><style>{STYLE}</style>{frames}<pre>{session(answers)}</pre>")
    page.screenshot(path=path)
    page.close()
    for window in windows:
        window.close()


def session(answers: list[str]) -> str:
    """What stands in the terminal, as HTML."""
    lines = ["$ sqlite3 todos.db"]
    for statement, answer in zip(STATEMENTS, answers, strict=True):
        lines += [
            f"<b>sqlite&gt;</b> {html.escape(statement, quote=False)}",
            *html.escape(answer).splitlines(),
        ]
    return "\n".join(lines)


def image(png: bytes) -> str:
    """A PNG for a data URL."""
    return base64.b64encode(png).decode()


def main() -> None:
    """Make the picture anew."""
    with tempfile.TemporaryDirectory() as folder, sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=SWITCHES)
        server = DemoServer(Path(folder) / "todos.db", port=8000)
        server.start()
        try:
            take(browser, server, PICTURE)
        finally:
            server.stop()
            browser.close()


if __name__ == "__main__":
    main()

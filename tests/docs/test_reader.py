"""Who copies from the tutorial's pages alone has the finished files after each step; what one leaves out is found."""

from __future__ import annotations

from pathlib import Path

import pytest

from docs.pages import links, parse

from .reader import PAGES, STEPS, Lost, copy, lines


@pytest.mark.parametrize("number", range(1, len(PAGES) + 1))
def test_the_pages_are_enough(number: int, tmp_path: Path) -> None:
    copy(PAGES[:number], tmp_path)
    assert lines(tmp_path) == lines(STEPS / f"step{number}")


@pytest.mark.parametrize(
    ("number", "left_out"),
    [
        (2, "from fastapi.staticfiles import StaticFiles\n"),
        (3, "import delete, func, select"),
        (4, "import people\n"),
        (5, ", HTTPException, Request"),
        (6, "@pytest.mark.asyncio\n"),
        (5, '  <form id="share" class="hidden">\n'),
    ],
)
def test_a_line_that_is_left_out_is_missed(number: int, left_out: str, tmp_path: Path) -> None:
    assert lines(with_text(number, tmp_path, left_out, "")) != lines(STEPS / f"step{number}")


def test_a_file_that_is_left_out_is_missed(tmp_path: Path) -> None:
    css = PAGES[1].read_text("utf-8").partition("```css")[2].partition("```")[0]
    folder = with_text(2, tmp_path, f"```css{css}```\n", "")
    assert lines(STEPS / "step2").keys() - lines(folder).keys() == {"page/page.css"}


@pytest.mark.parametrize(
    ("number", "old", "new"),
    [
        (2, "`page/row.js`", "another file"),
        (4, "```js examples/tutorial/step4/page/page.js", "```js"),
        (5, "```html examples/tutorial/step5", "```html examples/tutorial/step4"),
    ],
)
def test_a_block_that_is_of_no_file_is_found(number: int, old: str, new: str, tmp_path: Path) -> None:
    with pytest.raises(Lost):
        with_text(number, tmp_path, old, new)


def with_text(number: int, folder: Path, old: str, new: str) -> Path:
    """The reader's folder after a step whose page reads otherwise."""
    text = PAGES[number - 1].read_text("utf-8")
    assert old in text
    changed = folder / PAGES[number - 1].name
    changed.write_text(text.replace(old, new, 1), "utf-8")
    project = folder / "project"
    project.mkdir()
    copy([*PAGES[: number - 1], changed], project)
    return project


@pytest.mark.parametrize("number", range(1, len(PAGES) + 1))
def test_a_page_leads_to_the_finished_files(number: int) -> None:
    page = PAGES[number - 1]
    led_to = {(page.parent / link).resolve() for link in links(parse(page)) if "examples" in link}
    folder = STEPS / f"step{number}"
    assert led_to == {folder / name for name in lines(folder)}

"""Each entry of the catalogue can be obeyed, and the table in the documentation is drawn from it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

import pytest

from . import table
from .catalogue import Wrong, load, read
from .hunters import HUNTERS


def test_each_entry_can_be_obeyed() -> None:
    assert len(load()) >= 60


def test_each_hunter_has_something_to_find() -> None:
    assert {one.hunter for one in load()} == HUNTERS.keys()


def test_the_table_is_that_of_the_catalogue() -> None:
    page = table.PAGE.read_text("utf-8")
    numbers = table.measured(page)
    assert page == table.put(page, table.draw(read(), numbers)), "run make mutants"
    late = [one.name for one in load() if not 0 < numbers.get(one.name, 0) <= one.within]
    assert late == [], "run make mutants"


@pytest.mark.parametrize(
    "wrong",
    [
        {"find": "stands nowhere"},
        {"find": "self"},
        {"hunter": "nobody"},
        {"promise": "G9"},
        {"within": 0},
        {"protects": "no sentence"},
    ],
)
def test_an_entry_that_cannot_be_obeyed_is_refused(wrong: Mapping[str, object]) -> None:
    with pytest.raises(Wrong):
        replace(load()[0], **wrong).check()  # type: ignore[arg-type]

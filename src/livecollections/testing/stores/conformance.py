"""StoreConformance: what every store promises, as tests. Subclass it with a fixture ``rig`` that gives a StoreRig."""

from __future__ import annotations

import pytest

from .bulks import Bulks
from .documents import Documents
from .entries import Entries
from .histories import Histories
from .installs import Installs
from .lists import Lists
from .lives import Lives
from .outages import Outages
from .rig import StoreRig


class StoreConformance(Documents, Lists, Bulks, Entries, Lives, Installs, Outages, Histories):
    """The suite that a store of yours is to pass, whatever its database: ``class TestMine(StoreConformance)``.

    Give it a fixture ``rig`` that returns a StoreRig. The tests are plain functions for pytest.
    """

    @pytest.fixture
    def rig(self) -> StoreRig:
        """The database to be tested."""
        pytest.fail(
            "rig: no database is given: define a fixture `rig` in your class that returns a StoreRig of yours",
            pytrace=False,
        )

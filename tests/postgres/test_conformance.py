"""PostgreSQL passes what every store promises."""

from __future__ import annotations

import pytest

from livecollections.testing import StoreConformance

from .rig import PostgresRig
from .server import PostgresServer


class TestPostgres(StoreConformance):
    """The suite, as other people's stores run it."""

    @pytest.fixture
    def rig(self, postgres: PostgresServer) -> PostgresRig:
        return PostgresRig(postgres.schema(), postgres)

"""G4 on MongoDB where nobody keeps what documents were: less can be told, and nobody is told what he may not see.

What is heard then is what docs/howto/mongodb.md says. A DELETE has the key alone, and is a RESET in each partition; an
update shows the document as it is by then, and says nothing of what it was: it may be none to its hearer, and who has a
document that went to another partition is not told so.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from typing import Any

from tests.databases.database import Database
from tests.databases.documents import Mongo
from tests.databases.fixtures import stories
from tests.scale import scaled

from .conftest import Sheet, Users, started
from .test_g4 import Reader, Story


class Forgetful(Story):
    """A story of that. told: how often each method was heard."""

    def __init__(self, seed: int) -> None:
        super().__init__(seed)
        self.told = Counter[str]()

    def held(self, reader: Reader) -> dict[int, dict[str, Any]]:
        """Without what is another's now."""
        rows = self.rows()
        others = {
            id_ for id_, row in rows.items() if self.kind != "whole" and row["owner"] != self.owner(reader)
        }
        return {id_: document for id_, document in reader.documents.items() if id_ not in others}

    async def apply(self, reader: Reader, message: dict[str, Any]) -> None:
        # Who was told to read again has read what was still to be heard.
        if message["seq"] > reader.position:
            await super().apply(reader, message)

    async def take(self, reader: Reader, method: str, body: dict[str, Any]) -> None:
        self.told[method] += 1
        if method == "RESET":
            assert self.kind != "whole", "what all may see is told by its key"
            assert not body
            reader.documents, channel, reader.position = await self.get(reader)
            assert channel == reader.channel
        elif method == "DELETE":
            assert self.kind == "whole"
            assert body == {"id": body["id"]}
            del reader.documents[body["id"]]
        else:
            self.check_shown(reader, body)
            is_new = body["id"] not in reader.documents
            assert is_new if method == "POST" else not is_new or self.kind != "whole"
            reader.documents[body["id"]] = body


async def tell(seed: int, database: Database) -> Forgetful:
    story = Forgetful(seed)
    async with started(database, story.declare, Users()) as site:
        assert isinstance(database, Mongo)
        database.forget_images(Sheet)
        await story.play(site, scaled(15, 40))
    return story


@stories(6, 2, mongo=scaled(3, 6))
async def test_nobody_is_told_what_he_may_not_see(seeds: range, databases: Callable[[], Database]) -> None:
    told = sum((story.told for story in [await tell(seed, databases()) for seed in seeds]), Counter[str]())
    assert {"RESET", "DELETE", "POST", "PUT"} <= told.keys()

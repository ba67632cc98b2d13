"""History: what happens in one simulated world, as pure data.

Two rules. Each step stands for itself: one can be left out, and the others mean the same. All that is random in a
step was drawn when the history was; what the network does by chance is drawn by the simulation, from the seed.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

USERS = frozenset({"create", "update", "replace", "delete", "read", "leave", "join"})
"""What a collection's program does."""
SHELL = frozenset({"bulk", "insert", "remove", "transaction"})
"""What somebody does with SQL, beside the server."""
SUBSCRIBERS = frozenset({"publish"})
"""What a plain subscriber's program does."""
MISHAPS = frozenset({"forget", "hold", "lose list", "refuse"})
"""What brings a client into a state: its session is ended, an answer to it is long on its way, its next list is lost,
it can't connect for a while."""
WRITES = frozenset({"create", "update", "replace", "delete"}) | SHELL


@dataclass(frozen=True, slots=True)
class Reader:
    """A client on a host of its own.

    kind: "collection", or "plain" for a Bayeux subscriber that asks for a position.  transport: as Bayeux names it.
    optimistic: whether the collection shows its writes at once.  since: where a plain one begins: "start", "now".
    at: when it comes, in seconds of virtual time.  ack: whether it acknowledges messages; if not, it has only what the
    plain protocol promises.
    """

    kind: str
    transport: str
    optimistic: bool = False
    since: str = "now"
    at: float = 0.0
    ack: bool = True


@dataclass(frozen=True, slots=True)
class Step:
    """Something that somebody does, or that befalls him.

    at: seconds of virtual time.  what: a user's act, a shell's, or a fault's name.  who: the number of the reader;
    None where it concerns none.  detail: whatever the act needs.  state: a fault waits a little for its reader to
    be in it.
    """

    at: float
    what: str
    who: int | None = None
    detail: Mapping[str, Any] = field(default_factory=dict)
    state: str | None = None

    def __str__(self) -> str:
        who = "" if self.who is None else f" client {self.who}"
        aim = "" if self.state is None else f" when {self.state}"
        more = "".join(f" {name}={value}" for name, value in self.detail.items())
        return f"{self.at:7.2f} {self.what}{who}{aim}{more}"


@dataclass(frozen=True, slots=True)
class History:
    """Readers and steps. seed: of what the simulation draws."""

    seed: int
    readers: tuple[Reader, ...]
    steps: tuple[Step, ...]

    def without(self, steps: frozenset[int]) -> History:
        """The same without the steps at these places."""
        return replace(self, steps=tuple(step for i, step in enumerate(self.steps) if i not in steps))

    def dump(self) -> str:
        """As JSON that a person can read: one line a step."""
        readers = ",\n".join(f"  {_line(_fields(reader))}" for reader in self.readers)
        steps = ",\n".join(f"  {_line(_fields(step))}" for step in self.steps)
        return f'{{"seed": {self.seed},\n "readers": [\n{readers}],\n "steps": [\n{steps}]}}\n'

    @classmethod
    def load(cls, text: str) -> History:
        """From JSON."""
        data = json.loads(text)
        readers = tuple(Reader(**reader) for reader in data["readers"])
        return cls(data["seed"], readers, tuple(Step(**step) for step in data["steps"]))

    @classmethod
    def read(cls, path: Path) -> History:
        """From a file."""
        return cls.load(path.read_text("utf-8"))


def _fields(one: Reader | Step) -> dict[str, Any]:
    values = {name: getattr(one, name) for name in one.__slots__}
    return {name: dict(value) if isinstance(value, Mapping) else value for name, value in values.items()}


def _line(values: dict[str, Any]) -> str:
    return json.dumps({name: value for name, value in values.items() if value not in (None, {})})

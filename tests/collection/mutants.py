"""The rules of the collection, each broken in one place. The number is the rule's in the design's section 6.

``find`` names a place that stands exactly once in the module: whoever rewrites it moves the mutant too.
"""

from __future__ import annotations

import sys
from dataclasses import dataclass
from importlib import import_module
from pathlib import Path
from types import ModuleType, SimpleNamespace
from unittest.mock import patch

from livecollections.collection.key import Keys
from livecollections.collection.replica import Replica
from livecollections.collection.writes import Writes

LIBRARY = SimpleNamespace(Replica=Replica, Writes=Writes, Keys=Keys)
"""The product's own."""

PACKAGE = "livecollections.collection"
MODULES = ("key", "state", "write", "reading", "documents", "replica", "writes")


@dataclass(frozen=True)
class Mutant:
    """One rule broken in one place of a module."""

    rule: int
    name: str
    module: str
    find: str
    replace: str


MUTANTS = (
    Mutant(1, "an older state is applied like a newer one", "documents",
           "elif is_news(seq, state.version) and (listed or seq is None or seq != state.version):", "else:"),
    Mutant(1, "a removed document leaves no tombstone", "documents", "        self.bury(key, seq)\n", ""),
    Mutant(1, "what has gone comes back with an old list", "documents",
           "if state is None and (self.is_buried(key, seq) or is_older(seq, floor)):", "if False:"),
    Mutant(1, "a whole list removes what it doesn't know as new", "replica",
           "if state.key is None or state.key in listed or", "if state.key in listed or"),
    Mutant(1, "a whole list removes what is newer than it", "replica",
           "if is_news(label, state.version) and state.stamp <= reading.stamp:", "if True:"),
    Mutant(1, "a list does not wait for the stream to reach its Live-Until", "replica",
           "if self._is_signal or not is_older(self.position, reading.until):", "if True:"),
    Mutant(1, "a list is as new as its last page", "replica",
           "seq = reading.pages[0].seq\n", "seq = reading.pages[-1].seq\n"),
    Mutant(1, "the rows of a page are as old as the first page", "reading",
           "seq = label if label is None or own is None or is_older(own, label) else own", "seq = label"),
    Mutant(1, "a page is older than the first where its process has seen less", "reading",
           "own is None or is_older(own, label) else own", "own is None else own"),
    Mutant(1, "pages of two logs are taken for one list", "replica",
           "            or any(is_foreign(page.seq, label) for page in reading.pages)\n", ""),
    Mutant(1, "the answer to an own write moves the position", "writes",
           "seq, label = self._numbers(write, seq)\n        if write.kind ==",
           "seq, label = self._numbers(write, seq)\n"
           "        self._replica.position = max(seq or '', self._replica.position or '') or None\n"
           "        if write.kind =="),
    Mutant(2, "the origin of a push says nothing", "replica",
           'self.documents.creates.pop(str(origin), None)', "None"),
    Mutant(2, "rows of a list do not wait for unanswered creates", "documents",
           "(write.is_pending or origin in doubts) and", "False and"),
    Mutant(2, "a list is not asked which of its rows are creates", "replica",
           "reading.asked = None if self.is_unnumbered else tuple(self.documents.doubts())", "reading.asked = ()"),
    Mutant(2, "nobody heeds which rows of a list are creates", "reading",
           "in (self.created or {}).items():", "in ():"),
    Mutant(2, "rows do not wait for lost creates that their list was not asked about", "documents",
           "doubts = () if asked is None else self.doubts()", "doubts = ()"),
    Mutant(2, "rows that wait are shown when the answer is lost", "replica",
           "        if not doubts:\n", "        if True:\n"),
    Mutant(2, "a server that does not tell of creates is believed to", "reading",
           "else self.asked if self.created is not None else None", "else self.asked"),
    Mutant(4, "an answer from before a reset shows what has gone since", "writes",
           "if state.key is None and documents.is_buried(key, label, surely=True):", "if False:"),
    Mutant(2, "a lost answer forgets the origin", "writes",
           'if write.kind == "create" and not write.may_exist:', 'if write.kind == "create":'),
    Mutant(2, "a create that is tried again bears another origin", "writes",
           "if not write.may_exist:\n            write.origin = origin", "if True:\n            write.origin = origin"),
    Mutant(2, "without seqs a stranger's create does not wait for ours", "replica",
           "documents.get(key) is None and documents.holds():", "False:"),
    Mutant(2, "without seqs a list from before the subscription is joined", "replica",
           "                self.reset(None)\n", "                self.unread(needed=True)\n"),
    Mutant(2, "without seqs a list undoes what came after it was asked for", "replica",
           "one.outdated.add(key)", "pass"),
    Mutant(2, "without seqs nothing is read after a break", "replica",
           "if was_broken or not self.is_unnumbered:", "if not self.is_unnumbered:"),
    Mutant(3, "what is being written is shown as the server has it", "state",
           "self.kept.union(*(write.sent for write in self.saves))", "self.kept"),
    Mutant(3, "after a failure the server's values are shown and called saved", "writes",
           "state.kept |= {", "set[str]() | {"),
    Mutant(3, "a document is not hidden while its deletion is unanswered", "documents",
           "and not (state.key and self.hiding[state.key])", ""),
    Mutant(3, "a refused deletion leaves the document hidden", "writes",
           "self._hide(write, -1)", "pass"),
    Mutant(4, "a gap is not seen", "replica",
           'has_gap = method != "RESET" and is_older(position, prev)', "has_gap = False"),
    Mutant(4, "a gap is taken for a reset", "replica",
           "elif not is_same or has_gap or", "elif has_gap:\n            self.reset(seq)\n        elif not is_same or"),
    Mutant(4, "a list older than the beginning of the stream is joined as it is", "replica",
           "is_early = is_older(label, self.begun)", "is_early = False"),
    Mutant(4, "RESET is no reset", "replica", "self.reset(data[\"seq\"])", "pass"),
    Mutant(4, "a reset that begins before a list brings back what had gone by then", "documents",
           "            self._ahead.version = before\n", "            pass\n"),
    Mutant(4, "what was gone before a reset is gone for good", "documents", "        yield self._ahead\n", ""),
    Mutant(4, "a reset reads nothing again", "replica",
           "        self.joined = False\n        self.unread(needed=True)\n", ""),
    Mutant(4, "what a log has lost is kept", "replica",
           "documents.forget(documents.lost(label, reading.stamp))", "pass"),
    Mutant(4, "an answer from before a reset counts", "replica",
           "            and not is_older(label, self._base)\n", ""),
    Mutant(4, "nothing is in doubt after a break", "replica",
           "if was_broken:\n            self._doubt_answers()", "if False:\n            pass"),
    Mutant(4, "nothing is in doubt that is answered after a break", "replica",
           "if write.stamp < self._rejoined:", "if False:"),
    Mutant(4, "a list from before a break counts whatever it shows", "replica",
           "            or (reading.stamp < self._rejoined and is_older(self.position, top))\n", ""),
    Mutant(4, "what came before a list of a log that went back is not told again", "replica",
           " or (has_lost and is_older(label, self.position))", ""),
    Mutant(4, "a list of a log that is over is taken for the newest", "replica",
           "request.stamp < self._told[0] and", "False and"),
    Mutant(6, "what is missing after a connect is not asked for", "replica",
           "if is_behind and self._missed == self.position:", "if False:"),
    Mutant(6, "a repeat is taken for news", "replica", "is_repeat = is_same and seq <= position", "is_repeat = False"),
    Mutant(7, "a push on a signal channel is applied as if it were of the list", "replica",
           "if self._is_signal:\n            self.unread(needed=True)\n        elif body", "if body"),
    Mutant(7, "a push on a signal channel says nothing", "replica",
           "if self._is_signal:\n            self.unread(needed=True)\n        elif",
           "if self._is_signal:\n            pass\n        elif"),
    Mutant(7, "a part that is read counts as the whole", "replica",
           "reading = Reading(query is None,", "reading = Reading(True,"),
)  # fmt: skip


def library_of(mutant: Mutant | None) -> SimpleNamespace:
    """The pure part of the collection, loaded anew, with one rule broken."""
    package = import_module(PACKAGE)
    folder = Path(str(package.__file__)).parent
    with patch.dict(sys.modules):
        loaded = {}
        for name in MODULES:
            source = (folder / f"{name}.py").read_text("utf-8")
            if mutant is not None and name == mutant.module:
                places = source.count(mutant.find)
                assert places == 1, f"the place of “{mutant.name}” stands {places} times in {name}.py"
                source = source.replace(mutant.find, mutant.replace)
            module = ModuleType(f"{PACKAGE}.{name}")
            module.__package__ = PACKAGE
            sys.modules[module.__name__] = loaded[name] = module
            exec(compile(source, f"{name}.py", "exec"), module.__dict__)
    names = {"Replica": "replica", "Writes": "writes", "Keys": "key"}
    return SimpleNamespace(**{name: getattr(loaded[home], name) for name, home in names.items()})

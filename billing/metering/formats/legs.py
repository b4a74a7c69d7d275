"""Legs of a call: which way it went, and that a conversation is counted once. Pure."""

import re
from collections import OrderedDict
from hashlib import sha256

INBOUND = re.compile(
    r"inbound|incoming|from-(?:trunk|pstn|did)|queue|^public$", re.IGNORECASE
)
TOLL_FREE = re.compile(r"^\+?1(?:800|833|844|855|866|877|888)\d{7}$")
ABROAD = re.compile(r"^\+(?!1\d{10}$)\d")
REMEMBERED = 100_000
LONGEST_ID = 100


def is_inbound(context: str) -> bool:
    """Whether a dial plan's context is one that calls from outside come in by."""
    return bool(INBOUND.search(context))


def meter_of(*, inbound: bool, to: str) -> str:
    """The meter of a call to a number in E.164: toll-free and abroad have their own."""
    if inbound:
        return "voice.in.tf" if TOLL_FREE.match(to) else "voice.in"
    return "voice.out.intl" if ABROAD.match(to) else "voice.out"


class RecentIds:
    """The newest of many ids with a note each; what is older is forgotten.

    Legs of one call stand near one another, so a file of any size fits.
    """

    def __init__(self) -> None:
        self._notes: OrderedDict[str, str] = OrderedDict()

    def __contains__(self, id_: str) -> bool:
        return _short(id_) in self._notes

    def note_of(self, id_: str) -> str:
        return self._notes.get(_short(id_), "")

    def add(self, id_: str, note: str = "") -> None:
        self._notes[_short(id_)] = note
        if len(self._notes) > REMEMBERED:
            self._notes.popitem(last=False)


def _short(id_: str) -> str:
    """An id that is longer than any real one takes no more memory than one."""
    if len(id_) <= LONGEST_ID:
        return id_
    return sha256(id_.encode(errors="replace")).hexdigest()

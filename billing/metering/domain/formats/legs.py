"""Legs of calls: their direction, their meter, and which were seen before. Pure."""

import re
from collections import OrderedDict
from hashlib import sha256

INBOUND = re.compile(
    r"inbound|incoming|from-(?:trunk|pstn|did)|queue|^public$", re.IGNORECASE
)
TOLL_FREE = re.compile(r"^\+?1(?:800|833|844|855|866|877|888)\d{7}$")
ABROAD = re.compile(r"^\+(?!1\d{10}$)\d")
MOST_IDS = 100_000
LONGEST_ID = 100


def is_inbound(context: str) -> bool:
    """Whether a dial plan context is one for calls from outside."""
    return bool(INBOUND.search(context))


def meter_of(*, inbound: bool, to: str) -> str:
    """The meter of a call to an E.164 number; toll-free and international calls differ."""
    if inbound:
        return "voice.in.tf" if TOLL_FREE.match(to) else "voice.in"
    return "voice.out.intl" if ABROAD.match(to) else "voice.out"


class RecentIds:
    """The most recent ids of a file, each with a note; older ones are dropped.

    The legs of a call are close together, so this works for files of any size.
    """

    def __init__(self) -> None:
        self._notes: OrderedDict[str, str] = OrderedDict()

    def __contains__(self, id_: str) -> bool:
        return _short(id_) in self._notes

    def note_of(self, id_: str) -> str:
        return self._notes.get(_short(id_), "")

    def add(self, id_: str, note: str = "") -> None:
        self._notes[_short(id_)] = note
        if len(self._notes) > MOST_IDS:
            self._notes.popitem(last=False)


def _short(id_: str) -> str:
    """The id, or a digest of it if it is longer than any real id."""
    if len(id_) <= LONGEST_ID:
        return id_
    return sha256(id_.encode(errors="replace")).hexdigest()

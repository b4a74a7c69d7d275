"""The bytes a document's hash is taken over: canonical JSON. Pure.

Keys sorted, no spaces, UTF-8; decimals as plain strings without trailing zeros,
so that the same document gives the same bytes wherever it is read from.
"""

import hashlib
from collections.abc import Mapping
from typing import Any

import msgspec

_encoder = msgspec.json.Encoder(order="sorted", enc_hook=str)


def canonical_bytes(content: Mapping[str, Any]) -> bytes:
    """The canonical JSON of a document's content."""
    return _encoder.encode(content)


def chain_hash(content: Mapping[str, Any]) -> str:
    """SHA-256, in hex, over the canonical JSON; the content names the hash before."""
    return hashlib.sha256(canonical_bytes(content)).hexdigest()

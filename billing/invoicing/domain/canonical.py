"""Canonical JSON, over which a document's hash is computed. Pure.

Sorted keys, no spaces, UTF-8, and decimals as strings without trailing zeros, so that
a document has the same bytes wherever it is read.
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
    """SHA-256, in hex, over the canonical JSON, which contains the previous hash."""
    return hashlib.sha256(canonical_bytes(content)).hexdigest()

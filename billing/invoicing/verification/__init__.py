"""Verification of the books: recomputes every document by a second, slower path.

It counts event by event and day by day. It shares with billing only the rounding
function, the digests, and the definition of a document's bytes.
"""

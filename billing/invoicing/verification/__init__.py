"""The books checker: a second, slow path over every fact and every document.

It counts event by event and day by day, and shares with billing only the function
that rounds, the digests and the definition of a document's bytes.
"""

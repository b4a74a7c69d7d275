"""The number of a document as it is printed, such as SUNRISE-00042. Pure."""

DIGITS = 5  # at least; a longer number is printed whole


def printed_number(payer_code: str, number: int) -> str:
    """The printed number of a payer's document."""
    return f"{payer_code}-{number:0{DIGITS}d}"


# The same of `document`, a row of billing_document that is issued.
PRINTED_NUMBER = f"""
    coalesce(document.parties->'payer'->>'code', '?') || '-' || lpad(
        document.number::text, greatest({DIGITS}, length(document.number::text)), '0')
"""

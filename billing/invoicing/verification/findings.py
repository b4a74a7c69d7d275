"""Findings of verification, and the objects that they are about. Pure."""

from dataclasses import dataclass
from datetime import date


@dataclass(frozen=True, slots=True)
class About:
    """The object of a finding, by ids. `scope` decides which documents it applies to.

    "document": that document. "agency": documents that include the agency, of one month
    or of all. "payer": all documents of the payer `agency`. "price_list": documents
    priced with it. "platform": none.
    """

    scope: str = "platform"
    agency: int | None = None
    month: date | None = None
    document: int | None = None
    price_list: int | None = None


PLATFORM = About()


@dataclass(frozen=True, slots=True)
class Finding:
    """One difference: a stable code, the object it is about, and what is wrong."""

    code: str
    subject: str
    message: str
    about: About = PLATFORM

    def __str__(self) -> str:
        return f"{self.code} {self.subject}: {self.message}"


def about_agency(agency_id: int | None, month: date | None = None) -> About:
    """The facts of an agency, of one month or of all; the platform if None is given."""
    return PLATFORM if agency_id is None else About("agency", agency_id, month)


def about_payer(payer_id: int | None) -> About:
    """The books of a payer as a whole: counter, chain, ledger or payments."""
    return PLATFORM if payer_id is None else About("payer", payer_id)


def about_document(document_id: int, agency_id: int) -> About:
    """One document, or the lines of one agency on it."""
    return About("document", agency_id, None, document_id)


def about_price_list(price_list_id: int) -> About:
    """One published price list."""
    return About("price_list", price_list=price_list_id)

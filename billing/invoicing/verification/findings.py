"""What the checker finds, and what each difference is about. Pure."""

from dataclasses import dataclass
from datetime import date


@dataclass(frozen=True, slots=True)
class About:
    """The object of a difference, by ids; `scope` says which documents it concerns.

    "document": that one. "agency": those that include the agency, of one month or of
    any. "payer": all of the payer `agency`. "price_list": those priced with it.
    "platform": none.
    """

    scope: str = "platform"
    agency: int | None = None
    month: date | None = None
    document: int | None = None
    price_list: int | None = None


PLATFORM = About()


@dataclass(frozen=True, slots=True)
class Finding:
    """One difference: a stable code, the thing it is about, and what is wrong."""

    code: str
    subject: str
    message: str
    about: About = PLATFORM

    def __str__(self) -> str:
        return f"{self.code} {self.subject}: {self.message}"


def about_agency(agency_id: int | None, month: date | None = None) -> About:
    """Facts of an agency, of one month or of any; without an agency, the platform."""
    return PLATFORM if agency_id is None else About("agency", agency_id, month)


def about_payer(payer_id: int | None) -> About:
    """The books of a payer as a whole: its counter, chain, ledger or payments."""
    return PLATFORM if payer_id is None else About("payer", payer_id)


def about_document(document_id: int, agency_id: int) -> About:
    """One document, or the lines of one agency on it."""
    return About("document", agency_id, None, document_id)


def about_price_list(price_list_id: int) -> About:
    """One published price list."""
    return About("price_list", price_list=price_list_id)

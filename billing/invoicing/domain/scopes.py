"""The scope of invoices. Pure."""

from core.scopes import ApiScope


class InvoiceScope(ApiScope):
    """What an API key may do with invoices."""

    READ = "invoices:read", "Read invoices and credit notes, and what is behind a line."

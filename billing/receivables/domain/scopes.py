"""The scopes of payments, for this room and those above it. Pure."""

from core.scopes import ApiScope


class PaymentScope(ApiScope):
    """What an API key may do with payments."""

    READ = "payments:read", "Read payments, payment methods, statements and dunning."
    WRITE = "payments:write", "Charge, refund and record payments; open payment pages."

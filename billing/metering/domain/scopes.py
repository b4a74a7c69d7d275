"""The scopes of usage. Pure."""

from core.scopes import ApiScope


class UsageScope(ApiScope):
    """What an API key may do with usage."""

    READ = "usage:read", "Read usage events, totals, rounding and the forecast."
    WRITE = "usage:write", "Send usage events, and set the words of dial plans."

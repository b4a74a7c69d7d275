"""The scope of the question whether an agent may dial. Pure."""

from core.scopes import ApiScope


class AuthorizeScope(ApiScope):
    """What an API key may ask before a call."""

    READ = "authorize:read", "Ask whether an agent may dial now."

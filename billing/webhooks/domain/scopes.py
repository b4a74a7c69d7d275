"""The scopes of webhooks. Pure."""

from core.scopes import ApiScope


class WebhookScope(ApiScope):
    """What an API key may do with webhooks."""

    READ = "webhooks:read", "Read webhook endpoints and events."
    WRITE = "webhooks:write", "Add, change and test endpoints, and replay events."

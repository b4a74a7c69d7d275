"""What of API keys waits for staff."""

from datetime import datetime

from core.admin.today import Waiting, list_of, waiting, waits
from seats.api_keys.models import ApiKey
from seats.api_keys.queries import keys_ending_soon


@waits(
    "API keys that expire soon",
    order=90,
    permission="seats.view_apikey",
    todo="Ask the owner to replace the key before it ends.",
    url=list_of("seats_apikey", ends="soon"),
)
def ending_keys(now: datetime) -> Waiting:
    """Valid keys that end within two weeks."""
    return waiting(keys_ending_soon(ApiKey.objects.all(), now=now), "expires_at")

"""An agency has so many endpoints and no more, however many are added at once."""

import pytest

from billing.webhooks.models import WebhookEndpoint
from billing.webhooks.services.endpoints import MOST_ENDPOINTS, TooManyEndpoints
from tests.billing.webhooks.endpoints import make_endpoint
from tests.build import make_agency

URL = "https://hooks.example.com/"


@pytest.mark.usefixtures("fresh_database")
def test_endpoints_added_at_the_same_time_do_not_exceed_the_limit(
    run_in_threads, clock
):
    agency, other = make_agency(), make_agency("OTHER")
    for _ in range(MOST_ENDPOINTS - 1):
        make_endpoint(URL, agency, clock)

    results = run_in_threads(
        *[lambda: make_endpoint(URL, agency, clock)] * 6,
        lambda: make_endpoint(URL, other, clock),
    )

    refused = [result for result in results if isinstance(result, TooManyEndpoints)]
    assert len(refused) == 5
    assert WebhookEndpoint.objects.filter(agency=agency).count() == MOST_ENDPOINTS

"""The description of the API, asked for by many at once."""

import pytest
from drf_spectacular.extensions import OpenApiFilterExtension
from rest_framework.test import APIRequestFactory

from config.http.views import SchemaView


@pytest.mark.usefixtures("fresh_database")
def test_is_the_same_for_all_who_ask_for_it_first(run_in_threads):
    # As in a process that has just started.
    for extension in OpenApiFilterExtension._registry:
        extension.target_class = f"{extension.__module__}.NotThere"

    def ask() -> bytes:
        request = APIRequestFactory().get("/api/schema/?format=json")
        return bytes(SchemaView.as_view()(request).render().content)

    answers = run_in_threads(*[ask] * 4)

    assert all(b"/api/v1/usage-events" in answer for answer in answers)
    assert len(set(answers)) == 1

"""The description of the API, asked for by many at once."""

import pytest
from django.test import Client
from drf_spectacular.extensions import OpenApiFilterExtension

from config.http import views


@pytest.mark.usefixtures("fresh_database")
def test_is_the_same_for_all_who_ask_for_it_first(run_in_threads):
    # As in a process that has just started.
    views._contents.cache_clear()
    for extension in OpenApiFilterExtension._registry:
        extension.target_class = f"{extension.__module__}.NotThere"

    def ask() -> bytes:
        return bytes(Client().get("/api/schema/?format=json").content)

    answers = run_in_threads(*[ask] * 4)

    assert all(b"/api/v1/usage-events" in answer for answer in answers)
    assert len(set(answers)) == 1


class TestContents:
    @pytest.mark.parametrize(
        ("path", "accept", "media_type"),
        [
            ("/api/schema/", "*/*", "application/vnd.oai.openapi"),
            ("/api/schema/?format=json", "*/*", "application/vnd.oai.openapi+json"),
            ("/api/schema/", "application/json", "application/vnd.oai.openapi+json"),
            ("/api/docs/", "text/html", "text/html; charset=utf-8"),
        ],
    )
    def test_are_made_once_and_may_be_kept(
        self, client, monkeypatch, path, accept, media_type
    ):
        first = client.get(path, headers={"accept": accept})
        monkeypatch.setattr(views, "SchemaGenerator", None)  # not needed again

        again = client.get(
            path, headers={"accept": accept, "if-none-match": first["ETag"]}
        )

        assert (first.status_code, first["Content-Type"]) == (200, media_type)
        assert first["Cache-Control"] == "public, max-age=300"
        assert (again.status_code, again.content) == (304, b"")

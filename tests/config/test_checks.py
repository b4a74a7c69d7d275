"""The system checks, against the real server and roles."""

import pytest
from django.conf import settings
from django.core.checks import run_checks

from config.checks import check_urls, check_webhook_key, problems_of


class TestCheckDatabases:
    @pytest.mark.django_db
    def test_is_content_with_the_embedded_server(self):
        assert run_checks(databases=["default"]) == []

    def test_refuses_an_owner_as_the_applications_role(self, fresh_database):
        assert [found.id for found in problems_of("owner")] == ["config.E002"]


class TestCheckUrls:
    def test_refuses_one_given_and_one_embedded_database(self, monkeypatch):
        options = settings.DATABASES["owner"]["OPTIONS"]
        monkeypatch.setitem(options, "embedded", not options["embedded"])

        assert [found.id for found in check_urls(None)] == ["config.E003"]


class TestCheckWebhookKey:
    def test_refuses_a_shared_database_without_a_shared_key(self, monkeypatch):
        options = settings.DATABASES["default"]["OPTIONS"]
        monkeypatch.setitem(options, "embedded", False)

        found = check_webhook_key(None, databases=["default"])

        assert [one.id for one in found] == ["config.E004"]
        assert check_webhook_key(None, databases=["owner"]) == []
        monkeypatch.setenv("WEBHOOK_SECRETS_KEY", "something long and random")
        assert check_webhook_key(None, databases=["default"]) == []

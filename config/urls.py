"""URLs of the service."""

from django.contrib import admin
from django.urls import include, path

from config.admin.agency import agency_site
from config.http.root import root_view
from config.http.views import docs_view, schema_view

handler400 = "config.http.errors.bad_request"
handler403 = "config.http.errors.forbidden"
handler404 = "config.http.errors.not_found"
handler500 = "config.http.errors.server_error"
urlpatterns = [
    path("", root_view, name="root"),
    path("api/v1/", include("billing.urls")),
    path("api/v1/", include("seats.urls")),
    path("admin/", admin.site.urls),
    path("agency/", agency_site.urls),
    path("accounts/", include("config.accounts.urls")),
    path("api/schema/", schema_view, name="schema"),
    path("api/docs/", docs_view, name="docs"),
]

"""URLs of the service."""

from django.contrib import admin
from django.urls import include, path
from django.views.generic import RedirectView

from config.http.views import docs_view, schema_view

handler400 = "config.http.errors.bad_request"
handler404 = "config.http.errors.not_found"
handler500 = "config.http.errors.server_error"
admin.site.site_header = admin.site.site_title = "Dialer billing"
urlpatterns = [
    path("", RedirectView.as_view(pattern_name="admin:index")),
    path("api/v1/", include("billing.urls")),
    path("api/v1/", include("seats.urls")),
    path("admin/", admin.site.urls),
    path("accounts/", include("config.accounts.urls")),
    path("api/schema/", schema_view, name="schema"),
    path("api/docs/", docs_view, name="docs"),
]

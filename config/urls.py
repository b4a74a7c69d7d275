"""Addresses of the service."""

from django.contrib import admin
from django.urls import path

from config import checks  # noqa: F401  registers itself

urlpatterns = [path("admin/", admin.site.urls)]

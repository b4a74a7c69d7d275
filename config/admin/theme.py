"""The look of the two sites; plain data, as settings read it before apps are there."""

from typing import Any


def theme(title: str, subheader: str) -> dict[str, Any]:
    """The theme's settings for a site."""
    return {
        "SITE_TITLE": title,
        "SITE_HEADER": title,
        "SITE_SUBHEADER": subheader,
        "SITE_SYMBOL": "headset_mic",
        "SITE_URL": None,
        "SHOW_VIEW_ON_SITE": False,
        "STYLES": ["config.admin.theme.stylesheet"],
    }


def stylesheet(request: Any) -> str:
    """The address of the colors and of what the theme has no classes for."""
    from django.templatetags.static import static

    return static("config/site.css")

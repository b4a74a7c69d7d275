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
        "SITE_FAVICONS": [
            {"rel": "icon", "type": "image/svg+xml", "href": "config.admin.theme.icon"}
        ],
        "STYLES": ["config.admin.theme.stylesheet"],
    }


def stylesheet(request: Any) -> str:
    """The address of the colors and of what the theme has no classes for."""
    return _static("config/site.css")


def icon(request: Any) -> str:
    """The address of the icon of both sites."""
    return _static("config/icon.svg")


def _static(path: str) -> str:
    from django.templatetags.static import static  # needs the settings

    return str(static(path))

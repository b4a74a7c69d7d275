"""Every list of the admin in a window of 1,280 pixels, with rows of usual length."""

import os
from pathlib import Path
from urllib.parse import urljoin

from django.contrib import admin
from django.urls import reverse

from seats.models import User
from tests.browser.test_admin import PASSWORD, log_in, open_page, pytestmark, site
from tests.everything import make_everything

__all__ = ["pytestmark", "site"]
WIDE = """() => {
    const box = document.querySelector('#result_list').closest('.overflow-x-auto');
    const scrolls = box.querySelector('.simplebar-content-wrapper') || box;
    return {
        wide: document.documentElement.scrollWidth,
        hidden: Math.max(scrolls.scrollWidth - scrolls.clientWidth - 1, 0),
    };
}"""


def test_every_list_fits_a_window_of_1280_pixels(site, settings):
    make_everything(settings)
    User.objects.create_superuser("staff@example.com", PASSWORD)
    lists = {
        f"{model._meta.app_label}_{model._meta.model_name}": reverse(
            f"admin:{model._meta.app_label}_{model._meta.model_name}_changelist"
        )
        for model in admin.site._registry
    }
    pictures = os.environ.get("PICTURES")
    cut: dict[str, object] = {}

    with open_page() as page:
        page.set_viewport_size({"width": 1280, "height": 900})
        log_in(page, site)
        for name, path in lists.items():
            page.goto(urljoin(site, path))
            page.wait_for_selector("#result_list tbody tr")
            measured = page.evaluate(WIDE)
            if measured["wide"] > 1280 or measured["hidden"]:
                cut[name] = measured
            if pictures:
                page.screenshot(path=Path(pictures) / f"{name}.png")

    assert cut == {}

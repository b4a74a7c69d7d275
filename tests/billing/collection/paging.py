"""Shared helpers for tests of checkout pages."""

from billing.collection.services.checkout import PageOptions

PAGE_OPTIONS = PageOptions("test", "https://agency.example.com/paid")


def sessions(stripe):
    return stripe.account.of("checkout.session")


def at(fault, *paths):
    """Inject this fault once at each of these calls."""
    left = list(paths)

    def choose(method, path):
        if method == "POST" and path in left:
            left.remove(path)
            return fault
        return "ok"

    return choose

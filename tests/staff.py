"""Staff at work: how tests choose rows, confirm actions, and log in for a job."""

import re
from decimal import Decimal
from typing import Any

from django.contrib.auth.models import Group, Permission
from django.db import connection, models
from django.test import Client, RequestFactory
from django.urls import reverse

from seats.models import User

SEEN = re.compile(r'name="seen" value="([0-9a-f]{64})"')


def confirm(client: Client, url: str, content: dict[str, Any]) -> Any:
    """Choose an action and confirm each page that shows what will happen.

    Gives the answer to the last confirmation, with redirects followed: the list when
    it is done, the page again when it is refused.
    """
    return client.post(url, confirmation(client, url, content), follow=True)


def confirmation(client: Client, url: str, content: dict[str, Any]) -> dict[str, Any]:
    """What the last page sends when it is confirmed; nothing is done for it yet.

    The first page tells what happens whatever is filled in; where that depends on it,
    filling it in leads to a page once more.
    """
    first = {key: value for key, value in content.items() if key != "apply"}
    filled = {"reason": "A test", **first, "apply": "1"}
    client.post(url, first)
    page = client.post(url, filled)
    seen = SEEN.search(page.content.decode())
    return {**filled, "seen": seen[1] if seen else ""}


def make_staff(email: str = "staff@example.com", *, job: str | None = None) -> User:
    """A user of the platform with a job; without one: a superuser."""
    if job is None:
        return User.objects.create_superuser(email, "a b c")
    user = User.objects.create_user(email, "a b c", is_staff=True)
    user.groups.add(Group.objects.get(name=job))
    return user


def log_in(user: User) -> Client:
    client = Client()
    client.force_login(user)
    return client


def make_viewer(*more: str) -> User:
    """Staff who may look at everything, and do what is named beside."""
    user = make_staff(f"viewer{len(more)}@example.com", job="support")
    user.groups.clear()
    user.user_permissions.set(Permission.objects.filter(codename__startswith="view_"))
    for name in more:
        app, _, codename = name.partition(".")
        user.user_permissions.add(
            Permission.objects.get(content_type__app_label=app, codename=codename)
        )
    return user


def snapshot(*, without: str = "") -> dict[str, tuple[int, Decimal | None]]:
    """The number and a digest of the rows of each table but sessions, by table name.

    By name, because the planner may read the tables in parallel, in any order.
    """
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT relname FROM pg_class WHERE relkind IN ('r', 'p')"
            " AND relnamespace = 'public'::regnamespace AND NOT relispartition"
            " AND has_table_privilege(oid, 'SELECT')"
            " AND relname <> 'django_session'"
        )
        tables = [name for (name,) in cursor.fetchall() if name != without]
        parts = " UNION ALL ".join(
            f"SELECT '{name}', count(*), sum(hashtextextended(t::text, 0))"
            f' FROM "{name}" AS t'
            for name in tables
        )
        cursor.execute(parts)
        return {name: (count, digest) for name, count, digest in cursor.fetchall()}


def page_of(model: type[models.Model], kind: str, *args: Any) -> str:
    name = f"{model._meta.app_label}_{model._meta.model_name}"
    return reverse(f"admin:{name}_{kind}", args=args)


def request_of(user: User) -> Any:
    request = RequestFactory().get("/")
    request.user = user
    return request

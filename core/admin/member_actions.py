"""Admin actions of members of agencies, on the pages of `core.admin.scoped`."""

from collections.abc import Callable
from dataclasses import replace

from core.admin.actions import EffectsFor, FormFor, StaffAction, Work


def member_action(
    title: str,
    *,
    permission: str,
    effects: EffectsFor,
    undo: str,
    done: str,
    form: FormFor,
    one_by_one: bool = False,
    sensitive: bool = False,
) -> Callable[[Work], StaffAction]:
    """Make a method of a page for agencies an action, as `staff_action` does for staff.

    `permission` is an action of the table of access. `effects` and `form` are given the
    request, by whose reach they limit what they show and offer.
    """

    def decorate(work: Work) -> StaffAction:
        return StaffAction(
            name=work.__name__,
            short_description=title,
            permission=permission,
            effects=effects,
            undo=undo,
            done=done,
            form=form,
            atomic=True,
            one_by_one=one_by_one,
            sensitive=sensitive,
            work=work,
        )

    return decorate


def for_members(
    action: StaffAction, *, permission: str, form: FormFor | None = None
) -> StaffAction:
    """An action of staff as members do it: the same sentences and the same service.

    `permission` is an action of the table of access; `form` takes the place of its form.
    """
    return replace(action, permission=permission, form=form or action.form, atomic=True)

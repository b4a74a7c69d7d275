"""Admin pages of users, members, staff jobs and the admin history."""

from typing import Any

from django import forms
from django.contrib import admin
from django.contrib.admin.models import LogEntry
from django.contrib.auth.admin import UserAdmin as DjangoUserAdmin
from django.contrib.auth.models import Group
from django.http import HttpRequest, HttpResponse
from django.urls import reverse
from django.utils import timezone
from django.utils.html import format_html
from django.utils.http import urlencode

from core.admin.actions import ActionOutcome, staff_action, unchanged_if, work_each
from core.admin.base import StaffAdmin
from core.admin.readonly import ReadOnlyAdmin
from core.admin.reauthentication import require_reauthentication
from core.admin.themed import AdminPasswordChangeForm, UserChangeForm
from seats.members.models import Member, User
from seats.members.queries import users_with_second_factor
from seats.members.services import remove_second_factor

admin.site.unregister(Group)  # Django's own page, which changes permissions


class LowerCaseEmail(forms.ModelForm):  # type: ignore[type-arg]
    """A form that saves the e-mail address in lower case, however it is entered."""

    def clean_email(self) -> str:
        return str(self.cleaned_data["email"]).lower()


class ChangeUserForm(LowerCaseEmail, UserChangeForm):  # type: ignore[type-arg]
    """The fields of a user that an administrator can change."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.fields["password"].help_text = ""  # the button beside it says enough


class AddUserForm(LowerCaseEmail):
    """E-mail address and name; the password is set on the next page."""

    class Meta:
        model = User
        fields = ["email", "name"]

    def save(self, commit: bool = True) -> User:  # noqa: FBT001, FBT002
        user: User = super().save(commit=False)
        user.set_unusable_password()
        if commit:
            user.save()
        return user


def remove_factor_effects(users: list[User], data: dict[str, Any] | None) -> list[str]:
    """Sentences about the users who log in with the password alone from now on."""
    having = users_with_second_factor(users)
    return [
        unchanged_if(
            user.pk not in having,
            f"{user}: passkeys, authenticator app and recovery codes are removed. Make"
            " sure that it is the user who asks for it."
            if user.pk in having
            else f"{user} has no second factor.",
        )
        for user in users
    ]


@admin.register(User)
class UserAdmin(StaffAdmin, DjangoUserAdmin):  # type: ignore[type-arg]
    """Users. Only a superuser creates staff and gives them jobs.

    Others who may change users can only change users who are not staff: not the rights,
    passwords or e-mail addresses of staff, not even their own.
    """

    menu = ("People and rights", "Users")
    sensitive = True
    add_form = AddUserForm
    form = ChangeUserForm
    change_password_form = AdminPasswordChangeForm
    list_display = ["email", "name", "jobs", "is_staff", "is_active"]
    list_filter = ["is_staff", "is_active", "groups"]
    search_fields = ["email", "name"]
    ordering = ["email"]
    actions = ["remove_factor"]
    filter_horizontal = []
    fieldsets = [
        (None, {"fields": ["email", "name", "password"]}),
        ("Access", {"fields": ["is_active", "is_staff", "groups", "is_superuser"]}),
    ]
    add_fieldsets = [(None, {"fields": ["email", "name"]})]

    def get_queryset(self, request: HttpRequest) -> Any:
        return super().get_queryset(request).prefetch_related("groups")

    def get_readonly_fields(self, request: HttpRequest, obj: Any = None) -> list[str]:
        rights = ["is_staff", "groups", "is_superuser"]
        return [] if request.user.is_superuser else rights

    def has_change_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        allowed = super().has_change_permission(request, obj)
        staff = obj is not None and (obj.is_staff or obj.is_superuser)
        return allowed and (request.user.is_superuser or not staff)

    def formfield_for_manytomany(
        self, db_field: Any, request: HttpRequest, **kwargs: Any
    ) -> Any:
        if db_field.name == "groups":
            kwargs["widget"] = forms.CheckboxSelectMultiple
            kwargs["label"] = "Jobs"
            kwargs["help_text"] = (
                "The jobs of a staff user. The page of each group lists its permissions."
            )
        return super().formfield_for_manytomany(db_field, request, **kwargs)

    def user_change_password(
        self, request: HttpRequest, id: str, form_url: str = ""
    ) -> HttpResponse:
        require_reauthentication(request, keep=False)
        return super().user_change_password(request, id, form_url)

    @staff_action(
        "Remove the second factor",
        permission="change",
        sensitive=True,
        effects=remove_factor_effects,
        undo="The user sets up a new one after logging in with the password.",
        done="without a second factor now",
    )
    def remove_factor(
        self, request: HttpRequest, users: list[User], data: dict[str, Any]
    ) -> ActionOutcome:
        def work(user: User) -> str | None:
            if not self.has_change_permission(request, user):
                return "may be changed by a superuser only"
            return None if remove_second_factor(user=user) else "had none"

        return work_each(users, work)

    @admin.display(description="jobs")
    def jobs(self, user: User) -> str:
        return ", ".join(group.name for group in user.groups.all())


@admin.register(Member)
class MemberAdmin(StaffAdmin):
    """Who may log in for which agency, and in which role."""

    menu = ("People and rights", "Members")
    sensitive = True
    list_display = ["user", "agency", "role", "agent"]
    list_select_related = ["user", "agency", "agent"]
    list_filter = ["role"]
    search_fields = ["user__email", "agency__code"]
    autocomplete_fields = ["user", "agency", "agent"]
    exclude = ["created_at"]
    actions = ["end"]

    def get_list_display(self, request: HttpRequest) -> Any:
        may_act = request.user.has_perm("seats.add_supportsession")
        return [*self.list_display, *(["support"] if may_act else [])]

    @admin.display(description="support")
    def support(self, member: Member) -> str:
        if member.user.is_staff or not member.user.is_active:
            return "-"
        query = urlencode({"agency": member.agency_id, "user": member.user_id})
        page = reverse("admin:seats_supportsession_add")
        return format_html('<a href="{}?{}">Act as</a>', page, query)

    @staff_action(
        "End membership",
        sensitive=True,
        permission="delete",
        effects=lambda members, data: [
            f"{member.user} is no longer {member.get_role_display()} of"
            f" {member.agency.code} and no longer sees its data."
            for member in members
        ],
        undo="Add the member again.",
        done="ended",
    )
    def end(
        self, request: HttpRequest, members: list[Member], data: dict[str, Any]
    ) -> ActionOutcome | None:
        ids = [member.pk for member in members]
        Member.objects.filter(pk__in=ids).delete()
        return None

    def save_model(self, request: Any, obj: Member, form: Any, change: Any) -> None:
        if not change:
            obj.created_at = timezone.now()
        super().save_model(request, obj, form, change)


@admin.register(Group)
class GroupAdmin(ReadOnlyAdmin):
    """Jobs of platform staff. Their permissions are defined in `billing/jobs.py`."""

    menu = ("People and rights", "Jobs")
    list_display = ["name"]
    ordering = ["name"]
    fields = ["name", "may"]
    readonly_fields = ["may"]

    @admin.display(description="permissions")
    def may(self, group: Group) -> str:
        rights = group.permissions.values_list("name", flat=True)
        return ", ".join(name.removeprefix("Can ") for name in rights)


@admin.register(LogEntry)
class LogEntryAdmin(ReadOnlyAdmin):
    """The history of the admin: who did what, and why; also shown on each row's page."""

    menu = ("People and rights", "Actions of staff")
    list_display = ["action_time", "user", "content_type", "object_repr", "message"]
    list_select_related = ["user", "content_type"]
    search_fields = ["user__email", "object_repr", "change_message"]
    date_hierarchy = "action_time"
    fields = [
        "action_time", "user", "content_type", "object_id", "object_repr", "message",
    ]  # fmt: skip
    readonly_fields = ["message"]

    @admin.display(description="action and reason")
    def message(self, entry: LogEntry) -> str:
        return entry.get_change_message() or str(entry)

"""Users and members, for staff."""

from typing import Any

from django import forms
from django.contrib import admin
from django.contrib.auth.admin import UserAdmin as DjangoUserAdmin
from django.contrib.auth.models import Group
from django.http import HttpRequest
from django.utils import timezone

from seats.members.models import Member, User

admin.site.unregister(Group)


class AddUserForm(forms.ModelForm):  # type: ignore[type-arg]
    """E-mail and name; a password is set on the next page."""

    class Meta:
        model = User
        fields = ["email", "name"]

    def clean_email(self) -> str:
        return str(self.cleaned_data["email"]).lower()

    def save(self, commit: bool = True) -> User:  # noqa: FBT001, FBT002
        user: User = super().save(commit=False)
        user.set_unusable_password()
        if commit:
            user.save()
        return user


@admin.register(User)
class UserAdmin(DjangoUserAdmin):  # type: ignore[type-arg]
    """Only a superuser makes staff; nobody ticks permissions one by one."""

    add_form = AddUserForm
    list_display = ["email", "name", "is_staff", "is_active"]
    list_filter = ["is_staff", "is_active"]
    search_fields = ["email", "name"]
    ordering = ["email"]
    filter_horizontal = []
    fieldsets = [
        (None, {"fields": ["email", "name", "password"]}),
        ("Access", {"fields": ["is_active", "is_staff", "is_superuser"]}),
    ]
    add_fieldsets = [(None, {"fields": ["email", "name"]})]

    def get_readonly_fields(self, request: HttpRequest, obj: Any = None) -> list[str]:
        return [] if request.user.is_superuser else ["is_staff", "is_superuser"]

    def has_delete_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return False


@admin.register(Member)
class MemberAdmin(admin.ModelAdmin):  # type: ignore[type-arg]
    list_display = ["user", "agency", "role", "agent"]
    list_select_related = ["user", "agency", "agent"]
    list_filter = ["role", "agency"]
    search_fields = ["user__email", "agency__code"]
    autocomplete_fields = ["user", "agency", "agent"]
    exclude = ["created_at"]

    def save_model(self, request: Any, obj: Member, form: Any, change: Any) -> None:
        if not change:
            obj.created_at = timezone.now()
        super().save_model(request, obj, form, change)

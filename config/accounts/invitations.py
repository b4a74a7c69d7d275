"""The page on which somebody accepts an invitation."""

from typing import Any

from allauth.account.utils import perform_login
from django import forms
from django.contrib import messages
from django.contrib.auth import password_validation
from django.core.exceptions import ValidationError
from django.http import HttpRequest, HttpResponse
from django.http.response import HttpResponseBase
from django.shortcuts import redirect, render
from django.utils import timezone
from django.utils.decorators import method_decorator
from django.views.decorators.cache import never_cache
from django.views.decorators.debug import sensitive_post_parameters
from django.views.generic import FormView

from seats.members.models import Member, User
from seats.members.services import (
    InvitationEnded,
    accept_invitation,
    needs_password,
    open_invitation,
)

SENSITIVE = "password", "password_again"


class JoinForm(forms.Form):
    """For whoever has an account: there is nothing to fill in."""


class NewAccountForm(forms.Form):
    """For whoever has none yet: a name and a password."""

    name = forms.CharField(
        max_length=200, widget=forms.TextInput(attrs={"autocomplete": "name"})
    )
    password = forms.CharField(
        strip=False,
        widget=forms.PasswordInput(attrs={"autocomplete": "new-password"}),
        help_text=password_validation.password_validators_help_text_html(),
    )
    password_again = forms.CharField(
        strip=False, widget=forms.PasswordInput(attrs={"autocomplete": "new-password"})
    )

    def __init__(self, *args: Any, email: str, **kwargs: Any) -> None:
        self.email = email
        super().__init__(*args, **kwargs)

    def clean(self) -> dict[str, Any]:
        cleaned = super().clean() or {}
        password = cleaned.get("password")
        if password is None:
            return cleaned
        if cleaned.get("password_again") not in (None, password):
            self.add_error("password_again", "The two passwords are not the same.")
        user = User(email=self.email, name=cleaned.get("name", ""))
        try:
            password_validation.validate_password(password, user)
        except ValidationError as error:
            self.add_error("password", error)
        return cleaned


@method_decorator([never_cache, sensitive_post_parameters(*SENSITIVE)], name="dispatch")
class AcceptInvitationView(FormView):  # type: ignore[type-arg]
    """Shows who invites whom to what; nothing happens before it is confirmed.

    Reading the mail proves the address, as it does for a new password. Who has a
    password keeps it and logs in as usual, with the second factor.
    """

    template_name = "account/invitation.html"

    def dispatch(
        self, request: HttpRequest, *args: Any, **kwargs: Any
    ) -> HttpResponseBase:
        try:
            self.invitation = open_invitation(token=kwargs["token"], now=timezone.now())
            self.is_new = needs_password(self.invitation)
            return super().dispatch(request, *args, **kwargs)
        except InvitationEnded as refusal:
            page = "account/invitation_ended.html"
            return render(request, page, {"why": refusal.message}, status=404)

    def get_form(self, form_class: Any = None) -> Any:
        if self.is_new:
            return NewAccountForm(**self.get_form_kwargs(), email=self.invitation.email)
        return JoinForm(**self.get_form_kwargs())

    def get_context_data(self, **kwargs: Any) -> dict[str, Any]:
        return super().get_context_data(
            **kwargs, invitation=self.invitation, is_new=self.is_new
        )

    def form_valid(self, form: Any) -> HttpResponse:
        member = accept_invitation(
            token=self.kwargs["token"],
            name=form.cleaned_data.get("name", ""),
            password=form.cleaned_data.get("password"),
            now=timezone.now(),
        )
        joined = f"You are now {member.get_role_display()} of {member.agency.name}."
        messages.success(self.request, joined)
        return self._following(member)

    def _following(self, member: Member) -> HttpResponse:
        """New users are logged in; others log in, unless they are."""
        if self.is_new and not self.request.user.is_authenticated:
            answer: HttpResponse = perform_login(self.request, member.user)
            return answer
        return redirect("/" if self.request.user == member.user else "account_login")


accept_invitation_view = AcceptInvitationView.as_view()

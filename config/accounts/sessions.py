"""The sessions of a user: where they log in from, and signing out there."""

from allauth.usersessions.internal.flows.sessions import end_sessions
from allauth.usersessions.models import UserSession
from allauth.usersessions.views import ListUserSessionsView
from django import forms
from django.http import HttpRequest


class EndSessionsForm(forms.Form):
    """One session, or all but the current one."""

    session = forms.IntegerField(required=False, min_value=1, max_value=2**63 - 1)

    def __init__(self, *args: object, request: HttpRequest, **kwargs: object) -> None:
        self.request = request
        super().__init__(*args, **kwargs)  # type: ignore[arg-type]

    def save(self, request: HttpRequest) -> None:
        """End the session, or the others; only those of this user."""
        own = UserSession.objects.filter(user_id=request.user.pk)
        pk = self.cleaned_data["session"]
        ending = own.filter(pk=pk) if pk else own
        end_sessions(request, [row for row in ending if pk or not row.is_current()])


class SessionsView(ListUserSessionsView):  # type: ignore[misc]
    form_class = EndSessionsForm


sessions_view = SessionsView.as_view()

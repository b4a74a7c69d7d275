"""The pages of allauth that are in use, below /accounts/.

Other e-mail addresses, phones, log-in by mailed code and social accounts are
not: an account is made by an invitation, and has one address.
"""

from allauth.account import views as account
from django.urls import include, path, re_path

from config.accounts.acting import end_acting_view
from config.accounts.invitations import accept_invitation_view
from config.accounts.sessions import sessions_view

urlpatterns = [
    path("login/", account.login, name="account_login"),
    path("signup/", account.signup, name="account_signup"),  # says that it is closed
    path("logout/", account.logout, name="account_logout"),
    path("inactive/", account.account_inactive, name="account_inactive"),
    path("reauthenticate/", account.reauthenticate, name="account_reauthenticate"),
    path("password/change/", account.password_change, name="account_change_password"),
    path("password/set/", account.password_set, name="account_set_password"),
    path("password/reset/", account.password_reset, name="account_reset_password"),
    path(
        "password/reset/done/",
        account.password_reset_done,
        name="account_reset_password_done",
    ),
    re_path(
        r"^password/reset/key/(?P<uidb36>[0-9A-Za-z]+)-(?P<key>.+)/$",
        account.password_reset_from_key,
        name="account_reset_password_from_key",
    ),
    path(
        "password/reset/key/done/",
        account.password_reset_from_key_done,
        name="account_reset_password_from_key_done",
    ),
    path("2fa/", include("allauth.mfa.urls")),
    path("acting/end/", end_acting_view, name="end_acting"),
    path("sessions/", sessions_view, name="usersessions_list"),
    path("invitations/<str:token>/", accept_invitation_view, name="accept_invitation"),
]

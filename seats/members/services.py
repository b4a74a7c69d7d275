"""Invite people to an agency, and make them its members."""

import secrets
from collections.abc import Collection
from datetime import datetime, timedelta
from hashlib import sha256

from allauth.mfa.models import Authenticator
from django.conf import settings
from django.contrib.auth.hashers import make_password
from django.db import transaction
from django.db.models import QuerySet

from core.errors import Kind, Refusal
from seats.agencies.models import Agency
from seats.members.models import Invitation, Member, User, canonical_email
from seats.members.queries import agencies_without_owner
from seats.roster.models import Agent
from seats.signals import invitation_created

TOKEN_BYTES = 32


class AlreadyMember(Refusal):
    """The address belongs to a member of the agency already.

    Change the role of the member instead.
    """

    code = "already_member"
    kind = Kind.CONFLICT


class AgentOfRole(Refusal):
    """The role agent needs an agent of the agency; the other roles have none.

    Choose an agent of the agency for the role agent, and none for another role.
    """

    code = "agent_of_role"


class InvitationEnded(Refusal):
    """The invitation was accepted, revoked or replaced, or it expired, or never was.

    Ask whoever invited you for a new invitation.
    """

    code = "invitation_ended"
    kind = Kind.NOT_FOUND


class LastOwner(Refusal):
    """The agency would have no owner.

    Invite another owner first.
    """

    code = "last_owner"
    kind = Kind.CONFLICT


class PasswordMissing(Refusal):
    """The invited person has no account yet, so a password is required.

    Choose a password.
    """

    code = "password_missing"


def create_invitation(
    *,
    agency: Agency,
    email: str,
    role: str,
    agent: Agent | None = None,
    invited_by: User,
    page_url: str,
    now: datetime,
) -> Invitation:
    """Invite an address to an agency, for INVITATION_DAYS days, and have it mailed.

    An earlier invitation of the same address to the agency is revoked. Whether anybody
    has an account with the address makes no difference. `page_url` is the absolute URL
    of the page that accepts; the token is appended. Not safe to repeat: each call mails
    another token. Raises AlreadyMember, AgentOfRole.
    """
    email = canonical_email(email)
    _require_agent_of_role(agency, role, agent)
    token = secrets.token_urlsafe(TOKEN_BYTES)
    with transaction.atomic():
        # Two invitations at once: the second revokes the first.
        Agency.objects.select_for_update(no_key=True).get(pk=agency.pk)
        if Member.objects.filter(agency=agency, user__email=email).exists():
            raise AlreadyMember(
                f"{email} is a member of {agency.code} already. Change the role of the"
                " member instead.",
                field="email",
            )
        open_rows = _open_invitations().filter(agency=agency, email=email)
        open_rows.update(revoked_at=now)
        invitation = Invitation.objects.create(
            agency=agency,
            email=email,
            role=role,
            agent=agent,
            digest=_digest(token),
            invited_by=invited_by,
            created_at=now,
            expires_at=now + timedelta(days=settings.INVITATION_DAYS),
        )
        invitation_created.send(
            Invitation, invitation=invitation, url=f"{page_url}{token}/", now=now
        )
    return invitation


def revoke_invitation(*, invitation: Invitation, now: datetime) -> bool:
    """End an open invitation; False if it had ended. Safe to repeat."""
    return bool(_open_invitations().filter(pk=invitation.pk).update(revoked_at=now))


def open_invitation(*, token: str, now: datetime) -> Invitation:
    """The invitation of this token, with its agency. Raises InvitationEnded."""
    rows = _open_invitations().select_related("agency", "invited_by", "agent")
    invitation = rows.filter(digest=_digest(token), expires_at__gt=now).first()
    if invitation is None:
        raise InvitationEnded(
            "This invitation has ended: it was used, revoked or replaced, or it expired."
            " Ask whoever invited you for a new one."
        )
    return invitation


def accept_invitation(
    *, token: str, name: str, password: str | None, now: datetime
) -> Member:
    """Make whoever holds the token a member; who is one keeps the role.

    A user of the address joins with their password as it is; without one, a user is
    made with this name and password, which the caller has validated. Two callers at
    once: one of them gets InvitationEnded. Raises InvitationEnded, PasswordMissing.
    """
    with transaction.atomic():
        locked = Invitation.objects.select_for_update(no_key=True, of=("self",))
        locked.filter(digest=_digest(token)).first()
        invitation = open_invitation(token=token, now=now)
        user = _user_of(invitation, name, password)
        member, _created = Member.objects.get_or_create(
            user=user,
            agency=invitation.agency,
            defaults={
                "role": invitation.role,
                "agent": invitation.agent,
                "created_at": now,
            },
        )
        Invitation.objects.filter(pk=invitation.pk).update(
            accepted_at=now, accepted_by=user
        )
    return member


def end_members(*, members: Collection[Member]) -> None:
    """End memberships; who has no other one is logged out at the next request.

    Safe to repeat. Two callers at once leave an owner. Raises LastOwner.
    """
    with transaction.atomic():
        ids = {member.agency_id for member in members}
        locked = Agency.objects.select_for_update(no_key=True).filter(pk__in=ids)
        list(locked.order_by("pk"))
        _require_other_owner(members)
        Member.objects.filter(pk__in=[member.pk for member in members]).delete()


def change_role(*, member: Member, role: str, agent: Agent | None = None) -> Member:
    """Give a member another role at the agency, which counts at the next request.

    Safe to repeat. Two callers at once leave an owner. Raises AgentOfRole, LastOwner.
    """
    _require_agent_of_role(member.agency, role, agent)
    with transaction.atomic():
        Agency.objects.select_for_update(no_key=True).get(pk=member.agency_id)
        member = Member.objects.select_for_update(no_key=True).get(pk=member.pk)
        if role != Member.Role.OWNER:
            _require_other_owner([member])
        member.role, member.agent = role, agent
        member.save(update_fields=["role", "agent"])
    return member


def _require_other_owner(members: Collection[Member]) -> None:
    for agency in agencies_without_owner(members):
        raise LastOwner(
            f"{agency.code} would have no owner. Invite another owner first."
        )


def needs_password(invitation: Invitation) -> bool:
    """Whether accepting makes a user, or gives one the first password."""
    user = User.objects.filter(email=invitation.email).first()
    return user is None or not user.has_usable_password()


def remove_second_factor(*, user: User) -> bool:
    """Remove app, passkeys and recovery codes; False if there is none. Safe to repeat.

    For users who lost them. They log in with the password, and where a second factor is
    mandatory, set up a new one before anything else.
    """
    count, _ = Authenticator.objects.filter(user=user).delete()
    return bool(count)


def _require_agent_of_role(agency: Agency, role: str, agent: Agent | None) -> None:
    is_agent = role == Member.Role.AGENT
    if is_agent != (agent is not None) or (agent and agent.agency_id != agency.pk):
        raise AgentOfRole(
            "Choose an agent of the agency for the role agent, and none for another"
            " role.",
            field="agent",
        )


def _user_of(invitation: Invitation, name: str, password: str | None) -> User:
    user, _created = User.objects.get_or_create(
        email=invitation.email, defaults={"password": make_password(None)}
    )
    if not user.is_active:
        raise InvitationEnded(
            f"The account of {user.email} is disabled. Ask whoever invited you."
        )
    if not user.has_usable_password():
        if not password:
            raise PasswordMissing("Choose a password.", field="password")
        user.set_password(password)
        user.name = user.name or name
        user.save(update_fields=["password", "name"])
    return user


def _open_invitations() -> QuerySet[Invitation]:
    return Invitation.objects.filter(accepted_at=None, revoked_at=None)


def _digest(token: str) -> str:
    return sha256(token.encode(errors="replace")).hexdigest()

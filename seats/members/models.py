"""Users, and their roles at agencies."""

from typing import Any, ClassVar

from django.contrib.auth.models import (
    AbstractBaseUser,
    BaseUserManager,
    PermissionsMixin,
)
from django.db import models
from django.db.models import F, Q
from django.db.models.functions import Lower, Now

from core.audit import audited
from core.postgres.columns import UUID7, Check
from seats.agencies.models import Agency
from seats.roster.models import Agent


def canonical_email(email: str) -> str:
    """The one spelling of an address under which it is kept, found and counted."""
    return email.strip().lower()


class UserManager(BaseUserManager["User"]):
    def create_user(
        self, email: str, password: str | None = None, **fields: Any
    ) -> "User":
        """Create a user; the e-mail address is stored in lower case."""
        user = self.model(email=canonical_email(email), **fields)
        user.set_password(password)
        user.save(using=self._db)
        return user

    def create_superuser(
        self, email: str, password: str | None = None, **fields: Any
    ) -> "User":
        """Create a staff user who may do everything."""
        return self.create_user(
            email, password, is_staff=True, is_superuser=True, **fields
        )

    def get_by_natural_key(self, username: str | None) -> "User":
        """The user of this address, however it is capitalized; nobody else's letters.

        The database folds more than case does, such as a dotless i to an i, and would
        find a user under many names.
        """
        return self.get(email=canonical_email(username or ""))


@audited()
class User(AbstractBaseUser, PermissionsMixin):
    """A person who can log in. `is_staff` means staff of the platform, not an agency."""

    secret_columns: ClassVar = ("password",)  # which no page for members reads

    public_id = models.UUIDField(db_default=UUID7(), unique=True, editable=False)
    email = models.EmailField("e-mail address", unique=True)
    name = models.CharField(max_length=200, blank=True)
    is_staff = models.BooleanField("platform staff", default=False)
    is_active = models.BooleanField(default=True)
    created_at = models.DateTimeField(db_default=Now())

    objects: ClassVar[UserManager] = UserManager()
    USERNAME_FIELD = "email"
    EMAIL_FIELD = "email"

    class Meta:
        ordering = ["email"]
        constraints = [
            Check(
                condition=Q(email=Lower("email")),
                name="email_is_lower_case",
                field="email",
                says="Enter the e-mail address in lower case.",
            )
        ]

    def __str__(self) -> str:
        return self.email

    def get_full_name(self) -> str:
        return self.name or self.email

    def get_short_name(self) -> str:
        return self.get_full_name()


AGENT_IS_NAMED = Q(role="agent", agent__isnull=False) | (
    ~Q(role="agent") & Q(agent__isnull=True)
)
ROLE_EXISTS = Q(role__in=["owner", "admin", "billing_viewer", "supervisor", "agent"])


@audited()
class Member(models.Model):
    """The role of a user at an agency."""

    class Role(models.TextChoices):
        OWNER = "owner"
        ADMIN = "admin"
        BILLING_VIEWER = "billing_viewer"
        SUPERVISOR = "supervisor"
        AGENT = "agent"

    user = models.ForeignKey(User, models.CASCADE, related_name="memberships")
    agency = models.ForeignKey(Agency, models.PROTECT, related_name="members")
    role = models.CharField(max_length=16, choices=Role)
    agent = models.ForeignKey(
        Agent, models.PROTECT, null=True, blank=True, related_name="members"
    )
    created_at = models.DateTimeField()

    class Meta:
        ordering = ["agency", "user"]
        constraints = [
            models.UniqueConstraint(
                fields=["user", "agency"], name="one_role_per_user_and_agency"
            ),
            Check(
                condition=AGENT_IS_NAMED,
                name="an_agent_member_names_the_agent",
                field="agent",
                says="Choose an agent for the role agent, and none for another role.",
            ),
            Check(
                condition=ROLE_EXISTS,
                name="member_role_valid",
                field="role",
                says="Choose a role.",
            ),
        ]

    def __str__(self) -> str:
        return f"{self.user}: {self.role} of {self.agency.code}"


@audited()
class Invitation(models.Model):
    """An offer of a role at an agency to whoever reads the mails of an address.

    Only the SHA-256 of its token is stored; the mail has the token. It ends when it is
    accepted or revoked, or at `expires_at`.
    """

    secret_columns: ClassVar = ("digest",)  # which no page for members reads

    public_id = models.UUIDField(db_default=UUID7(), unique=True, editable=False)
    agency = models.ForeignKey(Agency, models.PROTECT, related_name="invitations")
    email = models.EmailField("e-mail address")
    role = models.CharField(max_length=16, choices=Member.Role)
    agent = models.ForeignKey(
        Agent, models.PROTECT, null=True, blank=True, related_name="+"
    )
    digest = models.CharField(max_length=64, unique=True, editable=False)
    invited_by = models.ForeignKey(User, models.PROTECT, related_name="+")
    created_at = models.DateTimeField()
    expires_at = models.DateTimeField()
    accepted_at = models.DateTimeField(null=True)
    accepted_by = models.ForeignKey(User, models.PROTECT, null=True, related_name="+")
    revoked_at = models.DateTimeField(null=True)

    class Meta:
        ordering = ["-id"]
        permissions = [("revoke_invitation", "Can revoke an invitation")]
        constraints = [
            models.UniqueConstraint(
                fields=["agency", "email"],
                condition=Q(accepted_at=None, revoked_at=None),
                name="invitation_open_agency_email_unique",
            ),
            Check(
                condition=Q(email=Lower("email")),
                name="invitation_email_lower",
                field="email",
                says="Enter the e-mail address in lower case.",
            ),
            Check(
                condition=AGENT_IS_NAMED,
                name="invitation_agent_matches_role",
                field="agent",
                says="Choose an agent for the role agent, and none for another role.",
            ),
            Check(
                condition=ROLE_EXISTS,
                name="invitation_role_valid",
                field="role",
                says="Choose a role.",
            ),
            models.CheckConstraint(
                condition=Q(expires_at__gt=F("created_at")),
                name="invitation_expires_after_created",
            ),
            models.CheckConstraint(
                condition=Q(accepted_at=None) | Q(revoked_at=None),
                name="invitation_accepted_or_revoked",
            ),
            models.CheckConstraint(
                condition=Q(accepted_at=None, accepted_by=None)
                | Q(accepted_at__isnull=False, accepted_by__isnull=False),
                name="invitation_accepted_by_matches_accepted_at",
            ),
        ]

    def __str__(self) -> str:
        return f"{self.email}: {self.role} of {self.agency.code}"

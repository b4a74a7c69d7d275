"""Users, and their roles at agencies."""

from typing import Any, ClassVar

from django.contrib.auth.models import (
    AbstractBaseUser,
    BaseUserManager,
    PermissionsMixin,
)
from django.db import models
from django.db.models import Q
from django.db.models.functions import Lower, Now

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


class User(AbstractBaseUser, PermissionsMixin):
    """A person who can log in. `is_staff` means staff of the platform, not an agency."""

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
                condition=Q(role="agent", agent__isnull=False)
                | (~Q(role="agent") & Q(agent__isnull=True)),
                name="an_agent_member_names_the_agent",
                field="agent",
                says="Choose an agent for the role agent, and none for another role.",
            ),
            Check(
                condition=Q(
                    role__in=[
                        "owner",
                        "admin",
                        "billing_viewer",
                        "supervisor",
                        "agent",
                    ]
                ),
                name="member_role_valid",
                field="role",
                says="Choose a role.",
            ),
        ]

    def __str__(self) -> str:
        return f"{self.user}: {self.role} of {self.agency.code}"

"""By whom: users with one role each, their teams, their working time and what they can do."""

from __future__ import annotations

from django.contrib.auth.base_user import AbstractBaseUser
from django.contrib.auth.models import BaseUserManager
from django.db import models
from django.utils.translation import gettext_lazy as _

from . import permissions
from .permissions import Role


class Presence(models.TextChoices):
    ONLINE = "online", _("Online · taking tickets")
    BUSY = "busy", _("On a ticket")
    BREAK = "break", _("On break")
    AWAY = "away", _("Away")
    OFFLINE = "offline", _("Offline")


class Team(models.Model):
    """A group that shares a queue. `dispatches` marks the teams to which returned tickets go back."""

    code = models.SlugField(max_length=40, db_index=False)
    name_zh = models.CharField(max_length=80)
    name_en = models.CharField(max_length=80)
    dispatches = models.BooleanField(default=False)

    class Meta:
        constraints = [models.UniqueConstraint(fields=["code"], name="team_code")]
        ordering = ["code"]

    def __str__(self) -> str:
        from django.utils.translation import get_language

        return self.name_en if (get_language() or "").startswith("en") else self.name_zh


class UserManager(BaseUserManager["User"]):
    def create_user(self, username: str, password: str | None = None, **fields: object) -> User:
        user = self.model(username=username, **fields)
        user.set_password(password)
        user.save(using=self._db)
        return user

    def at_work(self) -> models.QuerySet[User]:
        return self.filter(is_active=True).exclude(presence=Presence.OFFLINE)

    def holding(self, ability: str) -> models.QuerySet[User]:
        """The active people whose role holds `ability`."""
        return self.filter(is_active=True, role__in=permissions.TABLE[ability])


class User(AbstractBaseUser):
    """A member of staff. The name is shown as recorded; the role decides what the person may do."""

    class Theme(models.TextChoices):
        SYSTEM = "system", _("As the device")
        LIGHT = "light", _("Light")
        DARK = "dark", _("Dark")

    class Density(models.TextChoices):
        COMFORTABLE = "comfortable", _("Comfortable")
        COMPACT = "compact", _("Compact")

    username = models.CharField(max_length=60)
    name = models.CharField(max_length=80)
    email = models.EmailField(blank=True)
    role = models.CharField(max_length=20, choices=Role, default=Role.AGENT)
    team = models.ForeignKey(Team, on_delete=models.PROTECT, null=True, blank=True, related_name="members")
    is_active = models.BooleanField(default=True)
    language = models.CharField(max_length=10, blank=True)
    theme = models.CharField(max_length=10, choices=Theme, default=Theme.SYSTEM)
    density = models.CharField(max_length=12, choices=Density, default=Density.COMFORTABLE)
    # Single keys of the desk: whether they work, and which have another one (common.keys): name → key, "" for none.
    single_keys = models.BooleanField(default=True)
    keys = models.JSONField(default=dict, blank=True)
    # Whether a reply of this person's can be taken back for a few seconds before it leaves (desk.sending).
    undo_replies = models.BooleanField(default=True)
    presence = models.CharField(max_length=10, choices=Presence, default=Presence.OFFLINE)
    presence_since = models.DateTimeField(null=True, blank=True)

    USERNAME_FIELD = "username"
    REQUIRED_FIELDS = ["name"]
    objects = UserManager()

    class Meta:
        constraints = [
            models.UniqueConstraint(fields=["username"], name="user_username"),
            models.CheckConstraint(condition=models.Q(role__in=list(Role)), name="user_role"),
        ]
        ordering = ["username"]

    def __str__(self) -> str:
        return self.name or self.username

    def get_full_name(self) -> str:
        return self.name

    def may(self, ability: str) -> bool:
        """Whether this person's role holds `ability` (staff.permissions.TABLE)."""
        return self.is_active and permissions.may(self.role, ability)

    @property
    def initials(self) -> str:
        """What stands in the avatar: one Chinese character, or up to two Latin initials."""
        words = self.name.split()
        if not words:
            return "?"
        if words[0][0].isascii():
            return "".join(word[0] for word in words[:2]).upper()
        return words[0][0]


# The stories of their own; here so that every model of the room has one address.
from .records import StaffRecord  # noqa: E402
from .skills import Certificate, CertificateKind, Skill, UserSkill  # noqa: E402
from .working import Duty, Leave, Shift  # noqa: E402

__all__ = [
    "Certificate", "CertificateKind", "Duty", "Leave", "Presence", "Shift", "Skill", "StaffRecord", "Team", "User",
    "UserManager", "UserSkill",
]  # fmt: skip

"""A case: the one kind of work item. Tickets, appointments, complaints and callbacks extend it (architecture.md §2)."""

from __future__ import annotations

from typing import Any, ClassVar, cast

from django.conf import settings
from django.core.files.storage import Storage, storages
from django.db import models
from django.utils.translation import get_language
from django.utils.translation import gettext_lazy as _
from django_fsm import FSMField

from common.bulk import insert_rows, update_row
from customers.models import Customer, Region
from staff.models import Team

from . import numbers
from .querysets import OPEN, AttachmentQuerySet, CaseQuerySet
from .states import NEVER, PRIORITY, Channel, ClockState, Severity, Urgency


class Category(models.Model):
    """A node of the category tree. `code` is the path from the root, parts joined by dots.

    `team_code` names the team whose work this is (a code, because the file comes before the teams; one that no team
    bears says nothing); `words` are what people call it besides its names, in any language (requirements.md INT-09).
    """

    code = models.CharField(max_length=120)
    name_zh = models.CharField(max_length=80)
    name_en = models.CharField(max_length=80)
    parent = models.ForeignKey("self", on_delete=models.PROTECT, null=True, blank=True, related_name="children")
    active = models.BooleanField(default=True)
    order = models.PositiveSmallIntegerField(default=0)
    team_code = models.CharField(max_length=40, blank=True, default="", db_default="")
    words = models.JSONField(blank=True, default=list)

    class Meta:
        constraints = [models.UniqueConstraint(fields=["code"], name="category_code")]
        ordering = ["order", "code"]

    def __str__(self) -> str:
        return self.name_en if (get_language() or "").startswith("en") else self.name_zh


class Case(models.Model):
    """What every piece of work shares. A kind adds columns, `KIND`, `PREFIX`, `STATES` and its transitions.

    `state` changes only through a transition run by a service under the case's row lock. That lock is also the lock
    of the case's deadlines, timers and timeline.
    """

    KIND: ClassVar[str] = ""
    PREFIX: ClassVar[str] = ""
    STATES: ClassVar[type[models.TextChoices]]
    TYPES: ClassVar[type[models.TextChoices]]
    # States in which few of many open cases are, and the column (owner, team) by which lists ask for one of them alone.
    FEW: ClassVar[dict[str, str]] = {}
    kinds: ClassVar[dict[str, type[Case]]] = {}

    kind = models.CharField(max_length=16)
    type = models.CharField(max_length=24)
    category = models.ForeignKey(Category, on_delete=models.PROTECT, null=True, blank=True, related_name="cases")
    region = models.ForeignKey(Region, on_delete=models.PROTECT, null=True, blank=True, related_name="+")
    channel = models.CharField(max_length=12, choices=Channel)
    state = FSMField(max_length=16, protected=True)
    subject = models.CharField(max_length=200)
    customer = models.ForeignKey(Customer, on_delete=models.PROTECT, null=True, blank=True, related_name="cases")
    customer_grade = models.CharField(max_length=10, blank=True)
    owner = models.ForeignKey(
        settings.AUTH_USER_MODEL,
        on_delete=models.PROTECT,
        null=True,
        blank=True,
        related_name="owned_cases",
        db_index=False,
    )
    team = models.ForeignKey(
        Team, on_delete=models.PROTECT, null=True, blank=True, related_name="cases", db_index=False
    )
    first_contact = models.ForeignKey(
        settings.AUTH_USER_MODEL, on_delete=models.PROTECT, null=True, blank=True, related_name="first_contacts"
    )
    tier = models.PositiveSmallIntegerField(default=1)
    urgency = models.CharField(max_length=8, choices=Urgency, default=Urgency.NORMAL)
    severity = models.CharField(max_length=8, choices=Severity, default=Severity.ONE)
    complex = models.BooleanField(default=False)
    priority = models.PositiveSmallIntegerField(default=4)
    unanswered = models.PositiveSmallIntegerField(default=0)

    received_at = models.DateTimeField()
    created_at = models.DateTimeField()
    changed_at = models.DateTimeField()
    resolved_at = models.DateTimeField(null=True, blank=True)
    closed_at = models.DateTimeField(null=True, blank=True)
    closed_because = models.CharField(max_length=16, blank=True)
    cycle = models.PositiveSmallIntegerField(default=1)
    version = models.PositiveIntegerField(default=1)
    link_version = models.PositiveIntegerField(default=1)  # signed into the case's links (cases/links.py)

    # Kept by `sla` for queues: the nearest running clock, or what became of it.
    sort_due_at = models.DateTimeField(default=NEVER)
    clock_state = models.CharField(max_length=8, choices=ClockState, default=ClockState.NONE)
    clock_left = models.DurationField(null=True, blank=True)
    clock_warn = models.DurationField(null=True, blank=True)

    # The head of the timeline's hash chain.
    event_seq = models.PositiveIntegerField(default=0)
    event_hash = models.CharField(max_length=64, blank=True)

    objects = CaseQuerySet.as_manager()

    class Meta:
        constraints: ClassVar[list[models.BaseConstraint]] = [
            models.CheckConstraint(condition=models.Q(priority__range=(1, 4)), name="case_priority"),
            models.CheckConstraint(condition=models.Q(tier__range=(1, 3)), name="case_tier"),
        ]
        indexes = [
            models.Index(fields=["owner", "sort_due_at", "id"], condition=OPEN, name="case_open_owner"),
            models.Index(fields=["team", "sort_due_at", "id"], condition=OPEN, name="case_open_team"),
            models.Index(fields=["sort_due_at", "id"], condition=OPEN, name="case_open"),
            models.Index(fields=["owner", "-resolved_at"], name="case_done_owner"),
            models.Index(fields=["-resolved_at"], name="case_done"),
            models.Index(fields=["received_at"], name="case_received"),
        ]

    def __init_subclass__(cls, **options: Any) -> None:
        """Enter a kind in the register and let the database hold its states: kind ⇒ state in STATES.

        Its few cases of a state get an index of their own: to find that nobody waits, a list would read all that is
        open.
        """
        super().__init_subclass__(**options)
        if not cls.__dict__.get("KIND") or cls.__dict__.get("__module__") == "__fake__":
            return
        Case.kinds[cls.KIND] = cls
        name = f"case_state_of_{cls.KIND}"
        if all(constraint.name != name for constraint in Case._meta.constraints):
            cast("list[models.BaseConstraint]", Case._meta.constraints).append(
                models.CheckConstraint(
                    condition=~models.Q(kind=cls.KIND) | models.Q(state__in=list(cls.STATES.values)), name=name
                )
            )
        for state, column in cls.FEW.items():
            name = f"case_{cls.KIND}_{state}"
            if all(index.name != name for index in Case._meta.indexes):
                condition = OPEN & models.Q(kind=cls.KIND, state=state)
                index = models.Index(fields=[column, "sort_due_at", "id"], condition=condition, name=name)
                cast("list[models.Index]", Case._meta.indexes).append(index)

    def __str__(self) -> str:
        return self.number

    @classmethod
    def from_db(cls, *args: Any, **kwargs: Any) -> Any:
        instance = super().from_db(*args, **kwargs)
        instance._stored = instance._values()
        return instance

    def refresh_from_db(self, *args: Any, **kwargs: Any) -> None:
        """Reload; `state` is popped first, because a protected field refuses to be set twice.

        django-fsm-2's mixin switches protection off on the class instead, and leaves it off when the reload raises.
        """
        kept = self.__dict__.pop("state", None)
        try:
            super().refresh_from_db(*args, **kwargs)
        except BaseException:
            if kept is not None:
                self.__dict__["state"] = kept
            raise
        if "state" not in self.__dict__ and kept is not None and kwargs.get("fields"):
            self.__dict__["state"] = kept
        fields = kwargs.get("fields") or (args[1] if len(args) > 1 else None)
        present = self._values()
        # A reload of some fields (a deferred one is read so) says nothing about the others: they may be unsaved.
        names = {
            field.attname
            for field in self._meta.concrete_fields
            if fields is None or {field.name, field.attname} & {*fields}
        }
        self._stored = getattr(self, "_stored", {}) | {name: present[name] for name in names if name in present}

    def full_clean(self, exclude: Any = None, validate_unique: bool = True, validate_constraints: bool = True) -> None:
        super().full_clean({*(exclude or ()), "state"}, validate_unique, validate_constraints)

    def _values(self) -> dict[str, Any]:
        present = self.__dict__
        return {
            field.attname: present[field.attname] for field in self._meta.concrete_fields if field.attname in present
        }

    def save_changes(self) -> None:
        """Write only the columns that differ from what was read; a new case is inserted whole."""
        if self._state.adding:
            insert_rows([self])
            self._stored = self._values()
            return
        present, stored = self._values(), getattr(self, "_stored", {})
        changed = [name for name, value in present.items() if name not in stored or stored[name] != value]
        if changed:
            update_row(self, changed)
        self._stored = present

    def follow_state(self, kind: Case) -> None:
        """Take over the state of this same case, which a transition of its kind has just changed in memory."""
        assert kind.pk == self.pk
        self.__dict__["state"] = kind.state

    @property
    def number(self) -> str:
        return numbers.number_of(self.kinds[self.kind].PREFIX if self.kind in self.kinds else "X", self.pk)

    @property
    def specific(self) -> Any:
        """This case as its own kind (one query, unless it already is)."""
        kind = self.kinds[self.kind]
        return self if type(self) is kind else kind.objects.get(pk=self.pk)

    @property
    def is_open(self) -> bool:
        return self.resolved_at is None and self.closed_at is None

    def get_state_label(self) -> str:
        return str(self.kinds[self.kind].STATES(self.state).label)

    def get_type_label(self) -> str:
        return str(self.kinds[self.kind].TYPES(self.type).label)

    def rank(self) -> int:
        """The priority that urgency and severity give by the table."""
        return PRIORITY[self.urgency, self.severity]


class Note(models.Model):
    """One turn of the conversation: what the customer said, what we answered, or what we told each other."""

    class Visibility(models.TextChoices):
        PUBLIC = "public", _("Seen by the customer")
        INTERNAL = "internal", _("Internal note")

    class Direction(models.TextChoices):
        IN = "in", _("From the customer")
        OUT = "out", _("To the customer")
        NONE = "none", _("Among ourselves")

    class Outcome(models.TextChoices):
        REACHED = "reached", _("Reached")
        NO_ANSWER = "no_answer", _("No answer")
        WRONG_NUMBER = "wrong_number", _("Wrong number")

    case = models.ForeignKey(Case, on_delete=models.PROTECT, related_name="notes", db_index=False)
    visibility = models.CharField(max_length=8, choices=Visibility)
    direction = models.CharField(max_length=4, choices=Direction)
    channel = models.CharField(max_length=12, choices=Channel, blank=True)
    outcome = models.CharField(max_length=12, choices=Outcome, blank=True)
    author = models.ForeignKey(
        settings.AUTH_USER_MODEL, on_delete=models.PROTECT, null=True, blank=True, db_index=False
    )
    body = models.TextField()
    at = models.DateTimeField()
    external_id = models.CharField(max_length=200, blank=True)

    class Meta:
        indexes = [models.Index(fields=["case", "at", "id"], name="note_of_case")]
        ordering = ["at", "pk"]
        constraints = [
            models.UniqueConstraint(
                fields=["external_id"], condition=~models.Q(external_id=""), name="note_external_once"
            ),
            models.CheckConstraint(
                condition=~models.Q(visibility="internal") | models.Q(direction="none"),
                name="note_internal_stays_inside",
            ),
        ]


def attachment_storage() -> Storage:
    """Where files of cases are kept (STORAGES): outside the web root, and only by a view that asks who is asking."""
    return storages["attachments"]


class Attachment(models.Model):
    """A file of a case, as it came (cases.attachments). Written once; triggers refuse UPDATE and DELETE."""

    class Kind(models.TextChoices):
        PHOTO = "photo", _("Photo")
        SIGNATURE = "signature", _("Signature")
        DOCUMENT = "document", _("Document")

    case = models.ForeignKey(Case, on_delete=models.PROTECT, related_name="attachments", db_index=False)
    note = models.ForeignKey(
        Note, on_delete=models.PROTECT, null=True, blank=True, related_name="attachments", db_index=False
    )
    name = models.CharField(max_length=120)
    content_type = models.CharField(max_length=40)
    size = models.PositiveIntegerField()
    digest = models.CharField(max_length=64)
    at = models.DateTimeField()
    by = models.ForeignKey(settings.AUTH_USER_MODEL, on_delete=models.PROTECT, null=True, blank=True, db_index=False)
    by_customer = models.BooleanField(default=False)
    visibility = models.CharField(max_length=8, choices=Note.Visibility)
    kind = models.CharField(max_length=10, choices=Kind)
    file = models.FileField(max_length=100, storage=attachment_storage)

    objects = AttachmentQuerySet.as_manager()

    class Meta:
        indexes = [models.Index(fields=["case", "id"], name="attachment_of_case")]
        ordering = ["pk"]
        constraints = [
            models.UniqueConstraint(
                fields=["note", "digest"], condition=models.Q(note__isnull=False), name="attachment_of_note_once"
            ),
            models.UniqueConstraint(
                fields=["case", "visibility", "digest"],
                condition=models.Q(note__isnull=True),
                name="attachment_of_case_once",
            ),
            models.CheckConstraint(
                condition=models.Q(by_customer=False) | models.Q(by__isnull=True), name="attachment_by_one"
            ),
        ]


class CaseEvent(models.Model):
    """One fact of the timeline: written once, never edited. Triggers on both databases refuse UPDATE and DELETE.

    Each hash covers the case number, the sequence, the fact and the hash before it; the case keeps the head. So an
    edit, a gap and a cut tail all show.
    """

    class By(models.TextChoices):
        PERSON = "person", _("Staff")
        CUSTOMER = "customer", _("Customer")
        SYSTEM = "system", _("System")

    case = models.ForeignKey(Case, on_delete=models.PROTECT, related_name="events", db_index=False)
    seq = models.PositiveIntegerField()
    kind = models.CharField(max_length=32)
    at = models.DateTimeField()
    recorded_at = models.DateTimeField()
    by_kind = models.CharField(max_length=8, choices=By)
    by = models.ForeignKey(settings.AUTH_USER_MODEL, on_delete=models.PROTECT, null=True, blank=True, db_index=False)
    facts = models.JSONField(default=dict)
    public = models.BooleanField(default=False)
    hash = models.CharField(max_length=64)

    class Meta:
        constraints = [models.UniqueConstraint(fields=["case", "seq"], name="event_seq_once")]
        ordering = ["case", "seq"]


class CaseLink(models.Model):
    """A typed relation between two cases, read from `source` to `target`."""

    class Kind(models.TextChoices):
        DUPLICATE_OF = "duplicate_of", _("duplicate of")
        CAUSED_BY = "caused_by", _("caused by")
        FOLLOWS = "follows", _("follows")
        REOPENS = "reopens", _("reopens")

    source = models.ForeignKey(Case, on_delete=models.PROTECT, related_name="links")
    target = models.ForeignKey(Case, on_delete=models.PROTECT, related_name="linked_from")
    kind = models.CharField(max_length=16, choices=Kind)

    class Meta:
        constraints = [
            models.UniqueConstraint(fields=["source", "target", "kind"], name="link_once"),
            models.CheckConstraint(condition=~models.Q(source=models.F("target")), name="link_not_to_itself"),
        ]


class ExternalReference(models.Model):
    """The number a case bears in another system: what makes an import idempotent."""

    case = models.ForeignKey(Case, on_delete=models.PROTECT, related_name="references")
    source = models.CharField(max_length=40)
    number = models.CharField(max_length=120)

    class Meta:
        constraints = [models.UniqueConstraint(fields=["source", "number"], name="external_number_once")]

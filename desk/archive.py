"""The archive: every ticket and visit somebody may see, open or closed long ago, by what people remember of it.

Two statements find a page and count it, and one more reads what all the filters offer (requirements.md TRK-05, APT-06).
"""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass
from datetime import date, datetime, time, timedelta
from typing import Any, NamedTuple

from django import forms
from django.db.models import BooleanField, CharField, Q, Value
from django.db.models.functions import Cast
from django.urls import reverse
from django.utils import timezone
from django.utils.http import urlencode
from django.utils.translation import get_language, gettext_lazy, pgettext_lazy
from django.utils.translation import gettext as _

from appointments.models import Appointment, CrewMember, VisitService
from appointments.states import Type as VisitType
from cases.models import Case, Category
from cases.numbers import key_of
from common import typed
from customers.models import Customer, Grade, Region
from customers.services import keys_of_customers
from desk.forms import NOT_OFFERED
from desk.lists import MOST_COUNTED, PAGE, CountUpTo, Place, beyond
from desk.visitlines import time_words
from staff.models import Team, User
from staff.permissions import TABLE
from tickets.models import Ticket
from tickets.states import Type as TicketType

Cases = Any  # a queryset of cases, which mypy does not follow through as_manager
OPEN, CLOSED = "open", "closed"
RECEIVED, VISIT = "received", "visit"
SERVICE = "service"
OLDEST, NEWEST = date(2000, 1, 1), date(2099, 12, 31)
SORTED_BY = {RECEIVED: "received_at", VISIT: "appointment__starts_at"}


# --- what the filters offer ------------------------------------------------------------------------------------------


class Choice(NamedTuple):
    """A row of one of the small tables: `at` is its code or key, `mark` what else is known of it."""

    what: str
    key: int
    at: str
    name_zh: str
    name_en: str
    mark: bool
    order: int

    def __str__(self) -> str:
        return self.name_en if (get_language() or "").startswith("en") else self.name_zh


def offered() -> dict[str, list[Choice]]:
    """Categories, services, teams, regions and people, those no longer in use too: one statement, five small tables."""
    never = Value(False, output_field=BooleanField())
    first = Value(0)
    workers = TABLE["tickets.work"] | TABLE["visits.work"]
    code, names = Cast("code", CharField()), ("name_zh", "name_en")
    parts = [
        Category.objects.values_list(Value("category"), "pk", code, *names, "active", "order"),
        VisitService.objects.values_list(Value(SERVICE), "pk", code, *names, "active", "order"),
        Team.objects.values_list(Value("team"), "pk", code, *names, never, first),
        Region.objects.values_list(Value("region"), "pk", code, *names, "rural", first),
        User.objects.filter(role__in=workers).values_list(
            Value("staff"), "pk", Cast("pk", CharField()), "name", "name", "is_active", first
        ),
    ]
    found: dict[str, list[Choice]] = defaultdict(list)
    for row in parts[0].order_by().union(*(part.order_by() for part in parts[1:]), all=True):
        choice = Choice(*row)
        found[choice.what].append(choice)
    for choices in found.values():
        choices.sort(key=lambda choice: (choice.order, choice.at))
    found["staff"].sort(key=lambda choice: (not choice.mark, str(choice), choice.key))
    return found


def _tree(categories: list[Choice]) -> list[Any]:
    """The categories as one select: a group a root, each with its path below; a parent stands for all of it."""
    names = {choice.at: str(choice) for choice in categories}
    children: dict[str, list[Choice]] = defaultdict(list)
    for choice in categories:
        children[choice.at.rpartition(".")[0]].append(choice)

    def below(code: str, trail: str) -> list[tuple[str, str]]:
        lines = []
        for child in children[code]:
            label = f"{trail} › {child}" if trail else str(child)
            lines += [(child.at, label), *below(child.at, label)]
        return lines

    return [(names[root.at], [(root.at, names[root.at]), *below(root.at, "")]) for root in children[""]]


def choice(label: Any, choices: Any = (), **options: Any) -> forms.ChoiceField:
    return forms.ChoiceField(label=label, choices=choices, required=False, error_messages=NOT_OFFERED, **options)


def day(label: Any, wrong: Any) -> forms.DateField:
    # The words name the field: with two dates beside each other, “not a date” could be either.
    widget = forms.DateInput(attrs={"type": "date"}, format="%Y-%m-%d")
    return forms.DateField(label=label, required=False, widget=widget, error_messages={"invalid": wrong})


class ArchiveForm(forms.Form):
    """What to look for. Every field is one parameter of the address, so that what was found can be shared."""

    q = forms.CharField(
        label=gettext_lazy("Words, number or customer"),
        required=False,
        max_length=100,
        widget=forms.TextInput(attrs={"type": "search", "autocomplete": "off"}),
    )
    kind = choice(
        gettext_lazy("Kind"),
        [
            ("", gettext_lazy("Tickets and visits")),
            (Ticket.KIND, gettext_lazy("Tickets")),
            (Appointment.KIND, gettext_lazy("Visits")),
        ],
    )
    state = choice(
        gettext_lazy("Status"),
        [
            ("", gettext_lazy("Any")),
            (OPEN, pgettext_lazy("cases", "Open")),
            (CLOSED, pgettext_lazy("cases", "Resolved or closed")),
        ],
    )
    since = day(gettext_lazy("First day"), gettext_lazy("First day: give a day such as 2026-03-31."))
    until = day(gettext_lazy("Last day"), gettext_lazy("Last day: give a day such as 2026-03-31."))
    when = choice(
        gettext_lazy("Period of"),
        [(RECEIVED, gettext_lazy("Receipt")), (VISIT, pgettext_lazy("the period of a", "Visit"))],
        initial=RECEIVED,
    )
    type = choice(gettext_lazy("Type or service"))
    category = choice(gettext_lazy("Category"))
    staff = choice(gettext_lazy("Owner or technician"))
    team = choice(gettext_lazy("Team"))
    grade = choice(gettext_lazy("Customer grade"), [("", gettext_lazy("Any")), *Grade.choices])
    region = choice(gettext_lazy("Region"))
    customer = forms.CharField(required=False, max_length=20, widget=forms.HiddenInput)

    FIRST = ("q", "kind", "state", "when", "since", "until")
    FOLDED = ("type", "category", "staff", "team", "grade", "region")

    def __init__(self, data: Any, *, person: Any) -> None:
        super().__init__(data, auto_id="archive-%s")
        self.person = person
        self.rows = offered()
        any_ = ("", _("Any"))
        self._offer("type", any_, *self._types())
        self._offer("category", any_, *_tree(self.rows["category"]))
        self._offer("staff", any_, *self._people())
        self._offer("region", any_, *((row.at, str(row)) for row in self.rows["region"]))
        self._offer("team", any_, *((row.at, str(row)) for row in self.rows["team"]))
        if not person.may("cases.see_all_teams"):
            del self.fields["team"]
        self.named: Customer | None = None

    def _offer(self, name: str, *choices: Any) -> None:
        self.fields[name].choices = list(choices)  # type: ignore[attr-defined]

    def _types(self) -> list[Any]:
        services = [(f"{SERVICE}-{row.at}", str(row)) for row in self.rows[SERVICE]]
        return [
            (_("Tickets"), [(f"{Ticket.KIND}-{value}", label) for value, label in TicketType.choices]),
            (_("Visits"), [(f"{Appointment.KIND}-{value}", label) for value, label in VisitType.choices]),
            *([(_("What the technician does"), services)] if services else []),
        ]

    def _people(self) -> list[Any]:
        present = [(str(row.key), str(row)) for row in self.rows["staff"] if row.mark]
        gone = [(str(row.key), str(row)) for row in self.rows["staff"] if not row.mark]
        return [*present, *([(_("No longer here"), gone)] if gone else [])]

    @property
    def first(self) -> list[Any]:
        return [self[name] for name in self.FIRST]

    @property
    def folded(self) -> list[Any]:
        return [self[name] for name in self.FOLDED if name in self.fields]

    @property
    def folded_in_use(self) -> bool:
        """Whether one of the folded filters is set, and so they stand open."""
        return any(field.value() for field in self.folded)

    def clean_q(self) -> str:
        return str(self.cleaned_data["q"]).strip()

    def clean_since(self) -> date | None:
        return self._day("since")

    def clean_until(self) -> date | None:
        return self._day("until")

    def _day(self, name: str) -> date | None:
        value: date | None = self.cleaned_data[name]
        if value is not None and not OLDEST <= value <= NEWEST:
            words = _("%(field)s: give a year from %(first)s to %(last)s.")
            limits = {"field": self.fields[name].label, "first": OLDEST.year, "last": NEWEST.year}
            raise forms.ValidationError(words % limits)
        return value

    def clean_customer(self) -> Customer | None:
        wanted = self.cleaned_data["customer"]
        if not wanted or not self.person.may("customers.see"):
            return None
        self.named = Customer.objects.filter(pk=typed.key(wanted)).first()
        if self.named is None:
            raise forms.ValidationError(_("This customer is not on file."))
        return self.named

    def clean(self) -> dict[str, Any]:
        asked: dict[str, Any] = super().clean() or self.cleaned_data
        since, until = asked.get("since"), asked.get("until")
        if since and until and until < since:
            self.add_error("until", _("The last day lies before the first one."))
        kind = asked.get("kind")
        of_visits = {Appointment.KIND, SERVICE}
        type_of = (asked.get("type") or "").partition("-")[0]
        if kind and type_of and (kind == Appointment.KIND) != (type_of in of_visits):
            self.add_error("type", _("This type belongs to the other kind. Choose another type, or both kinds."))
        if asked.get("when") == VISIT and Ticket.KIND in (kind, type_of):
            self.add_error("when", _("A ticket has no time of a visit. Choose visits, or the time of receipt."))
        return asked

    @property
    def query(self) -> dict[str, str]:
        """The filters in use, as the address holds them."""
        return {
            name: value
            for name, field in self.fields.items()
            if (value := self.data.get(name, "").strip()) and value != field.initial
        }


# --- finding ---------------------------------------------------------------------------------------------------------


def parts_of(asked: dict[str, Any], person: Any, *, rows: dict[str, list[Choice]]) -> list[Cases]:
    """Disjoint querysets that together are what was asked for: each walks an index of its own, an OR over them none."""
    type_of, _dash, type_ = (asked["type"] or "").partition("-")
    parts: list[Cases] = []
    if asked["kind"] != Appointment.KIND and type_of not in (Appointment.KIND, SERVICE) and asked["when"] != VISIT:
        parts.append(_tickets(asked, person, type_))
    if asked["kind"] != Ticket.KIND and type_of != Ticket.KIND:
        parts.append(_visits(asked, person, type_of, type_))
    parts = [_common(part, asked, rows) for part in parts]
    return [found for part in parts for found in _worded(part, asked["q"], person, rows[SERVICE])]


def _tickets(asked: dict[str, Any], person: Any, type_: str) -> Cases:
    found = Case.objects.visible_to(person).filter(kind=Ticket.KIND)
    if asked["staff"]:
        found = found.filter(owner_id=asked["staff"])
    return found.filter(type=type_) if type_ else found


def _visits(asked: dict[str, Any], person: Any, type_of: str, type_: str) -> Cases:
    found = Case.objects.filter(kind=Appointment.KIND)
    if not person.may("appointments.see"):
        found = found.filter(pk__in=Appointment.objects.visible_to(person).values("pk"))
    if asked["when"] == VISIT:
        found = found.filter(appointment__starts_at__isnull=False)
    if asked["staff"]:
        crew = CrewMember.objects.filter(technician=asked["staff"]).order_by()
        found = found.filter(Q(owner_id=asked["staff"]) | Q(pk__in=crew.values("appointment")))
    if type_of == SERVICE:
        return found.filter(_with_service([type_]))
    return found.filter(type=type_) if type_ else found


def _common(found: Cases, asked: dict[str, Any], rows: dict[str, list[Choice]]) -> Cases:
    """What tickets and visits are asked alike."""
    if asked["state"]:
        found = found.open() if asked["state"] == OPEN else found.ended()
    column = SORTED_BY[asked["when"] or RECEIVED]
    if asked["since"]:
        found = found.filter(**{f"{column}__gte": _midnight(asked["since"])})
    if asked["until"]:
        found = found.filter(**{f"{column}__lt": _midnight(asked["until"] + timedelta(days=1))})
    if code := asked["category"]:
        # With all that stands below it: the code is the path from the root.
        keys = [row.key for row in rows["category"] if row.at == code or row.at.startswith(f"{code}.")]
        found = found.filter(category__in=keys)
    for name in ("region", "team"):
        if code := asked.get(name):
            found = found.filter(**{f"{name}_id__in": [row.key for row in rows[name] if row.at == code]})
    if asked["grade"]:
        found = found.filter(customer_grade=asked["grade"])
    if asked["customer"]:
        found = found.filter(customer=asked["customer"])
    return found


def _with_service(codes: list[str]) -> Q:
    of_service = Appointment.services.through.objects.filter(visitservice__code__in=codes)
    return Q(pk__in=of_service.values("appointment"))


def _worded(found: Cases, words: str, person: Any, services: list[Choice]) -> list[Cases]:
    """What bears the number or has the words in its subject, and whatever the customers so called asked for."""
    if not words:
        return [found]
    # A number of ours may also be somebody's telephone.
    if (key := key_of(words)) is not None:
        named = Q(pk=key)
    else:
        named = Q(subject__icontains=words)
        # A visit's subject is made of the codes of its services; people know their names.
        folded = words.casefold()
        if codes := [row.at for row in services if folded in f"{row.name_zh}\n{row.name_en}".casefold()]:
            named |= Q(kind=Appointment.KIND) & _with_service(codes)
    if not person.may("customers.see"):
        return [found.filter(named)]
    return [found.filter(named), found.filter(~named, customer__in=keys_of_customers(words))]


def _midnight(on: date) -> datetime:
    return timezone.make_aware(datetime.combine(on, time.min))


@dataclass(frozen=True)
class Found:
    """One line of the list."""

    case: Case
    url: str
    icon: str
    words: str
    type: str
    grade: str
    time: str


@dataclass(frozen=True)
class Results:
    """A page of the archive: `count` stops at MOST_COUNTED; `then` is the `after` of the next page, "" at the end."""

    lines: list[Found]
    count: int
    then: str


def search(form: ArchiveForm, person: Any, *, after: str = "") -> Results:
    """The page of a valid form from the place `after` on, the newest first: two statements."""
    asked = form.cleaned_data
    parts = parts_of(asked, person, rows=form.rows)
    column = SORTED_BY[asked["when"] or RECEIVED]
    order = (f"-{column}", "-pk")
    place = Place.parse(after)
    walked = [beyond(part, place, column, True) for part in parts] if place else parts
    # One more than a page of each part.
    firsts = [part.order_by(*order).values("pk")[: PAGE + 1] for part in walked]
    wanted: Any = firsts[0]
    if len(firsts) > 1:
        # An inner subquery, because SQLite takes no LIMIT inside a UNION. For one part alone it would make PostgreSQL
        # read every case with all that belongs to it (2.7 s of 200,000).
        inner = [Case.objects.filter(pk__in=first).values("pk") for first in firsts]
        wanted = inner[0].union(*inner[1:], all=True)
    cases = list(
        Case.objects.filter(pk__in=wanted)
        .select_related("customer", "region", "owner", "team", "category", "appointment")
        .order_by(*order)[: PAGE + 1]
    )
    rows = cases[:PAGE]
    then = ""
    if len(cases) > PAGE:
        last = rows[-1]
        at = last.received_at if column == SORTED_BY[RECEIVED] else last.appointment.starts_at
        then = str(Place(0, at, last.pk))
    names = {row.at: str(row) for row in form.rows[SERVICE]}
    return Results([_line(case, names) for case in rows], _count(parts, person), then)


def _count(parts: list[Cases], person: Any) -> int:
    columns = {
        f"part_{number}": CountUpTo(part.order_by().values("pk")[:MOST_COUNTED]) for number, part in enumerate(parts)
    }
    return sum(User.objects.filter(pk=person.pk).values_list(*columns.values()).get())


def _line(case: Case, services: dict[str, str]) -> Found:
    visit = case.appointment if case.kind == Appointment.KIND else None  # type: ignore[attr-defined]
    grade = case.customer_grade
    # A visit's subject is made of the codes of its services.
    words = " + ".join(services.get(code, code) for code in case.subject.split(" + ")) if visit else case.subject
    return Found(
        case=case,
        url=reverse("desk:case", args=[case.number]),
        icon="truck" if visit else "inbox",
        words=words,
        type=" · ".join(filter(None, [case.get_type_label(), str(case.category or "")])),
        grade=str(Grade(grade).label) if grade in Grade.values else grade,
        time=time_words(visit) if visit else "",
    )


def address(**filters: Any) -> str:
    """The archive with these filters set."""
    return f"{reverse('desk:archive')}?{urlencode(filters)}" if filters else reverse("desk:archive")

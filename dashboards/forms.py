from __future__ import annotations

from itertools import groupby
from typing import Any

from django import forms
from django.db.models import Count, OuterRef, Subquery, Value
from django.db.models.functions import Coalesce
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from cases.models import Case
from staff.models import User
from tickets.models import Ticket


class ReassignForm(forms.Form):
    """Whom to give a ticket to: its own team first; the others only where the person leads all of them. Each with
    what they have open already, who has least first."""

    owner = forms.ModelChoiceField(label=gettext_lazy("Give to"), queryset=User.objects.none(), empty_label=None)

    def __init__(self, ticket: Ticket, person: Any, data: Any = None) -> None:
        super().__init__(data, auto_id=f"%s-{ticket.number}")
        self.ticket = ticket
        theirs = Case.objects.filter(kind=Ticket.KIND).open().filter(owner=OuterRef("pk")).order_by().values("owner")
        load = Coalesce(Subquery(theirs.annotate(n=Count("pk")).values("n")), Value(0))
        people = User.objects.holding("tickets.work").select_related("team").annotate(load=load)
        if ticket.owner_id:
            people = people.exclude(pk=ticket.owner_id)
        if not person.may("boards.all_teams"):
            people = people.filter(team=person.team_id) if person.team_id else people.none()
        field: Any = self.fields["owner"]
        field.queryset = people
        field.choices = self._by_team(people)

    def _by_team(self, people: Any) -> list[Any]:
        """Groups by team, the ticket's own first; within a team who is at work comes first."""
        own = self.ticket.team_id

        def place(person: Any) -> tuple[Any, ...]:
            return person.team_id != own, str(person.team or ""), person.presence == "offline", person.load, person.name

        groups = groupby(sorted(people, key=place), key=lambda person: person.team)
        choices: list[Any] = [("", _("Choose a person"))]
        for team, members in groups:
            options = [
                (
                    member.pk,
                    " · ".join([member.name, member.get_presence_display(), _("open %(n)s") % {"n": member.load}]),
                )
                for member in members
            ]
            choices.append((str(team) if team else _("No team"), options))
        return choices

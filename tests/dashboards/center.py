"""A small center at work, drawn at random, and the board's scopes over it."""

from __future__ import annotations

import random
from datetime import timedelta
from typing import Any

from dashboards.scope import Scope
from staff.models import Presence, Team, User
from tests import builders
from tests.builders import MONDAY
from tickets import conversation, ending, services
from tickets.models import Ticket

# A Wednesday afternoon: two days of work behind it, and the board's "today" well under way.
NOW = MONDAY + timedelta(days=2, hours=6, minutes=20)
TYPES = ["enquiry", "service_request", "fault", "suggestion", "order"]


class Center:
    """Two teams with their agents and a lead each, a supervisor, and tickets in every state a clock can be in."""

    def __init__(self, tickets: int, seed: int = 1) -> None:
        self.random = random.Random(seed)
        builders.house()
        self.repair = builders.team("repair")
        self.billing = builders.team("billing", name_zh="账务组", name_en="Billing")
        self.supervisor = builders.person("supervisor", team=None)
        self.auditor = builders.person("auditor", team=None)
        self.lead = builders.person("lead", team=self.repair)
        self.agents = [
            builders.person(
                role, team=team, presence=presence, presence_since=NOW - timedelta(minutes=self.random.randrange(300))
            )
            for team in (self.repair, self.billing)
            for role, presence in zip(["agent", "senior", "agent", "agent", "agent"], Presence.values, strict=True)
        ]
        self.customer = builders.customer()
        for _ in range(tickets):
            self.live_through()

    def live_through(self) -> Ticket:
        """One ticket from its receipt up to NOW, by the real services."""
        draw = self.random
        at = NOW - timedelta(minutes=draw.choice([20, 90, 400, 1500, 3000, 8000]) * draw.random())
        agent = draw.choice(self.agents)
        ticket = builders.ticket(
            agent, customer=self.customer, type=draw.choice(TYPES), channel=draw.choice(["web", "phone"]), at=at,
            urgency=draw.choice(["normal", "urgent"]), team=draw.choice([self.repair, self.billing]),
        )  # fmt: skip
        for act in draw.sample([self._take, self._reply, self._wait, self._resolve, self._reopen, self._cancel], 4):
            at += timedelta(minutes=draw.choice([2, 20, 200, 1500]) * draw.random())
            if at > NOW or not act(ticket, agent, at):
                break
        return ticket

    def _take(self, ticket: Ticket, agent: User, at: Any) -> bool:
        services.assign_ticket(ticket_id=ticket.pk, owner=agent, team=ticket.team, by=None, at=at)
        return True

    def _reply(self, ticket: Ticket, agent: User, at: Any) -> bool:
        conversation.reply_to_customer(ticket_id=ticket.pk, body="We are on it.", by=agent, at=at)
        return True

    def _wait(self, ticket: Ticket, agent: User, at: Any) -> bool:
        services.wait_for_customer(ticket_id=ticket.pk, reason="documents", by=agent, at=at)
        return self.random.random() < 0.3

    def _resolve(self, ticket: Ticket, agent: User, at: Any) -> bool:
        ending.resolve_ticket(ticket_id=ticket.pk, resolution="Reset", verified="test", by=agent, at=at)
        again = self.random.random() < 0.3
        if again:
            ending.reopen_ticket(ticket_id=ticket.pk, reason="Still slow", by=agent, at=at)
        return again

    def _reopen(self, ticket: Ticket, agent: User, at: Any) -> bool:
        return True

    def _cancel(self, ticket: Ticket, agent: User, at: Any) -> bool:
        if self.random.random() < 0.7:
            return True
        ending.cancel_ticket(ticket_id=ticket.pk, reason="By mistake", by=agent, at=at)
        return False

    def scope(self, person: User | None = None, team: Team | None = None) -> Scope:
        return Scope(person or self.supervisor, team, NOW)

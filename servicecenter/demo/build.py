"""Building the demo center: a month of lives run through the real services in the order of time.

The simulated sweeper jumps from one due timer to the next, at most a minute late, so that warnings, breaches, tier
changes, reminders and closures happen as they would have; the outbox is delivered a few seconds after each step.
"""

from __future__ import annotations

import heapq
import itertools
import logging
import random
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from django.db import connection, transaction
from django.db.models import F
from django.utils import translation

from appointments.models import Appointment
from appointments.shipped import load_shipped as load_shipped_visits
from cases.categories import load_shipped_categories
from cases.models import Case, Category
from common import clock
from common.errors import DomainError
from notifications.models import Message
from notifications.services import deliver_due
from sla.models import Timer
from sla.shipped import load_shipped
from sla.sweep import sweep
from staff.qualifying import load_shipped_skills
from tickets import conversation, ending, services
from tickets.models import Ticket

from . import center
from .backlog import Backlog
from .courses import handled, in_an_outage, solved_on_the_phone
from .life import Life
from .outage import announce_outage
from .people import Known, make_customers, make_staff
from .rota import plan_work
from .stories import BY_WEEKDAY, CHANNELS, REASONS, ZONE, Deck, Scene, hours, kind_of, likely, minutes
from .visits import VisitLife, make_areas, visit_lives

log = logging.getLogger(__name__)

DAYS = 30
TICKETS = 500
SURGE_SHARE, DONE_TODAY_SHARE, SURGE_DAYS_AGO = 0.13, 0.075, 9
READ_AFTER = hours(5)
# The steps after which a message may wait to be delivered, besides the sweep's reminders.
TELL_THE_CUSTOMER = {
    services.open_ticket, conversation.reply_to_customer, ending.resolve_ticket, ending.cancel_ticket,
}  # fmt: skip


@dataclass
class Made:
    """What was built."""

    tickets: int = 0
    open: int = 0
    visits: int = 0
    messages: int = 0
    refused: int = 0


def build(*, now: datetime, tickets: int = TICKETS, seed: int = 7) -> Made:
    """Fill an empty database with the demo center as it stands at `now`; the same for the same seed and instant."""
    chance = random.Random(seed)
    with transaction.atomic(), translation.override("zh-hans"):
        after_commit = list(connection.run_on_commit)
        start = now - timedelta(days=DAYS)
        with clock.simulated(start - timedelta(days=1)):
            load_shipped()
            load_shipped_categories()
            load_shipped_skills()
            load_shipped_visits()
        staff = make_staff(chance, now=now)
        plan_work(staff, now=now)
        customers = make_customers(chance, max(40, int(tickets * 0.62)), now=now)
        categories = {category.code: category for category in Category.objects.all()}
        scene = Scene(chance, Deck(chance), staff, categories, now)
        make_areas(staff)
        lives = [*_lives(scene, customers, tickets), *visit_lives(scene, customers, min(1.0, tickets / TICKETS))]
        made = Simulation(lives, now=now).run()
        announce_outage(staff, now=now)
        _settle(now)
        first = Case.objects.order_by("pk").first()
        if first is not None:
            center.mark(first, now=now)
        made.tickets, made.open = Ticket.objects.count(), Ticket.objects.open().count()
        made.visits = Appointment.objects.count()
        made.messages = Message.objects.count()
        # Everything is delivered already: the workers need not be asked for each message.
        connection.run_on_commit = after_commit
    return made


def _lives(scene: Scene, customers: list[Known], tickets: int) -> Iterator[Life]:
    backlog = Backlog(scene, customers)
    share = min(1.0, tickets / TICKETS)
    on_desks = list(backlog.open_tickets(share))
    done_today = list(backlog.done_today(max(6, round(tickets * DONE_TODAY_SHARE))))
    surge = list(_surge(scene, customers, max(6, round(tickets * SURGE_SHARE))))
    rest = max(0, tickets - len(on_desks) - len(done_today) - len(surge))
    yield from _history(scene, customers, rest)
    yield from surge
    yield from done_today
    yield from on_desks


# --- a month of ordinary days --------------------------------------------------------------------------------------


def _history(scene: Scene, customers: list[Known], count: int) -> Iterator[Life]:
    """Contacts of the last 30 days until last night: by hour and weekday, a little more each week; all handled."""
    chance = scene.chance
    for _number in range(count):
        channel = chance.choices(list(CHANNELS), list(CHANNELS.values()))[0]
        received = _arrival(scene, kind_of(channel))
        customer = chance.choice(customers)
        story = scene.deck.story(customer, chance.choices(list(REASONS), list(REASONS.values()))[0])
        if story.type == "fault" and chance.random() < 0.5 and kind_of(channel) == "web":
            channel = "phone"
        life = Life(
            scene=scene,
            story=story,
            customer=customer,
            channel=channel,
            received=received,
            severity="several" if story.type == "fault" and chance.random() < 0.12 else "one",
            complex=chance.random() < (0.08 if story.type == "fault" else 0.02),
        )
        by_phone = (
            kind_of(channel) == "call" and not life.complex and story.type in ("enquiry", "service_request", "order")
        )
        if by_phone and chance.random() < story.phone:
            yield solved_on_the_phone(life, life.anyone())
        else:
            yield handled(life)


def _arrival(scene: Scene, kind: str) -> datetime:
    chance = scene.chance
    days = range(DAYS)
    today = scene.now.astimezone(ZONE).replace(hour=0, minute=0, second=0, microsecond=0)
    weights = []
    for ago in days:
        day = today - timedelta(days=ago)
        weights.append(BY_WEEKDAY[kind][day.weekday()] * (1.5 - ago / DAYS))
    while True:
        day = today - timedelta(days=chance.choices(days, weights)[0])
        at = day + timedelta(minutes=chance.uniform(0, 1440))
        if at < scene.now - hours(1) and chance.random() < likely(at, kind) / max(
            likely(day.replace(hour=h), kind) for h in range(24)
        ):
            return at


def _surge(scene: Scene, customers: list[Known], count: int) -> Iterator[Life]:
    """One area outage on a working day: a wave of reports within minutes that ebbs until the cable is mended."""
    chance = scene.chance
    day = (
        (scene.now - timedelta(days=SURGE_DAYS_AGO))
        .astimezone(ZONE)
        .replace(hour=13, minute=42, second=0, microsecond=0)
    )
    while day.weekday() >= 5:
        day -= timedelta(days=1)
    found, mended = day + minutes(88), day + minutes(312)
    regions = {"riverside", "wangchuan"}
    hit = [customer for customer in customers if customer.region.code in regions and not customer.company]
    for number in range(count):
        received = day + minutes(min(chance.expovariate(1 / 75), 300))
        customer = hit[number % len(hit)]
        story = scene.deck.story(customer, "fault", keys=("red-light",))
        team = "broadband-a" if chance.random() < 0.6 else "broadband-b"
        life = Life(
            scene=scene,
            story=story,
            customer=customer,
            channel=chance.choices(["phone", "app", "web"], [62, 28, 10])[0],
            received=received,
            team=team,
            severity="area",
            urgency="urgent" if chance.random() < 0.12 else "normal",
        )
        yield in_an_outage(life, began=day, found=found, mended=mended, worker=chance.choice(scene.staff.agents[team]))


# --- running them --------------------------------------------------------------------------------------------------


class Simulation:
    """All lives on one simulated clock, with its sweeper and its postman."""

    LATE = timedelta(seconds=60)

    def __init__(self, lives: Sequence[Life | VisitLife], *, now: datetime) -> None:
        self.now, self.made = now, Made()
        order = itertools.count()
        self.waiting = [(life.steps[0][0], next(order), life, 0) for life in lives]
        self._order = order
        heapq.heapify(self.waiting)

    def run(self) -> Made:
        while self.waiting and self.waiting[0][0] <= self.now:
            at, _order, life, position = heapq.heappop(self.waiting)
            self._sweep_until(at)
            if self._step(life, position, at) and position + 1 < len(life.steps):
                heapq.heappush(self.waiting, (life.steps[position + 1][0], next(self._order), life, position + 1))
        self._sweep_until(self.now)
        with clock.simulated(self.now):
            sweep(now=self.now)
            deliver_due(now=self.now)
        return self.made

    def _step(self, life: Life | VisitLife, position: int, at: datetime) -> bool:
        """Take one step; a refusal ends the life there, for the services know best."""
        _at, function, facts = life.steps[position]
        with clock.simulated(at):
            try:
                life.play(function, facts, at=at)
            except DomainError as refusal:
                log.warning("the demo's %s was refused: %s", function.__name__, refusal)
                self.made.refused += 1
                return False
        if function in TELL_THE_CUSTOMER or isinstance(life, VisitLife):
            self._deliver(min(at + timedelta(seconds=3), self.now))
        return True

    def _sweep_until(self, at: datetime) -> None:
        while True:
            due = (
                Timer.objects.filter(parked_at__isnull=True).order_by("try_at").values_list("try_at", flat=True).first()
            )
            if due is None or due > at:
                return
            moment = min(due + self.LATE, at)
            with clock.simulated(moment):
                sweep(now=moment)
            self._deliver(moment)

    def _deliver(self, at: datetime) -> None:
        with clock.simulated(at):
            deliver_due(now=at)


def _settle(now: datetime) -> None:
    """What people have done with their notices: read them a while after they came, except the newest."""
    seen = Message.objects.filter(channel=Message.Channel.IN_APP, created_at__lt=now - READ_AFTER, read_at__isnull=True)
    seen.update(read_at=F("created_at") + minutes(25))

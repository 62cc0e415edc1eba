"""What is on the desks now: open tickets whose clocks stand where a living center's would.

A ticket due in `due` was received one limit (and one pause) earlier; everything since then happens like any other
ticket, by the services, up to now.
"""

from __future__ import annotations

import random
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime, timedelta

from staff.models import User
from tickets import conversation, handling, services

from .courses import handled, solved_on_the_phone
from .life import Life
from .people import REPAIR_A, Known
from .stories import REPLY_MINUTES, ZONE, Deck, Scene, Story, hours, likely, minutes

FAULTS = "fault"


@dataclass(frozen=True)
class Place:
    """One open ticket wanted: whose, in which state, and when its nearest clock falls due (minutes from now)."""

    who: str  # a user name, or "team:CODE" for one nobody has taken
    state: str  # working, answer, locate, held, pending, review, returned, waiting (nobody has it)
    due: tuple[float, float]
    type: str = ""
    complex: bool = False


OVERDUE, SOON, TODAY, LATER = (-95.0, -12.0), (4.0, 28.0), (50.0, 320.0), (330.0, 1290.0)

# The desk of the user `agent`, always whole; then everybody else's, thinned where fewer tickets are asked for.
MINE = [
    Place("agent", "working", (-88.0, -62.0), FAULTS),
    Place("agent", "working", (-24.0, -9.0), "service_request"),
    Place("agent", "answer", (4.0, 8.0), "enquiry"),
    Place("agent", "locate", (11.0, 17.0), FAULTS),
    Place("agent", "working", (21.0, 28.0), "order"),
    Place("agent", "working", (52.0, 75.0), FAULTS),
    Place("agent", "working", (95.0, 150.0), "service_request"),
    Place("agent", "locate", (150.0, 200.0), FAULTS),
    Place("agent", "working", (200.0, 330.0), "enquiry"),
    Place("agent", "held", (360.0, 620.0), FAULTS),
    Place("agent", "working", (400.0, 900.0), "service_request"),
    Place("agent", "working", (600.0, 1100.0), FAULTS),
    Place("agent", "working", (800.0, 1250.0), "enquiry"),
    Place("agent", "working", (1500.0, 3000.0), "suggestion"),
    Place("agent", "pending", (0.0, 0.0), FAULTS),
    Place("agent", "pending", (0.0, 0.0), "order"),
    Place("agent", "pending", (0.0, 0.0), "service_request"),
    Place("agent", "pending", (0.0, 0.0), "enquiry"),
    Place("agent", "pending", (0.0, 0.0), "service_request"),
]
OTHERS = [
    Place("senior", "working", SOON, FAULTS),
    Place("senior", "working", LATER, FAULTS, True),
    Place("senior", "working", TODAY, FAULTS, True),
    Place("senior", "working", LATER),
    Place("senior", "review", LATER, FAULTS, True),
    Place("senior", "pending", (0, 0), FAULTS),
    Place("lead", "working", TODAY),
    Place("lead", "working", LATER),
    Place("agent", "review", LATER, FAULTS),
    Place("ma.tianyu", "review", TODAY, FAULTS),
    Place("j.okafor", "review", LATER, "service_request"),
    Place("ma.tianyu", "working", OVERDUE, FAULTS),
    Place("ma.tianyu", "working", TODAY, FAULTS),
    Place("ma.tianyu", "pending", (0, 0)),
    Place("j.okafor", "working", SOON),
    Place("j.okafor", "working", LATER, FAULTS),
    Place("j.okafor", "pending", (0, 0), "enquiry"),
    Place("luo.jiaqi", "working", LATER, FAULTS),
    Place("luo.jiaqi", "held", LATER, FAULTS),
    Place("han.lu", "working", TODAY, FAULTS),
    Place("han.lu", "working", LATER, FAULTS),
    Place("han.lu", "pending", (0, 0), FAULTS),
    Place("r.castellan", "working", SOON, FAULTS),
    Place("r.castellan", "working", LATER, FAULTS),
    Place("deng.zhe", "locate", (60.0, 225.0), FAULTS),
    Place("deng.zhe", "working", LATER, FAULTS),
    Place("deng.zhe", "pending", (0, 0), FAULTS),
    Place("tang.min", "working", LATER, FAULTS, True),
    Place("bai.yang", "working", OVERDUE, "order"),
    Place("bai.yang", "working", TODAY, "order"),
    Place("bai.yang", "pending", (0, 0), "order"),
    Place("bai.yang", "pending", (0, 0), "order"),
    Place("m.lindqvist", "working", LATER, "order"),
    Place("m.lindqvist", "held", LATER, "order"),
    Place("xie.an", "working", LATER, "order"),
    Place("xie.an", "pending", (0, 0), "order"),
    Place("gu.chen", "working", SOON, "service_request"),
    Place("gu.chen", "working", TODAY, "service_request"),
    Place("gu.chen", "working", LATER, "enquiry"),
    Place("gu.chen", "pending", (0, 0), "service_request"),
    Place("p.hartwell", "working", TODAY, "service_request"),
    Place("p.hartwell", "working", LATER, "enquiry"),
    Place("p.hartwell", "pending", (0, 0), "service_request"),
    Place("lin.shu", "working", LATER, "service_request"),
    Place("lin.shu", "working", (1500, 3600), "suggestion"),
    Place("song.yuwei", "working", LATER, "service_request"),
    Place("zou.qing", "working", TODAY, FAULTS, True),
    Place("zou.qing", "pending", (0, 0), "service_request"),
    Place("a.moreau", "working", LATER, "service_request"),
    Place("a.moreau", "working", SOON, FAULTS),
    Place("dispatcher", "returned", LATER),
    Place("dispatcher", "returned", TODAY, FAULTS),
    Place("dispatcher", "returned", LATER, "service_request"),
    Place("team:broadband-a", "answer", (2.0, 6.0), FAULTS),
    Place("team:broadband-a", "answer", (7.0, 13.0), "enquiry"),
    Place("team:broadband-a", "locate", (70.0, 160.0), FAULTS),
    Place("team:broadband-a", "locate", (120.0, 225.0), FAULTS),
    Place("team:broadband-a", "waiting", LATER, "enquiry"),
    Place("team:broadband-a", "waiting", (1150, 1410), "enquiry"),
    Place("team:broadband-a", "answer", (-9.0, -3.0), FAULTS),
    Place("team:broadband-b", "answer", (3.0, 11.0), FAULTS),
    Place("team:broadband-b", "locate", (170.0, 230.0), FAULTS),
    Place("team:broadband-b", "locate", (90.0, 190.0), FAULTS),
    Place("team:moves", "waiting", LATER, "order"),
    Place("team:moves", "waiting", LATER, "order"),
    Place("team:moves", "answer", (3.0, 12.0), "order"),
    Place("team:billing", "answer", (2.0, 9.0), "service_request"),
    Place("team:billing", "answer", (4.0, 13.0), "enquiry"),
    Place("team:billing", "waiting", LATER, "service_request"),
    Place("team:billing", "waiting", LATER, "service_request"),
    Place("team:business", "waiting", TODAY, "service_request"),
    Place("team:business", "locate", (100.0, 200.0), FAULTS),
]


DAILY_WORK = {
    "broadband-a": [FAULTS, FAULTS, "enquiry", "service_request"],
    "broadband-b": [FAULTS, FAULTS, "enquiry"],
    "moves": ["order", "order", "enquiry"],
    "billing": ["enquiry", "enquiry", "service_request"],
    "business": ["service_request", FAULTS],
}


class Backlog:
    """Makes the open tickets, and those done today."""

    def __init__(self, scene: Scene, customers: list[Known]) -> None:
        self.scene, self.customers = scene, customers
        self.chance: random.Random = scene.chance
        self.deck: Deck = scene.deck

    def open_tickets(self, share: float) -> Iterator[Life]:
        """The whole desk of `agent`, and `share` of everybody else's (every state at least once)."""
        seen: set[tuple[str, bool]] = set()
        for number, place in enumerate(OTHERS):
            first = (place.state, place.who.startswith("team:")) not in seen
            if first or (number * share) % 1 + share >= 1:
                seen.add((place.state, place.who.startswith("team:")))
                yield self._placed(place)
        for place in MINE:
            yield self._placed(place)

    def done_today(self, count: int) -> Iterator[Life]:
        """Tickets resolved since local midnight (in the last nine hours), a sixth of them by `agent`."""
        scene, chance = self.scene, self.chance
        midnight = scene.now.astimezone(ZONE).replace(hour=0, minute=0, second=0, microsecond=0)
        window = min(scene.now - midnight, hours(9)) - minutes(1)
        mine = scene.staff.people["agent"]
        teams = [code for code, agents in scene.staff.agents.items() if agents]
        for number in range(count):
            by = mine if number % 6 == 0 else chance.choice(scene.staff.agents[chance.choice(teams)])
            assert by.team is not None
            latest = scene.now - minutes(2)
            at = scene.usual_between(latest - window, latest) if window > minutes(3) else latest
            story_type = chance.choice(DAILY_WORK[by.team.code])
            if number % 3 == 0:
                life = self._life(by, story_type if story_type != "fault" else "enquiry", "phone", at - minutes(7))
                life.talk = minutes(chance.uniform(2, 6.5))
                yield solved_on_the_phone(life, by)
                continue
            late = number % 9 == 4
            took = chance.uniform(24.4, 27) if late else min(22.5, max(0.4, scene.lognormal(4.5, 0.9)))
            channel = chance.choice(["phone", "phone", "app", "web"])
            least = 1.0 if late else 0.75
            received = self._usual([at - hours(took * chance.uniform(least, 1.05)) for _try in range(6)])
            life = self._life(by, story_type, channel, received)
            life.owner = by if life.spoken else None
            yield handled(life, resolve_at=at, worker=by, plain=True)

    # --- one ticket ------------------------------------------------------------------------------------------------

    def _placed(self, place: Place) -> Life:
        scene, chance = self.scene, self.chance
        nobody = place.who.startswith("team:")
        by = None if nobody or place.who == "dispatcher" else scene.staff.people[place.who]
        code = place.who.removeprefix("team:") if nobody else (by.team.code if by and by.team else "broadband-a")
        type = place.type or chance.choice(["enquiry", "service_request", FAULTS])
        due = minutes(chance.uniform(*place.due))
        if place.state == "answer":
            return self._unanswered(place, by, code, type, due)
        if place.state == "locate":
            received = scene.now + due - hours(4)
            life = self._life(by, type, "phone", received, team=code)
            life.intake()
            if by is not None:
                life.take(by, after=minutes(chance.uniform(2, 9)))
                life.note(at=min(life.at + minutes(chance.uniform(10, 50)), scene.now - minutes(1)))
            return life
        if place.state == "pending":
            return self._pending(by, type, code)
        return self._running(place, by, code, type, due)

    def _life(
        self, by: User | None, type: str, channel: str, received: datetime, *, team: str = "", complex: bool = False
    ) -> Life:
        """A life in the person's own team, with a customer whose language has such a story."""
        chance = self.chance
        english = by is not None and by.language == "en" and chance.random() < 0.6
        for attempt in range(80):
            customer = chance.choice(self.customers)
            if (english and not customer.english) or (by and by.username != "agent" and customer.english != english):
                continue
            story = self.deck.story(customer, type, lasting=True)
            code = team or (by.team.code if by and by.team else "")
            # First somebody whose matter belongs to this team; then anybody.
            if attempt > 50 or _belongs(story, customer, code):
                break
        return Life(
            scene=self.scene,
            story=story,
            customer=customer,
            channel=channel,
            received=received,
            team=code,
            complex=complex,
            severity=chance.choices(["one", "several"], [85, 15])[0] if type == FAULTS else "one",
            urgency=chance.choices(["normal", "urgent"], [88, 12])[0] if type != "enquiry" else "normal",
            taken_in_by=by if channel in ("phone", "counter") and chance.random() < 0.5 else None,
        )

    @staticmethod
    def _nearest_limit(life: Life) -> timedelta:
        """The limit that falls due first: service is to be restored within a day, however complex the fault."""
        return hours(24) if life.story.type == FAULTS else life.limit

    def _usual(self, moments: list[datetime]) -> datetime:
        """The moment at which a contact is most usual; the first of equals."""
        return max(moments, key=likely)

    def _unanswered(self, place: Place, by: User | None, code: str, type: str, due: timedelta) -> Life:
        promised = minutes(REPLY_MINUTES.get(type, 15.0))
        due = min(due, promised - minutes(0.7))
        life = self._life(
            by, type, self.chance.choice(["app", "web", "app"]), self.scene.now + due - promised, team=code
        )
        life.urgency = "normal"
        life.intake()
        if by is not None:
            life.take(by, after=minutes(0.2))
        return life

    def _running(self, place: Place, by: User | None, code: str, type: str, due: timedelta) -> Life:
        """Due in `due` by its resolution clock; where the night would have been the time of receipt, it has paused."""
        scene, chance = self.scene, self.chance
        probe = self._life(by, type, "phone", scene.now - hours(1), team=code, complex=place.complex)
        bare = scene.now + due - self._nearest_limit(probe)
        options: list[tuple[float, timedelta]] = [(1.6 * likely(bare), timedelta())]
        may_pause = place.state != "waiting" and due < hours(20)
        # The legal limit of a fault never pauses: a long pause would have broken it.
        longest = 18 if type == FAULTS else 40
        for _try in range(8 if may_pause else 0):
            pause = hours(chance.uniform(2, longest))
            options.append((likely(bare - pause), pause))
        pause = max(options, key=lambda option: option[0])[1]
        received = bare - pause
        if received > scene.now - minutes(6):
            received = scene.now - minutes(chance.uniform(6, 20))
        spoken = likely(received) > 0.1 or place.state == "waiting"
        life = probe
        life.received, life.at = received, received
        life.channel = "phone" if spoken and (chance.random() < 0.6 or place.state == "waiting") else "app"
        if place.state == "waiting":
            life.intake()
            return life
        worker = by or chance.choice(scene.staff.agents[code])
        if life.complex:
            worker = scene.staff.expert(code)[0] if not (by and by.may("tickets.take_complex")) else worker
        if life.spoken and life.taken_in_by == worker:
            life.owner = worker
        life.intake()
        self._under_way(life, worker, pause=pause)
        self._ending(life, place, worker)
        return life

    def _under_way(self, life: Life, worker: User, *, pause: timedelta) -> None:
        """What has been done so far: taken, answered, located, asked and told."""
        scene, chance = self.scene, self.chance
        last = scene.now - minutes(3)
        life.take(worker, after=minutes(chance.uniform(0.5, 3.5)))
        if not life.spoken:
            life.reply(at=life.received + minutes(chance.uniform(0.5, 0.9) * life.reply_minutes))
        if life.complex and life.spoken:
            life.call(at=life.at + minutes(chance.uniform(15, 60)))
        span = last - pause - life.at

        def moment(fraction: float) -> datetime:
            return life.at if span <= minutes(2) else min(start + span * fraction, last)

        start = life.at
        if life.story.type == FAULTS:
            life.located(at=min(moment(0.12), life.received + minutes(chance.uniform(60, 220)), last))
            if life.visit:
                there = life.received + minutes(chance.uniform(160, 236))
                life.do(handling.reach_milestone, at=min(there, last), milestone="on_site", by=worker)
        if life.complex or life.story.type == "suggestion":
            life.plan(at=min(moment(0.13), life.received + hours(chance.uniform(1, 20)), last))
        if pause:
            free = [min(start + span * (0.15 + 0.8 * chance.random()), last - pause) for _try in range(10)]
            begun = max(life.at, max(free, key=lambda at: min(likely(at), 0.4) + min(likely(at + pause), 0.4)))
            life.wait(begun + pause, at=begun)
        if chance.random() < 0.7:
            life.note(at=scene.usual_between(life.at, life.at + (last - life.at) * 0.6))
        if chance.random() < 0.4 and life.at < last - minutes(4):
            life.call(at=scene.usual_between(life.at, life.at + (last - life.at) * 0.8))
        if chance.random() < 0.25 and life.at < last - minutes(4):
            # The customer has written since: the row is marked, the answer is owed.
            at = scene.usual_between(life.at + (last - life.at) * 0.4, last)
            channel = life.channel if not life.spoken else "app"
            life.do(conversation.customer_wrote, at=at, body=life.text("chase"), channel=channel, by=life.customer.row)

    def _ending(self, life: Life, place: Place, worker: User) -> None:
        now, chance = self.scene.now, self.chance
        before = lambda least, most: max(life.at, now - minutes(chance.uniform(least, most)))  # noqa: E731
        if place.state == "held":
            life.note("hold_note", at=before(20, 240))
            life.do(services.hold_ticket, reason=chance.choice(["parts", "supplier", "department"]), by=worker)
        elif place.state == "review":
            note = life.text("review")
            life.do(services.submit_for_review, at=before(6, 90), by=worker, note=note)
        elif place.state == "returned":
            life.do(services.return_ticket, at=before(5, 70), reason=life.text("returned"), by=worker)

    def _pending(self, by: User | None, type: str, code: str) -> Life:
        """Waiting for the customer at this moment: some time used, less than five days of pause."""
        scene, chance = self.scene, self.chance
        options = []
        for _try in range(10):
            longest = 26.0 if type == FAULTS else 96.0
            used, waited = hours(chance.uniform(0.7, 13)), hours(min(longest, scene.lognormal(15, 1.0)))
            options.append((scene.now - waited - used, scene.now - waited))
        received, asked = max(options, key=lambda option: likely(option[0]) * (0.1 + likely(option[1])))
        worker = by or chance.choice(scene.staff.agents[code])
        life = self._life(by, type, chance.choice(["phone", "phone", "app", "web"]), received, team=code)
        life.intake()
        life.take(worker)
        if not life.spoken:
            life.reply(at=life.received + minutes(chance.uniform(0.5, 0.9) * life.reply_minutes))
        if life.story.type == FAULTS:
            life.located(at=min(life.received + minutes(chance.uniform(30, 220)), asked))
            if life.visit:
                there = min(life.received + minutes(chance.uniform(100, 236)), asked)
                life.do(handling.reach_milestone, at=there, milestone="on_site", by=worker)
        if chance.random() < 0.6:
            life.note(at=life.at + (asked - life.at) * 0.5 if asked > life.at else None)
        life.wait(scene.now, at=max(asked, life.at), answered=False)
        return life


def _belongs(story: Story, customer: Known, code: str) -> bool:
    """Whether this matter of this customer is the team's own work."""
    if story.team == "repair":
        return code == ("broadband-a" if customer.region.code in REPAIR_A else "broadband-b")
    return story.team == code

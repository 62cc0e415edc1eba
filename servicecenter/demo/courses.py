"""The courses a demo ticket's life can take, from intake to what follows its resolution."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime, timedelta
from typing import Any

from staff.models import User
from tickets import conversation, ending, handling, services
from tickets.models import Ticket

from .life import Life
from .stories import ZONE, hours, minutes


def solved_on_the_phone(life: Life, by: User) -> Life:
    """The caller hangs up with an answer: opened, started, resolved and confirmed within minutes."""
    chance = life.scene.chance
    # Whoever answers the call and solves it keeps it; the team is the person's own.
    life.owner = life.taken_in_by = by
    life.team = by.team.code if by.team else life.team
    life.intake()
    life.take(by, after=minutes(0.3))
    life.finish(at=life.received + life.talk)
    if chance.random() < 0.75:
        life.call("talk", after=minutes(0.7), confirmed="yes")
    return life


def handled(life: Life, *, resolve_at: datetime | None = None, worker: User | None = None, plain: bool = False) -> Life:
    """From intake to the end: queue, work, perhaps waiting, hand-overs and reviews, resolution and what follows.

    `plain` leaves out what would move the end away from `resolve_at`.
    """
    scene, chance, staff = life.scene, life.scene.chance, life.scene.staff
    latest = scene.now - minutes(5)
    reviewer = None
    if life.complex:
        worker, reviewer = staff.expert(life.team)
    worker = worker or chance.choice(staff.agents[life.team])
    if life.owner is None and life.spoken and not life.complex and chance.random() < 0.4:
        life.owner = worker
    worker = life.owner or worker
    life.intake()
    _first_steps(life, worker)
    end = resolve_at or _end_of_work(life, latest)
    waits = chance.random() < 0.36 and end - life.at > hours(1.5)
    _work(life, end, waits=waits, limit=life.limit)
    if chance.random() < 0.3 and end - life.at > minutes(30) and not life.complex and not plain:
        _hand_over(life, end)
    if life.complex and reviewer is not None:
        _reviews(life, reviewer, rounds=2, by=end)
    if chance.random() < 0.012 and not plain:
        life.do(ending.cancel_ticket, at=max(life.at, end), reason=life.text("cancel"), by=life.owner_now)
        return life
    life.finish(at=end)
    _aftermath(life)
    return life


def _first_steps(life: Life, worker: User) -> None:
    """Taking it, and on written channels the first reply."""
    scene, chance = life.scene, life.scene.chance
    if life.spoken:
        life.take(worker, after=minutes(scene.lognormal(14, 0.9)) if life.owner is None else minutes(1))
        return
    promised = life.reply_minutes
    took = promised * min(0.93, scene.lognormal(0.42, 0.45))
    if chance.random() < 0.09:
        took = promised * chance.uniform(1.1, 3.4)
    replied = life.received + minutes(took)
    life.at = life.received + minutes(took * 0.3)
    life.take(worker)
    life.reply("reply", at=replied)


def _end_of_work(life: Life, latest: datetime) -> datetime:
    """When it is resolved: heavy-tailed, drawn towards the limit as it comes near, and mostly by day."""
    scene, chance = life.scene, life.scene.chance
    limit = life.limit
    took = hours(scene.lognormal(5.0, 1.35))
    if took > limit * 0.95:
        took = limit * chance.uniform(0.55, 0.97) if chance.random() < 0.25 else min(took, limit * 4)
    end = scene.in_working_hours(life.received + took)
    due = life.received + limit
    if end > due and took < limit and chance.random() < 0.7:
        end = due - minutes(chance.uniform(8, 130))
    return max(min(end, latest), life.at + minutes(4))


def _work(life: Life, end: datetime, *, waits: bool, limit: timedelta) -> None:
    """Notes, calls, milestones and chases spread between now and `end`."""
    scene, chance = life.scene, life.scene.chance
    start, span = life.at, end - life.at
    moments: list[tuple[float, Callable[[datetime], None]]] = []

    def add(fraction: float, step: Callable[[datetime], None]) -> None:
        moments.append((fraction, step))

    if life.story.type == "fault":
        found = min(0.6, minutes(min(scene.lognormal(45, 0.7), 225)) / span)
        add(found, lambda at: life.located(at=at))
        if life.visit:
            there = min(0.7, max(found, minutes(min(scene.lognormal(110, 0.5), 232)) / span))
            add(
                there + 0.01,
                lambda at: life.do(handling.reach_milestone, at=at, milestone="on_site", by=life.owner_now),
            )
    if life.complex or life.story.type == "suggestion":
        add(min(0.15, hours(9) / span), lambda at: life.plan(at=at))
    if life.complex and life.spoken:
        add(min(0.1, minutes(95) / span), lambda at: life.call(at=at))
    if chance.random() < 0.5:
        add(chance.uniform(0.05, 0.5), lambda at: life.note(at=at))
    if chance.random() < 0.3:
        add(chance.uniform(0.2, 0.8), lambda at: life.call(at=at))
    if chance.random() < 0.08:
        add(chance.uniform(0.1, 0.5), lambda at: life.call("unreachable", "no_answer", at=at))
    if waits:
        first, last = sorted((chance.uniform(0.1, 0.4), chance.uniform(0.45, 0.92)))
        until = min(scene.in_working_hours(start + span * last), end - minutes(2))
        add(first, lambda at: life.wait(until, at=at))
    elif chance.random() < 0.1 and span > hours(2):
        add(chance.uniform(0.3, 0.7), lambda at: _chased(life, at))
    if chance.random() < 0.05 and span > hours(2):
        add(chance.uniform(0.3, 0.6), lambda at: _held(life, at, min(at + span * 0.3, end)))
    if chance.random() < 0.03 and span > hours(3):
        add(
            chance.uniform(0.4, 0.7),
            lambda at: life.do(escalate, at=at, reason=life.text("escalate"), by=life.owner_now),
        )
    for fraction, step in sorted(moments, key=lambda pair: pair[0]):
        at = max(life.at, start + span * fraction)
        by_day = scene.in_working_hours(at)
        # Faults are located at any hour; notes, calls and questions keep to the day where there is one.
        step(by_day if by_day < end - minutes(10) and life.story.type != "fault" else at)


def escalate(*, ticket_id: int, at: datetime, **facts: Any) -> None:
    """Raise it by hand, unless its promises have carried it to the top already."""
    if Ticket.objects.get(pk=ticket_id).tier < 3:
        handling.escalate_ticket(ticket_id=ticket_id, at=at, **facts)


def _chased(life: Life, at: datetime) -> None:
    channel = life.channel if not life.spoken else "phone"
    life.do(conversation.customer_wrote, at=at, body=life.text("chase"), channel=channel, by=life.customer.row)
    life.reply("chase_reply", after=minutes(life.scene.lognormal(11, 0.6)))


def _held(life: Life, at: datetime, until: datetime) -> None:
    reason = life.scene.chance.choice(["parts", "department", "supplier"])
    life.note("hold_note", at=at)
    life.do(services.hold_ticket, reason=reason, by=life.owner_now)
    life.do(services.resume_ticket, at=until, by=life.owner_now)


def _hand_over(life: Life, end: datetime) -> None:
    """To a colleague, or back to the dispatcher who sends it on."""
    scene, chance, staff = life.scene, life.scene.chance, life.scene.staff
    at = life.at + (end - life.at) * chance.uniform(0.1, 0.5)
    if chance.random() < 0.45:
        colleague = chance.choice([p for p in staff.agents[life.team] if p != life.owner_now] or [life.owner_now])
        life.note("handover", at=at)
        life.do(services.assign_ticket, owner=colleague, by=staff.lead(life.team))
    else:
        others = {"broadband-a": "broadband-b", "broadband-b": "broadband-a", "moves": "broadband-a"}
        target = others.get(life.team, "billing")
        colleague = chance.choice(staff.agents[target])
        life.do(services.return_ticket, at=at, reason=life.text("returned"), by=life.owner_now)
        life.do(
            services.assign_ticket,
            after=minutes(scene.lognormal(8, 0.6)),
            owner=colleague,
            team=staff.teams[target],
            by=staff.dispatcher,
        )
        life.do(services.start_ticket, by=colleague, after=minutes(scene.lognormal(9, 0.7)))
        life.team = target
    life.owner_now = colleague


def _reviews(life: Life, reviewer: User, *, rounds: int, by: datetime) -> None:
    """Submit and pass; now and then it is sent back once."""
    chance = life.scene.chance
    step = max((by - life.at) / (rounds * 2 + 3), minutes(2))
    if chance.random() < 0.3:
        life.do(services.submit_for_review, after=step / 2, by=life.owner_now, note=life.text("review"))
        life.do(services.review_ticket, after=step / 2, passed=False, by=reviewer, note=life.text("review_back"))
    for _round in range(rounds):
        life.do(services.submit_for_review, after=step, by=life.owner_now, note=life.text("review"))
        life.do(services.review_ticket, after=step, passed=True, by=reviewer, note=life.text("review_ok"))


def _aftermath(life: Life) -> None:
    """Confirmed on a call, heard nothing of (the sweep closes it), or not solved after all."""
    scene, chance = life.scene, life.scene.chance
    scene.resolved += 1
    # Before the sweep closes it on the third day.
    called = scene.in_working_hours(life.at + hours(min(scene.lognormal(6, 0.9), 40)))
    if scene.resolved % 16 == 9:
        life.call("again", at=called, confirmed="no")
        life.note("again_note")
        again = scene.in_working_hours(life.at + hours(min(scene.lognormal(4, 0.6), 16)))
        if life.complex:
            _reviews(life, scene.staff.expert(life.team)[1], rounds=2, by=again)
        life.finish(at=again)
        called = scene.in_working_hours(life.at + hours(3))
        life.call("thanks", at=called, confirmed="yes")
    elif chance.random() < 0.43:
        life.call("thanks", at=called, confirmed="yes")


def in_an_outage(life: Life, *, began: datetime, found: datetime, mended: datetime, worker: User) -> Life:
    """A report of the surge day: answered, tied to the outage, and resolved in a row when the cable is mended."""
    scene, chance = life.scene, life.scene.chance
    life.visit = False
    life.values["began"] = f"{began.astimezone(ZONE):%H:%M}"
    life.values["eta"] = f"{mended.astimezone(ZONE):%H:%M}"
    life.intake(outage=True)
    if life.spoken:
        life.take(worker, after=minutes(scene.lognormal(9, 0.8)))
    else:
        took = min(scene.lognormal(8, 0.7), 50)
        life.at = life.received + minutes(took * 0.4)
        life.take(worker)
        life.reply("outage_reply", at=life.received + minutes(took))
    life.located(at=max(found, life.at), noted=False)
    life.note("outage_note")
    life.do(services.hold_ticket, reason="outage", by=worker)
    if chance.random() < 0.12 and mended - life.at > hours(1):
        life.do(
            conversation.customer_wrote,
            at=life.at + (mended - life.at) * 0.6,
            body=life.text("chase"),
            channel=life.channel,
            by=life.customer.row,
        )
        life.reply("outage_reply", after=minutes(scene.lognormal(9, 0.5)))
    life.finish(at=max(mended + minutes(chance.uniform(3, 110)), life.at + minutes(2)), outage=True)
    if chance.random() < 0.3:
        life.call("thanks", at=scene.in_working_hours(life.at + hours(chance.uniform(0.5, 16))), confirmed="yes")
    return life

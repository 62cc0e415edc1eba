"""One action on many tickets: each is one call of the service that acts on a single one, in a transaction of its own.

A job and its tickets are rows first (`desk.models`). Whoever runs it, the request or a worker, claims a ticket, acts
and writes what became of it in one transaction: a process that is killed has done a ticket wholly or not at all, and
nothing is done twice. A refusal is the service's own and stops no other ticket.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from django.conf import settings
from django.db import IntegrityError, InterfaceError, OperationalError, models, transaction
from django.utils import translation
from django.utils.functional import Promise
from django.utils.translation import gettext_lazy as _

from cases.models import Category
from common import clock
from common.errors import DomainError, StaleVersion
from notifications.services import address_of
from staff.models import Team, User
from tickets import conversation, ending, handling, services
from tickets.models import Ticket
from tickets.permissions import locked

from . import bulkforms
from .models import BulkItem, BulkJob

log = logging.getLogger(__name__)

MOST = 500  # tickets of one job: as many as somebody can still answer for
AT_ONCE = 50  # a page of rows; more go to a worker
PATIENCE = 4.0  # seconds that somebody waits for the answer; what is left then goes to a worker
ABANDONED = timedelta(seconds=30)  # nobody has worked on a job for so long: the sweep takes it up
KEPT = timedelta(days=7)  # the tickets' timelines say the rest

Outcome = BulkItem.Outcome
Chosen = Sequence[tuple[int, int]]  # key and version of each ticket
Given = dict[str, Any]
Call = Callable[[BulkItem, Any, Given], Any]


@dataclass(frozen=True)
class Action:
    """`call` acts on one ticket; a sentence that it returns is told beside the ticket."""

    call: Call
    title: str | Promise
    icon: str
    form: type[bulkforms.BulkForm]
    ability: str = "tickets.work"
    intro: str | Promise = ""
    kind: str = ""


def _assign(item: BulkItem, by: Any, given: Given) -> None:
    services.assign_ticket(ticket_id=item.case_id, by=by, version=item.version, **given)


def _reclassify(item: BulkItem, by: Any, given: Given) -> None:
    chosen = {name: value for name, value in given.items() if value}
    handling.reclassify_ticket(ticket_id=item.case_id, by=by, version=item.version, **chosen)


def _reply(item: BulkItem, by: Any, given: Given) -> str | Promise | None:
    # One text for many was written for what was chosen: whatever has changed since is looked at first.
    locked(item.case_id, by, "tickets.work", version=item.version)
    ticket = conversation.reply_to_customer(ticket_id=item.case_id, by=by, **given)
    return None if reaches(ticket) else _("Recorded, but no written channel reaches this customer: please call.")


def _plain(service: Callable[..., Any]) -> Call:
    def call(item: BulkItem, by: Any, given: Given) -> None:
        service(ticket_id=item.case_id, by=by, **given)

    return call


ACTIONS = {
    "assign": Action(
        _assign, _("Assign"), "user-plus", bulkforms.AssignForm, "tickets.assign",
        _("The clocks run on, whoever has the tickets."),
    ),
    "reply": Action(
        _reply, _("Reply"), "send", bulkforms.ReplyForm,
        intro=_("Each customer gets this text as a message of their own. It counts as an answer."),
    ),
    "note": Action(
        _plain(conversation.add_internal_note), _("Note"), "lock", bulkforms.NoteForm,
        intro=_("Only staff see this. It stops no clock."),
    ),
    "reclassify": Action(
        _reclassify, _("Reclassify"), "tag", bulkforms.ReclassifyForm, "tickets.reclassify",
        _("Priority and targets follow from this. What you leave alone stays as it is."),
    ),
    "wait": Action(
        _plain(services.wait_for_customer), _("Wait for customer"), "circle-pause", bulkforms.WaitForm,
        intro=_("The resolution clock pauses, five days at the longest. Legal limits run on."),
    ),
    "hold": Action(
        _plain(services.hold_ticket), _("Wait for others"), "clock", bulkforms.HoldForm,
        intro=_("The clocks run on while others work."),
    ),
    "resume": Action(
        _plain(services.resume_ticket), _("Go on"), "arrow-left", bulkforms.BulkForm,
        intro=_("Work goes on and the clocks run."),
    ),
    "cancel": Action(
        _plain(ending.cancel_ticket), _("Cancel the tickets"), "x", bulkforms.CancelForm, "tickets.cancel",
        _("For what the customer withdrew or what was opened by mistake."), "danger",
    ),
}  # fmt: skip


def offered(person: Any) -> dict[str, Action]:
    """What this person's role may do to many tickets, by name."""
    return {name: action for name, action in ACTIONS.items() if person.may(action.ability)}


def reaches(ticket: Ticket) -> bool:
    """Whether a written message reaches the customer of a ticket."""
    return ticket.customer is not None and address_of(ticket.customer) is not None


def chosen_tickets(person: Any, keys: Sequence[int]) -> list[Ticket]:
    """Those of the tickets that this person may see, in the order of `keys`."""
    found = {ticket.pk: ticket for ticket in Ticket.objects.visible_to(person).filter(pk__in=keys)}
    return [found[key] for key in dict.fromkeys(keys) if key in found]


# --- starting --------------------------------------------------------------------------------------------------------


def start(
    *, person: User, action: str, given: Given, chosen: Chosen, key: str, listing: str = "", at: datetime | None = None
) -> tuple[BulkJob, bool]:
    """The job of this form and whether it is new: the same form again gives the same job.

    `given` as the form cleaned it. Raises StaleVersion where the form was sent before with something else in it.
    """
    now = at or clock.now()
    kept = {name: value.pk if isinstance(value, models.Model) else value for name, value in given.items()}
    tickets = chosen_tickets(person, [ticket for ticket, _version in chosen])
    versions = dict(chosen)
    try:
        with transaction.atomic():
            job = BulkJob.objects.create(
                key=key,
                person=person,
                action=action,
                given=kept,
                listing=listing,
                gone=len(versions) - len(tickets),
                created_at=now,
                run_at=now,
            )
            BulkItem.objects.bulk_create(
                BulkItem(job=job, case_id=ticket.pk, place=place, version=versions[ticket.pk])
                for place, ticket in enumerate(tickets)
            )
    except IntegrityError:
        job = BulkJob.objects.get(person=person, key=key)
        if (job.action, job.given) != (action, kept):
            raise StaleVersion(_("This form was sent before, with other words. Please send it again.")) from None
        return job, False
    return job, True


# --- running ---------------------------------------------------------------------------------------------------------


def run(job: BulkJob, *, most: int = AT_ONCE, patience: float = PATIENCE) -> bool:
    """Act on up to `most` of the tickets to come, and begin none after `patience` seconds; return whether all is done.

    Runs twice or beside itself without harm.
    """
    begun = time.monotonic()
    person = User.objects.select_related("team").get(pk=job.person_id)
    given = _loaded(job.given)
    waiting = job.items.filter(outcome=Outcome.WAITING).values_list("pk", flat=True)
    with translation.override(person.language or translation.get_language() or settings.LANGUAGE_CODE):
        for number, pk in enumerate(list(waiting[:most])):
            if number and time.monotonic() - begun > patience:
                break
            _act(pk, ACTIONS[job.action], person, given)
    now = clock.now()
    BulkJob.objects.filter(pk=job.pk).update(run_at=now)
    if job.items.filter(outcome=Outcome.WAITING).exists():
        return False
    BulkJob.objects.filter(pk=job.pk, done_at=None).update(done_at=now)
    return True


@transaction.atomic
def _act(pk: int, action: Action, person: User, given: Given) -> None:
    # The claim comes first: it holds the row until the end, and whoever comes later finds it done.
    if not BulkItem.objects.filter(pk=pk, outcome=Outcome.WAITING).update(outcome=Outcome.DONE):
        return
    item = BulkItem.objects.get(pk=pk)
    try:
        with transaction.atomic():
            told = action.call(item, person, given)
        item.why = [str(told)] if told else []
    except Ticket.DoesNotExist:
        item.outcome, item.why = Outcome.REFUSED, [str(_("This ticket is no longer in your reach."))]
    except DomainError as refusal:
        item.outcome, item.why = Outcome.REFUSED, [str(reason) for reason in refusal.reasons]
    except (OperationalError, InterfaceError):
        raise  # the database is in trouble, not the ticket: all of this is undone, and tried again
    except Exception:
        log.exception("bulk item %s failed", pk)
        item.outcome, item.why = Outcome.FAILED, [str(_("Something went wrong here. Nothing was changed."))]
    item.save(update_fields=["outcome", "why"])


def _loaded(given: Given) -> Given:
    """What was kept as keys, as rows again."""
    rows: dict[str, Any] = {"owner": User, "team": Team, "category": Category}
    return {
        name: rows[name].objects.filter(pk=value).first() if name in rows and value else value
        for name, value in given.items()
    }


def kick(job_id: int) -> None:
    """Ask a worker to go on. A broker that is down costs seconds, never the job: the sweep takes it up."""
    from .tasks import run_bulk

    try:
        run_bulk.apply_async([job_id], retry=False, expires=60)
    except Exception:
        log.warning("the broker did not take bulk job %s; the sweep will go on with it", job_id)


def sweep(*, now: datetime | None = None) -> int:
    """Go on with what nobody works on any more, and forget what is old; return how many jobs were taken up."""
    now = now or clock.now()
    BulkJob.objects.filter(created_at__lt=now - KEPT, done_at__isnull=False).delete()
    abandoned = BulkJob.objects.filter(done_at=None, run_at__lt=now - ABANDONED).order_by("run_at")
    taken = 0
    for job in abandoned[:20]:
        # Two sweeps at once do not both work on it; what is left after a page goes on as usual.
        if BulkJob.objects.filter(pk=job.pk, run_at=job.run_at).update(run_at=now):
            taken += 1
            if not run(job):
                kick(job.pk)
    return taken

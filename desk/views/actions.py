"""What can be done with a ticket: one table of actions, each a form and one service call."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

from django.contrib import messages
from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.urls import path
from django.utils.functional import Promise
from django.utils.translation import gettext_lazy as _
from django.views.decorators.http import require_http_methods
from django.views.decorators.vary import vary_on_headers

from cases.attachments import received
from common.errors import DomainError, InvalidInput, StaleVersion
from desk import forms, sending
from desk.conversation import Entry, last_change, meanwhile, turns
from desk.doors import not_allowed, requires
from desk.forms import one_time_key
from desk.lists import Listing, address
from desk.sending import Sending
from desk.views.ticket import find, show
from sla.services import extend_pause
from tickets import checking, conversation, ending, exceptions, handling, services, summaries
from tickets.meanwhile import Overtaken, facts_since
from tickets.models import Ticket
from tickets.permissions import allow, allow_visible

Given = dict[str, Any]
Call = Callable[[Ticket, Any, Given], Any]
COMPOSER = {"reply", "note", "call", "customer"}


@dataclass(frozen=True)
class Action:
    """`title` heads the form and names its button; `done` says what happened and what it caused."""

    call: Call
    title: str | Promise
    done: str | Promise
    form: type[forms.TicketForm] = forms.TicketForm
    ability: str = "tickets.work"
    intro: str | Promise = ""

    @property
    def asks(self) -> bool:
        return self.form is not forms.TicketForm


def _reply(ticket: Ticket, by: Any, given: Given) -> Sending:
    return sending.send(ticket_id=ticket.pk, by=by, given=given, files=given["files"])


def _customer(ticket: Ticket, by: Any, given: Given) -> Ticket:
    once = f"form-{given['key']}" if given["key"] else ""
    return conversation.customer_wrote(
        ticket_id=ticket.pk,
        body=given["body"],
        channel=given["channel"],
        files=given["files"],
        by=by,
        external_id=once,
    )


def _said_yes(given: Given, field: str, unsaid: Any) -> bool:
    if not given[field]:
        raise InvalidInput(unsaid, field=field)
    return bool(given[field] == "yes")


def _milestone(name: str) -> Call:
    return lambda ticket, by, given: handling.reach_milestone(ticket_id=ticket.pk, milestone=name, by=by)


def _extend(ticket: Ticket, by: Any, given: Given) -> Any:
    """The engine knows no roles, so who may is asked here, at the edge."""
    allow_visible(by, ticket)
    allow(by, "tickets.pause_beyond_cap")
    return extend_pause(case_id=ticket.pk, until=given["until"], reason=given["reason"], by=by)


def _plain(service: Callable[..., Any], *fields: str) -> Call:
    """A service that takes the ticket, the person and these fields of the form."""
    return lambda ticket, by, given: service(ticket_id=ticket.pk, by=by, **{name: given[name] for name in fields})


ACTIONS: dict[str, Action] = {
    "take": Action(_plain(services.take_ticket), _("Take it"), _("The ticket is yours now.")),
    "start": Action(_plain(services.start_ticket), _("Start"), _("Work has begun.")),
    "assign": Action(
        _plain(services.assign_ticket, "owner", "team", "hand_over", "version"),
        _("Assign the ticket"),
        _("Assigned."),
        forms.AssignForm,
        "tickets.assign",
        _("The clocks run on."),
    ),
    "check": Action(
        lambda ticket, by, given: checking.check_ticket(
            ticket_id=ticket.pk,
            passed=_said_yes(given, "passed", _("Say whether the details are complete.")),
            missing=given["missing"],
            checked=given.get("checked", ()),
            by=by,
        ),
        _("Check the details"),
        _("The check is recorded."),
        forms.CheckForm,
        intro=_("Does what the customer has fit what they ask for? Whatever is missing, the ticket stays registered."),
    ),
    "return": Action(
        _plain(services.return_ticket, "reason"),
        _("Return to the dispatcher"),
        _("Returned to the dispatcher. The clocks run on."),
        forms.ReturnForm,
        intro=_("The dispatcher finds another team. The clocks run on."),
    ),
    "reply": Action(_reply, _("Reply"), sending.DONE[""], forms.ReplyForm),
    "note": Action(
        _plain(conversation.add_internal_note, "body", "key", "files"),
        _("Note"),
        _("The note is added."),
        forms.NoteForm,
    ),
    "call": Action(
        _plain(conversation.log_call, "body", "outcome", "confirmed", "key"),
        _("Log a call"),
        _("The call is logged."),
        forms.CallForm,
    ),
    "customer": Action(
        _customer, _("What the customer said"), _("Recorded. It counts as not answered yet."), forms.CustomerForm
    ),
    "wait": Action(
        _plain(services.wait_for_customer, "reason"),
        _("Wait for customer"),
        _("The ticket waits for the customer and its clock is paused."),
        forms.WaitForm,
        intro=_("The resolution clock pauses, five days at the longest. Legal limits run on."),
    ),
    "hold": Action(
        _plain(services.hold_ticket, "reason"),
        _("Wait for others"),
        _("The ticket waits for others. Its clocks run on."),
        forms.HoldForm,
        intro=_("The clocks run on while others work."),
    ),
    "resume": Action(_plain(services.resume_ticket), _("Go on"), _("Work goes on and the clocks run.")),
    "reclassify": Action(
        _plain(handling.reclassify_ticket, "type", "category", "urgency", "severity", "complex", "version"),
        _("What the ticket is"),
        _("Changed. Priority and targets follow."),
        forms.ReclassifyForm,
        "tickets.reclassify",
        _("Priority and targets follow from this. No time used is forgotten."),
    ),
    "plan": Action(
        _plain(handling.plan_ticket, "plan", "due_on", "cost"),
        _("Write the plan"),
        _("The plan is kept."),
        forms.PlanForm,
    ),
    "escalate": Action(
        _plain(handling.escalate_ticket, "reason"),
        _("Escalate"),
        _("Escalated: the next tier has been told."),
        forms.EscalateForm,
        "tickets.escalate",
        _("The next tier is told. The ticket stays with its owner."),
    ),
    "locate": Action(_milestone("located"), _("Located"), _("Recorded: the fault is located.")),
    "on_site": Action(_milestone("on_site"), _("On site"), _("Recorded: the technician is on site.")),
    "restored": Action(_milestone("restored"), _("Restored"), _("Recorded: the service is restored.")),
    "need_visit": Action(
        _plain(handling.need_visit),
        _("A visit is needed"),
        _("Recorded. The promise to be on site runs from the report."),
    ),
    "submit_for_review": Action(
        _plain(services.submit_for_review, "note"),
        _("Submit for review"),
        _("Submitted. A reviewer sees it now."),
        forms.SubmitForm,
    ),
    "review": Action(
        lambda ticket, by, given: services.review_ticket(
            ticket_id=ticket.pk, passed=given["passed"] == "yes", note=given["note"], by=by
        ),
        _("Review"),
        _("The review is recorded and the owner goes on."),
        forms.ReviewForm,
        "tickets.review",
    ),
    "resolve": Action(
        _plain(ending.resolve_ticket, "resolution", "verified", "went_well", "went_badly", "idea", "version"),
        _("Resolve"),
        _("Resolved. The customer is being told."),
        forms.ResolveForm,
        intro=_("The clocks stop and the customer is told. Without an answer it is closed after three days."),
    ),
    "confirm": Action(
        _plain(ending.confirm_ticket), _("Customer confirmed"), _("Closed: the customer confirmed that it is solved.")
    ),
    "reopen": Action(
        _plain(ending.reopen_ticket, "reason"),
        _("Reopen"),
        _("Reopened. A new round of targets has begun."),
        forms.ReopenForm,
    ),
    "summarize": Action(
        _plain(summaries.summarize_ticket, "went_well", "went_badly", "idea", "key"),
        _("Write a summary"),
        _("The summary is kept as an internal note."),
        forms.SummaryForm,
        intro=_("For ourselves; the customer does not see it. One of the three is enough."),
    ),
    "cancel": Action(
        _plain(ending.cancel_ticket, "reason"),
        _("Cancel the ticket"),
        _("Cancelled. Its targets no longer apply."),
        forms.CancelForm,
        "tickets.cancel",
        _("For what the customer withdrew or what was opened by mistake."),
    ),
    "report_exception": Action(
        _plain(exceptions.report_exception, "kind", "words"),
        _("Report a service exception"),
        _("Reported. The lead and the supervisors have been told."),
        forms.ExceptionForm,
        intro=_("For what of ours goes wrong. The customer is told within 2 hours and it is solved within 48 hours."),
    ),
    "judge_exception": Action(
        lambda ticket, by, given: exceptions.judge_exception(
            ticket_id=ticket.pk,
            upheld=_said_yes(given, "upheld", _("Say whether it is one.")),
            words=given["words"],
            by=by,
        ),
        _("Judge the exception"),
        _("The judgement is recorded."),
        forms.JudgeForm,
        "tickets.review",
    ),
    "solve_exception": Action(
        _plain(exceptions.solve_exception, "words"),
        _("The exception is solved"),
        _("Recorded: the exception is solved."),
        forms.SolveForm,
    ),
    "follow_up_exception": Action(
        _plain(exceptions.follow_up_exception, "words"),
        _("Follow up the exception"),
        _("The follow-up is recorded."),
        forms.FollowUpForm,
    ),
    "extend_pause": Action(
        _extend,
        _("Allow a longer pause"),
        _("The pause may last longer."),
        forms.ExtendForm,
        "tickets.pause_beyond_cap",
    ),
}
_AT_ONCE = {
    "promise": _("It left at once and cannot be taken back: a target was due."),
    "sweep": _("It left at once and cannot be taken back: the service center is slow at the moment."),
}
# What is only written down among us need not wait for a reply that is going out.
_BESIDE_A_REPLY = {"note"}


@requires("desk.open")
@require_http_methods(["GET", "POST"])
@vary_on_headers("HX-Request")
def do(request: HttpRequest, number: str, name: str) -> HttpResponse:
    person: Any = request.user
    ticket = find(person, number)
    action = ACTIONS.get(name)
    if action is None:
        raise Http404
    if not person.may(action.ability):
        return not_allowed(request, action.ability)
    if request.method == "GET":
        if not action.asks or name in COMPOSER:
            return redirect(address("case", ticket, Listing.asked(request.GET)))
        return _ask(request, ticket, name, action.form(ticket=ticket, person=person))
    prefix = f"{name}_%s" if name in COMPOSER else "id_%s"
    form = action.form(request.POST, request.FILES, ticket=ticket, person=person, auto_id=prefix)
    if not form.is_valid():
        return _refused(request, ticket, name, form, status=422)
    if name not in _BESIDE_A_REPLY:
        ticket = _after_what_goes_out(ticket, name, person, form)
    changed = facts_since(ticket, form.cleaned_data.get("seen"), person)
    try:
        with received(form.cleaned_data.get("files") or []) as files:
            told = action.call(ticket, person, {**form.cleaned_data, "files": files})
    except Ticket.DoesNotExist:
        raise Http404 from None
    except Overtaken as refusal:
        shown = {"conflict": str(refusal.reasons[0]), "overtaken": turns(ticket, person, refusal.facts["turns"])}
        return _refused(request, find(person, number), name, form, status=409, **shown)
    except StaleVersion as refusal:
        # The forms come back with the version of now: who sends again has seen the change.
        return _refused(request, find(person, number), name, form, status=409, conflict=str(refusal.reasons[0]))
    except DomainError as refusal:
        form.refuse(refusal)
        return _refused(request, find(person, number), name, form, status=refusal.status)
    words = [*_words_of_done(action, told, form), meanwhile(ticket, person, changed)]
    return done(request, number, " ".join(filter(None, words)))


def _after_what_goes_out(ticket: Ticket, name: str, person: Any, form: forms.TicketForm) -> Ticket:
    """Let go first what is still on its way and was done before this: order is kept. The ticket as it is then."""
    sent = form.cleaned_data["key"] if name == "reply" else ""
    if sending.let_go(ticket_id=ticket.pk, by=person, everybody=name == "reply", but=sent):
        ticket = Ticket.objects.with_people().get(pk=ticket.pk)
    form.cleaned_data["version"] = sending.version_seen(ticket, person, form.cleaned_data["version"])
    return ticket


def _words_of_done(action: Action, told: Any, form: forms.TicketForm) -> list[str]:
    """What the green bar says; nothing of a reply that is still on its way, which has a bar of its own."""
    if isinstance(told, Sending):
        return [] if told.held else [sending.done(form.cleaned_data["then"]), str(_AT_ONCE.get(told.hurried, ""))]
    return [str(action.done)]


def done(request: HttpRequest, number: str, words: str, **context: Any) -> HttpResponse:
    """Show the ticket as it is now; whoever may no longer see it (it went to another team) goes back to the list.

    `context` as `show` takes it.
    """
    listing = Listing.asked(request.GET)
    try:
        ticket = find(request.user, number)
    except Http404:
        ticket = None
    if words and (ticket is None or not request.headers.get("HX-Request")):
        messages.success(request, words)
    if ticket is None:
        return _go(request, listing)
    if not request.headers.get("HX-Request"):
        return redirect(address("case", ticket, listing) + ("#reply_body" if context.get("focus") else ""))
    response = show(request, ticket, done=words, **context)
    response["HX-Retarget"], response["HX-Reswap"] = "#main", "innerHTML"
    response["HX-Trigger"] = "dialog-done, desk:acted"
    return response


def _go(request: HttpRequest, listing: Listing) -> HttpResponse:
    target = redirect("desk:team" if listing.name == "team" else "desk:queue")
    if request.headers.get("HX-Request"):
        return HttpResponse(headers={"HX-Redirect": target["Location"]})
    return target


def _refused(
    request: HttpRequest,
    ticket: Ticket,
    name: str,
    form: forms.TicketForm,
    *,
    status: int,
    conflict: str = "",
    overtaken: Sequence[Entry] = (),
) -> HttpResponse:
    """The same page again with what was typed and why not. What somebody else changed meanwhile is named, and what was
    said to or by the customer meanwhile (`overtaken`) is shown: the form comes back with having seen it."""
    if request.FILES and "files" in form.fields:
        form.add_error("files", _("Please choose the files again: the browser does not keep them."))
    changed = last_change(ticket, request.user) if conflict and not overtaken else None
    context: dict[str, Any] = {"conflict": conflict, "changed": changed, "overtaken": overtaken}
    if name in COMPOSER:
        return show(request, ticket, status=status, mode=name, bound=form, **context)
    if ACTIONS[name].asks:
        return _ask(request, ticket, name, form, status=status, **context)
    return show(request, ticket, status=status, refused=form.non_field_errors())


def _ask(
    request: HttpRequest, ticket: Ticket, name: str, form: forms.TicketForm, *, status: int = 200, **context: Any
) -> HttpResponse:
    """The form of an action: in the dialog for htmx, else a page of its own."""
    listing = Listing.asked(request.GET)
    for field in form.visible_fields()[:1]:
        field.field.widget.attrs["autofocus"] = True
    context |= {
        "form": form,
        "action": ACTIONS[name],
        "name": name,
        "ticket": ticket,
        "url": address("do", ticket, listing, name),
        "back_url": address("case", ticket, listing),
        "key": one_time_key(),
    }
    template = "desk/_act.html" if request.headers.get("HX-Request") else "desk/_act_page.html"
    return render(request, template, context, status=status)


urlpatterns = [path("desk/c/<str:number>/do/<slug:name>/", do, name="do")]

"""A reply from the composer leaves 8 s later, exactly once or not at all, and never at the cost of a promise."""

from __future__ import annotations

import re
import threading
from datetime import timedelta

import pytest
from django.core.files.uploadedfile import SimpleUploadedFile
from django.db import connection
from django.urls import reverse

from cases.attachments import storage_problems
from cases.models import Attachment, Note
from cases.services import verify_timeline
from common import clock
from common.errors import NotAllowed
from desk import sending, tasks
from desk.models import HeldFile, HeldReply
from notifications import notices
from notifications.models import Message
from sla.models import Deadline, Timer
from sla.sweep import sweep
from staff.models import User
from tests import builders
from tests.builders import MONDAY
from tests.cases.test_attachments import JPEG, PDF, files_in
from tickets import conversation, ending, services
from tickets.models import Ticket

pytestmark = pytest.mark.django_db
NOW = MONDAY + timedelta(minutes=1)
LEAVES = NOW + sending.DELAY
EN = {"Accept-Language": "en"}
HTMX = {**EN, "HX-Request": "true"}


@pytest.fixture(autouse=True)
def _house(attachments_folder, settings):
    settings.SWEEP_BREATH_SECONDS = 0
    builders.house()
    with clock.simulated(NOW):
        yield


@pytest.fixture
def agent():
    return builders.person("agent", name="Chen", language="en")


@pytest.fixture
def lead():
    return builders.person("lead", name="Li", language="en")


@pytest.fixture
def ticket(agent):
    """In progress with the agent, and not answered yet: due at MONDAY + 15 min."""
    return services.take_ticket(ticket_id=builders.ticket(agent).pk, by=agent, at=MONDAY)


def post(client, person, ticket, data=None, *, name="reply", headers=HTMX, at=NOW, files=()):
    client.force_login(person)
    uploads = [SimpleUploadedFile(file_name, content) for file_name, content in files]
    form = {"body": "Which lamp is red?", "key": "k1", **(data or {}), **({"files": uploads} if uploads else {})}
    with clock.simulated(at):
        return client.post(reverse("desk:do", args=[ticket.number, name]), form, headers=headers)


def page(client, person, ticket, *, at=NOW, view="case", headers=EN, **asked):
    client.force_login(person)
    with clock.simulated(at):
        return client.get(reverse(f"desk:{view}", args=[ticket.number]), asked, headers=headers)


def undo(client, person, held, *, at=NOW, headers=HTMX, view="undo_reply"):
    client.force_login(person)
    with clock.simulated(at):
        return client.post(reverse(f"desk:{view}", args=[held.case.number, held.pk]), headers=headers)


def held_now():
    return HeldReply.objects.get(state="held")


def sent():
    return list(Note.objects.filter(direction="out").order_by("pk").values_list("body", flat=True))


def fresh(ticket):
    return Ticket.objects.get(pk=ticket.pk)


def row_of(ticket):
    return Ticket.objects.filter(pk=ticket.pk).values().get()


def first_reply(ticket):
    return Deadline.objects.get(case=ticket, promise="first_response")


# --- held, then gone -------------------------------------------------------------------------------------------------


def test_nothing_of_a_reply_is_there_before_its_time_and_all_of_it_then(
    client, agent, ticket, django_capture_on_commit_callbacks
):
    before = row_of(ticket)
    with django_capture_on_commit_callbacks() as callbacks:
        answer = post(client, agent, ticket, {"then": "wait", "reason": "documents"})
    assert "Going out in {n} s" in answer.text
    assert "Sent." not in answer.text
    assert (row_of(ticket), sent(), callbacks) == (before, [], [])
    assert not Message.objects.filter(template="ticket_reply").exists()
    assert first_reply(ticket).state == "running"

    sweep(now=LEAVES - timedelta(milliseconds=1))
    assert sent() == []
    left = LEAVES + timedelta(seconds=1)
    sweep(now=left)
    note = Note.objects.get(direction="out")
    assert (note.body, note.at, note.author, note.external_id) == ("Which lamp is red?", left, agent, "form-k1")
    assert (fresh(ticket).state, fresh(ticket).pause_reason) == ("pending", "documents")
    assert Message.objects.filter(template="ticket_reply").count() == 1
    assert (first_reply(ticket).state, first_reply(ticket).stopped_at) == ("stopped", left)
    assert verify_timeline(fresh(ticket)) == []

    sweep(now=left + timedelta(minutes=1))
    assert sent() == ["Which lamp is red?"]
    kept = HeldReply.objects.get()
    assert (kept.state, kept.given) == ("sent", {"then": "wait"})  # the words are in the conversation now


def test_send_and_resolve_is_held_as_a_whole(client, agent, ticket):
    post(client, agent, ticket, {"then": "resolve", "verified": "test", "resolution": "New splitter"})
    assert fresh(ticket).state == "in_progress"
    sweep(now=LEAVES)
    assert (fresh(ticket).state, fresh(ticket).resolution, fresh(ticket).resolved_at) == (
        "resolved", "New splitter", LEAVES,
    )  # fmt: skip


def test_what_is_refused_is_refused_at_once_and_nothing_is_held(client, agent, ticket, attachments_folder):
    answer = post(client, agent, ticket, {"then": "resolve"}, files=[("modem.jpg", JPEG)])
    assert answer.status_code == 409
    assert "Say how you know that it is solved." in answer.text
    assert post(client, agent, ticket, {"body": " "}).status_code == 422
    conversation.reply_to_customer(ticket_id=ticket.pk, body="Hello", by=None, at=NOW)
    asked = post(client, agent, ticket, {"seen": ticket.event_seq})
    assert "The customer was answered while you were writing." in asked.text
    assert not HeldReply.objects.exists()
    assert not Timer.objects.filter(handler=sending.HANDLER).exists()
    assert files_in(attachments_folder) == []


def test_a_double_click_is_one_reply_which_can_still_be_taken_back(client, agent, ticket):
    for _click in range(2):
        assert "undo-bar" in post(client, agent, ticket).text
    assert HeldReply.objects.count() == 1
    assert post(client, agent, ticket, {"body": "Other words"}).status_code == 409
    sweep(now=LEAVES)
    assert post(client, agent, ticket, at=LEAVES).status_code == 200  # the third click of a slow line
    assert sent() == ["Which lamp is red?"]


def test_a_sweep_that_dies_while_it_sends_has_sent_nothing_and_the_next_one_does(client, agent, ticket, monkeypatch):
    post(client, agent, ticket)
    with monkeypatch.context() as patched:
        patched.setattr(HeldReply, "save", lambda *_given, **_more: (_ for _ in ()).throw(KeyboardInterrupt))
        with pytest.raises(KeyboardInterrupt):
            sweep(now=LEAVES)
    assert (sent(), held_now().author) == ([], agent)
    sweep(now=LEAVES + timedelta(seconds=2))
    assert sent() == ["Which lamp is red?"]


def test_who_wants_no_delay_has_none(client, agent, ticket):
    agent.undo_replies = False
    agent.save()
    answer = post(client, agent, ticket)
    assert "Sent." in answer.text
    assert "cannot be taken back" not in answer.text
    assert sent() == ["Which lamp is red?"]
    assert not HeldReply.objects.exists()


# --- never at the cost of a promise ----------------------------------------------------------------------------------


def test_a_promise_that_waiting_might_miss_is_kept_at_once_to_the_instant(client, agent, settings):
    due = MONDAY + timedelta(minutes=15)
    latest = due - sending.DELAY - sending.margin()
    assert sending.margin() == timedelta(seconds=2 * settings.SWEEP_SECONDS)
    sweep(now=due - timedelta(minutes=1))

    pressing = builders.ticket(agent)
    sweep(now=due - timedelta(minutes=1))
    answer = post(client, agent, pressing, at=latest)
    assert "It left at once and cannot be taken back: a target was due." in answer.text
    assert sent() == ["Which lamp is red?"]
    assert first_reply(pressing).verdict(due) == "met"
    assert not HeldReply.objects.exists()

    patient = builders.ticket(agent, customer=None)
    sweep(now=due - timedelta(minutes=1))
    post(client, agent, patient, {"key": "k2"}, at=latest - timedelta(microseconds=1))
    assert HeldReply.objects.get().case_id == patient.pk
    sweep(now=latest + sending.DELAY + sending.margin() - timedelta(microseconds=1))  # as late as it may come by
    assert first_reply(patient).verdict(due) == "met"


def test_a_promise_overdue_already_waits_for_nothing(client, agent, ticket):
    late = MONDAY + timedelta(hours=1)
    sweep(now=late)
    assert "cannot be taken back" in post(client, agent, ticket, at=late).text
    assert sent() == ["Which lamp is red?"]


def test_only_promises_that_the_act_meets_or_pauses_are_pressing(client, agent, ticket):
    conversation.reply_to_customer(ticket_id=ticket.pk, body="Hello", by=agent, at=NOW)
    resolve = Deadline.objects.get(case=ticket, promise="resolve")
    almost = resolve.due_at - timedelta(seconds=5)
    sweep(now=almost)
    assert "undo-bar" in post(client, agent, ticket, at=almost).text  # a reply alone resolves nothing
    undo(client, agent, held_now(), at=almost)
    answer = post(client, agent, ticket, {"then": "wait", "reason": "documents", "key": "k2"}, at=almost)
    assert "a target was due" in answer.text
    services.resume_ticket(ticket_id=ticket.pk, by=agent, at=almost)
    sweep(now=almost)
    answer = post(client, agent, ticket, {"then": "resolve", "verified": "test", "key": "k3"}, at=almost)
    assert "a target was due" in answer.text
    assert Deadline.objects.get(case=ticket, promise="resolve").verdict(almost) == "met"


def test_while_the_sweep_is_behind_nothing_waits_for_it(client, agent, ticket):
    behind = Timer.objects.order_by("try_at").first().try_at + sending.margin()
    assert "undo-bar" in post(client, agent, ticket, at=behind).text
    undo(client, agent, held_now(), at=behind)
    answer = post(client, agent, ticket, {"key": "k2"}, at=behind + timedelta(microseconds=1))
    assert "the service center is slow at the moment" in answer.text
    assert sent() == ["Which lamp is red?"]


# --- taking it back --------------------------------------------------------------------------------------------------


def test_what_is_taken_back_never_was_and_is_in_the_composer_as_it_was(client, agent, ticket, attachments_folder):
    before = row_of(ticket)
    data = {"then": "resolve", "verified": "test", "resolution": "New <splitter>", "reason": "customer_test"}
    post(client, agent, ticket, data, files=[("modem.jpg", JPEG), ("bill.pdf", PDF)])
    answer = undo(client, agent, held_now(), at=LEAVES)
    assert answer.status_code == 200
    assert "Taken back. Nothing was sent" in answer.text
    assert re.search(r'<textarea name="body"[^>]* data-focus[^>]*>\s*Which lamp is red\?</textarea>', answer.text)
    assert "New &lt;splitter&gt;</textarea>" in answer.text
    assert 'value="resolve" checked' in answer.text
    assert '<option value="test" selected>' in answer.text
    assert re.findall(r'name="kept" value="\d+" checked>([^ ]+)', answer.text) == ["modem.jpg", "bill.pdf"]
    sweep(now=LEAVES + timedelta(minutes=1))
    assert (row_of(ticket)["version"], sent()) == (before["version"], [])
    assert undo(client, agent, HeldReply.objects.get()).status_code == 200  # pressed twice

    # It is there on the next visit too, and goes with what is left ticked of its files.
    again = page(client, agent, ticket).text
    draft = re.search(r'name="draft" value="(\d+)"', again)[1]
    kept = re.findall(r'name="kept" value="(\d+)" checked', again)
    answer = post(client, agent, ticket, {"draft": draft, "kept": kept[:1], "key": "k2"}, files=[("new.pdf", PDF)])
    assert 'name="draft"' not in answer.text
    assert "Which lamp is red?</textarea>" not in answer.text
    sweep(now=LEAVES + timedelta(minutes=1))
    assert list(Attachment.objects.values_list("name", "visibility")) == [
        ("modem.jpg", "public"), ("new.pdf", "public"),
    ]  # fmt: skip
    assert sent() == ["Which lamp is red?"]


def test_files_are_stored_once_and_none_is_left_behind(
    client, agent, ticket, attachments_folder, django_capture_on_commit_callbacks
):
    twice = [("modem.jpg", JPEG), ("copy.jpg", JPEG), ("bill.pdf", PDF)]
    post(client, agent, ticket, files=twice)
    assert len(files_in(attachments_folder)) == 2
    assert storage_problems() == ([], [])
    undo(client, agent, held_now())
    draft = HeldReply.objects.get()
    kept = [draft.files.get(name="modem.jpg").pk]
    with django_capture_on_commit_callbacks(execute=True):
        post(client, agent, ticket, {"draft": draft.pk, "kept": kept, "key": "k2"})
    assert len(files_in(attachments_folder)) == 1
    sweep(now=LEAVES)
    assert Attachment.objects.get().file.read() == JPEG
    assert storage_problems() == ([], [])
    assert not HeldFile.objects.exists()

    post(client, agent, ticket, {"key": "k3"}, files=[("bill.pdf", PDF)])
    undo(client, agent, held_now())
    with django_capture_on_commit_callbacks(execute=True):
        undo(client, agent, HeldReply.objects.get(state="draft"), view="discard_reply")
    assert len(files_in(attachments_folder)) == 1


def test_a_draft_that_leaves_at_once_is_no_draft_any_more(client, agent, ticket):
    post(client, agent, ticket, files=[("modem.jpg", JPEG)])
    undo(client, agent, held_now())
    draft = HeldReply.objects.get()
    late = MONDAY + timedelta(hours=1)
    sweep(now=late)
    data = {"draft": draft.pk, "kept": [draft.files.get().pk], "key": "k2"}
    assert "a target was due" in post(client, agent, ticket, data, at=late).text
    assert (sent(), HeldReply.objects.count()) == (["Which lamp is red?"], 0)
    assert Attachment.objects.get().file.read() == JPEG
    assert storage_problems() == ([], [])


def test_a_draft_that_went_by_another_window_is_not_sent_twice(client, agent, ticket):
    post(client, agent, ticket)
    undo(client, agent, held_now())
    draft = HeldReply.objects.get().pk
    post(client, agent, ticket, {"draft": draft, "key": "k2"})
    answer = post(client, agent, ticket, {"draft": draft, "key": "k3"})
    assert answer.status_code == 409
    assert "This draft was sent or discarded in another window." in answer.text
    assert "Which lamp is red?</textarea>" in answer.text
    assert 'name="draft"' not in answer.text  # who sends again has seen it


def test_too_late_is_said_and_nothing_is_lost(client, agent, ticket):
    post(client, agent, ticket)
    held = held_now()
    sweep(now=LEAVES)
    for headers in (HTMX, EN):
        answer = undo(client, agent, held, at=LEAVES, headers=headers)
        assert answer.status_code == 409
        assert "It has been sent already and cannot be taken back." in answer.text
    assert sent() == ["Which lamp is red?"]


def test_only_its_writer_takes_it_back_or_throws_it_away(client, agent, lead, ticket):
    post(client, agent, ticket)
    held = held_now()
    auditor, far = builders.person("auditor"), builders.person("lead", team=builders.team("far"))
    for view in ("undo_reply", "discard_reply"):
        url = reverse(f"desk:{view}", args=[ticket.number, held.pk])
        client.logout()
        assert client.post(url)["Location"].startswith("/sign-in/")
        found = {person: undo(client, person, held, view=view).status_code for person in (lead, auditor, far)}
        assert found == {lead: 403, auditor: 403, far: 404}
        client.force_login(agent)
        assert client.get(url).status_code == 405
        assert client.post(reverse(f"desk:{view}", args=[ticket.number, 99999])).status_code == 404
        other = builders.ticket(agent, customer=None)
        assert client.post(reverse(f"desk:{view}", args=[other.number, held.pk])).status_code == 404
    assert undo(client, agent, held, view="discard_reply").status_code == 200
    assert held_now() == held  # what is on its way is taken back, not thrown away
    for act in (sending.take_back, sending.discard):
        with pytest.raises(NotAllowed):
            act(reply_id=held.pk, by=lead)


@pytest.mark.postgres
@pytest.mark.django_db(transaction=True)
def test_undo_and_the_sweep_at_the_same_moment_have_one_winner(agent):
    for number in range(12):
        ticket = builders.ticket(agent, customer=None)
        given = dict.fromkeys(sending.TYPED, "") | {"body": "x", "seen": None, "key": f"k{number}"}
        held = sending.send(ticket_id=ticket.pk, by=agent, given=given, at=NOW).held
        ready, told, problems = threading.Barrier(2), [], []

        def take_back(held=held, ready=ready, told=told, problems=problems):
            try:
                ready.wait()
                sending.take_back(reply_id=held.pk, by=agent, at=LEAVES)
                told.append("back")
            except sending.AlreadySent:
                told.append("sent")
            except Exception as problem:
                problems.append(problem)
            finally:
                connection.close()

        def leave(ready=ready, problems=problems):
            try:
                with clock.simulated(LEAVES):
                    ready.wait()
                    sweep(now=LEAVES)
            except Exception as problem:
                problems.append(problem)
            finally:
                connection.close()

        threads = [threading.Thread(target=take_back), threading.Thread(target=leave)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert problems == []
        sweep(now=LEAVES)  # where the sweep passed by a busy case
        held.refresh_from_db()
        gone = Note.objects.filter(case_id=ticket.pk, direction="out").count()
        assert (told, held.state, gone) in ((["back"], "draft", 0), (["sent"], "sent", 1))


# --- what became impossible meanwhile --------------------------------------------------------------------------------


def closed(ticket, agent, lead):
    ending.cancel_ticket(ticket_id=ticket.pk, reason="Opened twice", by=lead, at=NOW)


def away(ticket, agent, lead):
    services.assign_ticket(
        ticket_id=ticket.pk, owner=builders.person("lead", team=builders.team("far")), hand_over=True,
        team=builders.team("far"), by=None, at=NOW,
    )  # fmt: skip


def answered(ticket, agent, lead):
    conversation.reply_to_customer(ticket_id=ticket.pk, body="I know it", by=lead, at=NOW)


def wrote(ticket, agent, lead):
    conversation.customer_wrote(ticket_id=ticket.pk, body="Solved!", channel="web", at=NOW)


def gone(ticket, agent, lead):
    User.objects.filter(pk=agent.pk).update(role="auditor")


MEANWHILE = {
    closed: "The status is “Cancelled” meanwhile.",
    away: "This ticket is no longer in your reach.",
    answered: "The customer was answered while you were writing.",
    wrote: "The customer wrote while you were writing.",
    gone: "Your role may not do this.",
}


@pytest.mark.parametrize(("happens", "why"), MEANWHILE.items(), ids=[happens.__name__ for happens in MEANWHILE])
def test_what_may_not_leave_any_more_is_its_writers_draft_and_the_writer_is_told(
    client, agent, lead, ticket, happens, why
):
    post(client, agent, ticket, {"seen": ticket.event_seq}, files=[("modem.jpg", JPEG)])
    happens(ticket, agent, lead)
    said = sent()
    sweep(now=LEAVES)
    draft = HeldReply.objects.get()
    assert (sent(), draft.state, draft.why, draft.given["body"]) == (said, "draft", [why], "Which lamp is red?")
    assert draft.files.get().file.read() == JPEG
    told = notices.unread(agent).get()
    assert notices.sentence(told).endswith(f"was not sent: {why} It is kept as your draft.")
    sweep(now=LEAVES + timedelta(minutes=1))
    assert sent() == said

    client.force_login(User.objects.get(pk=agent.pk))
    to = client.post(reverse("desk:notice", args=[told.pk]))["Location"]
    shown = client.get(to, headers=EN).text
    if happens is away:
        assert to == reverse("desk:replies")
    if happens is not gone:  # a reader has no composer; the words are on the page of one's replies all the same
        assert "Which lamp is red?" in shown
        assert why in shown
    assert "Which lamp is red?" in client.get(reverse("desk:replies"), headers=EN).text


def test_what_only_changed_beside_it_stops_no_reply(client, agent, lead, ticket):
    post(client, agent, ticket, {"seen": ticket.event_seq})
    conversation.add_internal_note(ticket_id=ticket.pk, body="Splitter 3", by=lead, at=NOW)
    services.assign_ticket(ticket_id=ticket.pk, owner=lead, by=None, at=NOW)
    sweep(now=LEAVES)
    assert sent() == ["Which lamp is red?"]


def test_leaving_the_desk_changes_nothing(client, agent, ticket):
    post(client, agent, ticket)
    client.post(reverse("sign_out"))
    User.objects.filter(pk=agent.pk).update(presence="offline")
    sweep(now=LEAVES)
    assert sent() == ["Which lamp is red?"]


# --- what comes after it ---------------------------------------------------------------------------------------------


def test_a_second_reply_sends_the_first_one_first(client, agent, lead, ticket):
    post(client, agent, ticket, {"seen": ticket.event_seq})
    post(client, agent, ticket, {"body": "And one more thing", "key": "k2", "seen": ticket.event_seq})
    assert sent() == ["Which lamp is red?"]
    assert held_now().given["body"] == "And one more thing"

    # Somebody else's too, who is shown it and asked.
    asked = post(client, lead, ticket, {"body": "Mine", "key": "k3", "seen": ticket.event_seq})
    assert sent() == ["Which lamp is red?", "And one more thing"]
    assert asked.status_code == 409
    assert "The customer was answered while you were writing." in asked.text
    assert not HeldReply.objects.filter(state="held").exists()
    assert not Timer.objects.filter(handler=sending.HANDLER).exists()


def test_what_its_writer_does_next_comes_after_it_and_a_note_leaves_it_alone(client, agent, lead, ticket):
    post(client, agent, ticket)
    post(client, agent, ticket, {"body": "Splitter 3", "key": "n"}, name="note")
    post(client, lead, ticket, {"outcome": "no_answer", "key": "c"}, name="call")
    assert sent() == []
    seen = fresh(ticket).version
    # The dialog was opened while the reply was on its way: its going is nothing to be asked about.
    done = post(client, agent, ticket, {"resolution": "ok", "verified": "test", "version": seen}, name="resolve")
    assert done.status_code == 200
    assert (sent(), fresh(ticket).state) == (["Which lamp is red?"], "resolved")


def test_a_change_by_somebody_else_is_still_asked_about(client, agent, lead, ticket):
    seen = fresh(ticket).version
    conversation.add_internal_note(ticket_id=ticket.pk, body="wait a moment", by=lead, at=NOW)
    post(client, agent, ticket)
    data = {"resolution": "ok", "verified": "test", "version": seen}
    assert post(client, agent, ticket, data, name="resolve").status_code == 409
    assert fresh(ticket).state == "in_progress"


# --- what the page shows ---------------------------------------------------------------------------------------------


def test_its_writer_has_the_undo_and_others_see_that_it_is_on_its_way(client, agent, lead, ticket):
    post(client, agent, ticket)
    undo_at = reverse("desk:undo_reply", args=[ticket.number, held_now().pk])
    mine = page(client, agent, ticket, at=NOW + timedelta(seconds=3)).text
    assert 'data-left="5000"' in mine
    assert "Goes out at 09:01:08" in mine  # for whom no script counts
    assert f'action="{undo_at}"' in mine
    for person in (lead, builders.person("auditor", language="en")):
        theirs = page(client, person, ticket).text
        assert "Chen's reply is going out" in theirs
        assert undo_at not in theirs
        assert "Which lamp is red?" not in theirs
        client.force_login(person)
        facts = client.get(reverse("desk:changes"), {"on": ticket.pk}, headers=EN).json()["facts"]
        assert facts[-1]["groups"][0]["words"] == "Chen's reply is going out"
    undo(client, agent, held_now())
    # What was taken back, and what has gone, is nothing to tell the others.
    assert "Chen's reply is going out" not in page(client, lead, ticket).text
    post(client, agent, ticket, {"key": "k2"})
    sweep(now=LEAVES)
    assert "Chen's reply is going out" not in page(client, lead, ticket, at=LEAVES).text
    client.force_login(agent)
    groups = client.get(reverse("desk:changes"), {"on": ticket.pk}, headers=EN).json()["facts"][-1]["groups"]
    assert [group["writing"] for group in groups] == [False]  # who else looks at it; one's own has a bar of its own


def test_once_gone_its_writer_is_told_once_and_the_composer_follows_where_it_is_empty(client, agent, ticket):
    post(client, agent, ticket, {"then": "wait", "reason": "documents"})
    sweep(now=LEAVES)
    told = "Sent. The ticket now waits for the customer and its clock is paused."
    assert told in page(client, agent, ticket, at=LEAVES).text
    plain = page(client, agent, ticket, at=LEAVES, view="conversation", headers=HTMX).text
    assert told in plain
    assert "<textarea" not in plain
    asked = page(client, agent, ticket, at=LEAVES, view="conversation", headers=HTMX, composer="1").text
    assert 'id="composer" hx-swap-oob="true"' in asked
    assert 'value="wait" disabled' in asked
    assert told not in page(client, agent, ticket, at=LEAVES + sending.TOLD_FOR).text


def test_a_draft_that_came_back_while_something_is_being_written_is_offered_beside_it(client, agent, lead, ticket):
    post(client, agent, ticket, {"seen": ticket.event_seq})
    closed(ticket, agent, lead)
    sweep(now=LEAVES)
    renewed = page(client, agent, ticket, at=LEAVES, view="conversation", headers=HTMX).text
    assert "Open the draft" in renewed
    assert "<textarea" not in renewed


def test_without_script_it_is_sent_and_taken_back_by_forms_alone(client, agent, ticket):
    answer = post(client, agent, ticket, headers=EN)
    assert answer["Location"] == reverse("desk:case", args=[ticket.number])
    form = re.search(r'<form method="post" action="([^"]+/undo/)"', client.get(answer["Location"], headers=EN).text)
    back = client.post(form[1], headers=EN)
    assert back["Location"] == reverse("desk:case", args=[ticket.number]) + "#reply_body"
    shown = client.get(back["Location"], headers=EN).text
    assert "Taken back. Nothing was sent" in shown
    discard = re.search(r'formaction="([^"]+)"', shown)[1]
    assert client.post(discard, headers=EN).status_code == 302
    assert not HeldReply.objects.exists()


# --- my replies ------------------------------------------------------------------------------------------------------


def test_everybody_chooses_for_themselves(client, agent):
    url = reverse("desk:replies")
    assert client.get(url)["Location"].startswith("/sign-in/")
    client.force_login(agent)
    assert 'name="undo_replies" id="id_undo_replies" checked' in client.get(url, headers=EN).text
    assert client.post(url, {}).status_code == 302
    assert not User.objects.get(pk=agent.pk).undo_replies
    client.post(url, {"undo_replies": "on"})
    assert User.objects.get(pk=agent.pk).undo_replies
    for role in ("lead", "auditor", "technician"):
        client.force_login(builders.person(role))
        assert client.get(url).status_code == 200


def test_drafts_are_ones_own_and_can_be_thrown_away_there(client, agent, lead, ticket):
    post(client, agent, ticket)
    undo(client, agent, held_now())
    client.force_login(lead)
    assert "Which lamp is red?" not in client.get(reverse("desk:replies")).text
    client.force_login(agent)
    discard = reverse("desk:discard_reply", args=[ticket.number, HeldReply.objects.get().pk])
    assert client.post(discard, {"from_list": "1"})["Location"] == reverse("desk:replies")
    assert "Everything you wrote was sent." in client.get(reverse("desk:replies"), headers=EN).text


def test_what_nobody_asks_for_any_more_is_forgotten(client, agent, ticket):
    post(client, agent, ticket)
    sweep(now=LEAVES)
    post(client, agent, ticket, {"key": "k2"}, at=LEAVES)
    undo(client, agent, held_now(), at=LEAVES)
    for passed, left in ((sending.SENT_KEPT, {"sent", "draft"}), (sending.DRAFT_KEPT, {"draft"})):
        with clock.simulated(LEAVES + passed):
            tasks.bulk_due()
        assert set(HeldReply.objects.values_list("state", flat=True)) == left
    with clock.simulated(LEAVES + sending.DRAFT_KEPT + timedelta(seconds=1)):
        tasks.bulk_due()
    assert not HeldReply.objects.exists()

"""Text messages that nobody understood: who reads them, and the three things that can become of one."""

from __future__ import annotations

from datetime import timedelta

import pytest

from appointments.models import Appointment
from cases.models import Note
from common import clock
from common.errors import DomainError
from customers.models import Customer
from notifications.inbound import receive_sms
from notifications.models import InboundMessage
from notifications.waiting import settle
from tests import builders
from tests.appointments import center
from tests.builders import MONDAY
from tests.desk.test_new import typed
from tickets.models import Ticket

pytestmark = pytest.mark.django_db
PAGE = "/desk/texts/"
EN = {"Accept-Language": "en"}
_ids = iter(range(1, 10_000))


@pytest.fixture(autouse=True)
def _house():
    center.center()
    with clock.simulated(MONDAY):
        yield


@pytest.fixture
def agent(client):
    person = builders.person("agent", language="en")
    client.force_login(person)
    return person


def text(words="where is my technician", sender="+8613900001111", at=MONDAY):
    message = receive_sms(sender=sender, text=words, provider_id=f"m{next(_ids)}", at=at)
    assert message.outcome == "waiting"
    return message


def fresh(message):
    return InboundMessage.objects.get(pk=message.pk)


def put(client, message, **data):
    return client.post(f"{PAGE}{message.pk}/attach/", data, headers=EN)


def two_tickets(person, customer=None):
    """Two open tickets: then no text of theirs says by itself which one it means."""
    customer = customer or builders.customer()
    return [builders.ticket(person, customer=customer, subject=words) for words in ("The line", "The bill")]


@pytest.mark.parametrize(
    ("role", "reads", "acts"),
    [("agent", 200, 302), ("lead", 200, 302), ("dispatcher", 200, 302), ("auditor", 200, 403),
     ("technician", 403, 403), ("administrator", 403, 403)],
)  # fmt: skip
def test_who_may(client, role, reads, acts):
    message = text()
    ticket = builders.ticket(builders.person("agent"))
    assert client.get(PAGE).status_code == client.post(f"{PAGE}{message.pk}/done/").status_code == 302
    assert fresh(message).outcome == "waiting"
    client.force_login(builders.person(role))
    assert client.get(PAGE).status_code == reads
    assert put(client, message, number=ticket.number).status_code == acts
    assert client.post(f"{PAGE}{text().pk}/done/").status_code == acts
    assert (fresh(message).case_id == ticket.pk) == (acts == 302)


def test_the_auditor_reads_and_has_nothing_to_press(client):
    text("hello there")
    client.force_login(builders.person("auditor", language="en"))
    page = client.get(PAGE, headers=EN).text
    assert "hello there" in page
    assert "Make it a ticket" not in page
    assert "/attach/" not in page


def test_the_number_is_masked_and_the_customer_named(client, agent):
    two_tickets(agent)
    text("ours", sender="+8613812345678")
    text("theirs", sender="+8613900001111")
    text("from a bank", sender="GoodBank")
    page = client.get(PAGE, headers=EN).text
    assert "138****5678" in page
    assert "李小明" in page
    assert "139****1111" in page
    assert "GoodBank" in page
    assert "13812345678" not in page
    assert "13900001111" not in page
    assert page.count("Unknown sender") == 2


def test_the_page_costs_the_same_however_many_texts(client, agent, django_assert_max_num_queries):
    for number in range(6):
        customer = builders.customer(phone=f"1381234567{number}")
        two_tickets(agent, customer)
        text(sender=f"+861381234567{number}")
    with django_assert_max_num_queries(12):
        assert client.get(PAGE).text.count('name="case"') == 12


def test_one_of_several_cases_gets_it_and_who_entered_it_is_on_record(client, agent):
    _first, second = two_tickets(agent)
    message = text("the second one please", sender="+8613812345678")
    assert put(client, message, case=second.number)["Location"] == PAGE
    note = Note.objects.get(case=second)
    assert (note.body, note.direction, note.channel, note.author) == ("the second one please", "in", "sms", agent)
    assert (fresh(message).outcome, fresh(message).dealt_by, fresh(message).dealt_at) == ("noted", agent, MONDAY)
    done = client.get(PAGE + "?tab=done", headers=EN).text
    assert f"put it to {second.number}" in done
    assert "the second one please" not in client.get(PAGE).text


def test_a_text_from_another_number_says_so_in_the_conversation(client, agent):
    ticket = builders.ticket(agent)
    put(client, text("I am her son"), number=ticket.number)
    assert Note.objects.get(case=ticket).body == "I am her son\n(Text message from 139****1111)"


def test_a_visit_takes_one_too(client, agent):
    visit = center.book(starts_at=None)
    put(client, text("ring twice"), number=visit.number)
    assert "ring twice" in Note.objects.get(case=visit).body
    assert Appointment.objects.get(pk=visit.pk).event_seq > visit.event_seq


@pytest.mark.parametrize("number", ["", "T-9999-9999", "nonsense"])
def test_a_number_that_is_none_is_said_beside_the_text_and_kept(client, agent, number):
    message = text()
    answer = put(client, message, number=number)
    assert answer.status_code == 422
    assert ("There is no case of this number" if number else "Choose a case") in answer.text
    assert f'value="{number}"' in answer.text
    assert fresh(message).outcome == "waiting"


def test_a_case_of_another_team_is_none(client, agent):
    far = builders.ticket(builders.person("agent", team=builders.team("far")), customer=None)
    message = text()
    assert put(client, message, number=far.number).status_code == 422
    assert (fresh(message).outcome, Note.objects.count()) == ("waiting", 0)


def test_who_comes_second_hears_who_was_first_and_nothing_happens_twice(client, agent):
    ticket, message = builders.ticket(agent), text()
    settle(message_id=message.pk, by=builders.person("agent", name="Wang"), at=MONDAY)
    for answer in (put(client, message, number=ticket.number), client.post(f"{PAGE}{message.pk}/done/", headers=EN)):
        assert answer.status_code == 409
        assert "Wang has dealt with this text message already." in answer.text
    assert not Note.objects.exists()
    with pytest.raises(DomainError):
        settle(message_id=message.pk, by=agent)


def test_done_is_done_and_says_by_whom(client, agent):
    message = text("thanks!")
    client.post(f"{PAGE}{message.pk}/done/")
    assert (fresh(message).outcome, fresh(message).dealt_by, fresh(message).case) == ("handled", agent, None)
    assert "nothing to be done" in client.get(PAGE + "?tab=done", headers=EN).text


def test_what_was_understood_by_itself_is_not_listed(client, agent):
    receive_sms(sender="+8613812345678", text="JD T-1", provider_id="understood", at=MONDAY)
    InboundMessage.objects.update(outcome="answered")
    assert client.get(PAGE).context["lines"] == []


# --- too many --------------------------------------------------------------------------------------------------------


@pytest.fixture
def flood(settings):
    """Three texts in an hour where one is read: one that waits, one answered with *too many*, one silent."""
    settings.SMS_INBOUND_PER_HOUR = 1
    found = [
        receive_sms(sender="+8613900001111", text=words, provider_id=words, at=MONDAY)
        for words in ("the first", "one too many", "two too many")
    ]
    assert [message.outcome for message in found] == ["waiting", "limited", "silenced"]
    return found


def test_what_was_too_many_has_a_list_of_its_own_that_says_so(client, agent, flood):
    builders.customer(phone="13900001111")
    waiting = client.get(PAGE, headers=EN)
    assert [line.message for line in waiting.context["lines"]] == flood[:1]
    assert 'Too many <span class="tabs-count num">2</span>' in waiting.text
    stopped = client.get(f"{PAGE}?tab=stopped", headers=EN)
    assert [line.message for line in stopped.context["lines"]] == flood[1:]
    assert [line.stopped for line in stopped.context["lines"]] == [
        "Too many in an hour; the sender was told",
        "Too many in an hour; not answered",
    ]
    assert "beyond 1 message an hour" in stopped.text
    assert "139****1111" in stopped.text
    assert stopped.text.count("李小明") == 2


def test_a_name_that_sends_too_many_is_told_nothing_and_the_list_says_nothing_else(client, agent, settings):
    settings.SMS_INBOUND_PER_HOUR = 1
    for number in range(2):
        receive_sms(sender="GoodBank", text="offer", provider_id=f"b{number}", at=MONDAY)
    (line,) = client.get(f"{PAGE}?tab=stopped", headers=EN).context["lines"]
    assert (line.message.outcome, line.stopped) == ("limited", "Too many in an hour; not answered")


def test_what_was_too_many_is_dealt_with_like_the_others_and_the_sender_is_told_once(client, agent, flood):
    ticket = builders.ticket(agent)
    assert client.post(f"{PAGE}{flood[1].pk}/done/")["Location"] == f"{PAGE}?tab=stopped"
    wrong = put(client, flood[2], number="nonsense")
    assert (wrong.status_code, wrong.context["tab"]) == (422, "stopped")
    put(client, flood[2], number=ticket.number)
    assert Note.objects.get(case=ticket).body == "two too many\n(Text message from 139****1111)"
    assert put(client, flood[2], number=ticket.number).status_code == 409
    assert client.get(f"{PAGE}?tab=stopped").context["lines"] == []
    done = client.get(f"{PAGE}?tab=done", headers=EN).text
    assert "one too many" in done
    assert f"put it to {ticket.number}" in done
    more = receive_sms(sender="+8613900001111", text="more", provider_id="more", at=MONDAY)
    assert (more.outcome, more.answer) == ("silenced", None)


def test_a_ticket_is_made_of_one_too(client, agent, flood):
    client.post("/desk/new/", typed(phone="", text=flood[1].pk, channel="sms"), headers=EN)
    assert fresh(flood[1]).case_id == Ticket.objects.get().pk
    assert client.get(f"/desk/new/?text={flood[1].pk}")["Location"] == PAGE
    assert client.get(f"/desk/new/?text={flood[2].pk}", headers=EN).context["form"]["subject"].value() == "two too many"


# --- a ticket --------------------------------------------------------------------------------------------------------


def test_the_form_begins_with_the_words_the_channel_and_the_time_it_came(client, agent):
    builders.customer(phone="13900001111")
    message = text("No internet\nsince Sunday", at=MONDAY - timedelta(hours=3))
    answer = client.get(f"/desk/new/?text={message.pk}", headers=EN)
    form = answer.context["form"]
    assert form["subject"].value() == "No internet since Sunday"
    assert form["description"].value() == "No internet\nsince Sunday"
    assert form["channel"].value() == "sms"
    assert answer.context["chosen"] == str(Customer.objects.get().pk)
    assert 'value="2026-03-02T06:00"' in answer.text
    assert "13900001111" not in answer.text


def test_an_unknown_number_becomes_a_customer_without_being_shown(client, agent):
    message = text("No internet", at=MONDAY - timedelta(hours=3))
    page = client.get(f"/desk/new/?text={message.pk}", headers=EN).text
    assert "139****1111" in page
    assert "13900001111" not in page
    answer = client.post("/desk/new/", typed(phone="", text=message.pk, channel="sms", received_at="2026-03-02T06:00",
                                             late_because="Came late"))  # fmt: skip
    ticket = Ticket.objects.get()
    assert answer["Location"].endswith(f"{ticket.number}/")
    assert ticket.customer.phone.value == "+8613900001111"
    assert ticket.received_at == MONDAY - timedelta(hours=3)
    assert (fresh(message).case_id, fresh(message).outcome, fresh(message).dealt_by) == (ticket.pk, "noted", agent)


def test_no_second_ticket_is_made_of_a_text_that_somebody_else_has_taken(client, agent):
    message = text()
    settle(message_id=message.pk, by=builders.person("agent", name="Wang"), at=MONDAY)
    answer = client.post("/desk/new/", typed(phone="", text=message.pk), headers=EN)
    assert answer.status_code == 422
    assert "Wang has dealt with this text message already." in answer.text
    assert not Ticket.objects.exists()
    assert client.get(f"/desk/new/?text={message.pk}")["Location"] == PAGE


# --- where it is found -----------------------------------------------------------------------------------------------


def test_the_teams_queue_says_how_many_wait(client, agent):
    assert PAGE not in client.get("/desk/team/").text.split("<main")[1]
    text()
    assert "1 text message waits to be read" in client.get("/desk/team/", headers=EN).text

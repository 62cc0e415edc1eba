"""/dev/outbox/: only where nothing real is sent, or to people who may read it."""

from __future__ import annotations

import pytest
from django.urls import reverse

from notifications.models import Message
from tests import builders
from tests.builders import MONDAY
from tickets import conversation

pytestmark = pytest.mark.django_db


@pytest.fixture(autouse=True)
def demo(settings):
    builders.house()
    settings.DEMO, settings.DEBUG = True, False


def replied(**fields):
    agent = builders.person("agent")
    ticket = builders.ticket(agent, customer=builders.customer(**fields))
    conversation.reply_to_customer(ticket_id=ticket.pk, body="The line is <being> repaired.", by=agent, at=MONDAY)
    return ticket


def test_messages_read_as_the_customer_gets_them_newest_first(client):
    ticket = replied(language="en")
    client.force_login(builders.person("agent", language="en"))
    text = client.get(reverse("desk:outbox")).content.decode()
    assert text.index(f"A reply to ticket {ticket.number}") < text.index(f"Received: ticket {ticket.number}")
    assert "The line is &lt;being&gt; repaired." in text
    assert "138****5678" in text
    assert "13812345678" not in text


def test_the_language_is_the_customers_not_the_readers(client):
    ticket = replied(language="zh-hans")
    client.force_login(builders.person("agent", language="en"))
    text = client.get(reverse("desk:outbox")).content.decode()
    assert f"A reply to ticket {ticket.number}" not in text
    assert 'lang="zh-hans"' in text


def test_it_can_be_narrowed_to_one_ticket(client):
    one, other = replied(name="王建国"), replied(name="李芳", phone="13900001111")
    client.force_login(builders.person("agent"))
    text = client.get(reverse("desk:outbox"), {"case": one.number}).content.decode()
    assert f">{one.number}<" in text
    assert f">{other.number}<" not in text
    assert f">{one.number}<" not in client.get(reverse("desk:outbox"), {"case": "nonsense"}).content.decode()


def test_notices_to_staff_are_not_in_it_and_pages_are_short(client):
    ticket = replied()
    for number in range(40):
        Message.objects.create(
            channel="sms",
            recipient="+8613812345678",
            template="ticket_received",
            language="en",
            context={"number": ticket.number},
            key=f"k{number}",
            try_at=MONDAY,
            created_at=MONDAY,
        )
    client.force_login(builders.person("agent", language="en"))
    first = client.get(reverse("desk:outbox")).content.decode()
    assert first.count('class="card letter"') == 30
    assert "Page 1 of 2" in first
    assert client.get(reverse("desk:outbox"), {"page": 2}).content.decode().count('class="card letter"') == 12


def test_a_template_that_is_gone_is_shown_not_raised(client):
    ticket = replied()
    Message.objects.filter(case=ticket).update(template="gone")
    client.force_login(builders.person("agent"))
    assert "KeyError" in client.get(reverse("desk:outbox")).content.decode()


def test_who_may_read_it(client, settings):
    address = reverse("desk:outbox")
    assert client.get(address)["Location"].startswith("/sign-in/")
    roles = ("agent", "lead", "auditor", "administrator")
    people = {role: builders.person(role) for role in roles}

    def statuses():
        found = []
        for role in roles:
            client.force_login(people[role])
            found.append(client.get(address).status_code)
        return found

    assert statuses() == [200, 200, 200, 200]  # in a demo everybody plays
    settings.DEMO, settings.DEBUG = False, True
    assert statuses() == [403, 403, 200, 200]
    settings.DEBUG = False
    assert statuses() == [404, 404, 404, 404]

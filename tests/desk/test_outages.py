"""The page of area outages: everybody at the desk reads it, supervisors change it."""

from __future__ import annotations

from datetime import timedelta

import pytest
from django.urls import reverse
from django.utils import timezone

from common import clock
from customers.models import Region
from tests import builders
from tickets import outages
from tickets.models import Outage

pytestmark = pytest.mark.django_db
WORDS = {"text_zh": "光缆故障。", "text_en": "A fiber is cut."}


@pytest.fixture
def region():
    return Region.objects.create(code="haidian", name_zh="海淀区", name_en="Haidian")


@pytest.fixture
def outage(region):
    return outages.enter_outage(region=region, by=None, **WORDS)


def enter(client, role):
    person = builders.person(role, language="en")
    client.force_login(person)
    return person


def soon(hours=2):
    return timezone.localtime(clock.now() + timedelta(hours=hours)).strftime("%Y-%m-%dT%H:%M")


def test_a_supervisor_announces_puts_off_and_ends(client, region):
    person = enter(client, "supervisor")
    sent = client.post(reverse("desk:enter_outage"), {"region": region.pk, **WORDS, "expected_at": soon()}, follow=True)
    assert "Customers in Haidian see it now." in sent.content.decode()
    outage = Outage.objects.get()
    assert (outage.entered_by, outage.text_zh) == (person, "光缆故障。")
    client.post(reverse("desk:extend_outage", args=[outage.pk]), {"expected_at": soon(5)})
    later = Outage.objects.get().expected_at
    assert later > outage.expected_at
    client.post(reverse("desk:end_outage", args=[outage.pk]))
    assert Outage.objects.get().ended_at is not None
    again = client.post(reverse("desk:end_outage", args=[outage.pk]), follow=True)
    assert "over already" in again.content.decode()


def test_what_is_wrong_is_said_at_its_field_and_nothing_is_lost(client, region, outage):
    enter(client, "supervisor")
    for expected_at in ("2020-01-01T10:00", "99999-01-01T10:00", "tomorrow", "0000-00-00T00:00"):
        answer = client.post(reverse("desk:enter_outage"), {"region": region.pk, **WORDS, "expected_at": expected_at})
        assert answer.status_code == 422
        assert 'value="光缆故障。"' in answer.content.decode()
        assert answer.context["form"].errors.keys() == {"expected_at"}
        assert (
            client.post(reverse("desk:extend_outage", args=[outage.pk]), {"expected_at": expected_at}).status_code
            == 422
        )
    empty = client.post(reverse("desk:enter_outage"))
    assert empty.context["form"].errors.keys() == {"region", "text_zh", "text_en"}
    assert Outage.objects.get().expected_at is None


@pytest.mark.parametrize(("role", "reads", "changes"), [
    ("agent", True, False), ("auditor", True, False), ("lead", True, False), ("supervisor", True, True),
    ("administrator", False, False),
])  # fmt: skip
def test_who_reads_and_who_changes(client, outage, role, reads, changes):
    enter(client, role)
    page = client.get(reverse("desk:outages"))
    assert page.status_code == (200 if reads else 403)
    assert ("Announce an outage" in page.content.decode()) == changes
    for name in ("extend_outage", "end_outage"):
        assert (client.post(reverse(f"desk:{name}", args=[outage.pk])).status_code == 403) == (not changes)
    assert (Outage.objects.get().ended_at is not None) == changes


def test_what_is_announced_stands_in_the_form_that_changes_it(client, outage):
    enter(client, "supervisor")
    Outage.objects.filter(pk=outage.pk).update(expected_at=clock.now() + timedelta(hours=3))
    page = client.get(reverse("desk:outages"))
    ((shown, _form),) = page.context["lasting"]
    assert f'value="{timezone.localtime(shown.expected_at):%Y-%m-%dT%H:%M}"' in page.content.decode()


def test_a_stranger_signs_in_first(client, outage):
    for address in (reverse("desk:outages"), reverse("desk:end_outage", args=[outage.pk])):
        assert client.post(address)["Location"].startswith("/sign-in/")
    assert Outage.objects.get().ended_at is None


def test_one_that_is_not_there(client):
    enter(client, "supervisor")
    assert client.post(reverse("desk:end_outage", args=[999])).status_code == 404

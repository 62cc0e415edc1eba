"""Single keys can be turned off and changed, each person for themselves (WCAG 2.1.4)."""

from __future__ import annotations

import json
import re
from html import unescape

import pytest
from django.urls import reverse

from common.keys import KEYS, STANDARD
from staff.models import User
from tests import builders

pytestmark = pytest.mark.django_db
EN = {"Accept-Language": "en"}
URL = "/settings/keys/"


@pytest.fixture
def agent(client):
    person = builders.person("agent", language="en")
    client.force_login(person)
    return person


def send(client, **changes):
    data = {"single_keys": "on", **STANDARD, **changes}
    return client.post(URL, {name: value for name, value in data.items() if value is not None}, headers=EN)


def told(client):
    """What the page of the queue tells its script."""
    found = re.search(r'data-keys="([^"]*)"', client.get("/desk/", headers=EN).text)
    return unescape(found[1]) if found else ""


def test_a_stranger_signs_in_and_everybody_else_has_keys(client):
    assert client.get(URL).status_code == client.post(URL).status_code == 302
    for role in ("agent", "lead", "auditor", "administrator", "technician"):
        client.force_login(builders.person(role))
        assert client.get(URL).status_code == 200, role
        assert send(client, reply="y")["Location"] == URL


def test_no_key_is_there_twice():
    assert len(set(STANDARD.values())) == len(KEYS) == len(STANDARD)


def test_a_changed_key_is_kept_told_to_the_script_and_shown_in_the_help(client, agent):
    assert told(client) == ""
    assert send(client, reply="y", note="").status_code == 302
    person = User.objects.get(pk=agent.pk)
    assert person.keys == {"reply": "y", "note": ""}  # the standard ones may change under who never chose
    assert json.loads(told(client)) == {"r": "", "n": "", "y": "r"}
    page = client.get("/desk/", headers=EN).text
    assert '<dt><span class="kbd">Y</span></dt><dd>Reply</dd>' in page
    assert '<dt><span class="kbd">–</span></dt><dd>Note</dd>' in page


def test_two_keys_can_change_places(client, agent):
    assert send(client, reply="n", note="r").status_code == 302
    assert json.loads(told(client)) == {"r": "n", "n": "r"}


def test_turned_off_they_do_nothing_and_the_help_says_so(client, agent):
    assert send(client, single_keys=None, reply="y").status_code == 302
    assert told(client) == "off"
    page = client.get("/desk/", headers=EN).text
    assert "Single keys are off." in page
    assert "Next and previous row" not in page
    assert "Ctrl</span>" in page
    assert User.objects.get(pk=agent.pk).keys == {"reply": "y"}


def test_a_clash_is_named_at_both_keys_and_nothing_is_lost(client, agent):
    answer = send(client, reply="n", call="?!", take=" ")
    assert answer.status_code == 422
    assert "n is also the key for: Note" in answer.text
    assert "n is also the key for: Reply" in answer.text
    assert "One letter, figure or sign" in answer.text
    assert 'value="?!"' in answer.text
    assert User.objects.get(pk=agent.pk).keys == {}


@pytest.mark.parametrize("key", ["\u4e00", "jj", "\u00e9"])
def test_what_not_every_keyboard_types_at_once_is_no_key(client, agent, key):
    assert send(client, reply=key).status_code == 422
    assert User.objects.get(pk=agent.pk).keys == {}


def test_back_to_the_standard(client, agent):
    send(client, single_keys=None, reply="y")
    assert client.post(URL, {"standard": "1"})["Location"] == URL
    person = User.objects.get(pk=agent.pk)
    assert (person.single_keys, person.keys, told(client)) == (True, {}, "")
    assert reverse("desk:keys") in client.get("/desk/").text

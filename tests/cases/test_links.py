"""Signed links open one matter, for one purpose, until a day; nothing else opens anything."""

from __future__ import annotations

import base64
from datetime import timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cases.links import (
    LONGEST,
    BadLink,
    ExpiredLink,
    Link,
    Purpose,
    link_address,
    link_token,
    read_token,
    revoke_all_links,
    revoke_links,
)
from cases.models import Case
from cases.services import verify_timeline
from tests import builders
from tests.builders import MONDAY


@pytest.fixture
def case(db):
    builders.house()
    return builders.ticket(builders.person())


@pytest.mark.parametrize("purpose", Purpose)
def test_a_link_opens_its_case_for_its_purpose(case, purpose):
    token = link_token(case, purpose, at=MONDAY)
    assert read_token(token, at=MONDAY) == Link(case.pk, purpose)


def test_it_is_short_enough_for_a_text_message(case):
    case.pk = 99_999_999
    assert len(link_token(case, "confirm", at=MONDAY)) <= 30


def test_the_address_begins_where_customers_reach_us(case, settings):
    settings.PUBLIC_URL = "https://service.example.com"
    address = link_address(case, "view", at=MONDAY)
    assert address == f"https://service.example.com/m/{link_token(case, 'view', at=MONDAY)}/"


def test_it_ends_after_its_days_and_says_what_it_was_for(case):
    token = link_token(case, "view", at=MONDAY, days=2)
    assert read_token(token, at=MONDAY + timedelta(days=2)).case_id == case.pk
    with pytest.raises(ExpiredLink) as told:
        read_token(token, at=MONDAY + timedelta(days=2, seconds=1))
    assert told.value.link == Link(case.pk, Purpose.VIEW)


def test_an_unknown_purpose_is_a_mistake_in_the_code(case):
    with pytest.raises(ValueError, match="steal"):
        link_token(case, "steal", at=MONDAY)


def test_no_bit_may_be_changed(case):
    token = link_token(case, "view", at=MONDAY)
    raw = base64.urlsafe_b64decode(token + "=" * (-len(token) % 4))
    for bit in range(len(raw) * 8):
        changed = bytearray(raw)
        changed[bit // 8] ^= 1 << bit % 8
        with pytest.raises(BadLink):
            read_token(base64.urlsafe_b64encode(bytes(changed)).rstrip(b"=").decode(), at=MONDAY)


def test_a_link_of_one_case_is_none_of_another(case):
    other = builders.ticket(builders.person())
    ours, theirs = (link_token(one, "view", at=MONDAY) for one in (case, other))
    raw = [base64.urlsafe_b64decode(token + "=" * (-len(token) % 4)) for token in (ours, theirs)]
    mixed = raw[1][:-12] + raw[0][-12:]
    with pytest.raises(BadLink):
        read_token(base64.urlsafe_b64encode(mixed).rstrip(b"=").decode(), at=MONDAY)


def test_revoking_kills_the_links_of_one_case_only(case):
    other = builders.ticket(builders.person())
    person = builders.person("lead")
    old, others = link_token(case, "confirm", at=MONDAY), link_token(other, "confirm", at=MONDAY)
    changed = revoke_links(case_id=case.pk, by=person, at=MONDAY)
    with pytest.raises(BadLink):
        read_token(old, at=MONDAY)
    assert read_token(others, at=MONDAY).case_id == other.pk
    assert read_token(link_token(changed, "view", at=MONDAY), at=MONDAY).case_id == case.pk
    assert changed.events.order_by("seq").last().kind == "links_revoked"
    assert verify_timeline(Case.objects.get(pk=case.pk)) == []


def test_all_links_of_a_customer_die_and_nobody_elses(case):
    by, closed_at = builders.person(), MONDAY - timedelta(days=20)
    closed, old = (builders.ticket(by, customer=case.customer) for _ in range(2))
    Case.objects.filter(pk=closed.pk).update(closed_at=closed_at, changed_at=closed_at)
    long_ago = MONDAY - LONGEST - timedelta(days=1)
    Case.objects.filter(pk=old.pk).update(closed_at=long_ago, changed_at=long_ago)
    stranger = builders.ticket(by, customer=builders.customer(phone="13900001111"))
    tokens = {one.pk: link_token(one, "view", at=MONDAY) for one in (case, closed, stranger)}
    assert revoke_all_links(customer_id=case.customer_id, by=by, at=MONDAY) == 2
    for dead in (case, closed):
        with pytest.raises(BadLink):
            read_token(tokens[dead.pk], at=MONDAY)
    assert read_token(tokens[stranger.pk], at=MONDAY).case_id == stranger.pk
    # What is older than any link is left as it is: nothing of it could still be opened.
    assert Case.objects.get(pk=old.pk).link_version == 1
    last = Case.objects.get(pk=case.pk).events.order_by("seq").last()
    assert (last.kind, last.by) == ("links_revoked", by)


def test_no_link_lasts_longer_than_withdrawing_reaches_back(case):
    link_token(case, "view", at=MONDAY, days=LONGEST.days)
    with pytest.raises(ValueError, match="at the most"):
        link_token(case, "view", at=MONDAY, days=LONGEST.days + 1)


def test_another_secret_makes_other_links(case, settings):
    token = link_token(case, "view", at=MONDAY)
    settings.SECRET_KEY = "changed"
    with pytest.raises(BadLink):
        read_token(token, at=MONDAY)


@pytest.mark.django_db
@given(
    st.text(max_size=60) | st.binary(max_size=40).map(lambda raw: base64.urlsafe_b64encode(raw).decode().rstrip("="))
)
def test_whatever_is_typed_is_refused_calmly(text):
    with pytest.raises(BadLink):
        read_token(text, at=MONDAY)

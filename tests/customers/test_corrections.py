"""Correcting a file: what is on file is not lost, what was retired leads to nobody, and every change has its record."""

from __future__ import annotations

from datetime import timedelta

import pytest
from django.db import DatabaseError, connection, transaction
from django.utils import translation

from common.errors import DomainError, InvalidInput, NotAllowed, StaleVersion
from customers.corrections import NEW, Corrections, Home, correct_customer, version_of
from customers.models import AccessRecord, Address, ChangeRecord, Contact, Customer, Region
from customers.services import change_customer, find_by_phone, find_customers, reveal
from tests import builders
from tests.builders import MONDAY

pytestmark = pytest.mark.django_db
LATER = MONDAY + timedelta(days=1)


@pytest.fixture(autouse=True)
def _english():
    with translation.override("en"):
        yield


@pytest.fixture
def agent():
    return builders.person("agent")


@pytest.fixture
def wang():
    return builders.customer(name="王建国", phone="13812345678", street="Main Road", house="1203")


def correct(customer, by, *, checked="document", **changes):
    correct_customer(customer_id=customer.pk, changes=Corrections(**changes), by=by, checked=checked, at=LATER)
    return Customer.objects.get(pk=customer.pk)


def recorded():
    return list(ChangeRecord.objects.order_by("pk").values_list("what", "before", "after"))


def refused(customer, by, **changes):
    """The refusal of a change, after which nothing is otherwise."""
    with pytest.raises(DomainError) as refusal:
        correct(customer, by, **changes)
    assert not ChangeRecord.objects.exists()
    return refusal.value


def test_a_new_name_is_found_and_the_old_one_is_not(wang, agent):
    assert correct(wang, agent, name=" 王建果 ").name == "王建果"
    assert find_customers("王建果") == [wang]
    assert find_customers("王建国") == []
    record = ChangeRecord.objects.get()
    assert (record.before, record.after, record.by_id, record.at) == ("王建国", "王建果", agent.pk, LATER)
    assert record.checked == "document"


def test_a_retired_number_stays_on_file_and_leads_to_nobody(wang, agent):
    old = wang.phone
    after = correct(wang, agent, phone="139 0000 1111", retire=[old.pk])
    assert (after.phone.value, after.phone.pk != old.pk) == ("+8613900001111", True)
    assert find_by_phone("13812345678") == find_customers("5678") == find_customers("13812345678") == []
    assert find_by_phone("13900001111") == [wang]
    assert Contact._base_manager.get(pk=old.pk).value == "+8613812345678"
    assert recorded() == [
        ("contact_added", "", "+8613900001111"),
        ("contact_retired", "+8613812345678", ""),
    ]
    # The same number may come back, as a new entry.
    assert correct(wang, agent, phone="13812345678").contacts.count() == 2


def test_the_number_used_first_can_be_chosen(wang, agent):
    first = wang.phone
    after = correct(wang, agent, phone="13900001111", first={"phone": NEW})
    assert after.phone.value == "+8613900001111"
    assert correct(wang, agent, first={"phone": str(first.pk)}).phone == first
    so_far = recorded()
    correct(wang, agent, first={"phone": str(first.pk)})  # as it is
    assert recorded() == so_far


def test_an_address_is_corrected_where_it_stands_and_retired_without_being_lost(wang, agent):
    home, region = wang.addresses.get(), Region.objects.create(code="east", name_zh="东", name_en="East")
    correct(wang, agent, homes=[Home(home.pk, region, "Lake Road", ""), Home(None, region, "Hill Road", "7")])
    home.refresh_from_db()
    assert (home.region, home.street, home.house) == (region, "Lake Road", "1203")
    correct(wang, agent, homes=[Home(home.pk, region, "Lake Road", retire=True)])
    assert [address.street for address in Customer.objects.get(pk=wang.pk).addresses.all()] == ["Hill Road"]
    assert Address._base_manager.get(pk=home.pk).retired_at == LATER
    assert [what for what, _before, _after in recorded()] == ["address_corrected", "address_added", "address_retired"]
    assert recorded()[0][1:] == ("\nMain Road\n1203", "east\nLake Road\n1203")


def test_a_lead_sets_the_grade_and_open_cases_keep_theirs(wang, agent):
    builders.house()
    ticket = builders.ticket(agent, customer=wang)
    lead = builders.person("lead")
    assert correct(wang, lead, checked="", grade="diamond").grade == "diamond"
    ticket.refresh_from_db()
    assert ticket.customer_grade == "basic"
    assert recorded() == [("grade", "basic", "diamond")]


def test_an_agent_sets_no_grade(wang, agent):
    refusal = refused(wang, agent, grade="diamond", name="Somebody")
    assert isinstance(refusal, NotAllowed)
    assert refusal.field == "grade"
    assert Customer.objects.get(pk=wang.pk).name == "王建国"


@pytest.mark.parametrize(
    ("changes", "field", "words"),
    [
        ({"name": " "}, "name", "Enter the customer's name."),
        ({"phone": "138123"}, "phone", "The number is 5 digits short."),
        ({"phone": "+86 138 1234 5678"}, "phone", "This is on file already."),
        ({"email": "wang"}, "email", "Enter a mail address like name@example.com."),
        ({"first": {"phone": NEW}}, "phone", "Enter the new one that shall be used first."),
        ({"first": {"phone": "999999"}}, "first_phone", "What is no longer valid cannot be used first."),
        ({"retire": [999999]}, "retire_contact_999999", "This is no longer on file."),
        ({"homes": [Home(None, None, "", "7")]}, "street", "Enter the street."),
        ({"homes": [Home(None, None, "Main Road", "1203")]}, "street", "This is on file already."),
        ({"phone": "13900001111", "checked": ""}, "checked", "Say how you checked who asks for the change."),
    ],
)
def test_what_cannot_be_is_refused_by_its_field(wang, agent, changes, field, words):
    refusal = refused(wang, agent, **changes)
    assert isinstance(refusal, InvalidInput)
    assert (refusal.field, str(refusal.reasons[0])) == (field, words)
    assert Customer.objects.get(pk=wang.pk).contacts.count() == 1


def test_the_last_way_to_reach_a_customer_is_not_retired(wang, agent):
    assert refused(wang, agent, retire=[wang.phone.pk]).field == "phone"
    assert find_by_phone("13812345678") == [wang]


def test_what_belongs_to_another_customer_is_not_touched(wang, agent):
    other = builders.customer(name="李芳", phone="13900001111", street="Hill Road")
    refused(wang, agent, retire=[other.phone.pk])
    refused(wang, agent, first={"phone": str(other.phone.pk)})
    refused(wang, agent, homes=[Home(other.addresses.get().pk, None, "Nowhere")])
    assert find_by_phone("13900001111") == [other]


def test_a_form_opened_before_somebody_elses_change_is_refused(wang, agent):
    version = version_of(wang)
    correct(wang, agent, name="王建果")
    with pytest.raises(StaleVersion):
        correct_customer(
            customer_id=wang.pk, changes=Corrections(name="王二"), by=agent, checked="document", version=version
        )
    assert Customer.objects.get(pk=wang.pk).name == "王建果"


def test_how_to_serve_is_recorded_too(wang, agent):
    change_customer(customer_id=wang.pk, by=agent, language="en", vulnerable=False)
    assert recorded() == [("served", "language=zh-hans", "language=en")]


# --- the trail --------------------------------------------------------------------------------------------------------


@pytest.fixture
def trail(wang, agent):
    """One change and one look at what is masked."""
    correct(wang, agent, name="王建果")
    reveal(customer=wang, what=f"contact:{wang.phone.pk}", reason="calls back", by=agent, at=LATER)


def by_hand(sql):
    with connection.cursor() as cursor:
        cursor.execute(sql)


WAYS = {
    "save": lambda model: model.objects.get().save(),
    "update": lambda model: model.objects.update(by_name="nobody"),
    "delete": lambda model: model.objects.all().delete(),
    "raw update": lambda model: by_hand(f"UPDATE {model._meta.db_table} SET by_name = 'nobody'"),
    "raw delete": lambda model: by_hand(f"DELETE FROM {model._meta.db_table}"),
}


@pytest.mark.parametrize("way", WAYS)
@pytest.mark.parametrize("model", [ChangeRecord, AccessRecord])
def test_the_database_refuses_to_change_or_remove_a_record(trail, agent, model, way):
    with pytest.raises(DatabaseError, match="append-only"), transaction.atomic():
        WAYS[way](model)
    assert model.objects.get().by_name == agent.name


@pytest.mark.postgres
@pytest.mark.parametrize("model", [ChangeRecord, AccessRecord])
def test_the_trail_cannot_be_emptied_as_a_whole_either(trail, model):
    by_hand("SET CONSTRAINTS ALL IMMEDIATE")  # TRUNCATE waits for no foreign key
    for tables in (model._meta.db_table, "customers_customer CASCADE"):
        with pytest.raises(DatabaseError, match="append-only"), transaction.atomic():
            by_hand(f"TRUNCATE {tables}")
    assert model.objects.exists()


@pytest.mark.postgres
def test_erasure_by_its_own_door_removes_what_the_law_wants_removed(trail):
    with transaction.atomic():
        by_hand("SET LOCAL servicecenter.erasure = 'request 17'")
        ChangeRecord.objects.all().delete()
    assert not ChangeRecord.objects.exists()
    by_hand("SET LOCAL servicecenter.erasure = ''")
    with pytest.raises(DatabaseError, match="append-only"), transaction.atomic():
        AccessRecord.objects.all().delete()

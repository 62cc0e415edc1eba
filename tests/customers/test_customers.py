"""Customer files: protected at rest, found by whatever people know, seen in the open only with a reason."""

from __future__ import annotations

from datetime import timedelta

import pytest
from django.db import connection
from django.utils import translation

from common.errors import InvalidInput
from customers import lookup, masking
from customers.models import AccessRecord, Contact, Customer, NamePiece, Region
from customers.services import (
    REVEALS_PER_HOUR,
    TooManyReveals,
    add_address,
    add_service,
    change_customer,
    find_by_phone,
    find_customers,
    register_customer,
    reveal,
)
from tests import builders
from tests.builders import MONDAY

pytestmark = pytest.mark.django_db


@pytest.fixture
def agent():
    return builders.person("agent")


def stored(table):
    """Everything in a table as the database keeps it."""
    with connection.cursor() as cursor:
        cursor.execute(f"SELECT * FROM {table}")
        return repr(cursor.fetchall())


def test_nothing_that_names_a_customer_is_readable_in_the_database():
    register_customer(
        name="王建国", phone="138 1234 5678", email="wang@example.com", street="Main Road", house="Flat 1203", at=MONDAY
    )
    kept = "".join(stored(f"customers_{name}") for name in ("customer", "contact", "address", "namepiece"))
    for secret in ("王建国", "13812345678", "5678", "wang", "Main Road", "1203", "jianguo", "wjg"):
        assert secret not in kept
    found = Customer.objects.get()
    assert (found.name, found.phone.value, found.email.value) == ("王建国", "+8613812345678", "wang@example.com")
    assert found.addresses.get().house == "Flat 1203"


@pytest.mark.parametrize(
    "text", ["13812345678", "138 1234 5678", "138-1234-5678", "+86 138 1234 5678", "86 13812345678", "(138)12345678"]
)
def test_a_number_is_one_number_however_it_is_written(text):
    assert lookup.normal_phone(text) == "+8613812345678"


@pytest.mark.parametrize("text", ["010-62551234", "01062551234", "+86 10 6255 1234"])
def test_a_number_of_beijing_is_no_mobile_number_that_is_short(text):
    assert lookup.normal_phone(text) == "+861062551234"


def test_numbers_that_are_none_say_what_is_wrong():
    for text, words in [
        ("1381234567", "The number is 1 digit short."),
        ("138123456789", "The number has 1 digit too many."),
        ("hello", "Enter a telephone number, digits only or with spaces."),
        ("22", "This is not a telephone number."),
    ]:
        with translation.override("en"):
            with pytest.raises(InvalidInput) as refusal:
                lookup.normal_phone(text)
            assert (refusal.value.field, str(refusal.value.reasons[0])) == ("phone", words), text


@pytest.mark.parametrize(
    "text",
    [
        "王建国",
        "王建",
        "建国",
        "wangjianguo",
        "Wang Jian Guo",
        "wjg",
        "13812345678",
        "5678",
        "wang@example.com",
        "B1",
    ],
)
def test_a_customer_is_found_by_name_pinyin_initials_number_mail_and_account(text):
    wang = register_customer(name="王建国", phone="13812345678", email="Wang@Example.com", at=MONDAY)
    add_service(customer=wang, account="B1", product="Fiber")
    register_customer(name="李芳", phone="13900001111", at=MONDAY)
    assert find_customers(text) == [wang]


@pytest.mark.parametrize("text", ["", "  ", "678", "wang", "Main", "1381234567", "王李"])
def test_a_part_that_is_too_small_or_wrong_finds_nobody(text):
    register_customer(name="王建国", phone="13812345678", street="Main", at=MONDAY)
    assert find_customers(text) == []


def test_latin_names_are_found_by_words_and_initials():
    daniel = register_customer(name="Daniel Weber", phone="13812345678", at=MONDAY)
    for text in ("daniel", "WEBER", "Daniel Weber", "dw"):
        assert find_customers(text) == [daniel], text


def test_several_people_may_share_a_number_and_the_list_is_short():
    people = [register_customer(name=f"Person {n}", phone="13812345678", at=MONDAY) for n in range(10)]
    assert find_by_phone("138 1234 5678") == people
    assert find_customers("13812345678") == people[:8]
    assert find_by_phone("not a number") == []


def test_a_file_that_cannot_be_taken_leaves_nothing_behind():
    for fields in ({"name": " "}, {"name": "Wang", "phone": "12"}, {"name": "Wang", "email": "not mail"}):
        with pytest.raises(InvalidInput):
            register_customer(at=MONDAY, **fields)
    assert not Customer.objects.exists()
    assert not NamePiece.objects.exists()
    assert not Contact.objects.exists()


def test_an_account_and_product_are_recorded_once():
    wang = builders.customer()
    assert add_service(customer=wang, account="B1", product="Fiber") == add_service(
        customer=wang, account="B1", product="Fiber"
    )


def test_masks_keep_enough_to_recognize_and_too_little_to_use():
    assert masking.phone("+8613812345678") == "138****5678"
    assert masking.phone("12345") == "***45"
    assert masking.email("wang@example.com") == "w***@example.com"


@pytest.mark.parametrize(
    ("name", "covered"),
    [
        ("王建国", "王*国"),
        ("李明", "李*"),
        ("欧阳明月", "欧**月"),
        ("Wang Jianguo", "W*** J***"),
        ("王", "王*"),
        ("", ""),
    ],
)
def test_a_name_is_covered_so_that_one_knows_only_one_s_own(name, covered):
    assert masking.name(name) == covered


def test_the_same_place_is_entered_once():
    region = Region.objects.create(code="haidian", name_zh="海淀区", name_en="Haidian")
    customer, other = builders.customer(), builders.customer("王芳", "13900001111")
    first = add_address(customer=customer, region=region, street="长江路", house="5 号")
    assert add_address(customer=customer, region=region, street=" 长江路 ", house="5 号") == first
    assert add_address(customer=customer, region=region, street="长江路", house="6 号") != first
    assert add_address(customer=other, region=region, street="长江路", house="5 号").customer == other
    with pytest.raises(InvalidInput) as refused:
        add_address(customer=customer, region=None, street=" ")
    assert refused.value.field == "street"
    assert customer.addresses.count() == 2


def test_an_address_keeps_the_order_of_the_language_it_is_written_in():
    region = Region(code="north", name_zh="望川区", name_en="North")
    with translation.override("zh-hans"):
        assert masking.address(region, "听涛路", "82 号 2202 室") == "望川区听涛路***"
        assert masking.address(region, "听涛路", "82 号 2202 室", reveal=True) == "望川区听涛路 82 号 2202 室"
        assert masking.address(region, "Main Road", "12") == "望川区*** Main Road"
        assert masking.address(region, "Main Road", "12", reveal=True) == "望川区 12 Main Road"
    with translation.override("en"):
        assert masking.address(region, "Main Road", "12") == "*** Main Road, North"
        assert masking.address(None, "Main Road", "") == "Main Road"
        assert masking.address(region, "听涛路", "82 号 2202 室", reveal=True) == "听涛路 82 号 2202 室, North"


# --- looking at protected values -------------------------------------------------------------------------------------


def test_a_look_is_written_down_before_the_value_is_shown(agent):
    wang = builders.customer(street="Main Road", house="Flat 1203")
    contact, address = wang.phone, wang.addresses.get()
    assert reveal(customer=wang, what=f"contact:{contact.pk}", reason=" call ", by=agent, at=MONDAY) == "+8613812345678"
    assert reveal(customer=wang, what=f"address:{address.pk}", reason="visit", by=agent, at=MONDAY) == "Flat 1203"
    assert set(AccessRecord.objects.values_list("by_id", "by_name", "what", "reason", "at")) == {
        (agent.pk, str(agent), f"contact:{contact.pk}", "call", MONDAY),
        (agent.pk, str(agent), f"address:{address.pk}", "visit", MONDAY),
    }


@pytest.mark.parametrize("what", ["contact:0", "address:1", "name:1", "contact:", "contact:-1", "", "contact:1:2"])
def test_what_does_not_exist_is_refused_and_not_recorded(agent, what):
    with pytest.raises(InvalidInput):
        reveal(customer=builders.customer(), what=what, reason="call", by=agent, at=MONDAY)
    assert not AccessRecord.objects.exists()


def test_more_looks_than_an_hour_of_honest_work_are_refused_until_the_hour_is_over(agent):
    wang = builders.customer()
    what = f"contact:{wang.phone.pk}"
    for minute in range(REVEALS_PER_HOUR):
        reveal(customer=wang, what=what, reason="call", by=agent, at=MONDAY + timedelta(minutes=minute))
    with pytest.raises(TooManyReveals):
        reveal(customer=wang, what=what, reason="call", by=agent, at=MONDAY + timedelta(minutes=59))
    reveal(customer=wang, what=what, reason="call", by=builders.person("agent"), at=MONDAY + timedelta(minutes=59))
    reveal(customer=wang, what=what, reason="call", by=agent, at=MONDAY + timedelta(minutes=60))


# --- how a customer is served ----------------------------------------------------------------------------------------


def test_how_a_customer_is_served_can_be_changed(agent):
    wang = builders.customer()
    changed = change_customer(customer_id=wang.pk, by=agent, language="en", vulnerable=True)
    kept = Customer.objects.get(pk=wang.pk)
    assert (
        (kept.language, kept.vulnerable, kept.preferred_channel)
        == ("en", True, "phone")
        == (
            changed.language,
            changed.vulnerable,
            changed.preferred_channel,
        )
    )


def test_only_offered_values_and_known_fields_are_taken(agent):
    wang = builders.customer()
    with pytest.raises(InvalidInput) as refusal:
        change_customer(customer_id=wang.pk, by=agent, language="fr")
    assert refusal.value.field == "language"
    with pytest.raises(TypeError):
        change_customer(customer_id=wang.pk, by=agent, name="Somebody else")

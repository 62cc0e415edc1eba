"""Signing in to the customer's site: a kind of session of its own."""

from __future__ import annotations

import pytest
from django.conf import settings
from django.urls import reverse

from notifications.models import Message
from portal import sessions
from portal.models import Session
from tests import builders
from tests.portal.visitors import OTHER_PHONE, PHONE, Visitor, code_sent, words

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("house")]


def test_a_number_and_a_code_lead_to_one_s_own_page(visitor, customer):
    answer = visitor.sign_in(way="/my/cases/")
    assert (answer.status_code, answer["Location"]) == (302, "/my/cases/")
    assert "Hello, 王建国" in words(visitor.get("/"))
    assert Session.objects.get().customer == customer


def test_the_answers_do_not_tell_whose_number_is_known(time, customer):
    pages = []
    for phone in (PHONE, OTHER_PHONE):
        visitor = Visitor()
        asked = visitor.post(reverse("portal:sign_in"), {"phone": phone})
        page = visitor.get(asked["Location"])
        wrong = visitor.post(reverse("portal:code"), {"code": "000000" if code_sent() != "000000" else "111111"})
        masked = f"{phone[:3]}****{phone[-4:]}"
        pages.append([
            (asked.status_code, asked["Location"]),
            (page.status_code, words(page).replace(masked, "")),
            (wrong.status_code, words(wrong).replace(masked, "")),
        ])  # fmt: skip
    assert pages[0] == pages[1]
    assert Message.objects.filter(template="portal_code").count() == 2


def test_somebody_unknown_is_let_in_as_a_number_only(visitor, customer):
    visitor.sign_in(OTHER_PHONE)
    session = Session.objects.get()
    assert (session.customer, session.phone) == (None, "+8613900001111")
    home = words(visitor.get("/"))
    assert "Nothing is known under your number yet." in home
    assert "王建国" not in home


def test_of_several_under_one_number_the_visitor_says_which(visitor, customer):
    wife = builders.customer("李小红", PHONE)
    answer = visitor.sign_in(way="/my/cases/")
    assert answer["Location"] == f"{reverse('portal:who')}?next=%2Fmy%2Fcases%2F"
    page = visitor.get(answer["Location"])
    assert "王*国" in words(page)
    assert "李*红" in words(page)
    assert "王建国" not in words(page)
    chosen = visitor.post(reverse("portal:who"), {"who": wife.pk, "next": "/my/cases/"})
    assert chosen["Location"] == "/my/cases/"
    assert Session.objects.get().customer == wife


def test_nobody_is_chosen_who_does_not_have_the_number(visitor, customer):
    builders.customer("李小红", PHONE)
    stranger = builders.customer("张三丰", OTHER_PHONE)
    visitor.sign_in()
    for choice in (stranger.pk, "", "x", "9" * 30):
        assert visitor.post(reverse("portal:who"), {"who": choice}).status_code == 422
    assert Session.objects.get().customer is None
    visitor.post(reverse("portal:who"), {"who": "nobody"})
    assert Session.objects.get().customer is None
    home = visitor.get("/")
    assert "Nothing is known under your number" not in words(home)
    assert f'href="{reverse("portal:who")}"' in home.content.decode(), "a choice by mistake can be made again"


def test_who_is_asked_only_after_the_code(visitor, customer):
    visitor.post(reverse("portal:sign_in"), {"phone": PHONE})
    answer = visitor.get(reverse("portal:who"))
    assert answer["Location"].startswith(reverse("portal:sign_in"))
    assert visitor.post(reverse("portal:who"), {"who": customer.pk}).status_code == 302
    assert Session.objects.get().customer is None


def test_what_is_wrong_with_the_number_is_said_and_the_number_kept(visitor):
    answer = visitor.post(reverse("portal:sign_in"), {"phone": "138 1234 567"})
    assert answer.status_code == 422
    assert 'value="138 1234 567"' in answer.content.decode()
    assert "The number is 1 digit short." in words(answer)
    assert not Message.objects.exists()


def test_asking_again_too_soon_says_how_long_to_wait(visitor, time):
    visitor.post(reverse("portal:sign_in"), {"phone": PHONE})
    time.skip(seconds=20)
    for address, form in ((reverse("portal:code"), {"again": "1"}), (reverse("portal:sign_in"), {"phone": PHONE})):
        answer = visitor.post(address, form)
        assert answer.status_code == 429
        assert "Please try again in 40 seconds." in words(answer)
    time.skip(seconds=41)
    assert visitor.post(reverse("portal:code"), {"again": "1"}).status_code == 302
    assert Message.objects.count() == 2


def test_it_never_leads_to_another_site(visitor, customer):
    for elsewhere in ("https://elsewhere.example/", "//elsewhere.example/", "javascript:alert(1)", "\\\\elsewhere"):
        fresh = Visitor()
        page = fresh.get(reverse("portal:sign_in"), {"next": elsewhere}).content.decode()
        assert "elsewhere" not in page
        assert "alert(1)" not in page
    assert visitor.sign_in(way="https://elsewhere.example/")["Location"] == "/"


def test_the_cookie_changes_when_the_number_is_proven(visitor, customer):
    visitor.post(reverse("portal:sign_in"), {"phone": PHONE})
    before = visitor.cookies[sessions.COOKIE].value
    visitor.post(reverse("portal:code"), {"code": code_sent()})
    assert visitor.cookies[sessions.COOKIE].value != before
    planted = Visitor()
    planted.cookies[sessions.COOKIE] = before
    assert "王建国" not in words(planted.get("/"))


def test_the_cookie_is_for_the_server_alone_and_only_its_digest_is_kept(visitor, customer):
    visitor.sign_in()
    cookie = visitor.cookies[sessions.COOKIE]
    assert cookie["httponly"]
    assert cookie["samesite"] == "Lax"
    assert cookie.value not in str(Session.objects.values_list())


def test_it_ends_after_twelve_hours(visitor, customer, time):
    visitor.sign_in()
    time.skip(hours=11, minutes=59)
    assert "王建国" in words(visitor.get("/"))
    time.skip(minutes=2)
    assert "王建国" not in words(visitor.get("/"))


def test_signing_out_needs_a_post_and_forgets_everything(visitor, customer):
    visitor.sign_in()
    assert visitor.get(reverse("portal:sign_out"))["Location"] == "/"
    assert "王建国" in words(visitor.get("/"))
    token = visitor.cookies[sessions.COOKIE].value
    visitor.post(reverse("portal:sign_out"))
    assert not Session.objects.exists()
    visitor.cookies[sessions.COOKIE] = token
    assert "王建国" not in words(visitor.get("/"))


def test_a_session_of_staff_gives_no_right_here_and_the_other_way_round(visitor, customer):
    builders.ticket(builders.person(), customer=customer)
    visitor.force_login(builders.person("head"))
    assert "Hello" in words(visitor.get("/"))
    assert visitor.get(reverse("portal:cases"))["Location"].startswith(reverse("portal:sign_in"))

    other = Visitor()
    other.sign_in()
    assert settings.SESSION_COOKIE_NAME not in other.cookies
    for address in ("/desk/", "/boards/live/", "/settings/people/", "/dev/outbox/"):
        assert other.get(address)["Location"].startswith("/sign-in/")


def test_staff_and_customer_in_one_browser_do_not_sign_each_other_out(visitor, customer):
    visitor.force_login(builders.person("agent"))
    visitor.sign_in()
    assert visitor.get("/desk/").status_code == 200
    visitor.post(reverse("sign_out"))
    assert "王建国" in words(visitor.get("/"))


@pytest.mark.parametrize("token", ["", "x", "é", "a" * 5000, "../../etc"])
def test_strange_cookies_are_nobody(visitor, token):
    visitor.cookies[sessions.COOKIE] = token
    assert visitor.get("/").status_code == 200
    assert visitor.get(reverse("portal:cases")).status_code == 302


def test_another_number_in_the_same_browser_does_not_find_what_was_written(visitor, customer, time):
    visitor.sign_in()
    visitor.post("/report/fault/service/", {"service": "broadband.fault"})
    assert "checked" in visitor.get("/report/fault/service/").content.decode()
    visitor.sign_in(OTHER_PHONE)
    assert "checked" not in visitor.get("/report/fault/service/").content.decode()


def test_the_demonstration_offers_made_up_numbers_and_nothing_else_does(visitor, customer, settings):
    builders.ticket(builders.person(), customer=customer)
    settings.DEMO = False
    assert "138 1234 5678" not in words(visitor.get(reverse("portal:sign_in")))
    settings.DEMO = True
    assert "138 1234 5678" in words(visitor.get(reverse("portal:sign_in")))

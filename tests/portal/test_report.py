"""From what a customer writes to one ticket with its clocks, whoever the customer is."""

from __future__ import annotations

import re
from concurrent.futures import ThreadPoolExecutor

import pytest
from django.db import connection
from django.urls import reverse

from cases.models import Category, Note
from common.errors import DomainError
from customers.models import Address, Customer, Region
from notifications.models import Message
from portal import quotas, reports
from portal.models import Session
from sla.models import Deadline
from tests import builders
from tests.portal.visitors import OTHER_PHONE, PHONE, Visitor, at, code_sent, words
from tickets import outages
from tickets.models import Ticket
from tickets.outages import follow_outage

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("house")]
NEW = {"place": "new", "region": "haidian", "street": "中关村南大街 5 号", "house": "2 号楼 1203"}
DONE = "/report/fault/done/"


def sent(answer):
    assert answer.status_code == 302, words(answer)
    assert answer["Location"] == DONE


def test_a_customer_reports_a_fault(visitor, customer, region, time):
    visitor.sign_in()
    sent(visitor.report(**NEW))
    ticket = Ticket.objects.get()
    assert (ticket.type, ticket.channel, ticket.subject) == ("fault", "web", "Broadband: No connection")
    assert (ticket.category.code, ticket.region, ticket.customer) == ("broadband.fault.no-connection", region, customer)
    assert (ticket.address.street, ticket.address.house) == ("中关村南大街 5 号", "2 号楼 1203")
    assert ticket.notes.get().body == "断网 😟"
    assert set(Deadline.objects.filter(case=ticket).values_list("promise", flat=True)) >= {"first_response", "restore"}
    page = words(visitor.get(DONE))
    assert ticket.number in page
    assert "We will answer you by 14:15 today." in page  # a quarter of an hour from 14:00
    assert "Your service will work again by 14:00 tomorrow." in page
    assert Message.objects.filter(case=ticket, template="ticket_received").exists()


def test_an_address_on_file_is_offered_and_not_asked_again(visitor, time, house, region):
    customer = builders.customer("王建国", PHONE, region=region, street="长江路", house="5 号 301")
    visitor.sign_in()
    visitor.post(at("fault", "service"), {"service": "broadband.fault"})
    visitor.post(at("fault", "what"), {"what": "broadband.fault.slow"})
    page = visitor.get(at("fault", "where"))
    assert "长江路 5 号 301, Haidian" in words(page)
    place = customer.addresses.get()
    assert re.findall(r'name="place" value="(\w+)"[^>]* checked', page.content.decode()) == [str(place.pk)]
    visitor.post(at("fault", "where"), {"place": place.pk})
    assert "长江路 5 号 301, Haidian" in words(visitor.get(at("fault", "check")))
    sent(visitor.post(at("fault", "check")))
    ticket = Ticket.objects.get()
    assert (ticket.address, ticket.region) == (place, region)
    assert Address.objects.count() == 1


def test_the_address_of_somebody_else_is_none(visitor, customer, region):
    theirs = Address.objects.create(customer=builders.customer("张三", OTHER_PHONE), region=region, street="黄河路")
    Address.objects.create(customer=customer, region=region, street="长江路")
    visitor.sign_in()
    visitor.post(at("fault", "service"), {"service": "broadband.fault"})
    visitor.post(at("fault", "what"), {"what": "broadband.fault.slow"})
    for place in (theirs.pk, "9" * 30, "", "x"):
        assert visitor.post(at("fault", "where"), {"place": place}).status_code == 422
    assert "黄河路" not in words(visitor.get(at("fault", "where")))


def test_a_stranger_becomes_a_customer_by_the_first_report(visitor, region, time):
    stopped = visitor.report(**NEW)
    assert stopped["Location"] == f"{reverse('portal:sign_in')}?next=%2Freport%2Ffault%2Fcheck%2F"
    assert not Ticket.objects.exists()
    assert visitor.sign_in(OTHER_PHONE, way=at("fault", "check"))["Location"] == at("fault", "check")
    assert "中关村南大街" in words(visitor.get(at("fault", "check")))  # nothing was lost on the way
    empty = visitor.post(at("fault", "check"), {"name": " "})
    assert empty.status_code == 422
    assert "Enter your name." in words(empty)
    sent(visitor.post(at("fault", "check"), {"name": "赵雷"}))
    customer = Customer.objects.get()
    assert (customer.name, customer.phone.value, customer.language) == ("赵雷", "+8613900001111", "en")
    ticket = Ticket.objects.get()
    assert (ticket.customer, ticket.address.street) == (customer, "中关村南大街 5 号")
    assert "Hello, 赵雷" in words(visitor.get("/"))
    assert ticket.number in words(visitor.get(DONE))


def test_pressed_twice_it_is_one_ticket(visitor, customer, region):
    visitor.sign_in()
    sent(visitor.report(**NEW))
    sent(visitor.post(at("fault", "check")))
    assert visitor.get(at("fault", "check"))["Location"] == DONE
    assert Ticket.objects.count() == 1
    assert Message.objects.filter(template="ticket_received").count() == 1


def test_who_is_late_by_a_moment_gets_the_ticket_of_the_first(visitor, customer, region):
    visitor.sign_in()
    sent(visitor.report(**NEW))
    late = reports.send(session=Session.objects.get(), subject="fault", language="en")
    assert late == Ticket.objects.get()


def test_a_second_report_begins_afresh(visitor, customer, region):
    visitor.sign_in()
    sent(visitor.report(**NEW))
    assert "checked" not in visitor.get(at("fault", "service")).content.decode()
    sent(visitor.report(**NEW, what="broadband.fault.wifi", words=""))
    assert Ticket.objects.count() == 2
    assert Address.objects.count() == 1  # the same place is entered once
    assert not Ticket.objects.latest("pk").notes.exists()


@pytest.mark.django_db(transaction=True)
@pytest.mark.postgres
def test_sent_side_by_side_it_is_one_ticket_and_one_customer(time, region):
    visitor = Visitor()
    visitor.sign_in(OTHER_PHONE)
    assert visitor.report(**NEW).status_code == 422  # no name yet

    def send(_number):
        try:
            return reports.send(session=Session.objects.get(), subject="fault", name="赵雷", language="en").pk
        finally:
            connection.close()

    with ThreadPoolExecutor(8) as pool:
        assert len(set(pool.map(send, range(8)))) == 1
    assert (Ticket.objects.count(), Customer.objects.count()) == (1, 1)


# --- nothing is lost, everything is said -----------------------------------------------------------------------------


def test_one_must_choose(visitor):
    for step, says in (("service", "Please choose the service."), ("where", "Please choose the region.")):
        page = visitor.post(at("fault", step))
        assert page.status_code == 422
        assert says in words(page)
        assert 'role="alert"' in page.content.decode()


def test_own_words_may_be_2000_characters_of_any_kind(visitor, customer, region):
    visitor.post(at("fault", "service"), {"service": "broadband.fault"})
    long = "网😀" * 1001
    page = visitor.post(at("fault", "what"), {"what": "broadband.fault.slow", "words": long})
    assert page.status_code == 422
    assert "That is 2002 characters; we can take 2000." in words(page)
    assert long in page.content.decode()
    visitor.sign_in()
    sent(visitor.report(**NEW, words="网😀" * 1000))
    assert Note.objects.get().body == "网😀" * 1000


def test_where_nothing_fits_words_are_needed(visitor):
    visitor.post(at("fault", "service"), {"service": "broadband.fault"})
    assert "Please write a few words." in words(visitor.post(at("fault", "what"), {"what": "other", "words": "  "}))
    assert visitor.post(at("fault", "what"), {"what": "other", "words": "It hums."}).status_code == 302


def test_what_is_not_offered_is_not_taken(visitor):
    for service in ("billing.bill", "nonsense", "broadband"):
        assert visitor.post(at("fault", "service"), {"service": service}).status_code == 422
    visitor.post(at("fault", "service"), {"service": "broadband.fault"})
    for what in ("mobile.fault.no-signal", "billing.bill.amount", "x"):
        assert visitor.post(at("fault", "what"), {"what": what}).status_code == 422
    assert visitor.post(at("fault", "where"), {"region": "nowhere", "street": "x"}).status_code == 422


def test_another_service_drops_the_fault_of_the_first(visitor, customer, region):
    visitor.sign_in()
    visitor.post(at("fault", "service"), {"service": "mobile.fault"})
    visitor.post(at("fault", "what"), {"what": "mobile.fault.no-signal", "words": "Dead."})
    sent(visitor.report(**NEW))
    assert Ticket.objects.get().category.code == "broadband.fault.no-connection"


def test_going_back_shows_what_was_answered(visitor):
    visitor.post(at("fault", "service"), {"service": "tv.fault"})
    visitor.post(at("fault", "what"), {"what": "tv.fault.box", "words": "红灯"})
    page = visitor.get(at("fault", "what")).content.decode()
    assert 'value="tv.fault.box"' in page
    assert "checked" in page
    assert "红灯" in page


def test_steps_cannot_be_jumped(visitor, customer):
    visitor.sign_in()
    assert visitor.get(at("fault", "check"))["Location"] == at("fault", "service")
    assert visitor.get(at("fault", "what"))["Location"] == at("fault", "service")
    visitor.post(at("fault", "service"), {"service": "tv.fault"})
    assert visitor.post(at("fault", "check"))["Location"] == at("fault", "what")
    assert visitor.get(DONE)["Location"] == "/report/fault/"
    assert not Ticket.objects.exists()


def test_a_house_without_categories_takes_words(visitor, customer, region):
    Category.objects.update(active=False)
    visitor.sign_in()
    assert visitor.get("/report/fault/")["Location"] == at("fault", "what")
    visitor.post(at("fault", "what"), {"words": "No line at all"})
    visitor.post(at("fault", "where"), NEW)
    sent(visitor.post(at("fault", "check")))
    ticket = Ticket.objects.get()
    assert (ticket.subject, ticket.category) == ("No line at all", None)


@pytest.mark.parametrize(
    ("subject", "answers", "type", "category", "says"),
    [
        ("bill", {"what": "billing.bill.extra-charge"}, "enquiry", "billing.bill.extra-charge", "Billing"),
        ("bill", {"what": "other", "words": "Why 99?"}, "enquiry", None, "Why 99?"),
        ("other", {"words": "Do you sell phones?"}, "enquiry", None, "Do you sell phones?"),
    ],
)
def test_questions_become_tickets_too(visitor, customer, subject, answers, type, category, says):
    visitor.sign_in()
    assert visitor.get(f"/report/{subject}/")["Location"] == at(subject, "what")
    assert visitor.post(at(subject, "what"), answers)["Location"] == at(subject, "check")
    assert visitor.post(at(subject, "check"))["Location"] == f"/report/{subject}/done/"
    ticket = Ticket.objects.get()
    assert (ticket.type, getattr(ticket.category, "code", None)) == (type, category)
    assert says in ticket.subject


def test_an_order_says_where(visitor, customer, region):
    visitor.sign_in()
    visitor.post(at("order", "what"), {"what": "broadband.order.move", "words": "Next month"})
    visitor.post(at("order", "where"), NEW)
    visitor.post(at("order", "check"))
    ticket = Ticket.objects.get()
    assert (ticket.type, ticket.subject, ticket.region) == ("order", "Broadband: Move", region)


def test_there_is_an_end_to_reports(visitor, customer, region, monkeypatch):
    monkeypatch.setattr(quotas, "REPORTED_BY", ((2, quotas.DAY),))
    visitor.sign_in()
    sent(visitor.report(**NEW))
    sent(visitor.report(**NEW))
    refused = visitor.report(**NEW)
    assert refused.status_code == 429
    assert "often enough for today" in words(refused)
    assert Ticket.objects.count() == 2
    assert "中关村南大街" in words(refused)


def test_a_report_without_a_proven_number_makes_nothing(visitor, region):
    visitor.report(**NEW)
    with pytest.raises(DomainError):
        reports.send(session=Session.objects.get(), subject="fault", name="x", language="en")
    assert not Customer.objects.exists()


def test_what_is_being_written_is_not_readable_at_rest(visitor, region):
    visitor.report(**NEW)
    with connection.cursor() as cursor:
        cursor.execute("SELECT drafts FROM portal_session")
        assert "中关村" not in str(cursor.fetchall())


# --- outages ---------------------------------------------------------------------------------------------------------


@pytest.fixture
def outage(region, time):
    return outages.enter_outage(
        region=region, text_zh="光缆故障。", text_en="A fiber is cut.", expected_at=time.at.replace(hour=8), by=None
    )


def test_a_known_outage_is_shown_before_the_report(visitor, customer, outage):
    visitor.sign_in()
    visitor.post(at("fault", "service"), {"service": "broadband.fault"})
    visitor.post(at("fault", "what"), {"what": "broadband.fault.slow"})
    shown = visitor.post(at("fault", "where"), NEW)
    assert shown["Location"] == f"/outages/{outage.pk}/?for=report"
    page = visitor.get(shown["Location"])
    assert "A fiber is cut. Expected back at 16:00 today. There is no need to report it." in words(page)
    assert "Report it anyway" in words(page)
    sent(visitor.post(at("fault", "check")))


def test_no_outage_elsewhere_stands_in_the_way(visitor, customer, outage):
    Region.objects.create(code="elsewhere", name_zh="别处", name_en="Elsewhere")
    visitor.post(at("fault", "service"), {"service": "broadband.fault"})
    visitor.post(at("fault", "what"), {"what": "broadband.fault.slow"})
    assert visitor.post(at("fault", "where"), NEW | {"region": "elsewhere"})["Location"] == at("fault", "check")


def test_tell_me_when_it_is_back(visitor, outage):
    asked = visitor.post(f"/outages/{outage.pk}/follow/")
    assert asked["Location"] == f"{reverse('portal:sign_in')}?next=%2Foutages%2F{outage.pk}%2F%3Ftell%3D1"
    visitor.sign_in(OTHER_PHONE, way=f"/outages/{outage.pk}/?tell=1")
    assert "we will text 139****1111" in words(visitor.get(f"/outages/{outage.pk}/?tell=1"))
    assert visitor.get(f"/outages/{outage.pk}/follow/")["Location"] == f"/outages/{outage.pk}/"
    assert outage.followers.count() == 0
    for _ in range(2):
        visitor.post(f"/outages/{outage.pk}/follow/")
    assert [follower.phone for follower in outage.followers.all()] == ["+8613900001111"]
    assert "We will text 139****1111 when it is over." in words(visitor.get(f"/outages/{outage.pk}/"))


def test_an_outage_that_is_over_says_so(visitor, outage, time):
    visitor.sign_in(OTHER_PHONE)
    outages.end_outage(outage_id=outage.pk, by=None, at=time.at)
    assert "The outage is over" in words(visitor.get(f"/outages/{outage.pk}/"))
    assert visitor.post(f"/outages/{outage.pk}/follow/").status_code == 302
    assert outage.followers.count() == 0
    assert visitor.post("/outages/9999/follow/").status_code == 404


def test_home_shows_the_outage_of_one_s_own_region_first(visitor, house, outage, time):
    builders.customer("王建国", PHONE, region=outage.region, street="长江路")
    builders.customer("赵雷", OTHER_PHONE)
    visitor.sign_in()
    page = words(visitor.get("/"))
    assert page.index("A fiber is cut.") < page.index("Report a fault")
    assert "A fiber is cut." in words(visitor.get(at("fault", "service")))
    assert "A fiber is cut." not in words(visitor.get(at("bill", "what")))
    elsewhere = Visitor()
    elsewhere.sign_in(OTHER_PHONE)
    assert "A fiber is cut." not in words(elsewhere.get("/"))


def test_a_stranger_names_a_region_first(visitor, outage, time):
    assert "A fiber is cut." not in words(visitor.get("/"))
    assert "A fiber is cut." in words(visitor.get("/?region=haidian"))
    Region.objects.create(code="elsewhere", name_zh="别处", name_en="Elsewhere")
    assert "No area outage is known in Elsewhere." in words(visitor.get("/?region=elsewhere"))
    assert visitor.get("/?region=%F0%9F%98%80").status_code == 200


def test_an_outage_that_takes_longer_says_so(visitor, outage, time):
    time.skip(hours=9)
    assert "It is taking longer than expected. We are sorry." in words(visitor.get("/?region=haidian"))


def test_whoever_follows_is_not_asked_again(visitor, customer, outage):
    follow_outage(outage_id=outage.pk, phone=PHONE, language="en")
    visitor.sign_in()
    visitor.post(at("fault", "service"), {"service": "broadband.fault"})
    visitor.post(at("fault", "what"), {"what": "broadband.fault.slow"})
    assert visitor.post(at("fault", "where"), NEW)["Location"] == at("fault", "check")
    assert code_sent()


def test_a_report_left_open_overnight_goes_on_where_it_was(visitor, customer, region, time):
    visitor.sign_in()
    visitor.post(at("fault", "service"), {"service": "broadband.fault"})
    visitor.post(at("fault", "what"), {"what": "broadband.fault.slow", "words": "昨晚开始很慢"})
    time.skip(hours=13)
    assert visitor.post(at("fault", "where"), NEW)["Location"] == (
        f"{reverse('portal:sign_in')}?next=%2Freport%2Ffault%2Fwhere%2F"
    )
    visitor.sign_in(way=at("fault", "where"))
    assert 'value="中关村南大街 5 号"' in visitor.get(at("fault", "where")).content.decode()
    visitor.post(at("fault", "where"), NEW)
    assert "昨晚开始很慢" in words(visitor.get(at("fault", "check")))
    sent(visitor.post(at("fault", "check"), {"name": ""}))


def test_who_proves_no_number_keeps_a_report_for_a_day(visitor, house, region, time):
    visitor.post(at("fault", "service"), {"service": "broadband.fault"})
    visitor.post(at("fault", "what"), {"what": "broadband.fault.slow"})
    time.skip(hours=23)
    visitor.post(at("fault", "where"), NEW)
    assert visitor.get(at("fault", "check"))["Location"].startswith(reverse("portal:sign_in"))

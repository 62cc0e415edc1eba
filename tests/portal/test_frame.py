"""What every page of the customer's site has in common: small, quiet, in the reader's language, without script."""

from __future__ import annotations

import gzip
import re
from collections.abc import Iterable
from pathlib import Path

import pytest
from django.conf import settings as django
from django.contrib.staticfiles import finders
from django.template.loader import get_template
from django.urls import reverse

from common.management.commands.build_icons import NAMES, sprite
from portal.models import Session
from tests import builders
from tests.builders import MONDAY
from tests.portal.visitors import PHONE, Visitor, at, link, words
from tickets import conversation, ending, outages, services

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("house")]
KB = 1024
TEMPLATES = Path(__file__).resolve().parents[2] / "portal" / "templates" / "portal"


def packed(content: bytes) -> int:
    return len(gzip.compress(content, 6))


def static(name: str) -> bytes:
    with open(finders.find(name), "rb") as file:
        return file.read()


def weight(styles: Iterable[str]) -> int:
    return sum(packed(static(name)) for name in styles)


def source(template: str) -> str:
    return Path(get_template(template).origin.name).read_text()


def styles_of(template: str, replaced: Iterable[str] = ()) -> set[str]:
    """The style sheets that a page of this template links, with those of the frames it stands in."""
    text = source(template)
    for block in replaced:
        text = re.sub(rf"{{% block {block} %}}.*?{{% endblock", "", text, flags=re.S)
    blocks = re.findall(r"{% block (\w+) %}(.*?){% endblock", text, re.S)
    replaced = {name for name, inside in blocks if "block.super" not in inside}
    frame = re.search(r'{% extends "([^"]+)" %}', text)
    linked = set(re.findall(r'{% (?:static "|get_static_prefix %})([^"]+\.css)"', text))
    return linked | styles_of(frame[1], replaced) if frame else linked


def classes_in(template: str) -> set[str]:
    """The classes on a page of this template, those of what it includes among them."""
    text = source(template)
    bare = re.sub(r"{[%#{].*?[%#}]}", " ", text)
    found = {word for words in re.findall(r'class="([^"]*)"', bare) for word in words.split()}
    parts = set(re.findall(r'{% include "(portal/[^"]+)"', text)) - {template}
    return found.union(*map(classes_in, parts))


def classes_of(style: str) -> set[str]:
    rules = re.sub(r"/\*.*?\*/|{[^{}]*}", " ", static(style).decode(), flags=re.S)
    return set(re.findall(r"\.([a-z][\w-]*)", rules))


EVERYWHERE = frozenset({"ui/base.css", "portal/portal.css"})
BOOK, ANSWER = "portal/book.css", "portal/answer.css"
PAGES = sorted(f"portal/{page.name}" for page in TEMPLATES.glob("*.html") if not page.name.startswith("_"))


@pytest.fixture
def pages(visitor, customer, region, time):
    """Every page of the site as a customer with a long story sees it."""
    agent = builders.person("agent")
    ticket = builders.ticket(agent, customer=customer, type="fault", needs_visit=True, description="断网 " * 60)
    services.take_ticket(ticket_id=ticket.pk, by=agent, at=MONDAY)
    for number in range(10):
        conversation.reply_to_customer(ticket_id=ticket.pk, body=f"Answer {number}. " * 20, by=agent, at=MONDAY)
    outage = outages.enter_outage(region=region, text_zh="光缆故障。" * 20, text_en="A fiber is cut. " * 10, by=None)
    solved = builders.ticket(agent, customer=customer)
    services.take_ticket(ticket_id=solved.pk, by=agent, at=MONDAY)
    ending.resolve_ticket(ticket_id=solved.pk, resolution="New modem. " * 30, verified="test", by=agent, at=MONDAY)
    stranger = Visitor()
    visitor.sign_in()
    case = reverse("portal:case", args=[ticket.number])
    found = {
        address: stranger.get(address)
        for address in ("/", "/?region=haidian", reverse("portal:sign_in"), reverse("portal:link_lost"), "/m/nonsense/")
    }
    found["code"] = stranger.post(reverse("portal:sign_in"), {"phone": "13900001111"}, follow=True)
    for subject, step in (("fault", "service"), ("order", "what"), ("bill", "what"), ("other", "what")):
        found[at(subject, step)] = visitor.get(at(subject, step))
    visitor.post(at("fault", "service"), {"service": "broadband.fault"})
    found[at("fault", "what")] = visitor.get(at("fault", "what"))
    visitor.post(at("fault", "what"), {"what": "broadband.fault.slow", "words": "网慢" * 900})
    found[at("fault", "where")] = visitor.get(at("fault", "where"))
    visitor.post(at("fault", "where"), {"region": "haidian", "street": "中关村南大街 5 号", "house": "1203"})
    for address in (
        at("fault", "check"), "/my/cases/", case, f"{reverse('portal:case', args=[solved.number])}not-solved/",
        reverse("portal:outage", args=[outage.pk]), link(ticket, at=time.at), link(solved, "confirm", at=time.at),
        link(solved, at=MONDAY, days=-1),
    ):  # fmt: skip
        found[address] = visitor.get(address)
    found["done"] = visitor.post(at("fault", "check"), follow=True)
    return found


def test_no_page_has_more_than_6_kb_of_styles():
    assert len(PAGES) > 30
    found = {page: styles_of(page) for page in PAGES}
    assert set(map(frozenset, found.values())) == {EVERYWHERE, EVERYWHERE | {BOOK}, EVERYWHERE | {ANSWER}}
    assert {page: size for page, styles in found.items() if (size := weight(styles)) > 6000} == {}


def test_no_page_needs_a_style_that_it_does_not_load():
    alone = ["400.html", "403.html", "403_csrf.html", "404.html", "500.html", "registration/sign_in.html"]
    for page in [*PAGES, *alone]:
        loaded = set().union(*map(classes_of, styles_of(page)))
        elsewhere = set().union(*map(classes_of, ("ui/workspace.css", "ui/alone.css", BOOK, ANSWER))) - loaded
        assert "kbd" in elsewhere
        assert classes_in(page) & elsewhere == set(), page


def test_every_page_is_within_40_kb_and_has_no_script(pages):
    css = weight(EVERYWHERE)
    icons = packed(sprite(NAMES.read_text().split()).encode()) + packed(static("ui/mark.svg"))
    assert len(pages) == 21
    for address, page in pages.items():
        text = page.content.decode()
        assert page.status_code in (200, 404, 410), address
        assert packed(page.content) <= 10 * KB, address
        assert packed(page.content) + css + icons <= 40 * KB, address
        assert "<script" not in text, address
        files = set(re.findall(r'(?:src|href)="(/static/[^"#]+)', text))
        assert files == {f"/static/{name}" for name in ("ui/mark.svg", "ui/base.css", "portal/portal.css", "icons.svg")}


def test_nothing_on_a_page_needs_an_exception_of_the_content_policy(pages):
    for address, page in pages.items():
        text = page.content.decode()
        assert "default-src 'none'" in page["Content-Security-Policy"], address
        assert not re.search(r"\sstyle=|\son[a-z]+=|javascript:", text), address


def test_no_page_is_kept_by_anybody(pages):
    for address, page in pages.items():
        assert "no-store" in page["Cache-Control"], address
        home = address in ("/", "/?region=haidian")
        assert ('<meta name="robots" content="noindex">' in page.content.decode()) != home, address


def test_every_form_that_a_session_backs_carries_its_token(pages):
    for address, page in pages.items():
        forms = re.findall(r'<form[^>]*method="post".*?</form>', page.content.decode(), re.S)
        # A link is its own authority: its pages work where cookies do not.
        assert all("csrfmiddlewaretoken" in form for form in forms) or address.startswith("/m/"), address


def test_help_is_at_the_same_place_on_every_page(visitor, settings):
    settings.SERVICE_PHONE = "400-000-0000"
    settings.SERVICE_HOURS = {"en": "Answered 24 hours a day."}
    for address in ("/", reverse("portal:sign_in"), at("fault", "service"), "/m/nonsense/"):
        page = visitor.get(address)
        assert 'href="#help"' in page.content.decode()
        call = 'Need help? Call <a class="num" href="tel:4000000000">400-000-0000</a>. Answered 24 hours a day.'
        assert call in page.content.decode()


def test_without_a_telephone_nothing_is_promised(visitor, settings):
    settings.SERVICE_PHONE = ""
    assert "Need help?" not in words(visitor.get("/"))


# --- languages -------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("device", "says"), [("zh-CN,zh;q=0.9", "您好"), ("en-GB", "Hello"), ("fr", "您好")])
def test_the_language_is_the_device_s_at_first(time, device, says):
    page = Visitor(device).get("/")
    assert says in words(page)
    assert f'lang="{"en" if says == "Hello" else "zh-hans"}"' in page.content.decode()


def test_it_is_switched_by_a_button_and_stays(visitor):
    answer = visitor.post("/?region=x", {"switch": "zh-hans"})
    assert (answer.status_code, answer["Location"]) == (302, "/?region=x")
    assert "您好" in words(visitor.get("/"))
    visitor.post("/", {"switch": "en"})
    assert "Hello" in words(visitor.get("/"))


def test_an_unknown_language_changes_nothing(visitor):
    assert visitor.post("/", {"switch": "tlh"}).status_code == 405
    assert django.LANGUAGE_COOKIE_NAME not in visitor.cookies


def test_switching_keeps_what_was_typed_and_checks_nothing(visitor, customer):
    page = visitor.post(reverse("portal:sign_in"), {"phone": "138 12", "switch": "zh-hans"})
    assert page.status_code == 200
    assert "您的手机号是？" in words(page)
    assert 'value="138 12"' in page.content.decode()
    assert "field-error" not in page.content.decode()
    assert not Session.objects.exists()

    visitor.post(at("fault", "service"), {"service": "broadband.fault"})
    page = visitor.post(at("fault", "what"), {"what": "broadband.fault.slow", "words": "很慢 🐌", "switch": "en"})
    assert "What is wrong?" in words(page)
    assert "很慢 🐌" in page.content.decode()
    assert re.search(r'value="broadband.fault.slow"[^>]*checked', page.content.decode())


def test_switching_beside_a_message_keeps_the_message(visitor, customer, time):
    ticket = builders.ticket(builders.person(), customer=customer)
    address = link(ticket, at=time.at, act="write/")
    page = visitor.post(address, {"body": "还没好", "key": "k", "switch": "zh-hans"})
    assert "还没好" in page.content.decode()
    assert "给我们留言" in words(page)
    assert not ticket.notes.exists()


def test_signed_in_pages_follow_the_switch_too(visitor, customer):
    visitor.sign_in(PHONE)
    visitor.post("/my/cases/", {"switch": "zh-hans"})
    assert "我的服务" in words(visitor.get("/my/cases/"))
    customer.refresh_from_db()
    assert customer.language == "zh-hans"  # messages follow the profile, not the page


# --- who else comes by ----------------------------------------------------------------------------------------------


def test_a_form_without_its_token_is_refused_with_words_for_customers(customer, time):
    strict = Visitor(enforce_csrf_checks=True)
    answer = strict.post(reverse("portal:sign_in"), {"phone": PHONE})
    assert answer.status_code == 403
    assert "takes no cookies" in words(answer)
    assert 'href="/"' in answer.content.decode()


def test_unknown_addresses_are_calm(visitor):
    for address in ("/report/nonsense/", "/report/fault/nonsense/", "/my/nonsense/", "/outages/99999/", "/m//"):
        assert visitor.get(address).status_code == 404, address


def test_staff_find_their_way_back_to_the_desk(visitor, customer):
    visitor.force_login(builders.person("agent", language="en"))
    page = visitor.get("/report/nonsense/")
    assert 'href="/desk/"' in page.content.decode()

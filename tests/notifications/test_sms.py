"""SMS out: text cut as telephones join it, over a real SMPP session and a real HTTP gateway on the loopback."""

from __future__ import annotations

import json
import threading
from datetime import timedelta
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest
from hypothesis import given
from hypothesis import strategies as st

from notifications import sms, templates
from notifications.adapters import sms_smpp
from notifications.models import Message
from notifications.services import MOST_ATTEMPTS, PATIENCE, deliver, notify
from tests import builders
from tests.builders import MONDAY

from . import smsc as simulator
from .smsc import SMSC

CHINESE = "您好，宽带已修复，请重启光猫后再试。"


# --- cutting, without a database --------------------------------------------------------------------------------------


def joined(text):
    """What a telephone makes of the parts."""
    coding, parts = sms.split(text, reference=7)
    if len(parts) == 1:
        return sms.decode(coding, parts[0])
    pieces = [sms.piece_of(part)[0] for part in parts]
    assert [(piece.reference, piece.total, piece.number) for piece in pieces] == [
        (7, len(parts), number) for number in range(1, len(parts) + 1)
    ]
    assert all(len(part) <= (160 if coding == sms.GSM else 140) for part in parts)
    # Each part is whole in itself: telephones show what they have.
    return "".join(sms.decode(coding, piece.octets) for piece in pieces)


@given(st.text(alphabet=st.characters(blacklist_categories=["Cs", "Cc"]), max_size=600))
def test_any_text_arrives_as_it_was_written(text):
    assert joined(text) == text


@given(st.text(alphabet="abcXYZ 09@£$€{}[]~^|\\äöü§`\n", max_size=700))
def test_letters_of_the_short_alphabet_and_their_neighbors_too(text):
    assert joined(text) == text


@pytest.mark.parametrize(
    ("text", "coding", "parts"),
    [
        ("x" * 160, sms.GSM, 1),
        ("x" * 161, sms.GSM, 2),
        ("x" * 306, sms.GSM, 2),
        ("x" * 307, sms.GSM, 3),
        ("€" * 80, sms.GSM, 1),
        ("€" * 81, sms.GSM, 2),
        ("x" * 152 + "€" + "x" * 160, sms.GSM, 3),  # the euro sign moves to the second part whole
        ("修" * 70, sms.UCS2, 1),
        ("修" * 71, sms.UCS2, 2),
        ("修" * 134, sms.UCS2, 2),
        ("修" * 201, sms.UCS2, 3),
        ("修" * 202, sms.UCS2, 4),
        ("修" * 66 + "🔧" + "修" * 66, sms.UCS2, 3),  # so does an emoji
        ("`", sms.UCS2, 1),
        ("", sms.GSM, 1),
    ],
)
def test_the_limits_of_both_alphabets(text, coding, parts):
    found, cut = sms.split(text, reference=1)
    assert (found, len(cut)) == (coding, parts)


def test_a_text_beyond_255_parts_is_refused():
    with pytest.raises(ValueError, match="300 parts"):
        sms.split("修" * 67 * 300, reference=1)


def test_references_of_two_octets_are_read_too():
    piece, _body = sms.piece_of(bytes([6, 8, 4, 1, 2, 3, 2]) + b"rest")
    assert piece == sms.Piece(0x0102, 3, 2, b"rest")
    assert sms.piece_of(bytes([2, 0x24, 0]) + b"rest") == (None, b"rest")
    assert sms.piece_of(b"") == (None, b"")


@given(st.text(alphabet="ab修🔧 ", max_size=80), st.integers(1, 90))
def test_cutting_keeps_to_the_room_and_says_that_it_cut(text, most):
    kept = sms.cut(text, most)
    if sms.units(text) <= most:
        assert kept == text
    elif most >= 3:
        assert sms.units(kept) <= most
        assert kept.endswith(("…", "..."))
        assert text.startswith(kept.rstrip("….").rstrip())


def test_typographic_marks_do_not_halve_a_text_of_gsm_letters():
    assert sms.plain("10:00–12:00, “now”…") == '10:00-12:00, "now"...'
    assert sms.plain("3月3日 10:00–12:00") == "3月3日 10:00–12:00"


# --- what the templates say -------------------------------------------------------------------------------------------

LONG = "已更换光猫并重新布线，请留意。🔧" * 300
WORST = {
    "number": "T-00001-2345-6789",
    "text": LONG,
    "resolution": LONG,
    "link": "https://service.operator.example/m/djRqLmUAAAAAAAAAAAABI0VniavN7wESNFZ4/",
    "code": "0000",
    "technician": "欧阳明月",
    "minutes": 240,
    "report": LONG,
    "what": LONG,
    "place": LONG,
    "region": "Lakeside and the old harbor district",
}

TIME = {
    "zh-hans": "12月30日（星期三）21:00–23:59（北京时间）",
    "en": "Wednesday 30 September, 21:00–23:59 (Beijing time)",
}


@pytest.mark.parametrize("language", ["zh-hans", "en"])
@pytest.mark.parametrize("name", templates.names())
def test_every_template_fits_three_short_messages_whatever_is_filled_in(name, language, settings):
    settings.SERVICE_NAME = {"zh-hans": "某某电信客户服务中心", "en": "Customer Service Center"}
    settings.SERVICE_PHONE = "400 800 1000 0000"
    text = templates.render_sms(name, language, WORST | {"time": TIME[language], "offer": TIME[language]})
    assert sms.parts_of(text) <= 3, text
    if "{number}" in templates._texts(name, language)["body"]:
        assert WORST["number"] in text


def test_a_reply_is_sent_whole_where_it_fits_and_as_far_as_it_fits_where_not():
    facts = {"number": "T-0042-8836", "text": "The line is repaired. {Please} restart the modem."}
    assert facts["text"] in templates.render_sms("ticket_reply", "en", facts)
    for text in ("a " * 5000, LONG):
        said = templates.render_sms("ticket_reply", "en", facts | {"text": text})
        coding, parts = sms.split(said, reference=1)
        assert len(parts) == 3
        assert "In full: " in said
        room = sms.PART[coding] * 3 - sum(len(part) - 6 for part in parts)
        assert room <= 6, "there was room for more"


# --- over SMPP --------------------------------------------------------------------------------------------------------


@pytest.fixture
def smsc(settings):
    with SMSC() as server:
        settings.SMPP_HOST, settings.SMPP_PORT = "127.0.0.1", server.port
        settings.SMPP_SYSTEM_ID, settings.SMPP_PASSWORD, settings.SMPP_SYSTEM_TYPE = "center", "secret", ""
        settings.SMPP_TLS, settings.SMS_TIMEOUT, settings.SMS_SENDER = False, 5.0, "10000"
        settings.NOTIFICATION_ADAPTERS = {
            "email": "notifications.adapters.none",
            "sms": "notifications.adapters.sms_smpp",
        }
        sms_smpp.hang_up()
        yield server
        sms_smpp.hang_up()


@pytest.fixture
def case(db, settings):
    settings.PUBLIC_URL = "https://a.cn"  # so that CHINESE is one short message
    builders.house()
    customer = builders.customer(phone="13812345678", language="zh-hans")
    ticket = builders.ticket(builders.person("agent"), customer=customer, channel="phone")
    assert not Message.objects.exists()
    return ticket


def queue(case, key="k1", text=CHINESE):
    return notify("ticket_reply", case=case, key=key, at=MONDAY, context={"text": text})


def reread(message):
    return Message.objects.get(pk=message.pk)


def test_a_message_arrives_in_chinese_and_its_id_is_kept_as_proof(case, smsc):
    message = queue(case)
    assert deliver(message.pk, now=MONDAY)
    (got,) = smsc.taken
    assert (got.source, got.source_ton, got.target, got.target_ton) == ("10000", 0, "8613812345678", 1)
    assert (got.coding, got.esm_class) == (8, 0)
    assert CHINESE in got.text
    assert case.number in got.text
    kept = reread(message)
    assert (kept.state, kept.provider_id, kept.sent_at) == (Message.State.SENT, "id-1", MONDAY)


def test_plain_english_goes_in_seven_bits(case, smsc):
    case.customer.language = "en"
    case.customer.save()
    deliver(queue(case, text="It works again: 100 % @ home").pk, now=MONDAY)
    (got,) = smsc.taken
    assert got.coding == 0
    assert sms.decode(0, got.octets).startswith("Service Center, ticket ")
    assert "100 % @ home" in sms.decode(0, got.octets)


def test_a_long_message_is_cut_into_parts_and_every_id_is_kept(case, smsc):
    message = queue(case, text=CHINESE * 6)
    assert deliver(message.pk, now=MONDAY)
    assert [got.esm_class for got in smsc.taken] == [0x40, 0x40, 0x40]
    assert [got.octets[:6] for got in smsc.taken] == [
        bytes([5, 0, 3, message.pk & 0xFF, 3, number]) for number in (1, 2, 3)
    ]
    assert CHINESE * 6 in "".join(got.text for got in smsc.taken)
    assert reread(message).provider_id == "id-1 id-2 id-3"


def test_a_message_counts_as_accepted_only_when_all_parts_were(case, smsc):
    smsc.statuses = [simulator.OK, simulator.BAD_TARGET]
    message = queue(case, text=CHINESE * 6)
    assert not deliver(message.pk, now=MONDAY)
    kept = reread(message)
    assert (kept.state, kept.provider_id, kept.attempts) == (Message.State.QUEUED, "", 1)
    assert "0x0000000b" in kept.error
    assert deliver(message.pk, now=kept.try_at)
    # The whole again under the same reference: the telephone joins either sending.
    assert [got.octets[3:6] for got in smsc.taken] == [bytes([message.pk & 0xFF, 3, number]) for number in (1, 1, 2, 3)]
    assert smsc.binds == ["transmitter"]  # a refusal does not break the connection


@pytest.mark.parametrize("status", [simulator.THROTTLED, simulator.QUEUE_FULL])
def test_a_busy_center_is_tried_again_without_using_up_attempts(case, smsc, status):
    smsc.statuses = [status] * 20
    message, now = queue(case), MONDAY
    for _ in range(20):
        assert not deliver(message.pk, now=now)
        kept = reread(message)
        assert (kept.attempts, kept.state) == (0, Message.State.QUEUED)
        now = kept.try_at
    assert now == MONDAY + timedelta(seconds=20 * 30)
    assert deliver(message.pk, now=now)
    assert len(smsc.taken) == 1


def test_a_center_that_is_busy_for_more_than_a_day_is_a_failure(case, smsc):
    message, now = queue(case), MONDAY + PATIENCE
    smsc.statuses = [simulator.THROTTLED] * MOST_ATTEMPTS
    for _ in range(MOST_ATTEMPTS):
        assert not deliver(message.pk, now=now)
        now = reread(message).try_at
    assert reread(message).state == Message.State.FAILED


def test_one_connection_carries_many_messages(case, smsc):
    for number in range(5):
        assert deliver(queue(case, f"k{number}").pk, now=MONDAY)
    assert smsc.binds == ["transmitter"]
    assert len(smsc.taken) == 5


def test_a_connection_lost_while_it_rested_is_bound_again_before_the_message_is_sent(case, smsc, monkeypatch):
    monkeypatch.setattr(sms_smpp, "REST_SECONDS", 0.0)
    assert deliver(queue(case, "k1").pk, now=MONDAY)
    smsc.hang_up()
    assert deliver(queue(case, "k2").pk, now=MONDAY)
    assert smsc.binds == ["transmitter", "transmitter"]
    assert len(smsc.taken) == 2


def test_a_rested_connection_that_lives_is_kept(case, smsc, monkeypatch):
    monkeypatch.setattr(sms_smpp, "REST_SECONDS", 0.0)
    for key in ("k1", "k2", "k3"):
        assert deliver(queue(case, key).pk, now=MONDAY)
    assert smsc.binds == ["transmitter"]
    assert smsc.seen.count(simulator.ENQUIRE) == 2


@pytest.mark.parametrize(("where", "copies"), [("before", 1), ("after", 2)])
def test_a_line_dropped_in_the_middle_loses_nothing(case, smsc, where, copies):
    smsc.drop = (2, where)
    message = queue(case, text=CHINESE * 6)
    assert not deliver(message.pk, now=MONDAY)
    kept = reread(message)
    assert (kept.state, kept.attempts, kept.provider_id) == (Message.State.QUEUED, 1, "")
    assert "broke" in kept.error
    assert deliver(message.pk, now=kept.try_at)
    assert reread(message).state == Message.State.SENT
    assert smsc.binds == ["transmitter", "transmitter"]
    numbers = [got.octets[5] for got in smsc.taken]
    assert (numbers.count(1), numbers.count(2), numbers.count(3)) == (2, copies, 1)


def test_signs_of_life_asked_for_in_between_are_given(case, smsc):
    smsc.chatty = True
    assert deliver(queue(case, text=CHINESE * 6).pk, now=MONDAY)
    assert Message.objects.get().provider_id == "id-1 id-2 id-3"
    assert smsc.seen.count(simulator.ENQUIRE | simulator.RESPONSE) >= 2  # the third may still be on its way


def test_a_wrong_password_is_said_without_repeating_it(case, smsc, settings):
    settings.SMPP_PASSWORD = "wrong"
    message = queue(case)
    assert not deliver(message.pk, now=MONDAY)
    assert "bind_transmitter" in reread(message).error
    assert "0x0000000e" in reread(message).error
    assert "wrong" not in reread(message).error
    assert smsc.taken == []


def test_a_center_that_is_away_costs_an_attempt_and_the_next_one_arrives(case, smsc, settings):
    settings.SMPP_PORT, port = 1, settings.SMPP_PORT
    message = queue(case)
    assert not deliver(message.pk, now=MONDAY)
    assert "refused" in reread(message).error.lower()
    settings.SMPP_PORT = port
    assert deliver(message.pk, now=reread(message).try_at)


# --- over HTTP --------------------------------------------------------------------------------------------------------


class Gateway(ThreadingHTTPServer):
    """A gateway that keeps what it is given; `answers` are (status, body, headers), then 200 with an id."""

    def __init__(self):
        self.requests, self.answers = [], []
        super().__init__(("127.0.0.1", 0), _Handler)
        threading.Thread(target=self.serve_forever, args=(0.01,), daemon=True).start()


class _Handler(BaseHTTPRequestHandler):
    def do_POST(self):
        body = self.rfile.read(int(self.headers["Content-Length"]))
        gateway = self.server
        gateway.requests.append((self.path, dict(self.headers), body.decode()))
        status, answer, headers = gateway.answers.pop(0) if gateway.answers else (200, '{"id": "sms-1"}', {})
        self.send_response(status)
        for name, value in headers.items():
            self.send_header(name, value)
        self.send_header("Content-Length", str(len(answer.encode())))
        self.end_headers()
        self.wfile.write(answer.encode())

    def log_message(self, *_words):
        pass


@pytest.fixture
def gateway(settings):
    server = Gateway()
    settings.SMS_HTTP_URL = f"http://127.0.0.1:{server.server_port}/send"
    settings.SMS_HTTP_TOKEN, settings.SMS_SENDER, settings.SMS_TIMEOUT = "tok-en", "10000", 5.0
    settings.SMS_HTTP_BODY = '{"to": "{to}", "from": "{from}", "text": "{text}"}'
    settings.SMS_HTTP_ID = "id"
    settings.NOTIFICATION_ADAPTERS = {
        "email": "notifications.adapters.none",
        "sms": "notifications.adapters.sms_http",
    }
    yield server
    server.shutdown()
    server.server_close()


def test_the_gateway_gets_number_and_text_and_its_id_is_kept(case, gateway):
    message = queue(case, text='Say "{to}" {x} \\ 修')
    assert deliver(message.pk, now=MONDAY)
    ((path, headers, body),) = gateway.requests
    given = json.loads(body)
    assert path == "/send"
    assert (given["to"], given["from"]) == ("+8613812345678", "10000")
    assert 'Say "{to}" {x} \\ 修' in given["text"]
    assert headers["Authorization"] == "Bearer tok-en"
    assert headers["Idempotency-Key"] == "k1"
    assert headers["Content-Type"].startswith("application/json")
    assert reread(message).provider_id == "sms-1"


def test_address_body_and_place_of_the_id_are_the_gateways_own(case, gateway, settings):
    settings.SMS_HTTP_URL = settings.SMS_HTTP_URL + "/{to}?ref={key}"
    settings.SMS_HTTP_BODY = '{"messages": [{"destinations": [{"to": "{to}"}], "text": "{text}", "n": 1, "ok": true}]}'
    settings.SMS_HTTP_ID = "messages.0.messageId"
    gateway.answers = [(202, '{"messages": [{"messageId": 4711}]}', {})]
    message = queue(case, "note 1/2")
    assert deliver(message.pk, now=MONDAY)
    ((path, _headers, body),) = gateway.requests
    assert path == "/send/%2B8613812345678?ref=note%201%2F2"
    (part,) = json.loads(body)["messages"]
    assert part["destinations"] == [{"to": "+8613812345678"}]
    assert (part["n"], part["ok"]) == (1, True)
    assert reread(message).provider_id == "4711"


@pytest.mark.parametrize(
    ("status", "answer", "words"),
    [
        (400, '{"error": "bad number 8613812345678"}', "400"),
        (500, "oops", "500"),
        (200, '{"status": "ok"}', "SMS_HTTP_ID"),
        (200, "not json", "SMS_HTTP_ID"),
        (200, '{"id": null}', "SMS_HTTP_ID"),
        (200, '{"id": ""}', "SMS_HTTP_ID"),
        (200, "[]", "SMS_HTTP_ID"),
    ],
)
def test_anything_but_yes_with_an_id_is_a_failure_and_tried_again(case, gateway, status, answer, words):
    gateway.answers = [(status, answer, {})]
    message = queue(case)
    assert not deliver(message.pk, now=MONDAY)
    kept = reread(message)
    assert (kept.state, kept.attempts, kept.provider_id) == (Message.State.QUEUED, 1, "")
    assert words in kept.error
    assert "13812345678" not in kept.error
    assert "tok-en" not in kept.error
    assert deliver(message.pk, now=kept.try_at)


def test_a_redirect_is_not_followed(case, gateway):
    gateway.answers = [(302, "", {"Location": "http://127.0.0.1:1/elsewhere"})]
    message = queue(case)
    assert not deliver(message.pk, now=MONDAY)
    assert "302" in reread(message).error
    assert len(gateway.requests) == 1


def test_a_busy_gateway_says_how_long_to_wait(case, gateway):
    gateway.answers = [(429, "", {"Retry-After": "90"}), (503, "", {})]
    message = queue(case)
    assert not deliver(message.pk, now=MONDAY)
    kept = reread(message)
    assert (kept.attempts, kept.try_at) == (0, MONDAY + timedelta(seconds=90))
    assert not deliver(message.pk, now=kept.try_at)
    assert reread(message).try_at == kept.try_at + timedelta(seconds=30)


def test_a_gateway_that_does_not_answer_is_given_up_after_the_timeout(case, gateway, settings):
    settings.SMS_TIMEOUT = 0.2
    silent = threading.Event()
    gateway.RequestHandlerClass = type("Silent", (_Handler,), {"do_POST": lambda self: silent.wait(20)})
    message = queue(case)
    assert not deliver(message.pk, now=MONDAY)
    silent.set()
    assert "timed out" in reread(message).error.lower()

"""/healthz and /metrics: ages and counts for whoever watches; words about what is wrong; nothing about anybody."""

import time
from datetime import timedelta

import pytest
from django.core.cache import cache
from django.test import RequestFactory

from common import clock
from notifications import receiver
from notifications.models import Message
from servicecenter import health
from servicecenter.beat import HEARTBEAT
from sla import audit
from sla.models import Timer

pytestmark = pytest.mark.django_db


@pytest.fixture
def ask(rf: RequestFactory):
    return lambda path="/healthz": health.healthz(rf.get(path))


def body(response):
    import json

    return json.loads(response.content)


def timer(key, late, **more):
    at = clock.now() - timedelta(seconds=late)
    return Timer.objects.create(fire_at=at, try_at=at, handler="test", key=key, **more)


def message(key, late, **more):
    at = clock.now() - timedelta(seconds=late)
    return Message.objects.create(
        channel="sms", recipient="13800005678", template="t", language="en", key=key, try_at=at, created_at=at, **more
    )


def test_a_healthy_house_says_200_and_its_figures(ask):
    cache.set(HEARTBEAT, time.time() - 1)
    timer("soon", -60)
    message("m", 5)
    answer = ask()
    told = body(answer)
    assert answer.status_code == 200, told
    assert told["status"] == "ok"
    assert set(told) == {"status", "reasons", "database", "broker", "beat", "timers", "outbox", "sms"}
    assert told["timers"] == {"oldest_unfired_seconds": 0.0, "parked": 0, "unarmed_promises": None}
    assert told["outbox"]["depth"] == 1
    assert "13800005678" not in answer.content.decode()


def test_no_beat_an_old_timer_and_an_old_message_are_reasons(ask):
    """Lesson 21: each is told apart, so that a backlog does not look like a dead scheduler."""
    timer("old", health.TIMER_LIMIT + 60)
    message("old", health.OUTBOX_LIMIT + 60)
    answer = ask()
    assert answer.status_code == 503
    assert [reason.split(" is ")[0] for reason in body(answer)["reasons"]] == [
        "beat has never given a sign",
        "the oldest unfired timer",
        "the oldest message",
    ]


def test_a_receiver_of_sms_is_asked_for_where_there_is_one(ask, settings):
    cache.set(HEARTBEAT, time.time())
    assert body(ask())["sms"] == {"receives": False}
    settings.SMPP_RECEIVE = True
    assert body(ask())["reasons"] == ["the SMS receiver has never been bound"]
    cache.set(receiver.HEARTBEAT, time.time() - 5)
    assert ask().status_code == 200
    cache.set(receiver.HEARTBEAT, time.time() - health.SMS_LIMIT - 5)
    assert "gave its last sign" in body(ask())["reasons"][0]


def test_a_beat_that_stopped_is_a_reason(ask):
    cache.set(HEARTBEAT, time.time() - health.BEAT_LIMIT - 10)
    answer = ask()
    assert answer.status_code == 503
    assert body(answer)["reasons"] == ["beat gave its last sign 40 s ago"]


def test_a_parked_timer_is_counted_but_no_lag(ask):
    cache.set(HEARTBEAT, time.time())
    timer("parked", 9999, parked_at=clock.now())
    told = body(ask())
    assert told["status"] == "ok"
    assert told["timers"] == {"oldest_unfired_seconds": 0.0, "parked": 1, "unarmed_promises": None}


def test_a_broken_service_is_named_without_its_words(ask, monkeypatch):
    def broken():
        raise ConnectionError("redis://:password@internal-host")

    monkeypatch.setitem(health.QUESTIONS, "broker", broken)
    cache.set(HEARTBEAT, time.time())
    answer = ask()
    assert answer.status_code == 503
    assert body(answer)["reasons"] == ["broker does not answer (ConnectionError)"]
    assert "password" not in answer.content.decode()


def test_without_redis_timers_are_told_all_the_same(ask, rf, monkeypatch):
    """The lag of the sweep is what must be seen when the broker is out."""

    def out(_key):
        raise ConnectionError

    monkeypatch.setattr(health.cache, "get", out)
    timer("old", health.TIMER_LIMIT + 60)
    told = body(ask())
    assert told["timers"]["oldest_unfired_seconds"] >= health.TIMER_LIMIT
    assert "beat does not answer (ConnectionError)" in told["reasons"]
    assert any("the oldest unfired timer is" in reason for reason in told["reasons"])
    text = health.metrics(rf.get("/metrics")).content.decode()
    figures = dict(line.rsplit(" ", 1) for line in text.splitlines() if not line.startswith("#"))
    assert float(figures["servicecenter_sweep_lag_seconds"]) >= health.TIMER_LIMIT
    assert figures["servicecenter_beat_age_seconds"] == figures["servicecenter_promises_unarmed"] == "-1.0"


def test_live_asks_nothing_else(ask, django_assert_num_queries):
    with django_assert_num_queries(0):
        assert ask("/healthz?live=1").status_code == 200


def test_healthz_costs_few_statements(ask, django_assert_max_num_queries):
    cache.set(HEARTBEAT, time.time())
    with django_assert_max_num_queries(6):
        ask()


def test_metrics_are_prometheus_text(rf):
    timer("old", 90)
    message("failed", 5, state=Message.State.FAILED)
    text = health.metrics(rf.get("/metrics")).content.decode()
    figures = dict(line.rsplit(" ", 1) for line in text.splitlines() if not line.startswith("#"))
    assert 90 <= float(figures["servicecenter_sweep_lag_seconds"]) < 100
    assert float(figures["servicecenter_messages_failed"]) == 1
    assert float(figures["servicecenter_outbox_depth"]) == 0
    assert float(figures["servicecenter_beat_age_seconds"]) == -1
    assert "# TYPE servicecenter_cases_open gauge" in text


def test_metrics_ask_for_the_token(rf, settings):
    settings.METRICS_TOKEN = "hush"
    assert health.metrics(rf.get("/metrics")).status_code == 401
    assert health.metrics(rf.get("/metrics", headers={"Authorization": "Bearer nope"})).status_code == 401
    assert health.metrics(rf.get("/metrics", headers={"Authorization": "Bearer hush"})).status_code == 200


def test_production_without_a_token_tells_nothing(rf, settings):
    settings.METRICS_TOKEN, settings.PRODUCTION = "", True
    assert health.metrics(rf.get("/metrics")).status_code == 404


def test_both_answer_at_their_addresses_without_signing_in(client):
    assert client.get("/healthz?live=1").status_code == 200
    assert client.get("/metrics").status_code == 200


def test_a_promise_that_an_audit_found_without_a_timer_is_a_reason(ask):
    cache.set(audit.FOUND, {"at": clock.now().isoformat(), "unarmed": 2})
    told = body(ask())
    assert told["timers"]["unarmed_promises"] == 2
    assert "the last audit found 2 promises without a timer" in told["reasons"]

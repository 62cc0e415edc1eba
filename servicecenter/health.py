"""/healthz and /metrics: is the pump running, and how far behind is it?

Nobody signs in to ask, so answers carry ages and counts, never a name, an address or an error's text.
"""

from __future__ import annotations

import secrets
import time
from collections.abc import Callable, Iterable
from typing import Any

from django.conf import settings
from django.core.cache import cache
from django.db import connection
from django.http import HttpRequest, HttpResponse, JsonResponse
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_safe
from prometheus_client import CONTENT_TYPE_LATEST, CollectorRegistry, generate_latest
from prometheus_client.core import GaugeMetricFamily

from cases.models import Case
from common import clock
from notifications import receiver
from notifications.models import Message
from sla import audit
from sla.models import Timer

from .beat import HEARTBEAT
from .celery import app

# Seconds beyond which someone should be woken.
BEAT_LIMIT = 30
TIMER_LIMIT = 120
OUTBOX_LIMIT = 900
SMS_LIMIT = 60


@never_cache
@require_safe
def healthz(request: HttpRequest) -> HttpResponse:
    """200 and the figures, or 503 and what is wrong. `?live=1` asks only whether this process answers."""
    if "live" in request.GET:
        return JsonResponse({"status": "ok"})
    figures, reasons = ask(*QUESTIONS)
    body = {"status": "unhealthy" if reasons else "ok", "reasons": reasons, **figures}
    return JsonResponse(body, status=503 if reasons else 200)


def ask(*names: str) -> tuple[dict[str, Any], list[str]]:
    """The figures, and in words what is wrong with them."""
    figures: dict[str, Any] = {}
    reasons: list[str] = []
    for name in names:
        try:
            figures[name], reason = QUESTIONS[name]()
        except Exception as problem:  # whatever it is, it is an answer here
            figures[name], reason = None, f"{name} does not answer ({type(problem).__name__})"
        if reason:
            reasons.append(reason)
    return figures, reasons


@never_cache
@require_safe
def metrics(request: HttpRequest) -> HttpResponse:
    """Prometheus' text form, read from the database at the moment of the scrape, so every web process says the same."""
    if settings.METRICS_TOKEN:
        given = request.headers.get("Authorization", "").removeprefix("Bearer ")
        if not secrets.compare_digest(given.encode(), settings.METRICS_TOKEN.encode()):
            return HttpResponse("A bearer token is needed.\n", status=401, content_type="text/plain; charset=utf-8")
    elif settings.PRODUCTION:
        return HttpResponse("METRICS_TOKEN is not set.\n", status=404, content_type="text/plain; charset=utf-8")
    registry = CollectorRegistry(auto_describe=False)
    registry.register(_Figures())  # type: ignore[arg-type]
    return HttpResponse(generate_latest(registry), content_type=CONTENT_TYPE_LATEST)


class _Figures:
    def describe(self) -> Iterable[GaugeMetricFamily]:
        return []

    def collect(self) -> Iterable[GaugeMetricFamily]:
        figures = {
            "sweep_lag_seconds": ("Age of the oldest timer that is due and has not fired", timer_lag),
            "timers_parked": ("Timers that failed too often and wait for an operator", parked_timers),
            "promises_unarmed": (
                "Promises the last hourly audit found without a timer; -1 before one",
                lambda: _known(unarmed_promises),
            ),
            "outbox_depth": ("Messages waiting to be delivered", lambda: _waiting().count()),
            "outbox_lag_seconds": ("Age of the oldest message that is due and has not been delivered", outbox_lag),
            "messages_failed": ("Messages given up, waiting for an operator", failed_messages),
            "cases_open": ("Cases that are not closed", open_cases),
            "beat_age_seconds": (
                "Seconds since beat last gave a sign; -1 when it never did, or Redis does not answer",
                lambda: _known(beat_age),
            ),
        }
        for name, (help_text, ask) in figures.items():
            value = ask()
            yield GaugeMetricFamily(f"servicecenter_{name}", help_text, value=-1 if value is None else value)


def timer_lag() -> float:
    """Seconds since the oldest unparked timer should have been tried; 0 when none is due."""
    due = Timer.objects.filter(parked_at=None, try_at__lte=clock.now()).order_by("try_at")
    return _age(due.values_list("try_at", flat=True).first())


def parked_timers() -> int:
    return Timer.objects.exclude(parked_at=None).count()


def unarmed_promises() -> int | None:
    """Promises that the last hourly audit found without a timer; None when it has not come by."""
    found = cache.get(audit.FOUND)
    return None if found is None else int(found["unarmed"])


def outbox_lag() -> float:
    due = _waiting().filter(try_at__lte=clock.now()).order_by("try_at")
    return _age(due.values_list("try_at", flat=True).first())


def failed_messages() -> int:
    return Message.objects.filter(state=Message.State.FAILED).count()


def open_cases() -> int:
    return Case.objects.open().count()


def beat_age() -> float | None:
    sign = cache.get(HEARTBEAT)
    return None if sign is None else max(0.0, round(time.time() - sign, 1))


def _known(ask: Callable[[], Any]) -> Any:
    """What processes keep in the cache; None while that is out, so that what the database knows is told."""
    try:
        return ask()
    except Exception:  # Redis has many ways to be out; the broker's own line says that it is
        return None


def _waiting() -> Any:
    return Message.objects.filter(state=Message.State.QUEUED)


def _age(instant: Any) -> float:
    return 0.0 if instant is None else max(0.0, round((clock.now() - instant).total_seconds(), 1))


Answer = tuple[dict[str, Any] | None, str | None]


def _database() -> Answer:
    started = time.perf_counter()
    with connection.cursor() as cursor:
        cursor.execute("SELECT 1")
    return {"kind": connection.vendor, "milliseconds": round((time.perf_counter() - started) * 1000, 1)}, None


def _broker() -> Answer:
    with app.connection_for_write() as broker:
        broker.ensure_connection(max_retries=1, interval_start=0, interval_step=0, timeout=2)
        broker.default_channel  # noqa: B018 - opening a channel is what speaks to it
        return {"kind": broker.transport_cls}, None


def _beat() -> Answer:
    age = beat_age()
    if age is None:
        return {"age_seconds": None}, "beat has never given a sign"
    return {"age_seconds": age}, f"beat gave its last sign {age:.0f} s ago" if age > BEAT_LIMIT else None


def _timers() -> Answer:
    lag = timer_lag()
    unarmed = _known(unarmed_promises)
    figures = {"oldest_unfired_seconds": lag, "parked": parked_timers(), "unarmed_promises": unarmed}
    if lag > TIMER_LIMIT:
        return figures, f"the oldest unfired timer is {lag:.0f} s late"
    return figures, f"the last audit found {unarmed} promises without a timer" if unarmed else None


def _outbox() -> Answer:
    lag = outbox_lag()
    figures = {"depth": _waiting().count(), "oldest_due_seconds": lag}
    return figures, f"the oldest message is {lag:.0f} s late" if lag > OUTBOX_LIMIT else None


def _sms() -> Answer:
    """The process that brings SMS in, where there is one."""
    if not settings.SMPP_RECEIVE:
        return {"receives": False}, None
    sign = cache.get(receiver.HEARTBEAT)
    if sign is None:
        return {"receives": True, "age_seconds": None}, "the SMS receiver has never been bound"
    age = max(0.0, round(time.time() - sign, 1))
    reason = f"the SMS receiver gave its last sign {age:.0f} s ago" if age > SMS_LIMIT else None
    return {"receives": True, "age_seconds": age}, reason


QUESTIONS = {"database": _database, "broker": _broker, "beat": _beat, "timers": _timers, "outbox": _outbox, "sms": _sms}

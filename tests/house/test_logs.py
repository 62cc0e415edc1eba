"""Every record is one line of JSON in production, carries the request's id, and never prints an object."""

import io
import json
import logging
import logging.config

import pytest
import structlog
from django.conf import settings

from common import logs


@pytest.fixture
def lines():
    out = io.StringIO()
    logs.configure({"format": "json", "level": "INFO"})
    logging.getLogger().handlers[0].setStream(out)
    yield lambda: [json.loads(line) for line in out.getvalue().splitlines()]
    structlog.contextvars.clear_contextvars()
    logs.configure(settings.LOGGING)


def test_a_library_s_record_carries_the_request_id(lines):
    structlog.contextvars.bind_contextvars(request_id="abc12345")
    logging.getLogger("some.library").warning("late by %s s", 5)
    (line,) = lines()
    assert (line["event"], line["level"], line["request_id"]) == ("late by 5 s", "warning", "abc12345")
    assert line["timestamp"].endswith("Z")


def test_objects_in_extra_are_not_printed(lines):
    logging.getLogger("a").info("asked", extra={"request": object(), "case": "T-1"})
    structlog.get_logger("b").info("told", person=object(), count=2)
    first, second = lines()
    assert "request" not in first
    assert first["case"] == "T-1"
    assert "person" not in second
    assert second["count"] == 2


def test_an_exception_is_one_line(lines):
    try:
        raise ValueError("客户\nsecond line")
    except ValueError:
        logging.getLogger("a").exception("it broke")
    (line,) = lines()
    assert "ValueError: 客户\nsecond line" in line["exception"]


@pytest.mark.parametrize("options", [{}, {"format": "xml", "level": "LOUD"}, {"level": "debug"}])
def test_strange_options_fall_back(options):
    logging.config.dictConfig(logs.plan(options))
    logs.configure(settings.LOGGING)

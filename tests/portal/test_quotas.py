"""Limits hold for everybody at once."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta

import pytest
from django.db import connection

from portal.models import Quota
from portal.quotas import DAY, HOUR, MINUTE, TooOften, spend, words_of
from tests.builders import MONDAY


@pytest.mark.django_db
def test_all_or_none_is_counted():
    spend(("a", 1, ((1, DAY),)), at=MONDAY)
    with pytest.raises(TooOften):
        spend(("b", 1, ((5, DAY),)), ("a", 1, ((1, DAY),)), at=MONDAY)
    assert not Quota.objects.filter(what="b").exclude(uses=[]).exists()


@pytest.mark.django_db
def test_the_longest_wait_is_told():
    for minute in range(3):
        spend(("a", 1, ((3, HOUR),)), at=MONDAY + minute * MINUTE)
    with pytest.raises(TooOften) as told:
        spend(("a", 1, ((1, MINUTE), (3, HOUR))), at=MONDAY + 2 * MINUTE)
    assert told.value.wait == 58 * MINUTE


@pytest.mark.parametrize(
    ("wait", "says"),
    [
        (timedelta(seconds=0.2), "Please try again in 1 second."),
        (timedelta(seconds=59.1), "Please try again in 60 seconds."),
        (timedelta(minutes=58), "Please try again in 58 minutes."),
        (timedelta(hours=7), "That was often enough for today. Please call us, or try again tomorrow."),
    ],
)
def test_how_long_to_wait_in_words(wait, says):
    assert words_of(wait) == says


@pytest.mark.django_db(transaction=True)
@pytest.mark.postgres
def test_side_by_side_exactly_as_many_pass_as_may():
    def tried(_number):
        try:
            spend(("a", "everybody", ((5, HOUR),)), at=MONDAY)
        except TooOften:
            return False
        finally:
            connection.close()
        return True

    with ThreadPoolExecutor(16) as pool:
        assert sum(pool.map(tried, range(40))) == 5

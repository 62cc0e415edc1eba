"""What runs once: a test that asks for no service is not repeated on PostgreSQL, and every other one is."""

import pytest
from django.test import TestCase


@pytest.fixture
def asked_for_by_a_fixture(db):
    pass


def test_one_that_asks_for_nothing_runs_once(request):
    assert "pure" in request.node.keywords


@pytest.mark.django_db
def test_one_with_the_mark_runs_on_both(request):
    assert "pure" not in request.node.keywords


def test_one_whose_fixture_asks_runs_on_both(request, asked_for_by_a_fixture):
    assert "pure" not in request.node.keywords


class OfDjango(TestCase):
    @pytest.fixture(autouse=True)
    def _node(self, request):
        self.node = request.node

    def test_one_of_djangos_runs_on_both(self):
        assert "pure" not in self.node.keywords


def test_one_that_asks_for_nothing_is_refused_the_database():
    from staff.models import User

    with pytest.raises(RuntimeError, match="Database access not allowed"):
        User.objects.exists()

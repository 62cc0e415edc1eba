"""Personal data at rest: what the database holds is no use without the keys, nor moved to another column."""

from __future__ import annotations

import base64

import pytest
from cryptography.exceptions import InvalidTag
from django.core.exceptions import ImproperlyConfigured
from django.db import connection
from hypothesis import given
from hypothesis import strategies as st

from common import crypto
from customers.models import Contact
from tests import builders

OLD = "old:" + base64.b64encode(b"o" * 32).decode()
NEW = "new:" + base64.b64encode(b"n" * 32).decode()


@given(st.text(max_size=200), st.text(min_size=1, max_size=40))
def test_what_was_encrypted_is_decrypted_under_the_same_label(text, label):
    assert crypto.decrypt(crypto.encrypt(text, label=label), label=label) == text


def test_the_same_text_is_never_stored_the_same_way():
    assert crypto.encrypt("13812345678", label="a.b") != crypto.encrypt("13812345678", label="a.b")


def test_a_value_moved_to_another_column_does_not_decrypt():
    with pytest.raises(InvalidTag):
        crypto.decrypt(crypto.encrypt("13812345678", label="customers.contact.value"), label="customers.customer.name")


@pytest.mark.parametrize("position", [0, 5, -1])
def test_a_changed_byte_does_not_decrypt(position):
    name, _, payload = crypto.encrypt("13812345678", label="a.b").partition(":")
    raw = bytearray(base64.b64decode(payload))
    raw[position] ^= 1
    with pytest.raises(InvalidTag):
        crypto.decrypt(f"{name}:{base64.b64encode(raw).decode()}", label="a.b")


def test_a_new_key_writes_and_the_old_one_still_reads(settings):
    settings.FIELD_KEYS = OLD
    before = crypto.encrypt("secret", label="a.b")
    settings.FIELD_KEYS = f"{NEW},{OLD}"
    after = crypto.encrypt("secret", label="a.b")
    assert (before.split(":")[0], after.split(":")[0]) == ("old", "new")
    assert crypto.decrypt(before, label="a.b") == crypto.decrypt(after, label="a.b") == "secret"
    settings.FIELD_KEYS = NEW
    with pytest.raises(ImproperlyConfigured, match="'old'"):
        crypto.decrypt(before, label="a.b")


@pytest.mark.parametrize("ring", ["", "k1", "k1:", "k1:not base64", "k1:c2hvcnQ=", f"{OLD},"])
def test_a_broken_key_ring_is_refused(settings, ring):
    settings.FIELD_KEYS = ring
    with pytest.raises(ImproperlyConfigured, match="FIELD_KEYS"):
        crypto.encrypt("x", label="a.b")


def test_blind_indexes_are_stable_keyed_and_apart_by_kind(settings):
    first = crypto.blind_index("phone", "+8613812345678")
    assert first == crypto.blind_index("phone", "+8613812345678")
    assert len(first) == 32
    assert first != crypto.blind_index("last4", "+8613812345678")
    settings.INDEX_KEY = base64.b64encode(b"another key, another index table").decode()
    assert first != crypto.blind_index("phone", "+8613812345678")


@pytest.mark.django_db
def test_the_database_holds_ciphertext_and_python_reads_text():
    customer = builders.customer(name="李小明", phone="13812345678")
    with connection.cursor() as cursor:
        cursor.execute("SELECT name FROM customers_customer")
        names = cursor.fetchall()
        cursor.execute("SELECT value, lookup FROM customers_contact")
        contacts = cursor.fetchall()
    stored = str(names + contacts)
    assert "李小明" not in stored
    assert "13812345678" not in stored
    customer.refresh_from_db()
    assert (customer.name, Contact.objects.get().value) == ("李小明", "+8613812345678")

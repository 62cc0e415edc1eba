"""People's data at rest: authenticated encryption with a key ring, and keyed hashes for exact look-up.

Stored as `keyid:base64(nonce + ciphertext)`. The associated data name model and field, so that a value moved to
another column does not decrypt (dependencies.md 2.4).
"""

from __future__ import annotations

import base64
import hashlib
import hmac
import os
from functools import lru_cache
from typing import Any

from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from django.conf import settings
from django.core.exceptions import ImproperlyConfigured
from django.db import models

_NONCE = 12


@lru_cache(maxsize=4)
def _ring(text: str) -> dict[str, AESGCM]:
    ring = {}
    for part in text.split(","):
        name, separator, key = part.strip().partition(":")
        try:
            raw = base64.b64decode(key, validate=True)
        except ValueError:
            raw = b""
        if not name or not separator or len(raw) != 32:
            raise ImproperlyConfigured("FIELD_KEYS must be id:base64 of 32 bytes, several separated by commas.")
        ring[name] = AESGCM(raw)
    return ring


def encrypt(text: str, *, label: str) -> str:
    """`text` encrypted under the newest key; `label` (model.field) must be given again to decrypt."""
    name, cipher = next(iter(_ring(settings.FIELD_KEYS).items()))
    nonce = os.urandom(_NONCE)
    return f"{name}:{base64.b64encode(nonce + cipher.encrypt(nonce, text.encode(), label.encode())).decode()}"


def decrypt(stored: str, *, label: str) -> str:
    """The text behind `stored`. Raises ImproperlyConfigured (unknown key) or InvalidTag (tampered)."""
    name, _, payload = stored.partition(":")
    cipher = _ring(settings.FIELD_KEYS).get(name)
    if cipher is None:
        raise ImproperlyConfigured(f"The encryption key {name!r} is not in FIELD_KEYS.")
    raw = base64.b64decode(payload)
    return cipher.decrypt(raw[:_NONCE], raw[_NONCE:], label.encode()).decode()


def blind_index(kind: str, value: str) -> str:
    """A keyed hash for exact look-up of `value`; `kind` separates phone from name and so on. 32 hex digits."""
    key = base64.b64decode(settings.INDEX_KEY)
    return hmac.new(key, f"{kind}:{value}".encode(), hashlib.sha256).hexdigest()[:32]


class EncryptedTextField(models.TextField):
    """Text that is readable in Python and ciphertext in the database; empty stays empty."""

    def _label(self) -> str:
        return f"{self.model._meta.label_lower}.{self.name}"

    def get_prep_value(self, value: Any) -> Any:
        value = super().get_prep_value(value)
        return encrypt(value, label=self._label()) if value else value

    def from_db_value(self, value: str | None, expression: Any, connection: Any) -> str | None:
        return decrypt(value, label=self._label()) if value else value

"""Base settings, only faster: cheap hashing, nothing that leaves the process."""

from __future__ import annotations

import os
import tempfile

os.environ.setdefault("SERVICECENTER_VAR", tempfile.mkdtemp(prefix="sc-test-"))
os.environ.setdefault("FIELD_KEYS", "t1:MDEyMzQ1Njc4OTAxMjM0NTY3ODkwMTIzNDU2Nzg5MDE=")
os.environ.setdefault("INDEX_KEY", "YWJjZGVmZ2hpamtsbW5vcHFyc3R1dnd4eXphYmNkZWY=")
os.environ.setdefault("SECRET_KEY", "tests only, never a secret")

from .base import *

PASSWORD_HASHERS = ["django.contrib.auth.hashers.MD5PasswordHasher"]
STORAGES = {
    **STORAGES,
    "staticfiles": {"BACKEND": "django.contrib.staticfiles.storage.StaticFilesStorage"},
}
CACHES = {"default": {"BACKEND": "django.core.cache.backends.locmem.LocMemCache"}}
CELERY_BROKER_URL = "memory://"
CELERY_BROKER_TRANSPORT_OPTIONS: dict[str, object] = {}
EMAIL_BACKEND = "django.core.mail.backends.smtp.EmailBackend"
AXES_ENABLED = True
LOG_LEVEL = "WARNING"
LOGGING = {"format": "text", "level": "WARNING"}

"""Prints .env.example with fresh secrets filled in: `python3 scripts/make_env.py > .env`."""

import base64
import os
import secrets
import sys
from pathlib import Path


def key() -> str:
    return base64.b64encode(secrets.token_bytes(32)).decode()


FRESH = {
    "POSTGRES_PASSWORD": secrets.token_hex(24),  # it stands in a URL
    "SECRET_KEY": secrets.token_urlsafe(50),
    "FIELD_KEYS": f"k1:{key()}",
    "INDEX_KEY": key(),
    "METRICS_TOKEN": secrets.token_hex(24),
}

os.umask(0o077)
for line in (Path(__file__).resolve().parent.parent / ".env.example").read_text().splitlines():
    name = line.removesuffix("=")
    sys.stdout.write(f"{line}{FRESH.get(name, '')}\n")

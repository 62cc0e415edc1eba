"""Reading the environment: one function per kind of value; each stops with one clear line on nonsense."""

from __future__ import annotations

import base64
import json
import os
import re
import secrets
import shlex
import shutil
import sys
import tempfile
from email.utils import getaddresses
from ipaddress import ip_address
from pathlib import Path
from typing import Any
from urllib.parse import SplitResult, unquote, urlsplit

import dj_database_url

_DIGITS = re.compile(r"[0-9]{1,9}")
_PASSWORD = re.compile(r"(?<=:)[^:/]*(?=@)")  # of an address: it belongs in no log
ONLY = "only PostgreSQL (postgresql://user:password@host:5432/name) and SQLite are supported."


def refuse(name: str, why: str) -> SystemExit:
    return SystemExit(f"{name}={_PASSWORD.sub('***', os.environ.get(name, ''))!r}: {why}")


def env_bool(name: str, default: bool) -> bool:
    text = os.environ.get(name, "").strip().lower()
    if text == "":
        return default
    if text in {"1", "true", "yes", "on"}:
        return True
    if text in {"0", "false", "no", "off"}:
        return False
    raise refuse(name, "write 1 or 0.")


def env_choice(name: str, choices: list[str], default: str) -> str:
    text = os.environ.get(name, default)
    if text not in choices:
        raise refuse(name, f"choose one of {', '.join(choices)}.")
    return text


def env_list(name: str, default: list[str]) -> list[str]:
    text = os.environ.get(name)
    return default if text is None else [part.strip() for part in text.split(",") if part.strip()]


def env_port(name: str, default: int) -> int:
    text = os.environ.get(name, "") or str(default)
    if not _DIGITS.fullmatch(text) or not 0 < int(text) < 65536:
        raise refuse(name, "a port is a number from 1 to 65535.")
    return int(text)


def env_number(name: str, default: int, *, least: int = 1) -> int:
    text = os.environ.get(name, "") or str(default)
    if not _DIGITS.fullmatch(text) or int(text) < least:
        raise refuse(name, f"write a whole number from {least}.")
    return int(text)


def env_folder(name: str, default: Path) -> Path:
    """A folder that is there and can be written to; made where it is not."""
    text = os.environ.get(name, "").strip()
    folder = Path(text) if text else default
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as problem:
        raise refuse(name, f"the folder {folder} cannot be made ({problem.strerror}).") from None
    if not os.access(folder, os.W_OK | os.X_OK):
        raise refuse(name, f"the folder {folder} cannot be written to.")
    return folder


def env_bind(name: str, default: str) -> str:
    """The address to listen on: an IP address, or localhost."""
    text = os.environ.get(name, "").strip().strip("[]") or default
    if text == "localhost":
        return text
    try:
        return str(ip_address(text))
    except ValueError:
        raise refuse(name, "write the IP address to listen on, such as 127.0.0.1, 0.0.0.0 or ::1.") from None


def env_sender(name: str, default: str) -> str:
    """Whom mail is from: an address, with or without a name before it."""
    text = os.environ.get(name, "").strip() or default
    found = getaddresses([text])
    if len(found) != 1 or not text.isprintable() or not re.fullmatch(r"[^@\s<>,;]+@[^@\s<>,;]+", found[0][1]):
        raise refuse(name, "write an address such as service@example.com or Service Center <service@example.com>.")
    return text


def env_hosts(name: str, default: list[str]) -> list[str]:
    """Names of hosts, without scheme and port; `.example.com` is every host under it, `*` is any."""
    hosts = env_list(name, default)
    for host in hosts:
        if not re.fullmatch(r"\*|\.?[\w-]+(\.[\w-]+)*|\[[0-9a-fA-F:.]+\]", host):
            raise refuse(name, f"{host!r} is not the name of a host, such as service.example.com.")
    return hosts


def env_origins(name: str) -> list[str]:
    """Origins of pages: scheme and host, as a browser says them."""
    origins = env_list(name, [])
    for origin in origins:
        if not re.fullmatch(r"https?://(\[[0-9a-fA-F:.]+\]|(\*\.)?[\w.-]+)(:\d{1,5})?", origin):
            raise refuse(name, f"{origin!r} is not an origin, such as https://service.example.com.")
    return origins


def env_url(name: str, default: str) -> str:
    """The origin of a site, without a slash at the end."""
    text = os.environ.get(name, "").strip().rstrip("/") or default
    if not re.fullmatch(r"https?://(\[[0-9a-fA-F:.]+\]|[\w.-]+)(:\d{1,5})?", text):
        raise refuse(name, "write where customers reach us, such as https://service.example.com")
    return text


def env_seconds(name: str, default: float) -> float:
    text = os.environ.get(name, "") or str(default)
    try:
        seconds = float(text)
    except ValueError:
        seconds = 0.0
    if not 0 < seconds < 3600:
        raise refuse(name, "write a number of seconds above 0.")
    return seconds


def env_database(name: str, embedded: Path) -> dict[str, Any]:
    """Django's settings of the database: PostgreSQL from a URL, else SQLite with the settings that make it hold."""
    url = os.environ.get(name, "").strip()
    if not url or url.startswith("sqlite:"):
        path = Path(unquote(_split(name, url).path)) if url else embedded
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
        except OSError as problem:
            raise refuse(name, f"the folder {path.parent} cannot be made ({problem.strerror}).") from None
        return {
            "ENGINE": "django.db.backends.sqlite3",
            "NAME": str(path),
            "OPTIONS": {
                "transaction_mode": "IMMEDIATE",
                "timeout": 20,
                "init_command": "PRAGMA journal_mode=WAL; PRAGMA synchronous=NORMAL; PRAGMA foreign_keys=ON;",
            },
        }
    try:
        parsed = dj_database_url.parse(url, conn_max_age=60, conn_health_checks=True)
    except dj_database_url.UnknownSchemeError:
        raise refuse(name, ONLY) from None
    except Exception as problem:
        raise refuse(
            name, f"not a database URL ({problem}). Example: postgresql://user:password@host:5432/name"
        ) from None
    if "postgresql" not in parsed["ENGINE"]:
        raise refuse(name, ONLY)
    if not parsed.get("NAME"):
        raise refuse(name, "the name of the database is missing. Example: postgresql://user:password@host:5432/name")
    # Without it a page would hang for minutes where the database's host is gone.
    parsed["OPTIONS"] = {"connect_timeout": 5, **parsed.get("OPTIONS", {})}
    return {**parsed}


def _split(name: str, url: str) -> SplitResult:
    try:
        return urlsplit(url)
    except ValueError as problem:
        raise refuse(name, f"not a URL ({problem}).") from None


def env_redis(name: str) -> str:
    url = os.environ.get(name, "").strip()
    if url and _split(name, url).scheme not in {"redis", "rediss", "unix"}:
        raise refuse(name, "write redis://host:6379/0 (or rediss:// for TLS, unix:///path for a socket).")
    return url


def env_command(name: str) -> list[str]:
    """A program with its arguments, as a shell would read them; it must be there. Empty when none is set."""
    try:
        words = shlex.split(os.environ.get(name, ""))
    except ValueError as problem:
        raise refuse(name, f"{problem}.") from None
    if words and shutil.which(words[0]) is None:
        raise refuse(name, "there is no such program.")
    return words


def env_short(name: str, most: int, *, secret: bool = False) -> str:
    """A value of at most `most` printable ASCII characters; a secret is not repeated in the refusal."""
    text = os.environ.get(name, "")
    if len(text) > most or not text.isascii() or (text and not text.isprintable()):
        why = f"at most {most} ASCII characters."
        raise SystemExit(f"{name}: {why}") if secret else refuse(name, why)
    return text


HOLES = {"to", "from", "text", "key"}


def env_gateway(name: str, *, production: bool) -> str:
    """The address of an SMS gateway; `{to}`, `{from}` and `{key}` may stand in its path. Empty when there is none."""
    url = os.environ.get(name, "").strip()
    if not url:
        return ""
    parts = _split(name, url)
    here = parts.hostname in {"localhost", "127.0.0.1", "::1"}
    try:
        parts.port  # noqa: B018 - asking is what checks it
    except ValueError:
        raise refuse(name, "a port is a number from 1 to 65535.") from None
    if not parts.hostname or parts.scheme not in {"http", "https"}:
        raise refuse(name, "write https://host/path.")
    if production and parts.scheme == "http" and not here:
        raise refuse(name, "production speaks https to the gateway: texts and the token must not be readable.")
    if "@" in parts.netloc or "{" in parts.netloc:
        raise refuse(name, "the host is written out, and the token belongs into SMS_HTTP_TOKEN.")
    if not set(re.findall(r"\{(.*?)\}", url)) <= HOLES - {"text"}:
        raise refuse(name, "only {to}, {from} and {key} can be filled in; the text belongs into SMS_HTTP_BODY.")
    return url


def env_gateway_body(name: str, default: str) -> str:
    """A JSON object whose texts hold `{to}` and `{text}`, and may hold `{from}` and `{key}`."""
    text = os.environ.get(name, "").strip() or default
    try:
        good = isinstance(json.loads(text), dict)
    except ValueError:
        good = False
    holes = set(re.findall(r"\{(\w+)\}", text))
    if not good or not {"to", "text"} <= holes <= HOLES:
        raise refuse(
            name, 'write a JSON object such as {"to": "{to}", "text": "{text}"}; {from} and {key} can be filled in too.'
        )
    return text


def secret(name: str, path: Path, *, kind: str = "text", required: bool = False) -> str:
    """A secret from the environment, else from a private file made on the first run.

    Production must name it: a key that a container makes for itself dies with the container, and the data with it.
    """
    value = os.environ.get(name, "").strip()
    if not value and required:
        raise SystemExit(f"{name} is not set. Production does not invent secrets: see docs/operations.md, Keys.")
    if not value:
        if not path.exists():
            _make_secret(path, kind)
        value = path.read_text().strip()
    keys = {"text": [], "key": [value], "ring": [entry.partition(":")[2] for entry in value.split(",")]}[kind]
    if not all(_is_key(key) for key in keys):
        form = {"key": "32 bytes in base64", "ring": "id:32 bytes in base64, several separated by commas"}[kind]
        raise SystemExit(f"{name} is not {form}. See docs/operations.md, Keys.")  # a secret is not repeated here
    return value


def _is_key(text: str) -> bool:
    try:
        return len(base64.b64decode(text, validate=True)) == 32
    except ValueError:
        return False


def _make_secret(path: Path, kind: str) -> None:
    path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
    fresh = base64.b64encode(secrets.token_bytes(32)).decode()
    text = {"text": secrets.token_urlsafe(50), "key": fresh, "ring": f"k1:{fresh}"}[kind]
    handle, draft = tempfile.mkstemp(dir=path.parent)  # readable by its owner alone
    with os.fdopen(handle, "w") as file:
        file.write(text + "\n")
    try:
        os.link(draft, path)  # whole or not at all; another process of the same start may have been first
    except FileExistsError:
        return
    finally:
        os.unlink(draft)
    if kind == "ring":
        print(
            f"Made new encryption keys in {path.parent}. Back them up: without them no customer's data can be read.",
            file=sys.stderr,
        )

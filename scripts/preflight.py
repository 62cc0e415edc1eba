"""What would stop the start, said in one line each: the settings, the port, the database, the broker."""

import errno
import os
import socket
import sys
from contextlib import closing
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))
os.environ.setdefault("DJANGO_SETTINGS_MODULE", "servicecenter.settings.base")


def stop(line: object) -> None:
    sys.exit(" ".join(str(line).split()))


def port_is_free(host: str, port: int) -> None:
    with closing(socket.socket(socket.AF_INET6 if ":" in host else socket.AF_INET)) as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((host, port))
        except PermissionError:
            stop(f"PORT={port}: only root may open ports below 1024. Choose another: PORT={port + 8000} make run")
        except OSError as problem:
            if problem.errno == errno.EADDRNOTAVAIL:
                stop(f"BIND={host}: this machine has no such address.")
            stop(f"PORT={port} cannot be used ({problem.strerror.lower()}). Choose another: PORT={port + 1} make run")


def database_answers(settings: object) -> None:
    from django.db import OperationalError, connection

    try:
        connection.ensure_connection()
    except OperationalError as problem:
        stop(f"DATABASE_URL: the database does not answer ({problem}).")
    connection.close()


def redis_answers(url: str) -> None:
    import redis

    try:
        redis.Redis.from_url(url, socket_connect_timeout=3, socket_timeout=3).ping()
    except (redis.RedisError, OSError, ValueError) as problem:
        stop(f"REDIS_URL: Redis does not answer ({problem}).")


def main() -> None:
    import django

    django.setup()
    from django.conf import settings

    if "--no-port" not in sys.argv:
        port_is_free(settings.BIND, settings.PORT)
    database_answers(settings)
    if settings.REDIS_URL:
        redis_answers(settings.REDIS_URL)


main()

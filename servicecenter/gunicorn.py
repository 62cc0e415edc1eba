"""gunicorn's settings, from the environment: threads, because sync views under ASGI were 8 to 20 times slower here."""

import os
from pathlib import Path

from common.logs import plan
from servicecenter.settings.environment import env_bind, env_bool, env_choice, env_number, env_port

_host = env_bind("BIND", "127.0.0.1")
bind = f"{f'[{_host}]' if ':' in _host else _host}:{env_port('PORT', 8000)}"
worker_class = "gthread"
workers = env_number("WEB_WORKERS", 1)
threads = env_number("WEB_THREADS", 8)
timeout = 60
graceful_timeout = 10
keepalive = 5
# Without the query: people search by telephone number.
access_log_format = "%(m)s %(U)s %(s)s %(B)s bytes %(M)s ms"
accesslog = "-"
control_socket_disable = True
# A heartbeat file on a slow disk would get workers killed.
if Path("/dev/shm").is_dir():  # nosec B108
    worker_tmp_dir = "/dev/shm"  # nosec B108
_format = env_choice("LOG_FORMAT", ["json", "text"], "json" if env_bool("PRODUCTION", False) else "text")
logconfig_dict = plan({"format": _format, "level": os.environ.get("LOG_LEVEL", "INFO")})

"""Settings, read from the environment; safe defaults, and a clear stop on nonsense.

Production is this module plus environment variables (docs/operations.md lists them).
"""

from __future__ import annotations

import os
import re
import sys
from pathlib import Path

from .environment import (
    env_bind,
    env_bool,
    env_choice,
    env_command,
    env_database,
    env_folder,
    env_gateway,
    env_gateway_body,
    env_hosts,
    env_number,
    env_origins,
    env_port,
    env_redis,
    env_seconds,
    env_sender,
    env_short,
    env_url,
    secret,
)

BASE_DIR = Path(__file__).resolve().parent.parent.parent
VAR_DIR = env_folder("SERVICECENTER_VAR", BASE_DIR / "var")

DEMO = env_bool("DEMO", False)
DEBUG = env_bool("DEBUG", False)
PRODUCTION = env_bool("PRODUCTION", False)
for _name, _on in (("DEMO", DEMO), ("DEBUG", DEBUG)):
    if PRODUCTION and _on:
        raise SystemExit(
            f"{_name}=1 and PRODUCTION=1: choose one; the demo's passwords and error pages are for nobody."
        )
PORT, BIND = env_port("PORT", 8000), env_bind("BIND", "127.0.0.1")
# gunicorn and scripts/serve read these four themselves; here they are refused before anything starts.
WEB_WORKERS, WEB_THREADS = env_number("WEB_WORKERS", 1), env_number("WEB_THREADS", 8)
SWEEP_CHILDREN, DELIVER_CHILDREN = env_number("SWEEP_CHILDREN", 1), env_number("DELIVER_CHILDREN", 2)

SECRET_KEY = secret("SECRET_KEY", VAR_DIR / "keys" / "secret_key", required=PRODUCTION)
ALLOWED_HOSTS = env_hosts("ALLOWED_HOSTS", [] if PRODUCTION else ["localhost", "127.0.0.1", "[::1]", "testserver"])
CSRF_TRUSTED_ORIGINS = env_origins("CSRF_TRUSTED_ORIGINS")
# How many proxies of ours stand before web and add to X-Forwarded-For; limits by address need the caller's.
PROXIES = env_number("PROXIES", 1 if PRODUCTION else 0, least=0)
# Where customers reach us: what links in messages begin with.
_HOST = next((host.lstrip(".") for host in ALLOWED_HOSTS if host != "*"), "" if PRODUCTION else "localhost")
if PRODUCTION and not ALLOWED_HOSTS:
    raise SystemExit("ALLOWED_HOSTS is not set. Production answers under its own names only: service.example.com")
if not _HOST and not os.environ.get("PUBLIC_URL", "").strip():
    raise SystemExit("PUBLIC_URL is not set, and ALLOWED_HOSTS names no host that links in messages could begin with.")
PUBLIC_URL = env_url("PUBLIC_URL", f"https://{_HOST}" if PRODUCTION else f"http://localhost:{PORT}")

INSTALLED_APPS = [
    "django.contrib.auth",
    "django.contrib.contenttypes",
    "django.contrib.sessions",
    "django.contrib.messages",
    "whitenoise.runserver_nostatic",
    "django.contrib.staticfiles",
    "axes",
    "csp",
    "django_fsm",
    "django_htmx",
    "common",
    "staff",
    "customers",
    "cases",
    "notifications",
    "sla",
    "tickets",
    "appointments",
    "desk",
    "dashboards",
    "portal",
    "servicecenter",
]

MIDDLEWARE = [
    "common.middleware.RequestId",  # first, so that a redirect made below carries its own id
    "django.middleware.security.SecurityMiddleware",
    "whitenoise.middleware.WhiteNoiseMiddleware",
    "django.middleware.gzip.GZipMiddleware",
    "csp.middleware.CSPMiddleware",
    "django.contrib.sessions.middleware.SessionMiddleware",
    "django.middleware.common.CommonMiddleware",
    "django.middleware.csrf.CsrfViewMiddleware",
    "django.contrib.auth.middleware.AuthenticationMiddleware",
    "staff.middleware.PersonLanguage",
    "common.middleware.NoNulls",
    "django.contrib.messages.middleware.MessageMiddleware",
    "django.middleware.clickjacking.XFrameOptionsMiddleware",
    "django_htmx.middleware.HtmxMiddleware",
    "common.middleware.ServerTime",
    "axes.middleware.AxesMiddleware",
]

ROOT_URLCONF = "servicecenter.urls"
WSGI_APPLICATION = "servicecenter.wsgi.application"

TEMPLATES = [
    {
        "BACKEND": "django.template.backends.django.DjangoTemplates",
        "DIRS": [BASE_DIR / "templates"],
        "APP_DIRS": True,
        "OPTIONS": {
            "context_processors": [
                "django.template.context_processors.request",
                "django.template.context_processors.i18n",
                "django.contrib.auth.context_processors.auth",
                "django.contrib.messages.context_processors.messages",
                "common.context.page",
            ],
            "builtins": ["common.templatetags.ui"],
        },
    }
]

DATABASES = {"default": env_database("DATABASE_URL", VAR_DIR / "servicecenter.sqlite3")}
DEFAULT_AUTO_FIELD = "django.db.models.BigAutoField"
EMBEDDED = DATABASES["default"]["ENGINE"].endswith("sqlite3")

REDIS_URL = env_redis("REDIS_URL")
if REDIS_URL:
    CACHES = {
        "default": {
            "BACKEND": "django.core.cache.backends.redis.RedisCache",
            "LOCATION": REDIS_URL,
            # The change feed asks it every few seconds and goes on without: one that does not answer holds nobody up.
            "OPTIONS": {"socket_timeout": 1.0, "socket_connect_timeout": 1.0},
        }
    }
else:
    CACHES = {"default": {"BACKEND": "django.core.cache.backends.db.DatabaseCache", "LOCATION": "servicecenter_cache"}}

AUTH_USER_MODEL = "staff.User"
AUTHENTICATION_BACKENDS = ["axes.backends.AxesStandaloneBackend", "django.contrib.auth.backends.ModelBackend"]
PASSWORD_HASHERS = [
    "django.contrib.auth.hashers.Argon2PasswordHasher",
    "django.contrib.auth.hashers.PBKDF2PasswordHasher",
]
AUTH_PASSWORD_VALIDATORS = [
    {"NAME": "django.contrib.auth.password_validation.UserAttributeSimilarityValidator"},
    {"NAME": "django.contrib.auth.password_validation.MinimumLengthValidator", "OPTIONS": {"min_length": 10}},
    {"NAME": "django.contrib.auth.password_validation.CommonPasswordValidator"},
    {"NAME": "django.contrib.auth.password_validation.NumericPasswordValidator"},
]
LOGIN_URL = "/sign-in/"
LOGIN_REDIRECT_URL = "/desk/"
LOGOUT_REDIRECT_URL = "/sign-in/"
CSRF_FAILURE_VIEW = "common.views.csrf_failure"
SESSION_COOKIE_AGE = 12 * 3600
SESSION_COOKIE_HTTPONLY = True
SESSION_COOKIE_SAMESITE = "Lax"
AXES_FAILURE_LIMIT = 5
AXES_COOLOFF_TIME = 0.25
AXES_LOCKOUT_PARAMETERS = [["username", "ip_address"]]
AXES_RESET_ON_SUCCESS = True
AXES_LOCKOUT_CALLABLE = "staff.views.locked_out"
AXES_VERBOSE = False
# Without axes' own access log a sign-in writes one row less; our own log line carries the same fact.
AXES_DISABLE_ACCESS_LOG = True

LANGUAGE_CODE = "zh-hans"
LANGUAGES = [("zh-hans", "中文"), ("en", "English")]
LOCALE_PATHS = [BASE_DIR / "locale"]
USE_I18N = True
TIME_ZONE = "Asia/Shanghai"
USE_TZ = True

STATIC_URL = "/static/"
STATIC_ROOT = VAR_DIR / "static"
GENERATED_DIR = VAR_DIR / "generated"
STATICFILES_DIRS = [GENERATED_DIR] if GENERATED_DIR.is_dir() else []
STORAGES = {
    "default": {"BACKEND": "django.core.files.storage.FileSystemStorage"},
    "staticfiles": {"BACKEND": "whitenoise.storage.CompressedManifestStaticFilesStorage"},
    # Files of cases. No address leads there; cases.attachments says what is taken in.
    "attachments": {
        "BACKEND": "django.core.files.storage.FileSystemStorage",
        "OPTIONS": {
            "location": VAR_DIR / "attachments",
            "file_permissions_mode": 0o600,
            "directory_permissions_mode": 0o700,
        },
    },
}
ATTACHMENT_MAX_BYTES = env_number("ATTACHMENT_MAX_MB", 10) * 1024 * 1024
ATTACHMENTS_PER_CASE = env_number("ATTACHMENTS_PER_CASE", 20)
ATTACHMENT_SCANNER = env_command("ATTACHMENT_SCANNER")
WHITENOISE_MAX_AGE = 31536000 if PRODUCTION else 60

CONTENT_SECURITY_POLICY = {
    "DIRECTIVES": {
        "default-src": ["'none'"],
        "script-src": ["'self'"],
        "style-src": ["'self'"],
        "img-src": ["'self'"],
        "font-src": ["'self'"],
        "connect-src": ["'self'"],
        "form-action": ["'self'"],
        "frame-ancestors": ["'none'"],
        "base-uri": ["'none'"],
    }
}
X_FRAME_OPTIONS = "DENY"
SECURE_CONTENT_TYPE_NOSNIFF = True
SECURE_REFERRER_POLICY = "same-origin"
if PRODUCTION:
    SECURE_SSL_REDIRECT = env_bool("SSL_REDIRECT", True)
    SECURE_PROXY_SSL_HEADER = ("HTTP_X_FORWARDED_PROTO", "https")
    SECURE_REDIRECT_EXEMPT = [r"^healthz$", r"^metrics$"]
    SECURE_HSTS_SECONDS = 31536000
    SECURE_HSTS_INCLUDE_SUBDOMAINS = True
    SECURE_HSTS_PRELOAD = True
    SESSION_COOKIE_SECURE = True
    CSRF_COOKIE_SECURE = True

# Field encryption (architecture.md §7): a ring of `id:base64key`, newest first, and one key for the blind indexes.
FIELD_KEYS = secret("FIELD_KEYS", VAR_DIR / "keys" / "field_keys", kind="ring", required=PRODUCTION)
INDEX_KEY = secret("INDEX_KEY", VAR_DIR / "keys" / "index_key", kind="key", required=PRODUCTION)

# --- e-mail -----------------------------------------------------------------------------------------------------
EMAIL_HOST = os.environ.get("EMAIL_HOST", "")
EMAIL_PORT = env_port("EMAIL_PORT", 25)
EMAIL_HOST_USER = os.environ.get("EMAIL_HOST_USER", "")
EMAIL_HOST_PASSWORD = os.environ.get("EMAIL_HOST_PASSWORD", "")
EMAIL_USE_TLS = env_bool("EMAIL_USE_TLS", False)
EMAIL_TIMEOUT = 20
DEFAULT_FROM_EMAIL = env_sender("EMAIL_FROM", "service@localhost")

# --- SMS: through SMPP or through a gateway that takes JSON, one of the two -----------------------------------------
SMS_SENDER = env_short("SMS_SENDER", 20)
SMS_TIMEOUT = env_seconds("SMS_TIMEOUT", 10.0)
SMS_HTTP_URL = env_gateway("SMS_HTTP_URL", production=PRODUCTION)
SMS_HTTP_TOKEN = os.environ.get("SMS_HTTP_TOKEN", "")
SMS_HTTP_BODY = env_gateway_body("SMS_HTTP_BODY", '{"to": "{to}", "from": "{from}", "text": "{text}"}')
SMS_HTTP_ID = os.environ.get("SMS_HTTP_ID", "") or "id"
SMPP_HOST = os.environ.get("SMPP_HOST", "")
SMPP_PORT = env_port("SMPP_PORT", 2775)
SMPP_TLS = env_bool("SMPP_TLS", False)
# More would be cut off in silence: SMPP 3.4 has room for no more.
SMPP_SYSTEM_ID = env_short("SMPP_SYSTEM_ID", 15)
SMPP_PASSWORD = env_short("SMPP_PASSWORD", 8, secret=True)
SMPP_SYSTEM_TYPE = env_short("SMPP_SYSTEM_TYPE", 12)
# Whether `scripts/serve sms` runs beside the others and brings in what people send.
SMPP_RECEIVE = env_bool("SMPP_RECEIVE", False)
# The secret a gateway signs POST /inbound/sms/ with; without one that address does not exist.
SMS_INBOUND_SECRET = os.environ.get("SMS_INBOUND_SECRET", "")
SMS_INBOUND_PER_HOUR = env_number("SMS_INBOUND_PER_HOUR", 10)
if SMS_INBOUND_SECRET and len(SMS_INBOUND_SECRET) < 16:
    raise SystemExit("SMS_INBOUND_SECRET: at least 16 characters; anybody could guess a shorter one.")
if SMPP_RECEIVE and not SMPP_HOST:
    raise SystemExit("SMPP_RECEIVE=1 needs SMPP_HOST.")
if SMPP_HOST and SMS_HTTP_URL:
    raise SystemExit("SMPP_HOST and SMS_HTTP_URL are both set: choose one way for SMS.")
if SMPP_HOST and not SMPP_SYSTEM_ID:
    raise SystemExit("SMPP_SYSTEM_ID is not set; SMPP_HOST needs it.")

# Which adapter carries which channel; without a server or gateway everything is read on /dev/outbox/ instead.
_SMS = "sms_smpp" if SMPP_HOST else "sms_http" if SMS_HTTP_URL else "none" if PRODUCTION else "development"
NOTIFICATION_ADAPTERS = {
    "email": "notifications.adapters.smtp" if EMAIL_HOST else "notifications.adapters.development",
    "sms": f"notifications.adapters.{_SMS}",
}

# --- Celery: only the pump; every promise is a row (architecture.md §4) -------------------------------------------
# kombu has its own word for what the cache calls unix://.
CELERY_BROKER_URL = REDIS_URL.replace("unix://", "redis+socket://", 1) or "files://localhost"
CELERY_TASK_ACKS_LATE = True
CELERY_TASK_REJECT_ON_WORKER_LOST = True
CELERY_WORKER_PREFETCH_MULTIPLIER = 1
CELERY_TASK_IGNORE_RESULT = True
CELERY_BROKER_CONNECTION_RETRY_ON_STARTUP = True
CELERY_BROKER_CONNECTION_MAX_RETRIES = None  # a broker may be away for a night
CELERY_TIMEZONE = "UTC"
CELERY_WORKER_HIJACK_ROOT_LOGGER = False
CELERY_TASK_ALWAYS_EAGER = False
CELERY_TASK_DEFAULT_QUEUE = "default"
CELERY_TASK_ROUTES = {
    "sla.tasks.*": {"queue": "sweep"},
    "notifications.tasks.*": {"queue": "deliver"},
}
REDIS_TRANSPORT = {
    "visibility_timeout": 900,
    "unacked_restore_interval": 10,
    "unacked_restore_throttle": 1,
    "socket_connect_timeout": 2,
    "socket_timeout": 10,
    # Whoever sends while Redis is out gives up at once, or each message that a page queues would hold it for 6 s: the
    # rows are there, and a sweep finds them.
    "max_retries": 1,
    "interval_start": 0.1,
    "interval_step": 0.1,
    "interval_max": 0.1,
}
if REDIS_URL:
    CELERY_BROKER_TRANSPORT_OPTIONS = REDIS_TRANSPORT
else:
    _QUEUE = VAR_DIR / "queue"
    CELERY_BROKER_TRANSPORT_OPTIONS = {
        "data_folder_in": str(_QUEUE / "messages"),
        "data_folder_out": str(_QUEUE / "messages"),
        "control_folder": str(_QUEUE / "control"),
        "processed_folder": str(_QUEUE / "processed"),
        "store_processed": False,
        "polling_interval": 0.3,
    }
    if "pytest" not in sys.modules:
        for _folder in ("messages", "control", "processed"):
            (_QUEUE / _folder).mkdir(parents=True, exist_ok=True)

SWEEP_SECONDS = env_seconds("SWEEP_SECONDS", 2.0)
# On SQLite one writer holds the whole database: smaller batches and a breath between them (architecture.md §4).
SWEEP_BATCH = 100 if EMBEDDED else 200
SWEEP_BREATH_SECONDS = 0.12 if EMBEDDED else 0.0

# /metrics asks for this bearer token; production without one answers 404 there.
METRICS_TOKEN = os.environ.get("METRICS_TOKEN", "")

LOG_FORMAT = env_choice("LOG_FORMAT", ["json", "text"], "json" if PRODUCTION else "text")
LOG_LEVEL = env_choice("LOG_LEVEL", ["DEBUG", "INFO", "WARNING", "ERROR"], "INFO")
LOGGING_CONFIG = "common.logs.configure"
LOGGING = {"format": LOG_FORMAT, "level": LOG_LEVEL}

SERVICE_NAME = {
    "zh-hans": os.environ.get("SERVICE_NAME_ZH", "客户服务中心"),
    "en": os.environ.get("SERVICE_NAME_EN", "Service Center"),
}
# When the telephone is answered, as a sentence of its own in each language.
SERVICE_HOURS = {
    "zh-hans": os.environ.get("SERVICE_HOURS_ZH", "24 小时有人接听。" if DEMO else ""),
    "en": os.environ.get("SERVICE_HOURS_EN", "Answered 24 hours a day." if DEMO else ""),
}
# The demonstration has a number that nobody can have, so that its pages are whole.
SERVICE_PHONE = os.environ.get("SERVICE_PHONE", "400-000-0000" if DEMO else "")
if SERVICE_PHONE and not re.fullmatch(r"[\d+ -]{3,20}", SERVICE_PHONE):
    raise SystemExit(f"SERVICE_PHONE={SERVICE_PHONE!r} is not a telephone number.")
# How a technician's phone opens the way to a customer: the phone's own map app, or a map on the web.
NAVIGATION_URL = os.environ.get("NAVIGATION_URL", "")
if NAVIGATION_URL and not re.fullmatch(r"(https://|geo:)[^\s\"'<>]*\{address\}[^\s\"'<>]*", NAVIGATION_URL):
    raise SystemExit(f"NAVIGATION_URL={NAVIGATION_URL!r} is no https: or geo: address with {{address}} in it.")
SILENCED_SYSTEM_CHECKS: list[str] = []

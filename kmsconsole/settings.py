"""Django settings, those of an installation from its environment (kmsconsole.installation.environment). Nothing is written on import but the
data folder and the console's own signing secret, both only if they are missing."""

from __future__ import annotations

import math
from datetime import timedelta

import dj_database_url
from csp.constants import NONE, SELF
from django.urls import reverse_lazy
from django.utils.translation import gettext_lazy

from kmsconsole import resources
from kmsconsole.installation import environment, root_secret
from kmsconsole.installation.datafolder import console_secret

RESOURCES = resources.folder()
KMSCONSOLE = environment.read()
DATA = KMSCONSOLE.data
BACKEND = KMSCONSOLE.backend
# Where connections to other endpoints may go (engine.outbound).
PRIVATE_ENDPOINTS, ENDPOINT_NETWORKS = KMSCONSOLE.endpoints
# How proxies of external key stores are reached (engine.xks.connection).
XKS_PROXIES, XKS_CA_BUNDLE = KMSCONSOLE.xks_proxies, KMSCONSOLE.xks_ca_bundle
XKS_CLIENT_CERTIFICATE, XKS_SECONDS = KMSCONSOLE.xks_client_certificate, KMSCONSOLE.xks_seconds

PUBLIC_LOG = KMSCONSOLE.public_log  # whether anybody is told checkpoints (kmsconsole.server.public_log)
WITNESSES = KMSCONSOLE.witnesses  # who cosigns checkpoints of the audit trail (engine.trail.witnesses)

# The root key's providers (engine.vault.root_providers): where they are, and who is asked for passphrases, PINs and shares.
ROOT_TOKEN_MODULE, ROOT_KMS_ENDPOINT = KMSCONSOLE.root_token_module, KMSCONSOLE.root_kms_endpoint
ROOT_SECRET = root_secret.ask
ROOT_PASSPHRASE_COST = {"iterations": 3, "lanes": 4, "memoryKiB": 256 << 10}  # Argon2id (RFC 9106) of a new passphrase

SECRET_KEY = console_secret(DATA)
DEBUG = False
ALLOWED_HOSTS = list(KMSCONSOLE.allowed_hosts) or ["localhost", "127.0.0.1", "[::1]", KMSCONSOLE.listen.url_host]

INSTALLED_APPS = [
    "django.contrib.contenttypes",
    "django.contrib.sessions",
    "django.contrib.messages",
    "django.contrib.humanize",
    "django.contrib.staticfiles",
    "django_htmx",
    "heroicons",
    "engine.store",
    "engine.vault",
    "engine.iam",
    "engine.kms",
    "engine.trail",
    "kmsconsole",
    "keys",
    "principals",
    "audit",
    "learn",
]

MIDDLEWARE = [
    "django.middleware.security.SecurityMiddleware",
    "django.middleware.gzip.GZipMiddleware",  # pages and static files; CSRF tokens are masked and lengths blurred against BREACH
    "whitenoise.middleware.WhiteNoiseMiddleware",
    "csp.middleware.CSPMiddleware",
    "kmsconsole.frame.cookies.CookieMiddleware",
    "django.contrib.sessions.middleware.SessionMiddleware",
    "django.middleware.locale.LocaleMiddleware",
    "django.middleware.common.CommonMiddleware",
    "django.middleware.csrf.CsrfViewMiddleware",
    "kmsconsole.frame.middleware.MessagesToldMiddleware",
    "django.contrib.messages.middleware.MessageMiddleware",
    "django.middleware.clickjacking.XFrameOptionsMiddleware",
    "django_htmx.middleware.HtmxMiddleware",
    "kmsconsole.frame.middleware.TimeZoneMiddleware",
    "kmsconsole.frame.middleware.MethodNotAllowedMiddleware",
    "principals.middleware.SignedInMiddleware",
    "kmsconsole.frame.middleware.NoNulMiddleware",
    "kmsconsole.frame.middleware.AsOfMiddleware",
    "kmsconsole.frame.middleware.EndpointMiddleware",
]

ROOT_URLCONF = "kmsconsole.urls"
WSGI_APPLICATION = "kmsconsole.server.wsgi.application"
TEMPLATES = [
    {
        "BACKEND": "django.template.backends.django.DjangoTemplates",
        "DIRS": [RESOURCES / "templates"],
        "APP_DIRS": False,
        "OPTIONS": {
            "context_processors": [
                "django.template.context_processors.request",
                "django.template.context_processors.i18n",
                "django.contrib.messages.context_processors.messages",
                "kmsconsole.frame.context.frame",
            ],
            "builtins": [
                "kmsconsole.templatetags.ui",
                "keys.templatetags.access",
                "keys.templatetags.permissions",
                "keys.templatetags.record",
                "keys.templatetags.key_cells",
                "keys.templatetags.untold",
            ],
            "loaders": [
                (
                    "django.template.loaders.cached.Loader",
                    ["django.template.loaders.filesystem.Loader", "django.template.loaders.app_directories.Loader"],
                )
            ],
        },
    }
]

DATABASE_TIMEOUT = KMSCONSOLE.database_timeout
try:
    DATABASES = {
        "default": dj_database_url.parse(
            KMSCONSOLE.database_url or f"sqlite:///{DATA / 'kmsconsole.sqlite3'}", conn_max_age=None
        )
    }
except ValueError as reason:
    raise environment.SettingError(f"KMSCONSOLE_DATABASE_URL is not a database URL: {reason}") from reason
if DATABASES["default"]["ENGINE"].endswith("sqlite3"):
    # Writers stand in line and take the lock at once, and an answered change survives power loss (synchronous=FULL).
    DATABASES["default"]["ENGINE"] = "engine.store.sqlite"
    DATABASES["default"]["OPTIONS"] = {
        "transaction_mode": "IMMEDIATE",
        "timeout": DATABASE_TIMEOUT,
        "init_command": "PRAGMA journal_mode=WAL; PRAGMA synchronous=FULL; PRAGMA foreign_keys=ON;",
    }
elif DATABASES["default"]["ENGINE"] == "django.db.backends.postgresql":
    DATABASES["default"]["ENGINE"] = "engine.store.postgresql"
    DATABASES["default"]["OPTIONS"] = {
        "connect_timeout": math.ceil(DATABASE_TIMEOUT),
        "options": "-c synchronous_commit=on",
        **DATABASES["default"].get("OPTIONS", {}),
    }
else:
    raise environment.SettingError("KMSCONSOLE_DATABASE_URL must name SQLite (sqlite://) or PostgreSQL (postgres://)")

SESSION_HOURS = KMSCONSOLE.session_hours
LOOK_UP_THUMBPRINTS = KMSCONSOLE.look_up_thumbprints
SESSION_IDLE = timedelta(minutes=KMSCONSOLE.session_idle_minutes) if KMSCONSOLE.session_idle_minutes else None
SESSION_ENGINE = "kmsconsole.frame.sessions"
SESSION_COOKIE_AGE = SESSION_HOURS * 3600
# Behind a proxy that speaks TLS, browsers know this address: their forms come from it, and cookies go over TLS alone.
PUBLIC_URL = KMSCONSOLE.public_url
CSRF_TRUSTED_ORIGINS = [PUBLIC_URL] if PUBLIC_URL else []
SESSION_COOKIE_SECURE = CSRF_COOKIE_SECURE = PUBLIC_URL.startswith("https://")
SESSION_COOKIE_HTTPONLY = True
SESSION_COOKIE_SAMESITE = "Lax"
SESSION_SAVE_EVERY_REQUEST = False
CSRF_COOKIE_HTTPONLY = True
CSRF_COOKIE_SAMESITE = "Lax"
CSRF_FAILURE_VIEW = "kmsconsole.frame.views.csrf_failure"
MESSAGE_STORAGE = "django.contrib.messages.storage.session.SessionStorage"
PASSWORD_HASHERS = ["engine.iam.password_hasher.Scrypt"]
X_FRAME_OPTIONS = "DENY"
SECURE_REFERRER_POLICY = "same-origin"
CONTENT_SECURITY_POLICY = {
    "DIRECTIVES": {
        "default-src": [SELF],
        "base-uri": [NONE],
        "form-action": [SELF],
        "frame-ancestors": [NONE],
        "img-src": [SELF, "data:"],
        "object-src": [NONE],
    }
}
LOGIN_URL = reverse_lazy("sign-in")
DEFAULT_REGION = "us-east-1"

LANGUAGE_CODE = "en"
LANGUAGES = [("en", gettext_lazy("English")), ("de", gettext_lazy("German"))]
LANGUAGE_COOKIE_NAME = "language"
LANGUAGE_COOKIE_SAMESITE = "Lax"
USE_I18N = True
USE_TZ = True
TIME_ZONE = "UTC"
LOCALE_PATHS = [RESOURCES / "locale"]
DEFAULT_AUTO_FIELD = "django.db.models.BigAutoField"

# The version is in the address, so browsers keep static files for good, and what files import from beside them has it too.
STATIC_URL = f"/static/{resources.static_version()}/"
WHITENOISE_IMMUTABLE_FILE_TEST = r"^/static/"
STATICFILES_DIRS = [RESOURCES / "static"]
WHITENOISE_USE_FINDERS = True
WHITENOISE_AUTOREFRESH = False

QUOTAS = KMSCONSOLE.quotas  # request quotas (engine.throttling)
EMAIL_HOST, EMAIL_PORT = KMSCONSOLE.smtp_url.host, KMSCONSOLE.smtp_url.port
EMAIL_HOST_USER, EMAIL_HOST_PASSWORD = KMSCONSOLE.smtp_url.user, KMSCONSOLE.smtp_url.password
EMAIL_USE_TLS, EMAIL_USE_SSL = KMSCONSOLE.smtp_url.security == "starttls", KMSCONSOLE.smtp_url.security == "tls"
EMAIL_TIMEOUT, DEFAULT_FROM_EMAIL = 10, KMSCONSOLE.mail_from
SINKS = KMSCONSOLE.sinks  # what the record is streamed to
METRICS_TOKEN = KMSCONSOLE.metrics_token  # without one, /metrics answers this machine only

LOG = KMSCONSOLE.log  # "text" or "json" (one object a line), with "requests" for a line for each AWS request
LOGGING = {
    "version": 1,
    "disable_existing_loggers": False,
    "formatters": {
        "text": {"format": "%(asctime)s %(levelname)s %(name)s %(message)s"},
        "json": {"()": "kmsconsole.server.logs.JsonFormatter"},
    },
    "handlers": {"stderr": {"class": "logging.StreamHandler", "formatter": "json" if "json" in LOG else "text"}},
    "root": {"handlers": ["stderr"], "level": "WARNING"},
    "loggers": {
        "engine.access": {"level": "INFO" if "requests" in LOG else "WARNING"},
        # What whoever connects can bring about (a wrong Host, an address that is none, a forged form) leaves no line: a log that
        # strangers write fills the disk. What fails within still does.
        "django.request": {"level": "ERROR"},
        "django.security": {"level": "CRITICAL"},
    },
}

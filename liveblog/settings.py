"""Django settings. README lists those that are read from the environment."""

from datetime import timedelta
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import dj_database_url
from csp.constants import NONE, SELF
from django.core.exceptions import ImproperlyConfigured

from entries.database import timeouts
from liveblog import environment

_PACKAGE = Path(__file__).resolve().parent
_IS_CHECKOUT = (_PACKAGE.parent / "manage.py").is_file()
# Contains templates/, static/ and locale/, which a wheel has inside the package.
BASE_DIR = _PACKAGE.parent if _IS_CHECKOUT else _PACKAGE
DATA_DIR = environment.folder(
    "DATA_DIR", (BASE_DIR if _IS_CHECKOUT else Path.cwd()) / "var"
)
environment.make_private_folder(DATA_DIR)
IMAGES_DIR = DATA_DIR / "pictures"
SECRET_KEY_FILE = DATA_DIR / "secret-key"
SITE_URL_FILE = DATA_DIR / "site-url"  # written by `demo` and `serve`

DEBUG = environment.flag("DEBUG", default=False)
SITE_NAME = environment.name("SITE_NAME", "Liveblog")
SITE_URL = environment.base_url(
    "SITE_URL", environment.stored_line(SITE_URL_FILE) or "http://127.0.0.1:8000"
)
CONTACT = environment.contact("CONTACT")
IMPRINT_FILE = environment.text("IMPRINT_FILE")
# Sites whose videos and posts readers can load; see `entries.text.media`.
MASTODON_HOSTS = environment.hosts("MASTODON_HOSTS")
MEDIA_PROVIDERS = environment.contents("MEDIA_PROVIDERS_FILE")
_site = urlsplit(SITE_URL)
_loopback = _site.hostname in ("127.0.0.1", "localhost", "::1")
_https = _site.scheme == "https"

# Empty until `demo` creates one. `serve` refuses to start without it, and Django raises
# an error when it is used.
SECRET_KEY = environment.text("SECRET_KEY") or environment.stored_line(SECRET_KEY_FILE)
ALLOWED_HOSTS = environment.comma_separated(
    "ALLOWED_HOSTS", f"{_site.hostname},127.0.0.1,localhost,[::1]"
)
CSRF_TRUSTED_ORIGINS = environment.comma_separated("CSRF_TRUSTED_ORIGINS", SITE_URL)

INSTALLED_APPS = [
    "entries",
    "liveblog.apps.DeskConfig",
    "django.contrib.auth",
    "django.contrib.contenttypes",
    "django.contrib.sessions",
    "django.contrib.messages",
    "django.contrib.staticfiles",
    "axes",
    "csp",
    "django_htmx",
    "django_otp",
    "django_otp.plugins.otp_totp",
]
MIDDLEWARE = [
    "liveblog.middleware.request_ids",
    "liveblog.middleware.site_language",
    "liveblog.middleware.permissions_policy",
    "django.middleware.security.SecurityMiddleware",
    "csp.middleware.CSPMiddleware",
    "django.contrib.sessions.middleware.SessionMiddleware",
    "django.middleware.common.CommonMiddleware",
    "liveblog.middleware.DeskLanguage",
    "django.middleware.csrf.CsrfViewMiddleware",
    "django.contrib.auth.middleware.AuthenticationMiddleware",
    "django.contrib.messages.middleware.MessageMiddleware",
    "django.middleware.clickjacking.XFrameOptionsMiddleware",
    "django_htmx.middleware.HtmxMiddleware",
    "axes.middleware.AxesMiddleware",
]
ROOT_URLCONF = "liveblog.urls"
ASGI_APPLICATION = "liveblog.asgi.application"
DEFAULT_AUTO_FIELD = "django.db.models.BigAutoField"
TEMPLATES = [
    {
        "BACKEND": "django.template.backends.django.DjangoTemplates",
        "DIRS": [BASE_DIR / "templates"],
        "OPTIONS": {
            "loaders": [
                (
                    "django.template.loaders.cached.Loader",
                    [
                        "liveblog.templates.Loader",
                        "django.template.loaders.app_directories.Loader",
                    ],
                )
            ],
            "context_processors": [
                "django.template.context_processors.request",
                "django.contrib.auth.context_processors.auth",
                "django.contrib.messages.context_processors.messages",
            ],
        },
    },
]


def _database() -> dict[str, Any]:
    url = environment.text("DATABASE_URL", f"sqlite:///{DATA_DIR / 'liveblog.sqlite3'}")
    try:
        database: dict[str, Any] = dict(dj_database_url.parse(url))
    except (dj_database_url.ParseError, dj_database_url.UnknownSchemeError) as error:
        raise ImproperlyConfigured(
            "DATABASE_URL cannot be read: write "
            "postgres://user:password@host:5432/name or sqlite:////path/to/file."
        ) from error
    engine = str(database["ENGINE"]).rpartition(".")[2]
    options: dict[str, Any] = database.setdefault("OPTIONS", {})
    if engine == "sqlite3":
        database["CONN_MAX_AGE"] = None  # each thread keeps its connection
        # SQLite has no row locks; with IMMEDIATE, a verb waits when it begins.
        # With FULL, a committed update survives a power cut.
        options |= {
            "transaction_mode": "IMMEDIATE",
            "timeout": 20,
            "init_command": "PRAGMA journal_mode=WAL; PRAGMA synchronous=FULL;",
        }
    elif engine == "postgresql":
        # Give up waiting for a row lock after 20 seconds, as on SQLite.
        options.setdefault("options", "-c lock_timeout=20s")
        # These detect a lost network; a server that hangs is detected by
        # `entries.database.timeouts`.
        options.setdefault("keepalives_idle", 5)
        options.setdefault("keepalives_interval", 2)
        options.setdefault("keepalives_count", 3)
        options.setdefault("tcp_user_timeout", 10_000)  # milliseconds
        options.setdefault("connect_timeout", 5)
        if not database["NAME"]:
            raise ImproperlyConfigured(
                "DATABASE_URL names no database: write "
                "postgres://user:password@host:5432/name."
            )
        options["pool"] = {
            "min_size": 1,
            # One for each thread that uses the database (liveblog.pools and
            # entries.delivery.hub), so that pools do not wait for each other.
            "max_size": 20,
            "timeout": 5,  # seconds to wait for a connection
            "connection_class": timeouts.Connection,
            # Otherwise the back-off grows to the length of the outage.
            "reconnect_timeout": 1,
        }
        database["CONN_HEALTH_CHECKS"] = True
    else:
        raise ImproperlyConfigured(
            "DATABASE_URL names another database: use PostgreSQL or SQLite."
        )
    return database


DATABASES = {"default": _database()}

MAX_STREAMS = environment.number("MAX_STREAMS", 19_000, 0, 1_000_000)
# How long stale pages are served while the database is unreachable; 0 for never.
STALE_IF_ERROR_SECONDS = environment.number("STALE_IF_ERROR_SECONDS", 60, 0, 86_400)
# For live stories without updates; a series may have its own values.
QUIET_REMINDER_HOURS = environment.number("QUIET_REMINDER_HOURS", 3, 0, 8760)
MEDIA_MAX_MB = environment.number("MEDIA_MAX_MB", 100, 1, 500)
MEDIA_MAX_MINUTES = environment.number("MEDIA_MAX_MINUTES", 10, 1, 240)
QUIET_HOURS = environment.number("QUIET_HOURS", 12, 1, 8760)
QUIET_ACTION = environment.choice("QUIET_ACTION", "tell", "close")

# The languages that have a catalogue in locale/, named as their speakers name them.
LANGUAGES = [
    ("en", "English"),
    ("de", "Deutsch"),
    ("fr", "français"),
    ("es", "español"),
    ("pt-br", "português (Brasil)"),
    ("tr", "Türkçe"),
    ("ar", "العربية"),
    ("fa", "فارسی"),
    ("uk", "українська"),
    ("ru", "русский"),
    ("hi", "हिन्दी"),
    ("zh-hans", "简体中文"),
    ("ja", "日本語"),
]
# Those into which the desk is translated too, for people to choose from.
DESK_LANGUAGES = ("en", "de", "fr", "es", "ar")
# Of pages without a story, such as the front page, and of new accounts. A story's page
# is in the language of the story.
SITE_LANGUAGE = environment.choice("SITE_LANGUAGE", *(code for code, _ in LANGUAGES))
LANGUAGE_CODE = SITE_LANGUAGE
LOCALE_PATHS = [BASE_DIR / "locale"]
FORMAT_MODULE_PATH = "liveblog.formats"
TIME_ZONE = "UTC"
USE_I18N = True
USE_TZ = True

STATIC_URL = "/static/"
STATIC_ROOT = DATA_DIR / "static"
STATICFILES_DIRS = [BASE_DIR / "static"]
STORAGES = {
    "default": {"BACKEND": "django.core.files.storage.FileSystemStorage"},
    "staticfiles": {
        "BACKEND": "django.contrib.staticfiles.storage.StaticFilesStorage"
        if DEBUG
        else "liveblog.storage.Storage"
    },
}
MEDIA_ROOT = DATA_DIR / "uploads"
DATA_UPLOAD_MAX_MEMORY_SIZE = 2 * 1024 * 1024
DATA_UPLOAD_MAX_NUMBER_FIELDS = 20_000  # an image has 14; a text may have 1000 images
FILE_UPLOAD_PERMISSIONS = 0o640

LOGIN_URL = "admin:login"
LOGIN_REDIRECT_URL = "admin:index"
AUTHENTICATION_BACKENDS = [
    "axes.backends.AxesStandaloneBackend",
    "liveblog.accounts.ProfileBackend",
    # Of sessions that began before the one above: it signs nobody in.
    "django.contrib.auth.backends.ModelBackend",
]
PASSWORD_HASHERS = [
    "django.contrib.auth.hashers.Argon2PasswordHasher",
    "django.contrib.auth.hashers.PBKDF2PasswordHasher",
]
AUTH_PASSWORD_VALIDATORS = [
    {"NAME": f"django.contrib.auth.password_validation.{name}"}
    for name in (
        "UserAttributeSimilarityValidator",
        "MinimumLengthValidator",
        "CommonPasswordValidator",
        "NumericPasswordValidator",
    )
]
PASSWORD_RESET_TIMEOUT = 3600
# A username is locked only for the IP address that guessed, so that outsiders cannot
# lock out the newsroom.
AXES_LOCKOUT_PARAMETERS = [["username", "ip_address"]]
AXES_CLIENT_IP_CALLABLE = "liveblog.accounts.client_address"
AXES_FAILURE_LIMIT = 10
AXES_COOLOFF_TIME = timedelta(minutes=15)
AXES_RESET_ON_SUCCESS = True
AXES_LOCKOUT_TEMPLATE = "429.html"
AXES_DISABLE_ACCESS_LOG = True
AXES_VERBOSE = False
OTP_TOTP_ISSUER = SITE_NAME
OTP_ADMIN_HIDE_SENSITIVE_DATA = True

# Only the desk has cookies: public pages neither set nor receive any.
SESSION_COOKIE_NAME = "liveblog_session"
SESSION_COOKIE_PATH = CSRF_COOKIE_PATH = "/admin/"
SESSION_COOKIE_AGE = 3600 * environment.number("SESSION_HOURS", 16, 1, 24 * 90)
SESSION_COOKIE_SECURE = CSRF_COOKIE_SECURE = _https
CSRF_FAILURE_VIEW = "entries.public.errors.csrf_failure"
SECURE_SSL_REDIRECT = _https
SECURE_PROXY_SSL_HEADER = ("HTTP_X_FORWARDED_PROTO", "https") if _https else None
SECURE_HSTS_SECONDS = 31_536_000 if _https else 0
# Both affect every subdomain for a year, so they are opt-in.
SECURE_HSTS_INCLUDE_SUBDOMAINS = SECURE_HSTS_PRELOAD = environment.flag(
    "HSTS_PRELOAD", default=False
)
SECURE_REFERRER_POLICY = "strict-origin-when-cross-origin"
X_FRAME_OPTIONS = "DENY"
# A load balancer probes these over plain HTTP.
SECURE_REDIRECT_EXEMPT = [r"^healthz$", r"^readyz$", r"^metrics$"]
# A loopback address has no TLS, and HSTS preloading is opt-in.
SILENCED_SYSTEM_CHECKS = ["security.W005", "security.W021"] + (
    ["security.W004", "security.W008", "security.W012", "security.W016"]
    if _loopback and not _https
    else []
)
CONTENT_SECURITY_POLICY = {
    "DIRECTIVES": {
        "default-src": [SELF],
        "base-uri": [NONE],
        "form-action": [SELF],
        "frame-ancestors": [NONE],
        "object-src": [NONE],
    }
}

# Mail is sent for password resets only; without EMAIL_HOST they are turned off.
EMAIL_HOST = environment.text("EMAIL_HOST")
EMAIL_PORT = environment.number("EMAIL_PORT", 587, 1, 65_535)
EMAIL_HOST_USER = environment.text("EMAIL_HOST_USER")
EMAIL_HOST_PASSWORD = environment.text("EMAIL_HOST_PASSWORD")
EMAIL_USE_SSL = EMAIL_PORT == 465
EMAIL_USE_TLS = environment.flag("EMAIL_USE_TLS", default=not EMAIL_USE_SSL)
EMAIL_TIMEOUT = 10
DEFAULT_FROM_EMAIL = environment.text("EMAIL_FROM", f"newsroom@{_site.hostname}")
if EMAIL_USE_TLS and EMAIL_USE_SSL:
    raise ImproperlyConfigured(
        "Port 465 is TLS from the start: take EMAIL_USE_TLS out."
    )

LOG_FORMAT = environment.choice("LOG_FORMAT", "line", "json")
LOGGING = {
    "version": 1,
    "disable_existing_loggers": False,
    "formatters": {
        "line": {"()": "liveblog.logs.KeyValueFormatter"},
        "json": {"()": "liveblog.logs.JsonFormatter"},
    },
    "handlers": {
        "console": {"class": "logging.StreamHandler", "formatter": LOG_FORMAT}
    },
    "root": {"handlers": ["console"], "level": "INFO"},
    "loggers": {
        "axes": {"level": "WARNING"},
        "django.server": {"level": "WARNING"},
        # Scanners of IP addresses send any Host header.
        "django.security.DisallowedHost": {"level": "CRITICAL"},
    },
}

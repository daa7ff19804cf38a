"""What looks like a secret in an image's configuration is found, and what official images set is left alone (safety A16)."""

import base64
import json

from catalog.image.secrets import find_secrets

# Written in two parts, so that scanners of this repository do not find "leaked" tokens.
_JWT = ".".join(
    base64.urlsafe_b64encode(json.dumps(part).encode()).decode().rstrip("=") for part in ({"alg": "HS256"}, {"sub": "1"}, {})
)
SEEDED = {
    "DB_PASSWORD": "hunter2",
    "POSTGRES_PASSWORD": "x",
    "MYSQL_ROOT_PASSWORD": "x",
    "PGPASSWORD": "x",
    "REDIS_PASS": "x",
    "ADMIN_PASSWD": "x",
    "KEY_PASSPHRASE": "x",
    "SECRET": "x",
    "DJANGO_SECRET_KEY": "x",
    "CLIENT_SECRET": "x",
    "APP_SECRETS": "x",
    "GITHUB_TOKEN": "x",
    "ACCESS_TOKEN": "x",
    "SLACK_BOT_TOKEN": "x",
    "NPM_TOKEN": "x",
    "API_KEY": "x",
    "APIKEY": "x",
    "STRIPE_API_KEY": "x",
    "AWS_SECRET_ACCESS_KEY": "x",
    "AWS_ACCESS_KEY_ID": "x",
    "PRIVATE_KEY": "x",
    "SSH_PRIVATE_KEY": "x",
    "ENCRYPTION_KEY": "x",
    "SIGNING_KEY": "x",
    "AZURE_CREDENTIALS": "x",
    "GOOGLE_APPLICATION_CREDENTIALS": "x",
    "BASIC_AUTH": "user:x",
    "AUTH_HEADER": "x",
    "SENTRY_DSN": "x",
    "AZURE_STORAGE_CONNECTION_STRING": "x",
    "SLACK_WEBHOOK": "x",
    "MSSQL_SA_PWD": "x",
    "DOCKER_AUTH_CONFIG": "x",
    "LICENSE_KEY": "x",
    "db.password": "x",
    "com.example.api-key": "x",
    "A1": "AKIA" + "IOSFODNN7EXAMPLE",
    "A2": "ghp_" + "a" * 36,
    "A3": "github_pat_" + "a" * 30,
    "A4": "glpat-" + "a" * 20,
    "A5": "xoxb-" + "1234567890-abcdef",
    "A6": "sk_live_" + "a" * 24,
    "A7": "sk-" + "a" * 40,
    "A8": "AIza" + "a" * 35,
    "A9": _JWT,
    "B1": "npm_" + "a" * 36,
    "B2": "postgres://admin:hunter2@db/app",
    "B3": "-----BEGIN RSA " + "PRIVATE KEY-----\nMIIE",
    "B4": "SG." + "a" * 22 + "." + "b" * 22,
    "B5": "amqp://user:pass@queue:5672//",
}
HARMLESS = {
    "PATH": "/usr/local/sbin:/usr/bin",
    "PWD": "/app",
    "GPG_KEY": "7169605F62C751356D054A26A821E680E5FA6305",
    "PYTHON_VERSION": "3.12.1",
    "PYTHON_SHA256": "ab" * 32,
    "NGINX_VERSION": "1.25.3",
    "PKG_RELEASE": "1~bookworm",
    "NODE_VERSION": "20.1.0",
    "LANG": "C.UTF-8",
    "JAVA_HOME": "/opt/java",
    "PGDATA": "/var/lib/postgresql/data",
    "org.opencontainers.image.authors": "people",
    "org.opencontainers.image.source": "https://git.example.com/team/api",
    "maintainer": "NGINX Docker Maintainers <docker-maint@nginx.com>",
    "KEYBOARD": "de",
    "TOKENIZERS_PARALLELISM": "false",
    "DB_PASSWORD_EMPTY": "",
}


def test_most_seeded_secrets_are_found() -> None:
    assert len(SEEDED) == 50
    found = find_secrets([f"{name}={value}" for name, value in SEEDED.items()], {})
    assert len(found) >= 45, set(SEEDED) - set(found)
    assert find_secrets([], SEEDED) == found


def test_what_official_images_set_is_left_alone() -> None:
    assert find_secrets([f"{name}={value}" for name, value in HARMLESS.items()], {}) == []

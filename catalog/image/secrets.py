"""Find what looks like a secret in an image's configuration: publishing cannot be undone, so people are warned before.

Names of environment variables and labels that speak of secrets, and values in the form of well-known tokens. A warning names the
variable, never its value. What looks harmless may be a secret all the same.
"""

import re
from collections.abc import Mapping, Sequence

_NAME = re.compile(
    r"PASS(WORD|WD|PHRASE)?($|_)|SECRET|TOKEN(S|_|$)|API_?KEY|ACCESS_?KEY|PRIVATE_?KEY|ENCRYPTION_?KEY|SIGNING_?KEY|CREDENTIAL|AUTH(_|$)|"
    r"(^|_)PWD$|_DSN$|CONNECTION_?STRING|WEBHOOK|LICEN[CS]E_?KEY",
    re.IGNORECASE,
)
_VALUE = re.compile(
    r"-----BEGIN [A-Z ]*PRIVATE KEY|(^|[^A-Z0-9])(AKIA|ASIA)[A-Z0-9]{16}|gh[pousr]_[A-Za-z0-9]{20,}|"
    r"github_pat_\w{20,}|glpat-[\w-]{16,}|"
    r"xox[abprs]-[\w-]{10,}|(sk|rk|pk)_(live|test)_\w{10,}|sk-[\w-]{20,}|AIza[\w-]{30,}|eyJ[\w-]{8,}\.eyJ[\w-]{8,}\.|npm_\w{30,}|"
    r"[a-z][a-z0-9+.-]*://[^/\s:@]+:[^/\s@]+@|SG\.[\w-]{16,}\.[\w-]{16,}",
)
# Names that speak of secrets and hold none, as official images set them.
_HARMLESS = {"GPG_KEY", "PWD", "OLDPWD", "SSL_CERT_FILE", "GPG_KEYS"}


def find_secrets(env: Sequence[str], labels: Mapping[str, str]) -> list[str]:
    """Give the names of the variables and labels that look like secrets, in their order; an empty value is none."""
    pairs = [entry.partition("=")[::2] for entry in env] + list(labels.items())
    return [name for name, value in pairs if value and name not in _HARMLESS and (_NAME.search(name) or _VALUE.search(value))]

"""Find likely secrets in an image's configuration: publishing cannot be undone, so people are warned before it.

Found are environment variables and labels whose name suggests a secret, and values in the form of well-known tokens. A warning
names the variable, never its value. Secrets of other forms are not found.
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
    r"xox[abprs]-[\w-]{10,}|(sk|rk|pk)_(live|test)_\w{10,}|sk-[\w-]{20,}|AIza[\w-]{30,}|npm_\w{30,}|"
    # These two begin at a boundary only: else each position of a long word would be a beginning, each with the whole word to read.
    r"(?<![\w-])eyJ[\w-]{8,}\.eyJ[\w-]{8,}\.|(?<![a-z0-9+.-])[a-z][a-z0-9+.-]{0,30}://[^/\s:@]+:[^/\s@]+@|"
    r"SG\.[\w-]{16,}\.[\w-]{16,}",
)
# Names that suggest secrets and hold none, as official images set them.
_HARMLESS = {"GPG_KEY", "PWD", "OLDPWD", "SSL_CERT_FILE", "GPG_KEYS"}


def find_secrets(env: Sequence[str], labels: Mapping[str, str]) -> list[str]:
    """Return the names of the variables and labels that look like secrets, in their order; empty values are skipped."""
    pairs = [entry.partition("=")[::2] for entry in env] + list(labels.items())
    return [name for name, value in pairs if value and name not in _HARMLESS and (_NAME.search(name) or _VALUE.search(value))]

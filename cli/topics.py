"""The texts of ``dcat help TOPIC``."""

from cli.settings.keys import GROUPS, KEYS

ENVIRONMENT = """\
An option overrides the environment; the environment overrides the settings file (dcat help settings).

  DCAT_HOME      directory of keys, index and blocks; default: dcat in the platform's data directory
  DCAT_CONFIG    settings file; default: config.toml in DCAT_HOME where that is set, so that a home of its own has settings of
                 its own; else dcat/config.toml in the platform's configuration directory
  DCAT_KUBO      RPC of a Kubo node, like the setting kubo: http://127.0.0.1:5001, /unix/PATH, or auto, which takes the
                 address from the file api in IPFS_PATH (default: ~/.ipfs)
  DCAT_CLUSTER   REST API of an IPFS Cluster's peer, like the setting cluster
  DCAT_SOURCES   URLs of further sources, divided by spaces or commas
  DCAT_OFFLINE   1: never use the network
  DCAT_TIMEOUT   stop a command after so many seconds, like --timeout
  DCAT_DEBUG     1: show the traceback of an error, like --debug

Also honoured: DOCKER_HOST, DOCKER_CONTEXT, DOCKER_CONFIG, DOCKER_CERT_PATH and DOCKER_TLS_VERIFY for the engine, IPFS_PATH,
HTTP_PROXY, HTTPS_PROXY, ALL_PROXY (http, https, socks5, socks5h) and NO_PROXY, CURL_CA_BUNDLE, REQUESTS_CA_BUNDLE, SSL_CERT_FILE
and SSL_CERT_DIR for the authorities that are trusted, NO_COLOR, TERM=dumb. No variable holds a secret: tokens are in files that
settings name."""

REFERENCES = """\
  web@1.0                  a release: a name and a version; no version is implied, --latest asks for the newest
  web:1.0                  the same, in Docker's form
  team/web@1.0             a release of the catalogue that is followed under the alias team
  web@sha256:HEX           the release of that name with this config or manifest digest (docker shows it as image ID)
  web@CID                  the release of that name with this archive
  CID, ipfs://CID          an archive

A name consists of lower-case letters and digits, joined by . _ __ or dashes, in parts divided by /, at most 255 characters; it
contains no registry host and no port. A version consists of letters, digits, . _ and dashes, at most 128 characters. Where a
release has images for several platforms, the host's is meant; --platform os/architecture[/variant] selects another."""

EXIT_CODES = """\
    0  done
    1  unexpected: a bug in dcat
    2  usage
   10  no such release, name, catalogue, platform, or image in the engine
   12  locked or timed out
   20  verification failed, or malformed archive
   21  a catalogue went back, or has two values for one sequence
   22  record expired
   23  content of a release changed, or would change
   24  ambiguous reference: it needs a version, an alias, ...
   31  no source has it, or no source could be reached
   41  disk full, or not writable
   42  the home is newer than this dcat
   51  the engine loaded another image, or the tag has other content
   52  the engine cannot be reached, or does not answer
  130  interrupted

With --json an error is one JSON object on stderr: schema, code, message, why, try, exit."""

SETTINGS = (
    "Settings are in one TOML file; dcat config list --show-origin shows them and where each comes from.\n\n"
    + "\n".join(f"  {key:<26} {known.summary}" for key, known in KEYS.items())
    + "\n"
    + "\n".join(
        f"  {f'{group}.NAME.{key}':<26} {known.summary}" for group, (_, keys) in GROUPS.items() for key, known in keys.items()
    )
)

TOPICS: dict[str, str] = {
    "environment": ENVIRONMENT,
    "references": REFERENCES,
    "exit-codes": EXIT_CODES,
    "settings": SETTINGS,
}

"""The texts of ``dcat help TOPIC``; what a table of the code knows is taken from there."""

from cli.settings.keys import KEYS, SOURCE_KEYS

ENVIRONMENT = """\
A flag stands over the environment, the environment over the settings file (dcat help settings).

  DCAT_HOME      the directory with keys, index and blocks; else dcat in the platform's data directory
  DCAT_CONFIG    the settings file; else dcat/config.toml in the platform's configuration directory
  DCAT_KUBO      where a Kubo node's RPC is, like the setting kubo: http://127.0.0.1:5001, /unix/PATH, or auto, which is
                 what the file api in IPFS_PATH (else ~/.ipfs) says
  DCAT_SOURCES   URLs of further sources, divided by spaces or commas
  DCAT_OFFLINE   1: never use the network
  DCAT_TIMEOUT   give a command up after so many seconds, like --timeout
  DCAT_DEBUG     1: show the traceback of a failure, like --debug

Honoured too: DOCKER_HOST, DOCKER_CONTEXT, DOCKER_CONFIG, DOCKER_CERT_PATH and DOCKER_TLS_VERIFY for the engine, IPFS_PATH,
HTTP_PROXY, HTTPS_PROXY and NO_PROXY, NO_COLOR, TERM=dumb. No variable holds a secret: tokens stand in files, named by settings."""

REFERENCES = """\
  web@1.0                  a release: a name and a version; there is no implicit version, --latest asks for the newest
  web:1.0                  the same, as Docker writes it
  team/web@1.0             the alias of a catalogue that is followed here, in front of a name
  web@sha256:HEX           the release of that name with this config or manifest digest (what docker shows as image ID)
  web@CID                  the release of that name with this archive
  CID, ipfs://CID          an archive

A name is lower-case letters and digits, joined by . _ __ or dashes, in parts divided by /, at most 255; it carries no registry
host and no port. A version is letters, digits, . _ and dashes, at most 128. Where a release holds images for several platforms,
the host's is meant; --platform os/architecture[/variant] takes another."""

EXIT_CODES = """\
    0  done
    1  unexpected: a fault in dcat
    2  usage
   10  no such release, name, catalogue, platform, or image in the engine
   12  locked or timed out
   20  verification failed, or malformed archive
   21  a catalogue went backwards, or has two values for one sequence
   22  record expired
   23  content of a release changed, or would change
   24  name not clear: it needs a version, an alias, ...
   31  no source has it, or none could be reached
   41  disk full, or not writable
   42  the home is newer than this dcat
   51  loaded image is not the one asked for; tag exists with other content
   52  engine unreachable or stuck
  130  interrupted

With --json an error is one JSON object on stderr: schema, code, message, why, try, exit."""

SETTINGS = (
    "Settings stand in one TOML file: dcat config list --show-origin shows them and where they come from.\n\n"
    + "\n".join(f"  {key:<26} {known.summary}" for key, known in KEYS.items())
    + "\n"
    + "\n".join(f"  {'sources.NAME.' + key:<26} {known.summary}" for key, known in SOURCE_KEYS.items())
)

TOPICS: dict[str, str] = {
    "environment": ENVIRONMENT,
    "references": REFERENCES,
    "exit-codes": EXIT_CODES,
    "settings": SETTINGS,
}

"""What a command reaches beyond the home: the engine, and the network that settings and environment configure."""

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

import catalog
from catalog.clients.proxy import Proxies
from catalog.sources.network import NO_NETWORK, KuboSetting, Network, SourceSetting, open_network
from cli.surroundings import Surroundings

if TYPE_CHECKING:
    from catalog.clients.docker import Engine
    from catalog.home.home import Home
    from cli.settings import Settings

ENGINE_VARIABLES = (
    "DOCKER_HOST",
    "DOCKER_CONTEXT",
    "DOCKER_CONFIG",
    "DOCKER_TLS_VERIFY",
    "DOCKER_TLS",
    "DOCKER_CERT_PATH",
    "XDG_RUNTIME_DIR",
)


def open_engine(surroundings: Surroundings) -> "Engine":
    """Connect to the engine that the docker command would use."""
    variables = {name: value for name, value in surroundings.variables.items() if name in ENGINE_VARIABLES}
    return catalog.connect(environment=variables | {"HOME": str(surroundings.user_home)})


def open_configured_network(settings: "Settings", variables: Mapping[str, str], home: "Home", extra: Sequence[str] = ()) -> Network:
    """Return the network of the settings' sources and Kubo node, and of sources at ``extra`` URLs; nothing is asked yet."""
    if settings.offline:
        return NO_NETWORK
    kubo = None
    if settings.kubo:
        from catalog.trust.store import is_confirmed  # imports SQLAlchemy

        with home.trust.read() as connection:
            kubo = KuboSetting(settings.kubo, settings.kubo_token_file, public=is_confirmed(connection, settings.kubo))
    proxies = Proxies(
        http=_variable(variables, "HTTP_PROXY"),
        https=_variable(variables, "HTTPS_PROXY"),
        no_proxy=tuple((_variable(variables, "NO_PROXY") or "").split(",")),
    )
    sources = [SourceSetting(source.url, source.token_file, source.ca_file, source.catalogue) for source in settings.sources]
    sources += [SourceSetting(url) for url in extra]
    return open_network(sources, kubo, proxies=proxies)


def _variable(variables: Mapping[str, str], name: str) -> str | None:
    """Return a proxy variable, lower case first, as curl does."""
    return variables.get(name.lower()) or variables.get(name) or None

"""What a command reaches beyond the home: the engine, and the network that settings and environment configure."""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING

import catalog
from cli.surroundings import Surroundings

if TYPE_CHECKING:
    from catalog.clients.docker import Engine
    from catalog.home.home import Home
    from catalog.sources.network import Network, SourceSetting
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


def open_configured_network(
    settings: "Settings", variables: Mapping[str, str], home: "Home", extra: "Sequence[SourceSetting]" = ()
) -> "Network":
    """Return the network of the settings' sources, Kubo node and cluster, and of ``extra`` sources; nothing is asked yet."""
    from catalog.clients.authorities import Authorities  # not before an engine was asked
    from catalog.clients.proxy import Proxies
    from catalog.sources.network import (
        NO_NETWORK,
        ClusterSetting,
        KuboSetting,
        PinningSetting,
        ReplicaRule,
        SourceSetting,
        open_network,
    )

    if settings.offline:
        return NO_NETWORK
    kubo = cluster = None
    if settings.kubo:
        from catalog.trust.store import is_confirmed  # imports SQLAlchemy

        with home.trust.read() as connection:
            kubo = KuboSetting(settings.kubo, settings.kubo_token_file, public=is_confirmed(connection, settings.kubo))
    if settings.cluster:
        rule = ReplicaRule(*settings.replicas)
        cluster = ClusterSetting(settings.cluster, settings.file("cluster-token-file"), settings.file("cluster-ca-file"), rule)
    services = [PinningSetting(one.name, one.url, one.token_file, one.ca_file) for one in settings.services]
    by_url: dict[str, SourceSetting] = {}
    for source in settings.sources:
        by_url.setdefault(source.url, SourceSetting(source.url, source.token_file, source.ca_file, source.catalogue))
    for added in extra:
        known = by_url.get(added.url, added)
        by_url[added.url] = replace(known, token_file=added.token_file or known.token_file, ca_file=added.ca_file or known.ca_file)
    proxies, authorities = Proxies.of_variables(variables), Authorities.of_variables(variables)
    return open_network(by_url.values(), kubo, cluster=cluster, services=services, proxies=proxies, authorities=authorities)

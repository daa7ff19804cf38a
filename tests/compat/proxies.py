"""Web servers and proxies: Debian's nginx, Caddy and HAProxy, each with its own folder, stopped by its process ID.

Each starter takes the text that a user would write: an nginx ``server`` block, a Caddyfile, a HAProxy configuration. It listens on
loopback only where that text says so: give it a free port of 127.0.0.1.
"""

import os
import socket
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path

import pytest

from tests.compat.engines import program, start_process, stop_process, wait_for
from tests.needs import lacks

_NGINX = """\
daemon off;
master_process off;
{user}
pid {folder}/nginx.pid;
error_log stderr;
events {{}}
http {{
  include /etc/nginx/mime.types;
  access_log {folder}/access.log;
  client_body_temp_path {folder}/body;
  proxy_temp_path {folder}/proxy;
  fastcgi_temp_path {folder}/fastcgi;
  uwsgi_temp_path {folder}/uwsgi;
  scgi_temp_path {folder}/scgi;
{servers}
}}
"""
_CADDY = (
    "{{\n  admin off\n  default_bind 127.0.0.1\n  auto_https disable_redirects\n  skip_install_trust\n  {options}\n}}\n{sites}\n"
)


@contextmanager
def run_nginx(folder: Path, port: int, servers: str) -> Iterator[None]:
    """Run nginx with the ``server`` blocks ``servers``, one of which listens on ``port``."""
    user = "user root;" if os.geteuid() == 0 else ""
    configuration = folder / "nginx.conf"
    configuration.write_text(_NGINX.format(folder=folder, servers=servers, user=user), encoding="utf-8")
    with _run("nginx", ["-p", str(folder), "-c", str(configuration)], folder, port):
        yield


@contextmanager
def run_caddy(folder: Path, port: int, sites: str, options: str = "") -> Iterator[None]:
    """Run Caddy with the sites of a Caddyfile, one of which listens on ``port``; ``options`` are further global ones."""
    configuration = folder / "Caddyfile"
    configuration.write_text(_CADDY.format(options=options, sites=sites), encoding="utf-8")
    with _run("caddy", ["run", "--config", str(configuration), "--adapter", "caddyfile"], folder, port):
        yield


@contextmanager
def run_haproxy(folder: Path, port: int, configuration: str) -> Iterator[None]:
    """Run HAProxy with a whole configuration, of which a frontend binds ``port``."""
    path = folder / "haproxy.cfg"
    path.write_text(configuration, encoding="utf-8")
    with _run("haproxy", ["-db", "-f", str(path)], folder, port):
        yield


@contextmanager
def _run(name: str, arguments: list[str], folder: Path, port: int) -> Iterator[None]:
    path = program(name)
    if path is None:
        lacks(name, f"{name} is not installed (.ci/packages installs it)")
    log = folder / f"{name}.log"
    environment = {"PATH": os.environ["PATH"], "HOME": str(folder), "XDG_DATA_HOME": str(folder), "XDG_CONFIG_HOME": str(folder)}
    process = start_process([path, *arguments], log, environment)
    try:
        if not wait_for(lambda: listens(port), process):
            pytest.fail(f"{name} does not start: {log.read_text(errors='replace')[-2000:]}", pytrace=False)
        yield
    finally:
        stop_process(process)


def listens(port: int) -> bool:
    """Return True where something listens on a port of loopback; raise `OSError` where nothing does."""
    with closing(socket.create_connection(("127.0.0.1", port), timeout=60)):
        return True

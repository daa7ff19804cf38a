"""Keeping followed catalogues alive: their signed records are offered on, so that a name outlives its owner's absence.

What this home serves (`catalog.server`) comes from its own record files. Through a Kubo node a record is put again at least daily,
since the DHT forgets after 48 hours; only records whose owners published them are put, and only where the user confirmed the node.
"""

import json
from datetime import timedelta
from typing import Any

from catalog.errors import DcatError, UnavailableError
from catalog.home.home import Home
from catalog.ipns.name import IpnsName
from catalog.ipns.record import validate_record
from catalog.limits import OFFER_RECORD_AFTER
from catalog.model.release import format_time
from catalog.own.signing import local_records
from catalog.sources.kubo import KuboRouting
from catalog.sources.network import Network
from catalog.trust.store import get_note, put_note


def offer_record(home: Home, network: Network, name: IpnsName) -> str:
    """Put the record that is held for ``name`` into Kubo's network, where that is due; say why it could not be, or nothing."""
    if network.kubo is None or not network.kubo_public:
        return ""
    encoded = local_records(home).get(name)
    if encoded is None:
        return ""
    try:
        record = validate_record(name, encoded, home.now)
    except DcatError:
        return ""  # nobody would take it
    key = f"offered {network.kubo.url} {name}"
    with home.trust.read() as connection:
        text = get_note(connection, key)
    last: dict[str, Any] = json.loads(text) if text else {"sequence": -1, "at": ""}
    due = format_time(home.now - timedelta(seconds=OFFER_RECORD_AFTER))
    if last["sequence"] == record.sequence and last["at"] > due:
        return ""
    try:
        KuboRouting(network.kubo).put(name, encoded)
    except UnavailableError as error:
        return f"the record of {name} could not be offered on: {error.message}"
    with home.trust.write() as connection:
        put_note(connection, key, json.dumps({"sequence": record.sequence, "at": home.time}))
    return ""

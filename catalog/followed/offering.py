"""Keeping the records of followed catalogues alive while their owners are offline.

`catalog.server` serves the record files of this home. Through a Kubo node a record is put again at least daily, since the DHT drops
it after 48 hours; only published records are put, and only where the user confirmed the node.
"""

import json
from datetime import timedelta
from typing import Any

from catalog.errors import DcatError, UnavailableError
from catalog.home.home import Home
from catalog.home.records import local_records
from catalog.ipns.name import IpnsName
from catalog.ipns.record import validate_record
from catalog.limits import OFFER_RECORD_AFTER
from catalog.model.release import format_time
from catalog.sources.kubo import KuboRouting
from catalog.sources.network import Network
from catalog.trust.store import get_note, put_note


def offer_record(home: Home, network: Network, name: IpnsName) -> str:
    """Put the record of ``name`` into Kubo's network where that is due; return why it failed, or an empty text."""
    if network.kubo is None or not network.kubo_public:
        return ""
    encoded = local_records(home).get(name)
    if encoded is None:
        return ""
    try:
        record = validate_record(name, encoded, home.now)
    except DcatError:
        return ""  # expired or invalid: no node would accept it
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
        return f"the record of {name} could not be put to Kubo: {error.message}"
    with home.trust.write() as connection:
        put_note(connection, key, json.dumps({"sequence": record.sequence, "at": home.time}))
    return ""

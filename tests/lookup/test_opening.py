"""The quick look-up opens files of the revisions that are written today."""

from catalog.index.schema import SCHEMA as INDEX
from catalog.lookup.opening import INDEX_REVISION, TRUST_REVISION
from catalog.trust.schema import SCHEMA as TRUST


def test_reads_the_revisions_that_are_written() -> None:
    assert (INDEX.head, TRUST.head) == (INDEX_REVISION, TRUST_REVISION)

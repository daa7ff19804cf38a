"""What else was tried as a publisher, each with its outcome. (*fell*: it worked until the change that came with this file.)

====  =========================================================================  ==========================================
 1    a line sorted under another key than its own                               refused, nothing changed
 2    another number of releases than stated                                     refused, nothing changed
 3    one platform under two spellings, a name with .., a time that is none      refused, nothing changed
 4    a removed release that still has images                                    refused, nothing changed
 5    values that are no snapshot: an IPNS path, no CID, a path, an image        *fell* for a day: one ended the whole sync
 6    a record that lives for ever, and one published in the year 9999           taken; age is still shown by the last check
 7    a version left out, later back with other content                          a conflict
 8    a flood inside of a jump                                                   two questions, one after the other
 9    another snapshot between accepting a flood and the sync                    withheld anew
10    a later version that claims the manifest or config of an earlier one       *fell*: the digest meant the later line
11    a stranger's line that claims the config of somebody else's image          *fell*: the bare digest meant the stranger's
12    a successor that takes names over from later subscriptions                 *fell*: its rank was that of the old one
13    a successor that never answers                                             *fell*: later catalogues' names were unclear
14    a name that is another subscription's alias, alone and as a first part     the alias keeps its meaning
15    the same key serving two values to two sources                             the first stays, both are named
16    a thousand changes with every sync                                         *fell*: the history grew without end
17    a foreign catalogue's record under the followed name                       refused: another key
18    a source that replays every older record                                   refused, the newest stays
19    a planted record of the own key without a snapshot                         *fell*: recover and publish ended for good
20    a bundle with records of strangers, of the own name, and an old one        only what is followed is taken, nothing goes back
21    a domain that leads to another catalogue later                             the subscription stays with the first name
22    conflicts that are refused, over and over                                  one row for each release
23    other releases, or other platforms, with every sync                        *fell*: the trust store grew without end
24    names claimed by lines without images                                      *fell*: they were owned
25    another home of the own key publishes names of a subscription              the name means what it meant; mine/NAME is new
26    recover while a source replays older own records                           nothing goes back, one record a sequence
27    an archive moved under another format's label                              *fell*: in silence; resolve warns now
28    a catalogue unsubscribed from while it is fetched                          *fell*: the index showed it again
29    names that begin with what becomes a second alias of their catalogue        *fell*: the reference moved to another name
30    aliases, names and versions that differ by case, dots, dashes only         distinct or refused; none is taken for another
31    a planted jump, then the owner's revocation                                *fell*: the planted releases stayed shown
32    names that only a refused jump brought                                     *fell*: they stayed the catalogue's
33    a changed content that is accepted in a jump, which is refused             *fell*: it stayed current; a flood as well
34    a jump to the snapshot that is shown already                               *fell*: nobody could accept it
35    the record of a refused jump, afterwards                                   *fell*: this home offered it on
36    an extra entry in a snapshot that is an image which the user removed       *fell*: gc kept it, and it was served
37    the same among the directories of its images, which are mirrored           *fell*: any DAG there was fetched and kept
38    the same as a delta of an image that the user pinned                       *fell*: gc kept it
39    a false line about somebody else's archive, and a bundle with it           *fell*: the bundle was refused
40    the same line 2,000,000 times, and somebody resolves the digest            *fell*: minutes, gigabytes
41    the same with a size of 2⁵³, and serve --fetch                             *fell*: all that clients had fetched was let go of
42    verify --repair, publish --copy, sharing: who is asked for what            *fell*: sources of other catalogues learned CIDs
43    a path of 2,000 directories, many times, in an image of a few KiB          *fell*: gigabytes for ``files``, and for a page
44    links in the paths of links, many times                                    *fell*: seconds for each KiB
45    whiteouts, opaque directories, files in place of directories, many times   linear
46    another format of an image that was seen long ago, and --min-age           *fell*: it counted as old
47    reasons of 4,000 characters, other ones with every sync                    *fell*: 200 MB of history
48    a lock, and a publisher who changes config, archive, format, platform      noticed each time; a mark or annotation is none
49    successors in a circle                                                     the third is refused; nothing is asked twice
50    a snapshot of somebody else's, signed as one's own                         names stay; unsubscribing takes nothing away
51    names that are paths of a registry (``web/tags/list``) in a static export  each is whole
52    a static export with ``--prune`` into a folder with a symbolic link        *fell*: files behind the link were deleted
53    a release with false deltas, further keys and registries that is copied    deltas and keys stay behind
54    an image of a colleague listed too, and ``unpin`` of that line             lets go of the image: it is the user's own act
55    a private file of the user's Kubo node as entry, archive, layer, delta     *fell*: a layer, or an unknown format, was mirrored
56    recover on a new machine while an older own record is replayed             a lower sequence is refused; nothing is lost
57    a TTL of years and a validity of millennia, behind a cache                 *fell*: the revocation did not arrive
58    a private file of a real Kubo node as snapshot, index, or part of images   *fell*: served while an index was under way
59    an own older record and a stranger's in a bundle, beside a Kubo node       refused; the node keeps the newest
60    pins of the user in the node, also of a snapshot of dcat                   they stay, under the user's name
61    another node in place of the one that has the archives                     named; nothing is counted on; comes back
62    the index of the snapshot before, listed as an archive                     *fell*: ``export`` took it, a page called it whole
63    another suspicious record with every sync, beside a proper one             *fell*: a row of 5 KiB each
64    a publish time in the year 2030                                            *fell*: the user's clock was blamed alone
65    two homes of one key with 2 KiB of references to registries each           *fell*: the union went beyond the limit
66    a domain with 500 texts, a chain of nine, a loop, 45 KB, escapes, a path   found, or refused in one short line
67    150 damaged answers of a DNS server, chains of 300 aliases                 only declared errors, each within its time limit
68    a domain that names the user's own key                                     refused: it is always there, without an alias
69    a private file that is one zstd frame as a leaf of an archive              mirrored: docs/safety.md, section 4
====  =========================================================================  ==========================================
"""

import json
import time
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from catalog.clients.timeouts import Timeouts
from catalog.errors import (
    AmbiguousReferenceError,
    CatalogueNotFoundError,
    DcatError,
    ReleaseConflictError,
    ReleaseNotFoundError,
    RollbackError,
    SnapshotError,
)
from catalog.followed.target import name_of_target, parse_target
from catalog.home.records import local_records
from catalog.index.subscriptions import list_catalogues
from catalog.ipld.block import Block
from catalog.limits import MAX_HISTORY, MAX_SEQUENCE
from catalog.model.platform import parse_platform
from catalog.operations.import_ import import_bundle
from catalog.operations.subscribe import subscribe
from catalog.own.share import recover_own, share_own
from catalog.snapshot.line import encode_line
from catalog.sources.bundle import BundleSource, write_bundle
from catalog.storage.files import no_crash
from catalog.storage.keyfile import write_key_file
from tests.attacks.publisher import Attacker, list_image
from tests.attacks.victim import Victim
from tests.factory.platforms import AMD64
from tests.factory.releases import archive_block, listed_image, make_release, publish_fake
from tests.factory.times import AT
from tests.fakes.homes import NOBODY, share

WEB = make_release("web", "1.0", "old")


def rewrite(**fields: object) -> bytes:
    """Return the line of a release with other fields, in canonical JSON."""
    line = json.loads(encode_line(WEB)) | fields
    return json.dumps(line, sort_keys=True, separators=(",", ":")).encode() + b"\n"


def lying_lines(lie: str) -> dict[str, Any]:
    line = encode_line(WEB)
    image = json.loads(line)["images"]["linux/amd64"]
    lies: dict[str, dict[str, Any]] = {
        "another key": {"lines": {("api", "9"): line, ("web", "0"): encode_line(make_release("aaa", "1"))}},
        "stated number": {"lines": {("web", "1.0"): line}, "stated": 2},
        "two spellings": {"lines": {("web", "1.0"): rewrite(images={"linux/arm64": image, "linux/arm64/v8": image})}},
        "removed with images": {"lines": {("web", "1.0"): rewrite(removed=AT)}},
        "no name": {"lines": {("web", "1.0"): rewrite(name="../web")}},
        "a time that is none": {"lines": {("web", "1.0"): rewrite(published="yesterday")}},
    }
    return lies[lie]


LIES = ["another key", "stated number", "two spellings", "removed with images", "no name", "a time that is none"]


@pytest.mark.parametrize("lie", LIES)
def test_lines_that_lie(mallory: Attacker, ann: Victim, lie: str) -> None:
    mallory.publish(WEB)
    ann.subscribe(mallory, "bob")
    options = lying_lines(lie)
    mallory.call("publish_lines", options.pop("lines"), **options)
    update = ann.sync(mallory)
    assert isinstance(update.error, SnapshotError), update
    assert ann.resolve("bob/web@1.0").release == WEB


@pytest.mark.parametrize("value", ["/ipns/k51qzi5uqu5dl", "/ipfs/nothing", "nothing", "", "/ipfs/{image}", "/ipfs/{image}/web"])
def test_values_that_are_no_snapshot(mallory: Attacker, ann: Victim, value: str) -> None:
    mallory.publish(WEB)
    ann.subscribe(mallory, "bob")
    mallory.sign(value.format(image=WEB.images[AMD64].archive))
    assert isinstance(ann.sync(mallory).error, DcatError)
    assert ann.resolve("bob/web@1.0").release == WEB


def test_a_record_that_lives_for_ever(mallory: Attacker, ann: Victim) -> None:
    record = mallory.publish(WEB)
    mallory.sign(record.value.decode(), validity=253402300799 * 10**9)
    ann.subscribe(mallory, "bob")
    ann.wait(timedelta(days=400))
    assert [notice.kind for notice in ann.resolve("bob/web@1.0").notices] == ["unchecked"]


def test_a_version_that_comes_back_changed(mallory: Attacker, ann: Victim) -> None:
    mallory.publish(WEB)
    ann.subscribe(mallory, "bob")
    mallory.publish(gone=[("web", "1.0")])
    ann.sync(mallory)
    mallory.publish(make_release("web", "1.0", "new"))
    assert len(ann.sync(mallory).conflicts) == 1
    with pytest.raises(ReleaseConflictError):
        ann.resolve("bob/web@1.0")


def test_a_flood_inside_of_a_jump(mallory: Attacker, ann: Victim) -> None:
    mallory.publish(*(make_release("web", str(number), "old") for number in range(120)))
    ann.subscribe(mallory, "bob")
    mallory.publish(*(make_release("web", str(number), "new") for number in range(120)), sequence=5_000_000)
    assert ann.sync(mallory).state == "withheld"
    (question,) = ann.questions()
    ann.accept(question.item)
    assert ann.sync(mallory).state == "suspicious"
    (question,) = ann.questions()
    assert question.kind == "jump"
    mallory.publish(*(make_release("web", str(number), "newer") for number in range(120)))
    assert ann.sync(mallory).state == "withheld"


def test_another_snapshot_between_accepting_a_flood_and_the_sync(mallory: Attacker, ann: Victim) -> None:
    mallory.publish(*(make_release("web", str(number), "old") for number in range(120)))
    ann.subscribe(mallory, "bob")
    mallory.publish(*(make_release("web", str(number), "new") for number in range(120)))
    ann.sync(mallory)
    ann.accept(ann.questions()[0].item)
    mallory.publish(*(make_release("web", str(number), "evil") for number in range(120)))
    assert ann.sync(mallory).state == "withheld"
    assert ann.resolve("bob/web@3").release == make_release("web", "3", "old")


@pytest.mark.parametrize("claimed", ["config", "manifest"])
def test_a_later_line_that_claims_an_earlier_digest(mallory: Attacker, ann: Victim, claimed: str) -> None:
    image = listed_image("true")
    mallory.publish(list_image("web", "1.0", image, AMD64))
    ann.subscribe(mallory, "bob")
    ann.wait(timedelta(minutes=1))
    lie = replace(listed_image("evil"), **{claimed: getattr(image, claimed)})
    mallory.publish(list_image("web", "2.0", lie, AMD64), list_image("aaa", "1.0", lie, AMD64))
    ann.sync(mallory)
    digest = getattr(image, claimed)
    for reference in (f"bob/web@{digest}", f"web@{digest}", str(digest)):
        assert ann.resolve(reference).image == image


def test_a_stranger_that_claims_somebody_elses_image(mallory: Attacker, carol: Attacker, ann: Victim) -> None:
    """The stranger was subscribed to first, and lists it before or after; the own catalogue comes before all."""
    image = listed_image("true")
    mallory.publish(make_release("tool", "1.0"))
    ann.subscribe(mallory, "bob")
    carol.publish(list_image("web", "1.0", image, AMD64))
    ann.subscribe(carol, "carol")
    ann.wait(timedelta(minutes=1))
    lie = replace(listed_image("evil"), config=image.config)
    with ann.home() as home:
        own = publish_fake(home, "app", "1.0", "mine").images[AMD64]
    stolen = replace(listed_image("evil too"), config=own.config)
    mallory.publish(list_image("web", "9.0", lie, AMD64), list_image("app", "9.0", stolen, AMD64))
    ann.sync_all(mallory, carol)
    assert ann.resolve(str(image.config)).image == image
    assert ann.resolve(str(own.config)).image == own


def test_a_successor_takes_no_name_over(mallory: Attacker, carol: Attacker, ann: Victim) -> None:
    mallory.publish(make_release("web", "1.0", "mallory's"))
    carol.publish(make_release("db", "1.0", "carol's"))
    ann.subscribe(mallory, "bob")
    ann.subscribe(carol, "carol")
    with Attacker(b"successor") as successor:
        mallory.sign("/ipfs/x", sequence=MAX_SEQUENCE, successor=successor.name)
        ann.sync_all(mallory, carol)
        ann.accept(ann.questions()[0].item)
        assert ann.resolve("db@1.0").catalogue.alias == "carol"  # while the successor does not answer
        successor.publish(make_release("web", "1.0", "mallory's"), make_release("db", "1.0", "evil"))
        ann.sync_all(successor, carol)
        assert ann.resolve("db@1.0").release == make_release("db", "1.0", "carol's")
        assert ann.resolve("web@1.0").catalogue.catalogue == str(successor.name)
        assert ann.resolve("bob/db@1.0").release == make_release("db", "1.0", "evil")


def test_names_of_other_subscriptions_aliases(mallory: Attacker, carol: Attacker, ann: Victim) -> None:
    mallory.publish(make_release("tool", "1.0"))
    carol.publish(WEB)
    ann.subscribe(mallory, "bob")
    ann.subscribe(carol, "carol")
    mallory.publish(make_release("carol/web", "1.0", "evil"), make_release("carol", "1.0", "evil"), make_release("web", "1.0"))
    ann.sync_all(mallory, carol)
    assert ann.resolve("carol/web@1.0").release == WEB
    assert ann.resolve("web@1.0").release == WEB
    with pytest.raises(ReleaseNotFoundError):
        ann.resolve("carol/tool@1.0")


def test_one_key_with_two_values(mallory: Attacker, ann: Victim) -> None:
    mallory.publish(WEB)
    ann.subscribe(mallory, "bob")
    with Attacker(b"mallory") as twin:
        mallory.publish(make_release("web", "2.0"), sequence=7)
        twin.publish(make_release("web", "3.0"), sequence=7)
        update = ann.sync(mallory, twin)
        assert len(update.equivocations) == 1
        kept = ann.knows("bob/web@2.0")
        assert ann.knows("bob/web@3.0") is not kept
        for _ in range(2):
            ann.sync(twin, mallory)
            assert ann.knows("bob/web@2.0") is kept


def test_a_thousand_changes_with_every_sync(mallory: Attacker, ann: Victim, monkeypatch: pytest.MonkeyPatch) -> None:
    """The history of a catalogue has an end, and that of others is not pushed out."""
    assert MAX_HISTORY >= 10_000
    monkeypatch.setattr("catalog.index.history.MAX_HISTORY", 300)
    with ann.home() as home:
        publish_fake(home, "app", "1.0")
    mallory.publish(WEB)
    ann.subscribe(mallory, "bob")
    for step in range(4):
        mallory.publish(*(make_release("web", str(number), annotations={"title": str(step)}) for number in range(150)))
        ann.sync(mallory)
    with ann.home() as home, home.index.read() as connection:
        counts: dict[str, int] = dict(
            connection.exec_driver_sql("SELECT catalogue, count(*) FROM history GROUP BY catalogue").fetchall()
        )
    assert counts[str(mallory.name)] == 300
    assert len(counts) == 2


@pytest.mark.parametrize("way", ["releases", "platforms"])
def test_everything_new_with_every_sync(mallory: Attacker, ann: Victim, monkeypatch: pytest.MonkeyPatch, way: str) -> None:
    """What was shown once is remembered for ever, so what one catalogue may show has an end."""
    monkeypatch.setattr("catalog.trust.contents.MAX_SEEN_CONTENTS", 300)
    states = []
    for step in range(5):
        platform = parse_platform(f"linux/amd{step}")
        kept = {"releases": f"{step}.", "platforms": ""}[way]
        images = {platform if way == "platforms" else AMD64: listed_image(f"{step}")}
        some = [make_release("web", f"{kept}{number}", images=images) for number in range(80)]
        mallory.publish(*some, gone=[("web", f"{step - 1}.{number}") for number in range(80)] if kept and step else [])
        if step == 0:
            ann.subscribe(mallory, "bob")
        update = ann.sync(mallory)
        states.append(update.error is None)
    assert states == [True, True, True, False, False]
    with ann.home() as home, home.trust.read() as connection:
        assert connection.exec_driver_sql("SELECT count(*) FROM contents").scalar_one() == 240
    assert ann.resolve(
        f"bob/web@{'2.5' if way == 'releases' else '5'}", platform=AMD64 if way == "releases" else parse_platform("linux/amd2")
    )


def test_names_without_images(mallory: Attacker, carol: Attacker, ann: Victim) -> None:
    mallory.publish(make_release("tool", "1.0"), make_release("nginx", "1", removed=AT), make_release("redis", "1", images={}))
    ann.subscribe(mallory, "bob")
    carol.publish(make_release("nginx", "1.25"), make_release("redis", "7"))
    ann.subscribe(carol, "carol")
    for reference in ("nginx@1.25", "redis@7"):
        assert ann.resolve(reference).catalogue.alias == "carol"
    with pytest.raises(ReleaseNotFoundError, match="removed"):
        ann.resolve("bob/nginx@1")


def test_a_foreign_record_under_a_followed_name(mallory: Attacker, carol: Attacker, ann: Victim) -> None:
    mallory.publish(WEB)
    ann.subscribe(mallory, "bob")
    record = carol.publish(make_release("web", "2.0"), sequence=9)
    mallory.call("serve", replace(record, name=mallory.name))
    assert isinstance(ann.sync(mallory).error, DcatError)
    assert not ann.knows("bob/web@2.0")


def test_replayed_records(mallory: Attacker, ann: Victim) -> None:
    old = [mallory.publish(make_release("web", str(number))) for number in range(5)]
    ann.subscribe(mallory, "bob")
    for record in old[:-1]:
        mallory.call("serve", record)
        assert isinstance(ann.sync(mallory).error, RollbackError)
    assert ann.resolve("bob/web@4")


def test_a_planted_record_without_a_snapshot(ann: Victim) -> None:
    """Who stole the key, or found a signature, must not end publishing for good: one command recovers."""
    with ann.home() as home:
        publish_fake(home, "app", "1.0")
        share(home)
        key = home.read_key()
    with Attacker(key.encode()[-64:-32]) as thief:
        assert thief.name == key.name
        thief.sign("/ipfs/bafybeigdyrzt5sfp7udm7hu76uh7y26nf3efuylqabf3oclgtqy55fbzdi", sequence=MAX_SEQUENCE - 1)
        with ann.home() as home, ann.network(thief) as network:
            publish_fake(home, "app", "1.1")
            with pytest.raises(RollbackError, match="was found"):
                share_own(home, network)
            recovered = recover_own(home, network)
            assert recovered.signed
            publish_fake(home, "app", "1.2")
            shared = share_own(home, network)
            assert shared is not None
            assert shared.signed
            assert shared.record.sequence < 10


def test_conflicts_refused_over_and_over(mallory: Attacker, ann: Victim) -> None:
    mallory.publish(WEB)
    ann.subscribe(mallory, "bob")
    for step in range(10):
        mallory.publish(make_release("web", "1.0", f"new {step}"))
        ann.sync(mallory)
        ann.refuse("bob/web@1.0")
    with ann.home() as home, home.trust.read() as connection:
        assert connection.exec_driver_sql("SELECT count(*) FROM conflicts").scalar_one() == 1
    assert ann.resolve("bob/web@1.0").release == WEB


def test_a_bundle_with_records_of_strangers(mallory: Attacker, carol: Attacker, ann: Victim, tmp_path: Path) -> None:
    """Of the strangers nothing is kept, the own record is not touched, and the old record of a followed one changes nothing."""
    with ann.home() as home:
        publish_fake(home, "app", "1.0")
        own = share(home).record
    old = mallory.publish(WEB)
    ann.subscribe(mallory, "bob")
    mallory.publish(make_release("web", "2.0"))
    ann.sync(mallory)
    stranger = carol.publish(make_release("db", "1.0"))
    records = {str(record.name): record.encoded for record in (old, stranger, own)}
    with (tmp_path / "bundle.car").open("wb") as file:
        block = archive_block("a stranger's")
        write_bundle(file, [block.cid], [block], records=records)
    with ann.home() as home, BundleSource(tmp_path / "bundle.car") as bundle:
        done = import_bundle(home, bundle)
        assert done.unknown == (str(carol.name),)
        assert [update.alias for update in done.older] == ["bob"]
        assert (done.updates, done.images, done.strangers) == ((), (), (block.cid,))
        assert not home.blocks.has(block.cid)
        with home.trust.read() as connection:
            names = connection.exec_driver_sql("SELECT catalogue FROM catalogues").scalars().all()
        assert set(names) == {str(mallory.name), str(own.name)}
        assert local_records(home).get(own.name) == own.encoded
        assert local_records(home).get(stranger.name) is None
    assert ann.knows("bob/web@2.0")
    assert not ann.knows("db@1.0")


def test_a_domain_that_leads_elsewhere_later(
    mallory: Attacker, carol: Attacker, ann: Victim, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What was followed by its domain is followed by its name from then on."""
    mallory.publish(make_release("web", "9.0", "evil"))
    carol.publish(WEB)
    names = [carol.name, mallory.name]
    monkeypatch.setattr("catalog.followed.target.resolve_dnslink", lambda domain: names.pop(0))
    target = parse_target("catalogue.example.org")
    with ann.home() as home, ann.network(carol, mallory) as network:
        subscribe(home, network, name_of_target(target, clients={}), "team")
        with pytest.raises(AmbiguousReferenceError):
            subscribe(home, network, name_of_target(target, clients={}), "team")
    ann.sync_all(carol, mallory)
    assert ann.resolve("team/web@1.0").release == WEB
    assert not ann.knows("team/web@9.0")


def test_an_own_record_that_was_put_back_is_not_signed_below(ann: Victim) -> None:
    """A backup of the record files alone, or a source that replays them, leads to no second record of one sequence."""
    with ann.home() as home:
        publish_fake(home, "app", "1.0")
        record = share(home).record
        publish_fake(home, "app", "1.1")
        newer = share(home).record
        local_records(home).put(record.name, record.encoded)
        publish_fake(home, "app", "1.2")
        shared = share_own(home, NOBODY)
        assert shared is not None
        assert shared.record.sequence == newer.sequence + 1


def test_another_home_of_the_own_key_and_names_of_a_subscription(mallory: Attacker, ann: Victim, tmp_path: Path) -> None:
    mallory.publish(WEB)
    ann.subscribe(mallory, "bob")
    with ann.home() as home:
        publish_fake(home, "app", "1.0")
        share(home)
        key = home.read_key()
    with Attacker(key.encode()[-64:-32]) as twin:
        twin.call("put", archive_block("the twin's"))
        theirs = make_release("web", "1.0", images={AMD64: listed_image("the twin's")})
        twin.publish(theirs, sequence=5)
        done = ann.sync_all(twin, mallory)
        assert done.shared is not None
        assert done.shared.merged is not None
    assert ann.resolve("web@1.0").release == WEB
    assert ann.resolve("mine/web@1.0").release == theirs
    with ann.home() as home, pytest.raises(AmbiguousReferenceError):
        publish_fake(home, "web", "2.0")


def test_recover_while_older_own_records_are_replayed(ann: Victim) -> None:
    with ann.home() as home:
        records = []
        for number in range(4):
            publish_fake(home, "app", str(number))
            records.append(share(home).record)
        key = home.read_key()
    with Attacker(key.encode()[-64:-32]) as replay:
        for record in records[:-1]:
            replay.call("serve", record)
            with ann.home() as home, ann.network(replay) as network:
                recovered = recover_own(home, network)
                assert (recovered.record, recovered.signed) == (records[-1], False)
    assert all(ann.knows(f"app@{number}") for number in range(4))


def test_recover_on_a_new_machine_while_an_older_own_record_is_replayed(ann: Victim, tmp_path: Path) -> None:
    """What it signs below the newest record reaches nobody; once that is seen, both are merged, and nothing is lost."""
    with ann.home() as home:
        records = []
        for number in range(4):
            publish_fake(home, "app", str(number))
            records.append(share(home).record)
        key, blocks = home.read_key(), [Block(cid, home.blocks.get(cid)) for cid in home.blocks.cids()]
    bob, new = Victim(tmp_path / "bob"), Victim(tmp_path / "new")
    with Attacker(key.encode()[-64:-32]) as replay:
        for block in blocks:
            replay.call("put", block)
        replay.call("serve", records[-1])
        bob.subscribe(replay, "ann")
        replay.call("serve", records[0])
        with new.home() as home, new.network(replay) as network:
            write_key_file(home.key_path, key.encode(), no_crash)
            home.create_own_catalogue()
            recover_own(home, network)
            publish_fake(home, "app", "9")
            below = share(home).record
            assert below.sequence < records[-1].sequence
            replay.call("serve", below)
            assert isinstance(bob.sync(replay).error, RollbackError)
            replay.call("serve", records[-1])
            shared = share_own(home, network)
            assert shared is not None
            for cid in home.blocks.cids():
                replay.call("put", Block(cid, home.blocks.get(cid)))
        replay.call("serve", shared.record)
        assert bob.sync(replay).state == "updated"
        assert all(bob.knows(f"ann/app@{number}") for number in (0, 1, 2, 3, 9))


def test_an_archive_moved_under_another_formats_label(mallory: Attacker, ann: Victim) -> None:
    """Another format of the same config is no conflict; but nothing here can hold it against the config, and that is said."""
    image = listed_image("app")
    mallory.publish(list_image("web", "1.0", image, AMD64))
    ann.subscribe(mallory, "bob")
    assert ann.resolve("bob/web@1.0").notices == ()
    moved = replace(image, archive=listed_image("evil").archive, format="dcat-image/9")
    mallory.publish(list_image("web", "1.0", moved, AMD64))
    ann.sync(mallory)
    (notice,) = ann.resolve("bob/web@1.0").notices
    assert (notice.kind, notice.warns) == ("format", True)
    mallory.publish(list_image("web", "1.0", replace(moved, archive=listed_image("worse").archive), AMD64))
    assert len(ann.sync(mallory).conflicts) == 1


def test_unsubscribed_from_while_it_is_fetched(mallory: Attacker, tmp_path: Path) -> None:
    ann = Victim(tmp_path / "ann", Timeouts(min_rate=1024))
    mallory.publish(WEB)
    ann.subscribe(mallory, "bob")
    mallory.publish(*(make_release("web", str(number), annotations={"title": "x" * 3000}) for number in range(200)))
    mallory.call("behave", "slow-line", 9 << 10)  # more than a minute for this index
    asked = len(mallory.call("paths"))
    with ThreadPoolExecutor(1) as pool:
        syncing = pool.submit(ann.sync, mallory)
        while len(mallory.call("paths")) < asked + 3:
            assert not syncing.done(), syncing.result()
            time.sleep(0.02)
        ann.unsubscribe("bob")
        mallory.call("behave", "honest")
        assert isinstance(syncing.result().error, CatalogueNotFoundError)
    with ann.home() as home, home.index.read() as connection:
        assert list_catalogues(connection) == []


def test_look_alikes(mallory: Attacker, carol: Attacker, ann: Victim) -> None:
    carol.publish(WEB, make_release("we-b", "1.0"), make_release("web", "1.0.0"))
    ann.subscribe(carol, "carol")
    mallory.publish(make_release("we_b", "1.0", "evil"), make_release("we.b", "1.0", "evil"), make_release("web", "01.0", "evil"))
    ann.subscribe(mallory, "caro1")
    assert ann.resolve("web@1.0").release == WEB
    assert ann.resolve("we-b@1.0").catalogue.alias == "carol"
    assert ann.resolve("we_b@1.0").catalogue.alias == "caro1"
    assert ann.resolve("web", latest=True).catalogue.alias == "carol"
    for alias in ("Carol", "carol/", "ca rol", "cаrol"):  # the last one has a Cyrillic letter
        with pytest.raises(DcatError):
            ann.subscribe(mallory, alias)

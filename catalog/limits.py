"""Every limit that dcat enforces on others. Sizes are in bytes, times in seconds."""

KIB = 1024
MIB = 1024 * KIB
GIB = 1024 * MIB

# IPNS (spec: ipns-record, "Record Size Limit")
MAX_RECORD_SIZE = 10 * KIB
MAX_SEQUENCE = 2**63 - 1  # the largest that Kubo reads; a record with this sequence revokes its key
SUSPICIOUS_SEQUENCE_JUMP = 10**6
RECORD_LIFETIME = 30 * 86400
RECORD_RENEW_BELOW = 20 * 86400
RECORD_TTL = 300
OWN_RECORD_PATIENCE = 10.0  # how long a publish waits for a record that another home signed with the same key; a sync waits longer
RECORD_GRACE_SHARE = 1 / 8  # of the budget: for the slower routings, once one has given a valid record
OFFER_RECORD_AFTER = 86400  # the DHT drops records after 48 h
CHECK_NOTE_AFTER = 86400  # since a catalogue was last checked
CHECK_WARN_AFTER = 7 * 86400
CLOCK_TOLERANCE = 300  # how far another host's clock may be ahead

# Blocks and DAGs (bitswap: 2 MiB; CVE-2023-23625: fan-out and depth)
MAX_BLOCK_SIZE = 2 * MIB
MAX_DAG_DEPTH = 64
MAX_DAG_BLOCKS = 2**22
MAX_FANOUT = 1024
MAX_CAR_HEADER_SIZE = 64 * KIB
MAX_CAR_ROOTS = 16
MAX_CBOR_DEPTH = 64
MAX_READ_AHEAD = 8 * MIB  # of a file's blocks in one request

# Images
MAX_CHUNK_SIZE = 512 * KIB  # the content of a stored frame
MAX_STORED_FRAME_SIZE = 514 * KIB
MAX_LAYERS = 511  # distinct ones: the archive's root then links 1023 children
MAX_PLATFORMS = 16
MAX_JSON_SIZE = 4 * MIB  # a manifest or config
MAX_JSON_DEPTH = 64
MAX_HELD_JSON_SIZE = 64 * MIB  # all documents of an export that are kept in memory until its end
MAX_SMALL_BLOB = 64 * KIB  # that is pushed and kept in memory until a manifest tells what it is; so are documents
MAX_PROVENANCE_SIZE = MIB  # the manifests under which an image was pushed
MAX_PROVENANCES = 4  # of one archive
MAX_INDEX_DEPTH = 4  # of indexes inside indexes in an export; real ones have 2
MAX_INDEX_ENTRIES = 1024  # descriptors of one index, and images of one export
MAX_EXPORT_MEMBERS = 32768
MAX_MEMBER_NAME_LENGTH = 1024
MAX_TAR_EXTENSION_SIZE = MIB  # a PAX header or a GNU long name
MAX_LINK_HOPS = 16
MAX_SHOWN_FILE = MIB  # of a file of an image on a page
MAX_LISTED_ENTRIES = 2**20  # of one layer whose files are listed
MAX_LISTED_PATH = 4096  # of a file or link in a layer, or what a link leads to: PATH_MAX, so no engine unpacks a longer one
MAX_LISTED_TEXT = 256 * MIB  # of all paths and link targets of one layer
MAX_IMPLIED_TEXT = 64 * MIB  # of the paths of directories that an image implies and does not record
MAX_LINK_STEPS = 2**25  # parts of paths that are looked at to follow the links of an image
MAX_PACKAGE_FILE_SIZE = 32 * MIB  # of a file that says what is installed
MAX_LISTING_CACHE = 256 * MIB
MAX_LISTING_SIZE = 512 * MIB  # of a kept listing, inflated
MAX_METADATA_SIZE = 16 * MIB  # of an archive: everything before its first layer
DEFAULT_MAX_IMAGE_SIZE = 64 * GIB
MAX_ZSTD_WINDOW = 128 * MIB  # of a layer or outer file that others compressed
SUSPICIOUS_RATIO = 200
SUSPICIOUS_RATIO_FROM = GIB

# Files that name images
MAX_DEPLOYMENT_SIZE = MIB  # of a Compose file, Kubernetes objects, a kustomization or a Dockerfile
MAX_YAML_DEPTH = 64
MAX_YAML_NODES = 100_000  # an alias counts as one
MAX_YAML_MERGES = 1_000_000  # mappings that are looked into for the merge keys of others
MAX_DOCKERFILE_LINES = 50_000

# Names (docker: repository and tag grammar)
MAX_NAME_LENGTH = 255
MAX_VERSION_LENGTH = 128
MAX_ANNOTATION_LENGTH = 4096
MAX_ANNOTATION_KEY_LENGTH = 64

# Snapshots
MAX_LINE_SIZE = 8 * KIB
MAX_REGISTRY_REFERENCES = 2 * KIB  # of all images of a release together: a quarter of its line
MAX_SNAPSHOT_LEAF_SIZE = MIB
MAX_SNAPSHOT_SIZE = GIB
MAX_RELEASES = 2 * 10**6
MAX_ANCESTORS = 256  # snapshots searched for a common ancestor
MAX_CATALOGUE_FILE_SIZE = 64 * KIB
MAX_DELTAS = 4
MAX_DIRECTORY_BLOCK_SIZE = 256 * KIB  # larger directories are sharded (profile unixfs-v1-2025)

# Deltas (docs/formats/delta.md, section 4)
MAX_DELTA_HEADER_SIZE = MIB
MAX_DELTA_SECTIONS = 1024
MAX_DELTA_SECTION_SIZE = 32 * MIB
MAX_DELTA_PREFIX_SIZE = 32 * MIB
MAX_DELTA_PREFIX_BLOCKS = 8192
MAX_DELTA_WINDOW = 2**26
MAX_DELTA_NODE_SIZE = 64 * KIB
MAX_DELTA_DEPTH = 8
MAX_DELTA_CACHE = GIB  # of deltas that a server made
MAX_DELTA_CHAIN = 8  # published deltas applied one after the other
MAX_DELTA_CANDIDATES = 200  # releases of a name in one catalogue that are considered as a base
MIN_DELTA_NEED = 64 * KIB  # fewer new bytes are fetched as blocks
MAX_DELTA_BASES = 3  # images that a server is asked for a delta from
REBUILT_BATCH_SIZE = 2 * MIB  # of rebuilt blocks in one transaction: the most work that a kill loses
FIRST_REBUILT_BATCH_SIZE = 128 * KIB  # of the first ones, each further one is twice as large: a reader may wait for them
MAX_DELTA_JOBS = 4  # made at once by a server, and at most one for each core
DELTA_WAIT = 8.0  # how long a request waits for a delta to be made
MAX_DELTA_WAITERS = 32  # requests that wait for one delta; others are told to come back at once
DELTA_PROMISE = 60.0  # how long a delta is made on for a client that was told to come back
DELTA_RETRY = 60.0  # until a pair whose blocks were missing is tried again, four times as long after each failure
DELTA_MAX_RETRY = 86400.0

# Sources
CONNECT_TIMEOUT = 5.0
FIRST_BYTE_TIMEOUT = 10.0
MIN_RATE = 16 * KIB  # bytes a second, averaged over RATE_WINDOW; a slower source is dropped or hedged
RATE_WINDOW = 10.0
MAX_REDIRECTS = 3
MAX_UNWANTED = MIB
MAX_UNWANTED_SHARE = 0.05
MAX_UNWANTED_SLACK = 64 * KIB  # transfers with fewer unwanted bytes are never judged by their share
SOURCE_BUDGET = 40.0  # the longest that a fetch goes on without a new verified block
DNS_TIMEOUT = 10.0
MAX_DNSLINKS = 4  # redirects from one domain to another
HEDGE_AFTER = 2.0  # after this time without an answer, other sources are asked for the block as well
RETRY_AFTER = 0.5
MAX_CONNECTIONS_A_SOURCE = 16
MAX_ERROR_BODY = 64 * KIB
MAX_CLUSTER_REPLY = 16 * MIB  # the peers of a large cluster: each lists all others
REPLICA_WAIT = 60.0  # for which a share waits for the nodes of a cluster; the next one goes on
MAX_SERVICE_REPLY = MIB  # of a pinning service
SERVICE_WAIT = 10.0  # for which a share waits for each pinning service; the next one asks again

MAX_BUNDLE_MANIFEST_SIZE = MIB
MAX_BUNDLE_BLOCKS = 2**23

# static catalogues
MAX_OUTLINE_SIZE = 64 * MIB  # the nodes of a layer of some 64 GiB
MAX_OUTLINE_MANIFEST_SIZE = MIB
MAX_OUTLINE_PLACES = 64  # earlier snapshots, and packs, that one outline leads to
MAX_STATIC_TAGS = 10_000  # of one name that a folder of files lists
MAX_HELD_OUTLINES = 64 * MIB  # of outlines that a reader keeps in memory

# Server
MAX_REQUESTS_IN_FLIGHT = 256
MAX_REQUESTS_PER_CLIENT = 64
MAX_HEADER_SIZE = 16 * KIB
MAX_WRITE_BODY = 128 * KIB  # more than a list of blocks or a record needs
HEADER_TIMEOUT = 10.0
IDLE_TIMEOUT = 30.0
MAX_BLOCKS_A_REQUEST = 1024
MAX_CONNECTIONS = 4096  # fewer if the process may open fewer files; the connection idle for longest is closed first
MAX_PIPELINED_REQUESTS = 16
MAX_BUFFERED_BODIES = 32 * MIB  # of all requests with an incomplete body
MAX_STALLED_BYTES = 96 * MIB  # of all responses held in memory for slow readers
BODY_TIMEOUT = 30.0
MIN_READING = 16 * KIB  # the least that a client must read of its response in each IDLE_TIMEOUT
STREAM_CHUNK_SIZE = 64 * KIB
STREAM_TURN_SIZE = 2 * MIB  # of one body, before others are sent
STREAM_CHUNK_TIME = 0.05
MAX_CAR_BLOCKS = 2**20
MAX_CAR_REPEATS = 1024  # of blocks below REPEATED_BLOCK_SIZE, where a CAR is asked for with duplicates
REPEATED_BLOCK_SIZE = 4 * KIB
MAX_PATH_WORK = 4 * MIB  # bytes of directories that are decoded for one path
MAX_LOGGED_FIELD = 2 * KIB
MAX_PAGES_MEMORY = 128 * MIB  # of what pages keep because it is expensive to compute, as estimated
MAX_MADE_PAGES = 16 * MIB  # of pages as they were sent, kept until the home changes or their ages are too old
MAX_COUNTED_LEAVES = 2_000_000  # distinct ones that the storage page counts; it looks at no more images then
MAX_SLOW_PAGES = 16  # pages of files, comparisons and storage that are made or wait for it
MAX_LISTED_TAGS = 1000  # of names, of tags and of releases of one name, for one request
MAX_PULLING_CLIENTS = 256  # that are told apart in what was pulled
MAX_RECENT_PULLS = 50  # requests for manifests that are shown
FEEDER_JOBS = 4  # images fetched for clients at once
FEEDER_PATIENCE = 30.0  # for which a request waits for the metadata of one
MAX_FEEDER_WAITERS = 160  # requests that wait for what is being fetched: others need slots too
FEEDER_RETRY = 10.0  # until one that failed is tried again
MAX_FETCHED_SIZE = 32 * GIB  # of the archives that clients had fetched; then the oldest are let go of
MAX_WAITING_REQUESTS = 256  # for a free slot
ROOM_PATIENCE = 0.5  # for which a request waits for the slot of a response that is cut off because it is not read
STALL_GRACE = 5.0  # after which a response that its client does not read gives its slot to a request that needs one
MAX_UPLOADS = 256  # of blobs, begun by clients that push and not ended; then the oldest that nobody sends to makes room
UPLOADS_AT_ONCE = 6  # layers that are read side by side; the others are left unread
PUSH_IDLE = 300.0  # after which a push that nobody continues is forgotten
PUSH_CHECK_PERIOD = 2.0  # between two looks for such pushes
PUSHES_AT_ONCE = 8  # releases made of pushed images side by side
REGISTRY_PATIENCE = 5.0  # for which a request to the registry waits for a free slot
SHUTDOWN_TIMEOUT = 3.0
DOWNLOAD_TIMEOUT = 30.0  # after which a stopping server ends pulls from the registry too
RECORD_CHECK_PERIOD = 3600.0
LINKS_CHECK_PERIOD = 10.0

# Following
MAX_LISTED_CHANGES = 1000  # of one sync, in history and output; beyond that they are counted
MAX_SEEN_CONTENTS = 4 * 10**6  # of one catalogue that are remembered: more than any one snapshot can list
MAX_HISTORY = 50_000  # changes of one catalogue that are kept
MAX_DIFFERENCES = 20_000  # beyond that a catalogue is loaded whole
MAX_LOCKED_RELEASES = 10_000  # of one dcat.lock
MAX_OPEN_CONFLICTS = 100  # of a catalogue; a snapshot that would leave more is withheld until the user decides
FOLLOWED_BUDGET = 600.0  # for fetching the index of one catalogue in a sync; what was fetched stays for the next one
MAX_REFUSALS = 100  # suspicious records of one catalogue that are remembered as refused
MAX_ARRIVING = 2 * GIB  # of indexes that were fetched in part, or not taken over: more is deleted after a sync
FETCHES_AT_ONCE = 16  # catalogues whose records and indexes are fetched at the same time

# Databases and engines
SHARE_LOCK_TIMEOUT = 600.0  # another command that shares may write a large snapshot, or wait for Kubo
BUSY_TIMEOUT = 30.0
WAL_LIMIT = 64 * MIB  # of each SQLite file
BLOCK_BATCH_SIZE = 8 * MIB  # of blocks in one transaction
LEASE_TIME = 86400
MIN_FREE_SPACE = 128 * KIB  # SQLite needs this much beside a file that it opens
ENGINE_IDLE_TIMEOUT = 60.0
ENGINE_STAGING_RATE = 16 * MIB  # an engine stages an image without output: wait one second more per this many bytes
ENGINE_PUSH_WAIT = 2.0  # until an engine that was told to push has asked for something; then it is told to export
ENGINE_STOP_GRACE = 0.8  # how long an interrupted load may continue to the end of a blob
ENGINE_UPLOAD_PIECE = MIB
MAX_ENGINE_REPLY = 64 * MIB  # the list of some 100,000 images
MAX_ENGINE_EVENT = 256 * KIB  # one line of what an engine reports
MAX_ENGINE_STAGING = 4 * 3600.0  # the longest silence before an export, whatever size the engine states
ENGINE_EXPORT_FLOOR = 64 * KIB  # what five minutes of waiting for an export must bring
ENGINE_PULL_TIME = 24 * 3600.0  # how long an engine may report of a pull
ENGINE_LOAD_TIME = 3600.0  # how long an engine may report of a load after it has all of it, and twice the staging time more

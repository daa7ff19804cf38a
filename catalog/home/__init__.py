"""A user's home directory: every file that dcat keeps for a user.

::

    <home>/                         0700
        key                         private key of the own catalogue (libp2p's protobuf), 0600      storage/keyfile
        trust.sqlite                what was seen, decided and promised; nothing deletes it         trust/
        index.sqlite                what is known of releases; rebuilt from trust store and blocks  index/
        blocks.sqlite               blocks, and the leases of running commands                      blockstores/
        arriving.sqlite             blocks of followed indexes until they are taken over            followed/arriving
        records/<name>.ipns-record  last record of the own and of each followed catalogue           home/records
        deltas/<pair>.delta         deltas made for others; a cache                                 home/deltas
        files/<layer CID>.files     listings of layers, of files inside images; a cache             home/listings
        reserve                     4 MiB of room for a collection on a full disk                   home/reserve
        config.toml                 settings, in a home that DCAT_HOME names                        cli/settings

        own.lock                    the own catalogue's releases are being changed                  home/locks
        key.lock                    the key is being created                                        home/locks
        share.lock                  the own catalogue is being signed and offered                   home/locks
        sync.lock                   a followed catalogue is being updated                           home/locks
        kubo.lock                   the Kubo node's pins are being changed                          home/locks
        setup.lock                  a file is being created or migrated                             storage/database
        load.lock                   a whole snapshot is being put into the index                    index/loading

Beside each ``.sqlite`` file SQLite keeps ``-wal`` and ``-shm``. ``<file>.<revision>`` is the copy from before a migration,
``<file>.damaged`` what a repair put aside, ``blocks.sqlite.salvaged`` an unfinished repair. A name with a leading dot is an
unfinished write or a temporary directory of a running command; after a crash it may be deleted.

`home` opens all of this, `journal` keeps trust store and index in step, `roots` lists what is kept and why, `damage` finds and
repairs damaged files, `naming` says what releases are called here.
"""

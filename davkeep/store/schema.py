"""The tables of the database, as the steps that led to them."""

#: Each step is a tuple of statements. A database's `user_version` says how many steps it has taken.
#: A step that was ever released is never changed: a new one is appended.
STEPS: tuple[tuple[str, ...], ...] = (
    (
        # One row for each dead property. `path` is the entry's real path in the file system,
        # `name` is in Clark notation, `value` is the property's element, serialised.
        """
        CREATE TABLE properties (
            path BLOB NOT NULL,
            name TEXT NOT NULL,
            value BLOB NOT NULL,
            PRIMARY KEY (path, name)
        ) WITHOUT ROWID
        """,
        # One row for each lock. `timeout` is in seconds, `expires` in epoch seconds; both are
        # null for a lock that does not expire.
        """
        CREATE TABLE locks (
            token TEXT PRIMARY KEY NOT NULL,
            path BLOB NOT NULL,
            url TEXT NOT NULL,
            depth TEXT NOT NULL CHECK (depth IN ('0', 'infinity')),
            scope TEXT NOT NULL CHECK (scope IN ('exclusive', 'shared')),
            owner BLOB NOT NULL,
            principal TEXT NOT NULL,
            timeout REAL,
            expires REAL
        ) WITHOUT ROWID
        """,
        "CREATE INDEX locks_by_path ON locks (path)",
        "CREATE INDEX locks_by_end ON locks (expires) WHERE expires IS NOT NULL",
    ),
    (
        # One row for each thing that a webhook is still to be told. `receiver` is its URL,
        # `operation` an identifier, `due` in epoch seconds. Numbers grow and are never used again.
        """
        CREATE TABLE deliveries (
            number INTEGER PRIMARY KEY AUTOINCREMENT,
            receiver TEXT NOT NULL,
            operation TEXT NOT NULL,
            body BLOB NOT NULL,
            failed INTEGER NOT NULL,
            due REAL NOT NULL,
            UNIQUE (receiver, operation)
        )
        """,
        "CREATE INDEX deliveries_by_due ON deliveries (receiver, due)",
        "CREATE INDEX deliveries_by_number ON deliveries (receiver, number)",
    ),
    (
        # One row for each ranged upload that is not complete. `name` is that of its hidden file,
        # in the directory of `path` unless `folder` names another; `path` is the target's real
        # path, `length` in bytes, `touched` in epoch seconds. See store/uploads.py.
        """
        CREATE TABLE uploads (
            name TEXT PRIMARY KEY NOT NULL,
            path BLOB NOT NULL,
            principal TEXT NOT NULL,
            address TEXT NOT NULL,
            length INTEGER NOT NULL,
            folder BLOB,
            inode TEXT,
            touched REAL NOT NULL,
            UNIQUE (path, principal, address)
        ) WITHOUT ROWID
        """,
    ),
    (
        # One row for each operation that has begun to change something and is not over. `stage`
        # is the word of `journal.Stage`, `record` all that recovery has to know, as JSON.
        """
        CREATE TABLE journal (
            id TEXT PRIMARY KEY NOT NULL,
            stage TEXT NOT NULL,
            record TEXT NOT NULL
        ) WITHOUT ROWID
        """,
        # Directories in which uploads were staged since the start. `root` is the folder of their
        # share and `inode` that folder's: where it is another one, the share is not there.
        """
        CREATE TABLE staging_folders (
            path BLOB PRIMARY KEY NOT NULL,
            root BLOB NOT NULL,
            inode TEXT NOT NULL
        ) WITHOUT ROWID
        """,
    ),
    (
        # What the database says of itself; see store/meta.py.
        "CREATE TABLE meta (key TEXT PRIMARY KEY NOT NULL, value TEXT NOT NULL) WITHOUT ROWID",
    ),
    (
        # One row for each operation that was over when the server was last stopped. `until` is the
        # second of the epoch until which it can be looked at; without `operation`, JSON as of
        # operations/lasting.py, it answers until then that it is forgotten.
        """
        CREATE TABLE results (
            id TEXT PRIMARY KEY NOT NULL,
            until REAL NOT NULL,
            owner TEXT NOT NULL,
            address TEXT NOT NULL,
            operation TEXT
        ) WITHOUT ROWID
        """,
    ),
    (
        # What can be told of an upload without its disk: `created` in epoch seconds, and how many
        # bytes had arrived when its last request ended. `copy` is the number of the hidden file
        # that a MOVE to another file system has made, as `inode`; null where there is none.
        "ALTER TABLE uploads ADD COLUMN created REAL NOT NULL DEFAULT 0",
        "ALTER TABLE uploads ADD COLUMN arrived INTEGER NOT NULL DEFAULT 0",
        "ALTER TABLE uploads ADD COLUMN copy TEXT",
    ),
    (
        # One row for each event that a webhook is still to be told of: an `operation` that has
        # `ended` at that second of the epoch. Numbers grow and are never used again.
        """
        CREATE TABLE events (
            number INTEGER PRIMARY KEY AUTOINCREMENT,
            operation TEXT NOT NULL UNIQUE,
            body BLOB NOT NULL,
            ended REAL NOT NULL
        )
        """,
        # One row for each receiver, a URL, that is to be told of an event, whose body has `size`
        # bytes. So many attempts have `failed`.
        """
        CREATE TABLE owed (
            event INTEGER NOT NULL,
            receiver TEXT NOT NULL,
            size INTEGER NOT NULL,
            failed INTEGER NOT NULL,
            PRIMARY KEY (event, receiver)
        ) WITHOUT ROWID
        """,
        "CREATE INDEX owed_by_receiver ON owed (receiver, event)",
        """
        INSERT INTO events (operation, body, ended)
            SELECT operation, body, min(due) FROM deliveries GROUP BY operation ORDER BY min(number)
        """,
        """
        INSERT INTO owed SELECT events.number, receiver, length(events.body), failed
            FROM deliveries JOIN events USING (operation)
        """,
        "DROP TABLE deliveries",
    ),
    (
        # What was known by its real path is known by a key (see store/subtrees.py): `path` in every
        # table, and in the journal's records, which are brought up when they are read.
        "UPDATE properties SET path = CAST(rtrim('/paths' || path, '/') AS BLOB)",
        "UPDATE locks SET path = CAST(rtrim('/paths' || path, '/') AS BLOB)",
        "UPDATE uploads SET path = CAST('/paths' || path AS BLOB)"
        " WHERE path != CAST('/' || name AS BLOB)",
        "CREATE TABLE folders_with_keys (path BLOB PRIMARY KEY NOT NULL) WITHOUT ROWID",
        "INSERT INTO folders_with_keys"
        " SELECT CAST(rtrim('/paths' || path, '/') AS BLOB) FROM staging_folders",
        "DROP TABLE staging_folders",
        "ALTER TABLE folders_with_keys RENAME TO staging_folders",
        # One row for each share that was ever served. `share` is its UUID, `prefix` the key of its
        # root, `root` where that was last; see store/shares.py.
        """
        CREATE TABLE shares (
            share TEXT PRIMARY KEY NOT NULL,
            prefix BLOB NOT NULL,
            root BLOB NOT NULL,
            filesystem TEXT,
            inode TEXT NOT NULL,
            born TEXT,
            seen REAL NOT NULL,
            spelling TEXT,
            adopted INTEGER NOT NULL
        ) WITHOUT ROWID
        """,
    ),
)

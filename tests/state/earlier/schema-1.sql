-- What davkeep 1226c63 had stored at its end. The root of its share is written as @ROOT@.
BEGIN TRANSACTION;
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
        ;
INSERT INTO "locks" VALUES('urn:uuid:23522f55-4ac2-49d1-8cb6-d60710d05dda',CAST('@ROOT@/file' AS BLOB),'/file','infinity','exclusive',X'3C6F776E657220786D6C6E733D224441563A223E616E6E3C2F6F776E65723E','',604800.0,1.79635315632585620881e+09);
INSERT INTO "locks" VALUES('urn:uuid:cf62d707-0fde-46a6-979e-0845bb466077',CAST('@ROOT@/locked' AS BLOB),'/locked/','infinity','exclusive',X'3C6F776E657220786D6C6E733D224441563A223E616E6E3C2F6F776E65723E','',604800.0,1.79635315633386683465e+09);
CREATE TABLE properties (
            path BLOB NOT NULL,
            name TEXT NOT NULL,
            value BLOB NOT NULL,
            PRIMARY KEY (path, name)
        ) WITHOUT ROWID
        ;
INSERT INTO "properties" VALUES(CAST('@ROOT@' AS BLOB),'{urn:x}color',X'3C636F6C6F7220786D6C6E733D2275726E3A78223E726F6F743C2F636F6C6F723E');
INSERT INTO "properties" VALUES(CAST('@ROOT@/copy/00' AS BLOB),'{urn:x}color',X'3C636F6C6F7220786D6C6E733D2275726E3A78223E626C75653C2F636F6C6F723E');
INSERT INTO "properties" VALUES(CAST('@ROOT@/file' AS BLOB),'{urn:x}color',X'3C636F6C6F7220786D6C6E733D2275726E3A78223E7265643C2F636F6C6F723E');
INSERT INTO "properties" VALUES(CAST('@ROOT@/tree/00' AS BLOB),'{urn:x}color',X'3C636F6C6F7220786D6C6E733D2275726E3A78223E626C75653C2F636F6C6F723E');
CREATE INDEX locks_by_path ON locks (path);
CREATE INDEX locks_by_end ON locks (expires) WHERE expires IS NOT NULL;
PRAGMA user_version = 1;
COMMIT;

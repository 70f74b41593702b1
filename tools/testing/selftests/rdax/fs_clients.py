#!/usr/bin/python3
# SPDX-License-Identifier: GPL-2.0
"""Databases on a file system: fs_clients.py {sqlite,lmdb} {fill,check} DIR

What fill puts into a database of DIR, check finds in it, after a remount."""

import hashlib
import os
import sqlite3
import sys

ROWS = 1500


def value(number, generation):
    digest = hashlib.sha256(f"{number} {generation}".encode()).hexdigest()
    return (digest * (1 + number % 9)).encode()


def expected():
    """Every row as it is in the end: some changed, some deleted."""
    rows = {n: value(n, 0) for n in range(ROWS)}
    rows.update({n: value(n, 1) for n in range(0, ROWS, 3)})
    return {n: v for n, v in rows.items() if n % 5}


def open_sqlite(directory, journal):
    db = sqlite3.connect(f"{directory}/{journal}.db", isolation_level=None)
    db.execute("PRAGMA mmap_size=268435456")
    assert db.execute(f"PRAGMA journal_mode={journal}").fetchone()[0] == journal
    return db


def sqlite_fill(directory):
    for journal in ("wal", "delete"):
        db = open_sqlite(directory, journal)
        db.execute("CREATE TABLE t (n INTEGER PRIMARY KEY, v BLOB, h TEXT)")
        db.execute("CREATE INDEX i ON t (h)")
        for first in range(0, ROWS, 250):
            db.execute("BEGIN")
            for n in range(first, min(first + 250, ROWS)):
                db.execute("INSERT INTO t VALUES (?, ?, ?)", (n, value(n, 0), f"{n * 7919 % 1000}"))
            db.execute("COMMIT")
        db.execute("BEGIN")
        for n in range(0, ROWS, 3):
            db.execute("UPDATE t SET v = ? WHERE n = ?", (value(n, 1), n))
        db.execute("ROLLBACK")
        for n in range(0, ROWS, 3):
            if n % 60 == 0:
                db.execute("BEGIN")
            db.execute("UPDATE t SET v = ? WHERE n = ?", (value(n, 1), n))
            if n % 60 == 57:
                db.execute("COMMIT")
        if db.in_transaction:
            db.execute("COMMIT")
        db.execute("DELETE FROM t WHERE n % 5 = 0")
        db.execute("VACUUM")
        db.close()


def sqlite_check(directory):
    for journal in ("wal", "delete"):
        db = open_sqlite(directory, journal)
        assert db.execute("PRAGMA integrity_check").fetchall() == [("ok",)]
        assert dict(db.execute("SELECT n, v FROM t")) == expected()
        db.close()


def open_lmdb(directory):
    import lmdb

    path = f"{directory}/lmdb"
    os.makedirs(path, exist_ok=True)
    return lmdb.open(path, map_size=64 << 20, writemap=True, max_dbs=2)


def key(number):
    return f"{number * 7919 % 100000:08d}".encode()


def lmdb_fill(directory):
    env = open_lmdb(directory)
    for first in range(0, ROWS, 100):
        with env.begin(write=True) as txn:
            for n in range(first, min(first + 100, ROWS)):
                txn.put(key(n), value(n, 0))
    with env.begin(write=True) as txn:
        for n in range(0, ROWS, 3):
            txn.put(key(n), value(n, 1))
    txn = env.begin(write=True)
    for n in range(ROWS):
        txn.delete(key(n))
    txn.abort()
    with env.begin(write=True) as txn:
        for n in range(0, ROWS, 5):
            assert txn.delete(key(n))
    env.sync(True)
    env.close()


def lmdb_check(directory):
    env = open_lmdb(directory)
    want = {key(n): v for n, v in expected().items()}
    with env.begin() as txn:
        assert dict(txn.cursor()) == want
        assert txn.stat()["entries"] == len(want)
    # A compacting copy reads every page by way of the tree.
    copy = f"{directory}/lmdb-copy"
    os.makedirs(copy)
    env.copy(copy, compact=True)
    env.close()


if __name__ == "__main__":
    globals()[f"{sys.argv[1]}_{sys.argv[2]}"](sys.argv[3])

"""The table of runs, in SQLite or in any database that SQLAlchemy supports."""

import json
import sqlite3
from pathlib import Path
from typing import Any

import sqlalchemy
from sqlalchemy import JSON, Column, Double, Engine, Index, MetaData, NullPool, String, Table, Text
from sqlalchemy.exc import DBAPIError, SQLAlchemyError

from kdlab.registry import InputError

__all__ = ["RUNS", "check", "connect", "is_damage"]

CONNECT_TIMEOUT = 5  # seconds
LOCK_TIMEOUT = 30.0  # seconds that a writer waits for other writers

RUNS = Table(
    "kdlab_runs",
    MetaData(),
    Column("run", String(64), primary_key=True),
    Column("visitor", String(200), nullable=False),
    Column("kind", String(200), nullable=False),
    Column("label", Text, nullable=False),
    Column("page", String(200), nullable=False),
    Column("about", JSON, nullable=False),
    Column("state", String(20), nullable=False),
    Column("message", Text, nullable=False),
    Column("summary", JSON, nullable=False),
    Column("created", Double, nullable=False),
    Column("ended", Double),
    Column("seconds", Double),
    Column("seen", Double, nullable=False),
    Index("kdlab_runs_of_a_visitor", "visitor", "created"),
)


def connect(where: Path | str) -> Engine:
    """Return an engine for a database: a file of SQLite, or a shared one by its address. Raises InputError."""
    if isinstance(where, str):
        try:
            # Psycopg has no default timeout: the desk and all runs would wait for an unreachable database.
            limit = {"connect_args": {"connect_timeout": CONNECT_TIMEOUT}} if where.startswith("postgresql") else {}
            return sqlalchemy.create_engine(where, pool_pre_ping=True, **limit)
        except (SQLAlchemyError, ImportError, ValueError) as error:
            raise InputError(
                f"The address of the runs' database cannot be used ({error}): write, for example, "
                "postgresql://user:password@host/name, and install kdlab[postgresql]."
            ) from error
    # A new connection for each transaction: threads and forks share none, and none writes into a file that was set
    # aside.
    address = sqlalchemy.URL.create("sqlite", database=str(where))
    engine = sqlalchemy.create_engine(
        address, poolclass=NullPool, connect_args={"timeout": LOCK_TIMEOUT, "check_same_thread": False}
    )

    @sqlalchemy.event.listens_for(engine, "connect")
    def begin(connection: sqlite3.Connection, _: Any) -> None:
        connection.execute("PRAGMA journal_mode=WAL")  # readers do not wait for a writer

    return engine


def check(engine: Engine) -> None:
    """Create the table if it does not exist, and read all of it; raises SQLAlchemyError, see `is_damage`."""
    RUNS.metadata.create_all(engine)
    with engine.connect() as connection:
        connection.execute(sqlalchemy.select(RUNS)).all()
        if engine.dialect.name == "sqlite":
            outcome = connection.exec_driver_sql("PRAGMA integrity_check").scalar()
            if outcome != "ok":
                damage = sqlite3.DatabaseError(outcome)
                damage.sqlite_errorcode = sqlite3.SQLITE_CORRUPT
                raise DBAPIError("PRAGMA integrity_check", None, damage)


def is_damage(error: Exception) -> bool:
    """Return whether an error means that a file of SQLite is damaged or a row was altered."""
    inner = getattr(error, "orig", None) or error
    code = getattr(inner, "sqlite_errorcode", 0) & 0xFF
    altered = isinstance(inner, json.JSONDecodeError) or "Could not decode" in f"{inner}"
    return altered or code in (sqlite3.SQLITE_CORRUPT, sqlite3.SQLITE_NOTADB)

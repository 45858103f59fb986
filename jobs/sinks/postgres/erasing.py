"""Deletion of a person's rows from the published side, and the count of what is left of them."""

from psycopg2 import sql
from pydantic import SecretStr

from jobs.db.postgres import Connection, connect
from jobs.db.statements import statement
from recsys.ids import UserId
from recsys.naming import Naming


def forget(uri: SecretStr, user: UserId) -> None:
    """Deletes a user's lists, blocks and quarantined rows; later lists are not used."""
    with connect(uri) as connection, connection.cursor() as cursor:
        cursor.execute(statement("publish/become_writer"))
        cursor.execute(statement("publish/forget_user"), {"user_id": user})
        for table in _list_tables(connection):
            delete = sql.SQL(statement("erase/delete_lists")).format(partition=table)
            cursor.execute(delete, {"user_id": user})
        if _of_people(connection):
            for table in _list_tables(connection):
                entries = sql.SQL(statement("erase/delete_entries")).format(partition=table)
                cursor.execute(entries, {"person": user})


def mentions(uri: SecretStr, user: UserId) -> int:
    """Rows that hold something of a user by their id."""
    with connect(uri) as connection, connection.cursor() as cursor:
        cursor.execute(statement("publish/become_writer"))
        cursor.execute(statement("lookup/mentions"), {"user_id": user})
        (found,) = cursor.fetchone() or (0,)
        for table in _list_tables(connection):
            count = sql.SQL(statement("erase/count_lists")).format(partition=table)
            cursor.execute(count, {"user_id": user})
            found += (cursor.fetchone() or (0,))[0]
        if _of_people(connection):
            for table in _list_tables(connection):
                entries = sql.SQL(statement("erase/count_entries")).format(partition=table)
                cursor.execute(entries, {"person": user})
                found += (cursor.fetchone() or (0,))[0]
    return int(found)


def forget_nameless(uri: SecretStr, naming: Naming, user: UserId) -> None:
    """Deletes quarantined rows that name a user, though not by an id of the type."""
    with connect(uri) as connection, connection.cursor() as cursor:
        cursor.execute(statement("publish/become_writer"))
        places = _nameless_rows(connection, naming, user)
        cursor.execute(statement("erase/delete_rows"), {"places": places})


def nameless_mentions(uri: SecretStr, naming: Naming, user: UserId) -> int:
    """Quarantined rows that name a user, though not by an id of the type."""
    with connect(uri) as connection, connection.cursor() as cursor:
        cursor.execute(statement("publish/become_writer"))
        return len(_nameless_rows(connection, naming, user))


def _of_people(connection: Connection) -> bool:
    with connection.cursor() as cursor:
        cursor.execute(statement("erase/of_people"))
        return cursor.fetchone() == (True,)


def _list_tables(connection: Connection) -> list[sql.Identifier]:
    with connection.cursor() as cursor:
        cursor.execute(statement("erase/list_tables"))
        return [sql.Identifier(name) for (name,) in cursor.fetchall()]


def _nameless_rows(connection: Connection, naming: Naming, user: UserId) -> list[str]:
    """Places of the rows, each `(block,line)`."""
    with connection.cursor("nameless_rows") as cursor:
        cursor.execute(statement("erase/nameless_rows"))
        return [place for place, row in cursor if user in naming.users(row)]

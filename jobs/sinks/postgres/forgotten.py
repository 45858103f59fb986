"""Users who were forgotten, as the published side keeps them."""

import pyarrow as pa
from pydantic import SecretStr

from jobs.db.postgres import connect
from jobs.db.statements import statement
from recsys.ids import UserId, canonical_ids
from recsys.sections.ids import Ids


def forgotten(uri: SecretStr | None, ids: Ids) -> frozenset[UserId]:
    """The users who were forgotten; none where there is no published side yet."""
    if uri is None:
        return frozenset()
    with connect(uri) as connection, connection.cursor() as cursor:
        cursor.execute(statement("erase/installed"))
        if cursor.fetchone() != (True,):
            return frozenset()
        cursor.execute(statement("publish/become_writer"))
        cursor.execute(statement("erase/forgotten_users"))
        known = pa.array([user for (user,) in cursor.fetchall()], pa.string())
    return frozenset(canonical_ids(known, ids.user).to_pylist())

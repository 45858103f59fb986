"""Who connects to the embedded server: the pipeline, its superuser, or a login that a test made."""

import re

from pydantic import SecretStr

from jobs.sandbox.postgres_server import SUPERUSER


def as_login(uri: SecretStr, login: str) -> SecretStr:
    """The same database as another login finds it."""
    return SecretStr(re.sub(r"//\w+@", f"//{login}@", uri.get_secret_value(), count=1))


def as_admin(uri: SecretStr) -> SecretStr:
    """The same database as the server's superuser finds it."""
    return as_login(uri, SUPERUSER)

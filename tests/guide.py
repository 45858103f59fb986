"""Programs that the guides show."""

import re

from tests.conftest import REPOSITORY


def python_of(guide: str) -> str:
    """The one Python program of a page of `docs`."""
    text = (REPOSITORY / "docs" / guide).read_text(encoding="utf-8")
    (program,) = re.findall(r"```python\n(.*?)```", text, re.DOTALL)
    return str(program)

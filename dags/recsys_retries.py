"""Retry policy of tasks: outages are tried again; bad configuration, data or machines are not."""

import re
from typing import Final

from airflow.sdk import Context, RetryPolicy
from airflow.sdk.definitions.retry_policy import RetryDecision
from typing_extensions import override

# A parser ends with 2 on a command line it cannot read; 10-29 and 40-49 are the jobs' own codes for
# configuration, data and machine. Signals (128 and above, an out-of-memory kill) stay retryable,
# and so does 23: a table that was replaced while it was read is whole the next time.
FINAL_CODES: Final = frozenset({2, *range(10, 23), *range(24, 30), *range(40, 50)})

# The operators state the code in their message only: Bash the first way, spark-submit the second.
_EXIT_CODE: Final = re.compile(r"non-zero exit code (\d+)\.|Error code is: (\d+)\.")


class RetryOutages(RetryPolicy):
    """Fails a task at once where its job's exit code says that another try ends the same way."""

    @override
    def evaluate(
        self,
        exception: BaseException,
        try_number: int,
        max_tries: int,
        context: Context | None = None,
    ) -> RetryDecision:
        """Decides from the exit code that the operator's exception states."""
        code = exit_code(exception)
        if code in FINAL_CODES:
            return RetryDecision.fail(f"exit code {code}: another try would end the same way")
        return RetryDecision.default()


def exit_code(exception: BaseException) -> int | None:
    """The job's exit code, or None where the exception states none (a timeout, for example)."""
    found = _EXIT_CODE.search(str(exception))
    return int(found[1] or found[2]) if found else None

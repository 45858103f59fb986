"""Prints the live run as one line of JSON, and how it became live; `null` before the first."""

import argparse
import json
import sys
from datetime import UTC

from jobs.run.reporting import report
from jobs.run.settings import load_settings
from jobs.sinks.postgres import lookup
from recsys.errors import RecsysError


def arg_parser() -> argparse.ArgumentParser:
    return argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )


def main() -> str:
    switch = lookup.live_switch(load_settings().require_postgres())
    if switch is None:
        return "null"
    return json.dumps(
        {
            "run": switch.run_id,
            "as_of": str(switch.as_of),
            "live": True,
            "reason": switch.reason,
            "by": switch.by_user,
            "at": switch.switched_at.astimezone(UTC).isoformat(),
        }
    )


if __name__ == "__main__":
    arg_parser().parse_args()
    try:
        sys.stdout.write(f"{main()}\n")
    except RecsysError as error:
        sys.exit(report(error))

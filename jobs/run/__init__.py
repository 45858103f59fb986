"""Arguments, settings, log and exit codes of every process."""

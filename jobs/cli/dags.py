"""`recsys dags`: where the Airflow DAGs are."""

from importlib.resources import files
from pathlib import Path

import typer


def dags() -> None:
    """Print the folder of the DAGs, for Airflow's dags_folder or one of its bundles.

    Airflow itself comes with the extra `airflow` of this package.

    Example: export AIRFLOW__CORE__DAGS_FOLDER="$(recsys dags)"
    """
    typer.echo(Path(str(files("jobs"))).joinpath("dags").resolve())

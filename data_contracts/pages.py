"""The HTML pages on what was checked: Great Expectations' data docs, built without a network."""

from collections.abc import Iterable, Mapping
from datetime import datetime
from pathlib import Path
from typing import Any, Final

from great_expectations.core import RunIdentifier
from great_expectations.core.expectation_validation_result import (
    ExpectationSuiteValidationResultSchema,
)
from great_expectations.data_context.types.resource_identifiers import (
    ExpectationSuiteIdentifier,
    ValidationResultIdentifier,
)

from data_contracts.rules import quiet_context

_SITE: Final = "contracts"


def build_pages(results: Iterable[Mapping[str, Any]], folder: Path) -> Path:
    """Writes a site on the results of some checks and gives its first page.

    results: what `data_contracts.rules.judge` left, one a table.
    """
    context = quiet_context()
    context.add_data_docs_site(
        _SITE,
        {
            "class_name": "SiteBuilder",
            "store_backend": {
                "class_name": "TupleFilesystemStoreBackend",
                "base_directory": str(folder),
            },
            "site_index_builder": {"class_name": "DefaultSiteIndexBuilder"},
        },
    )
    for result in results:
        parsed = ExpectationSuiteValidationResultSchema().load(dict(result))
        context.validation_results_store.set(_key(parsed.suite_name, parsed.meta["run_id"]), parsed)
    context.build_data_docs(site_names=[_SITE])
    return folder / "index.html"


def _key(name: str, run: Mapping[str, str]) -> ValidationResultIdentifier:
    time = datetime.fromisoformat(run["run_time"])
    identifier = RunIdentifier(run_name=run["run_name"], run_time=time)
    return ValidationResultIdentifier(ExpectationSuiteIdentifier(name), identifier, "lake")

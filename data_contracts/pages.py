"""The HTML pages on what was checked: Great Expectations' data docs, readable without a network.

The library's pages take their looks from other servers, and its index a script too; what comes from
elsewhere is taken out, and the index is a plain page of ours. The library tells a rule's state by
an icon of such a font, and has none for rules that only warn: a word takes its place.
"""

import re
from collections.abc import Iterable, Mapping
from datetime import datetime
from html import escape
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
_ELSEWHERE: Final = re.compile(
    r"<link\b[^>]*https?://[^>]*>|<script\b[^>]*src=[^>]*>\s*</script>|<img\b[^>]*https?://[^>]*>",
    re.IGNORECASE,
)
_IMAGE: Final = re.compile(r"url\(['\"]?https?://[^)]*\)")
#: The part of a page on one rule, which begins with the rule's name.
_PART: Final = re.compile(r'(?=<div id="section-\d+" )')
_NAME: Final = re.compile(r"<h5[^>]*>\s*(.*?)\s*</h5>", re.DOTALL)
_KEPT: Final = re.compile(r'<i class="fas fa-check-circle text-success"[^>]*></i>')
_FAILED: Final = re.compile(r'<i class="fas fa-times text-danger"[^>]*></i>')
_LOOKS: Final = """<style>body { font-family: sans-serif; margin: 2em }
table { border-collapse: collapse } td, th { border: 1px solid #bbb; padding: 0.3em 0.6em;
text-align: left; vertical-align: top }</style>"""


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
    told = [_told(result) for result in results]
    for result in told:
        parsed = ExpectationSuiteValidationResultSchema().load(dict(result))
        context.validation_results_store.set(_key(parsed.suite_name, parsed.meta["run_id"]), parsed)
    context.build_data_docs(site_names=[_SITE])
    index = folder / "index.html"
    for page in folder.rglob("*.html"):
        text = _IMAGE.sub("none", _ELSEWHERE.sub("", page.read_text(encoding="utf-8")))
        page.write_text(text.replace("</head>", f"{_LOOKS}</head>", 1), encoding="utf-8")
    for result in told:
        page = folder / _page(result, folder)
        page.write_text(_in_words(page.read_text(encoding="utf-8"), result), encoding="utf-8")
    index.write_text(_index(told, folder), encoding="utf-8")
    return index


def _in_words(text: str, result: Mapping[str, Any]) -> str:
    """A page that says of each rule whether it was kept, failed or warned."""
    broken = {}
    for each in result["results"]:
        config = each["expectation_config"]
        word = "warned" if config["severity"] == "warning" else "failed"
        broken[escape(config["meta"]["rule"])] = word
    return "".join(_part_in_words(part, broken) for part in _PART.split(text))


def _part_in_words(part: str, broken: Mapping[str, str]) -> str:
    """broken: the word for each rule where it does not hold."""
    name = _NAME.search(part)
    if name is None or name[1] not in broken:
        return part
    return _FAILED.sub(broken[name[1]], _KEPT.sub("kept", part))


def _told(result: Mapping[str, Any]) -> Mapping[str, Any]:
    """A result in which a table that is only warned of keeps to its contract, as it does here."""
    return {**result, "success": not _broken(result, "critical")}


def _broken(result: Mapping[str, Any], severity: str) -> list[str]:
    """The rules of one severity that do not hold, each with what was found."""
    return [
        f"{each['expectation_config']['meta']['rule']} is {each['result'].get('observed_value')}"
        for each in result["results"]
        if not each["success"] and each["expectation_config"]["severity"] == severity
    ]


def _index(results: Iterable[Mapping[str, Any]], folder: Path) -> str:
    rows = []
    for result in results:
        name, run = result["suite_name"], result["meta"]["run_id"]["run_name"]
        link = _page(result, folder)
        failed, warned = (_broken(result, severity) for severity in ("critical", "warning"))
        state = "failed" if failed else "warned" if warned else "kept"
        broken = "<br>".join(escape(text) for text in (*failed, *warned))
        title = f'<a href="{escape(link)}">{escape(name)}</a>'
        cells = (title, escape(run), state, broken)
        rows.append("".join(f"<td>{cell}</td>" for cell in cells))
    body = "\n".join(f"<tr>{row}</tr>" for row in rows)
    head = "".join(f"<th>{name}</th>" for name in ("table", "run", "contract", "broken rules"))
    return (
        '<!DOCTYPE html>\n<html><head><meta charset="UTF-8"><title>Data contracts</title>'
        f"{_LOOKS}</head><body><h1>Data contracts</h1>\n<table><tr>{head}</tr>\n{body}\n"
        "</table></body></html>\n"
    )


def _page(result: Mapping[str, Any], folder: Path) -> str:
    """Path of a result's page, below the folder."""
    name, run = result["suite_name"], result["meta"]["run_id"]["run_name"]
    place = f"validations/{name.replace('.', '/')}/{run}"
    (page,) = (folder / place).rglob("*.html")
    return page.relative_to(folder).as_posix()


def _key(name: str, run: Mapping[str, str]) -> ValidationResultIdentifier:
    time = datetime.fromisoformat(run["run_time"])
    identifier = RunIdentifier(run_name=run["run_name"], run_time=time)
    return ValidationResultIdentifier(ExpectationSuiteIdentifier(name), identifier, "lake")

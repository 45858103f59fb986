"""Examples in docstrings, run as written."""

import doctest
from importlib import import_module
from pkgutil import walk_packages

import pytest

import data_contracts
import recsys

MODULES = [
    module.name
    for package in (recsys, data_contracts)
    for module in walk_packages(package.__path__, f"{package.__name__}.")
]


def test_there_are_examples() -> None:
    finder = doctest.DocTestFinder()
    found = [test for name in MODULES for test in finder.find(import_module(name)) if test.examples]
    assert len(found) >= 4


@pytest.mark.parametrize("name", MODULES)
def test_examples_of_a_module_hold(name: str) -> None:
    assert doctest.testmod(import_module(name)).failed == 0

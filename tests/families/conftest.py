"""All tests here also run where every family has what it needs: `make test-vllm`."""

from __future__ import annotations

import pytest


def pytest_itemcollected(item: pytest.Item) -> None:
    item.add_marker("families")

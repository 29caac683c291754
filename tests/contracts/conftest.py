"""The contract classes assert in modules that are no test modules: their failures are explained as well."""

import pytest

pytest.register_assert_rewrite("contracts.log", "contracts.model", "contracts.proposer")

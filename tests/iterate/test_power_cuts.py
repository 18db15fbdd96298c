"""Three power cuts with scripted answers; `make test-power-cuts` does thirty with the real engine and trainer."""

import pytest

from tests.iterate.power_cuts import can_cut, trials


@pytest.mark.slow
def test_a_run_ends_with_the_same_bytes_after_a_power_cut():
    if not can_cut():
        pytest.skip("needs root, loop devices and e2fsprogs")
    assert trials(3, real=False) == {"the same bytes": 3}

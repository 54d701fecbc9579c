"""The control nodes take their real-time wishes as parameters; what cannot be had is a warning."""

import pytest
from node_rig import NodeRig


@pytest.mark.parametrize("name", ["supervisor", "policy_executor"])
def test_a_core_that_is_not_there_is_a_warning_and_the_node_runs(name: str) -> None:
    rig = NodeRig(name, "-p", "cores:=[9999]")
    try:
        rig.wait(lambda: rig.diagnostics[1], "diagnostics")
    finally:
        status, err = rig.close()
    assert status == 0
    assert "There is no core 9999 for this process" in err and "it is not pinned" in err

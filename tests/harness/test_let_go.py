"""What a test was handed is let go of when it ends."""

from contextlib import aclosing

import pytest

from harness.temporal_test import Temporal
from harness.watching import Watched

pytestmark = pytest.mark.usefixtures("temporal_dev_server")  # it is asynchronous here, and must be there first


async def test_faults_leave_no_directory_where_none_was_given(temporal: Temporal) -> None:
    """As in each example of a model test; it is there while faults are."""
    async with aclosing(Temporal(temporal.environment, Watched())) as example:
        directory = example.faults.directory
        assert directory.is_dir()
    assert not directory.parent.exists()

"""The plugin beside fixtures and markers of a project's own that are called alike, and tests it cannot watch over."""

import pytest
from foreign import run


def test_what_a_project_calls_alike_is_its_own(pytester: pytest.Pytester) -> None:
    """Nobody looks at its tests, unless its fixture is made of the plugin's."""
    result = run(
        pytester,
        """
class TestTheirs:
    @pytest.fixture
    def temporal(self):
        return "theirs"

    @pytest.mark.temporal("a marker of theirs")
    async def test_a_coroutine(self, temporal):
        assert temporal == "theirs"

    def test_a_function(self, temporal):
        assert temporal == "theirs"

class TestMadeOfOurs:
    @pytest.fixture
    def temporal(self, temporal):
        return temporal.client

    @skips
    async def test_unsteady(self, temporal):
        async with Worker(temporal, task_queue="own", workflows=[Unsteady], activities=[charge]):
            await temporal.execute_workflow(Unsteady.run, id="made-of-ours", task_queue="own")
""",
    )
    result.assert_outcomes(passed=2, failed=1)
    result.stdout.fnmatch_lines(["*Unsteady 'made-of-ours'*does not command what it did*"])


def test_what_cannot_be_watched_over_is_refused(pytester: pytest.Pytester) -> None:
    """Before its environment is opened, and with what to ask for instead; tests that ask for nothing run."""
    result = run(
        pytester,
        """
from hypothesis import HealthCheck, given, settings, strategies as st

@skips
def test_a_function(temporal):
    raise RuntimeError("it ran")

@skips
@settings(suppress_health_check=list(HealthCheck))
@given(st.integers())
async def test_many_examples(temporal, number):
    raise RuntimeError("it ran")

@skips
def test_by_its_name(request):
    request.getfixturevalue("temporal")

def test_nothing(): ...
""",
    )
    result.assert_outcomes(passed=1, failed=1, errors=2)
    result.stdout.fnmatch_lines(["*A plain function, or one with @given, asks for `temporal_model`*"] * 3)
    result.stdout.no_fnmatch_line("*it ran*")

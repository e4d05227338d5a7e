"""Each bug of the catalogue is found, by a message that names it; without it, the same search finds nothing."""

from fnmatch import fnmatchcase

import pytest
from bench import Bench
from bugs import BUGS, Bug

named = pytest.mark.parametrize("bug", BUGS, ids=lambda bug: bug.name)


@named
async def test_it_is_found_and_named(bug: Bug, bench: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    """The search says what the catalogue says that it says."""
    bug.plant(monkeypatch.setattr)
    found = await bug.search(bench)
    print(*found, sep="\n")
    assert any(fnmatchcase(each, bug.message.replace("…", "*")) for each in found), found


@pytest.mark.parametrize("search", dict.fromkeys(bug.search for bug in BUGS), ids=lambda search: search.__name__)
async def test_nothing_is_found_where_nothing_is_planted(search: object, bench: Bench) -> None:
    """The system as it is."""
    assert await search(bench) == []

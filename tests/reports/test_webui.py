"""Links to Temporal's UI are made where its address is known, and the page says for how long they open."""

import msgspec
import pytest
from handwritten_runs import conditions

from harness.records.fingerprint import Fingerprint
from reports.webui import web_ui


def with_temporal(**changes: str) -> Fingerprint:
    temporal, redis = conditions().services
    return msgspec.structs.replace(conditions(), services=(redis, msgspec.structs.replace(temporal, **changes)))


def test_a_link_leads_to_the_history_of_a_run() -> None:
    """Whatever is in a workflow's id is part of it, and no path of its own."""
    ui = web_ui(with_temporal(ui="https://ui.example/namespaces/orders"))
    assert ui.history("a/b?c", "r1") == "https://ui.example/namespaces/orders/workflows/a%2Fb%3Fc/r1/history"


@pytest.mark.parametrize("address", ["", "javascript:alert(1)"])
def test_without_an_address_that_a_browser_can_open_there_is_no_link(address: str) -> None:
    """And the page says how to give one."""
    ui = web_ui(with_temporal(ui=address))
    assert ui.history("w", "r") == ""
    assert "give it as ui in temper.toml" in ui.note


@pytest.mark.parametrize("fingerprint", [None, msgspec.structs.replace(conditions(), services=())])
def test_of_a_run_whose_server_is_not_recorded_nothing_is_linked(fingerprint: Fingerprint | None) -> None:
    """Nothing is guessed."""
    ui = web_ui(fingerprint)
    assert (ui.address, ui.note) == ("", "No links to Temporal's UI: which server the run used is not recorded.")


def test_how_long_a_link_opens_depends_on_who_runs_the_server() -> None:
    """A server of the run's own is gone when the report is read."""
    assert "ended with the run" in web_ui(with_temporal(provider="container")).note
    assert "for as long as that server keeps" in web_ui(with_temporal(provider="external")).note

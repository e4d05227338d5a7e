"""Where Temporal's web UI shows the workflows of a run, and for how long."""

from urllib.parse import quote

from msgspec import Struct

from harness.records.fingerprint import Fingerprint, ServiceInfo


class WebUI(Struct, frozen=True, kw_only=True):
    """The UI of the server that a run used."""

    address: str
    """http://…/namespaces/NAMESPACE; empty where none is known that a browser could open."""
    note: str
    """One sentence: when its links open, or why there are none."""

    def history(self, workflow_id: str, run_id: str) -> str:
        """The address of a run's history; empty where the UI's is not known."""
        return (
            f"{self.address}/workflows/{quote(workflow_id, safe='')}/{quote(run_id, safe='')}/history"
            if self.address
            else ""
        )


def web_ui(fingerprint: Fingerprint | None) -> WebUI:
    """What is known of it from the run's conditions."""
    temporal = next((each for each in fingerprint.services if each.name == "temporal"), None) if fingerprint else None
    if temporal is None:
        return WebUI(address="", note="No links to Temporal's UI: which server the run used is not recorded.")
    if not temporal.ui.startswith(("http://", "https://")):
        return WebUI(
            address="",
            note="No links to Temporal's UI: its address is not known. Of an external server, give it as ui in "
            "temper.toml.",
        )
    return WebUI(address=temporal.ui, note=_note(temporal))


def _note(temporal: ServiceInfo) -> str:
    if temporal.provider == "external":
        return "Ids lead to Temporal's UI, for as long as that server keeps the histories."
    return (
        "Ids lead to the UI of the run's own server, which ended with the run and took its histories with it. For "
        "links that last, run on a server of yours: --external temporal=ADDRESS, with its UI's address as ui in "
        "temper.toml."
    )

"""What Locust's web UI shows of ours: a tab, a page of its own, the run's report; and what its form may ask for."""

from collections.abc import Callable
from typing import Any

from flask import Flask, Response, jsonify, request, send_file

from harness.errors import CannotRun
from loadtests import live
from loadtests.hosted import Wish
from loadtests.leader import Leader

TAB = "temper"
LINK = (
    '<p style="position:fixed;left:1.5rem;bottom:.4rem;margin:0">'
    '<a href="./temper" style="color:inherit">Temper: percentiles and report</a></p>'
)
View = Callable[[], str | Response]


def show(
    app: Flask,
    template: dict[str, Any],
    leader: Leader,
    *,
    base: str,
    guarded: Callable[[View], View],
) -> None:
    """Add it to the app. `template` is what its page is filled with, `base` its path, `guarded` demands its log-in."""
    for path, view in (("", _page), ("/figures", _figures), ("/report", _report)):
        app.add_url_rule(f"{base}/temper{path}", f"temper{view.__name__}", guarded(_of(leader, view)))

    def refuse() -> Response | None:
        return _refused(leader) if request.path == f"{base}/swarm" else None

    def extend(response: Response) -> Response:
        if request.path == f"{base}/stats/requests" and response.is_json:
            ours = {"extended_stats": [{"key": TAB, "data": live.rows(leader)}]}
            response.set_data(jsonify({**response.get_json(), **ours}).get_data())
        elif request.path.rstrip("/") == base and response.mimetype == "text/html":
            response.set_data(response.get_data(as_text=True).replace("</body>", LINK + "</body>"))
        return response

    app.before_request(refuse)
    app.after_request(extend)
    template |= {
        "extended_tabs": [{"key": TAB, "title": "Temper"}],
        "extended_tables": [
            {"key": TAB, "structure": [{"key": key, "title": title} for key, title in live.COLUMNS.items()]}
        ],
        "extended_csv_files": [],
    }


def _of(leader: Leader, view: Callable[[Leader], str | Response]) -> View:
    return lambda: view(leader)


def _page(leader: Leader) -> str:
    return live.page(leader, judged=leader.report.exists())


def _figures(leader: Leader) -> Response:
    return jsonify({"run": leader.plan.run, "judged": leader.report.exists(), "lines": live.rows(leader)})


def _report(leader: Leader) -> Response:
    return send_file(leader.report) if leader.report.exists() else Response("This run is not judged yet.", 404)


def _refused(leader: Leader) -> Response | None:
    """Why no load can be started as the form says; None where one can."""
    try:
        leader.allow(leader.plan.wish.told(_Form(leader.plan.wish)))
    except (CannotRun, ValueError) as error:
        return jsonify({"success": False, "message": str(error), "host": ""})
    return None


class _Form:
    """The form's fields as attributes; what it does not have is the plan's."""

    def __init__(self, wish: Wish) -> None:
        self._typed = wish.typed

    def __getattr__(self, name: str) -> Any:
        return request.form.get(name, self._typed[name])

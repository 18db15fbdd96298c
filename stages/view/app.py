"""The pages of the view, and their addresses."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Sequence
from functools import cache
from pathlib import Path
from typing import Any

from jinja2 import Environment
from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import HTMLResponse, RedirectResponse, Response
from starlette.routing import Route

from stages.core import pages
from stages.core.errors import VzError
from stages.core.pages.benchmarks import Table
from stages.core.pages.curves import figure
from stages.core.pages.run_facts import COLUMNS
from stages.view.game import game_page, picture_file
from stages.view.games import OUTCOMES, Query, find
from stages.view.overview import comparison_of, last_change, overview_of, stamp_of, standing_of

TEMPLATES, COMMAND = Path(__file__).parent / "template", "vz view"
TYPES = {b"\x89PNG": "image/png", b"\xff\xd8\xff": "image/jpeg", b"RIFF": "image/webp"}

Handler = Callable[[Request], Response]


class Pages:
    """The handlers of all addresses. /1/ and /2/ show the `runs`; with two, / compares them. The first page also shows
    the tables in `results`."""

    def __init__(self, runs: Sequence[Path], results: Sequence[Table]) -> None:
        self._runs, self._results = list(runs), results
        same = len({run.name for run in runs}) < len(runs)
        self._names = [f"{run.parent.name}/{run.name}" if same else run.name for run in runs]

    def home(self, request: Request) -> Response:
        if len(self._runs) == 1:
            return RedirectResponse("/1/")
        one, two = self._runs
        stamps, standings = (stamp_of(one), stamp_of(two)), [standing_of(run) for run in self._runs]

        def values() -> dict[str, Any]:
            found = comparison_of((one, two), (self._names[0], self._names[1]), stamps)
            return {"found": found, "benchmarks": found.benchmarks.with_tables(*self._results)}

        return self._live(request, "compare.html.j2", (stamps, standings), values, standings=standings)

    def run(self, request: Request) -> Response:
        run, number = self._run(request)
        stamp, standing = stamp_of(run), standing_of(run)
        given = {"run": number, "columns": list(COLUMNS), "standings": [standing], "changed": last_change(run)}
        results = self._results if len(self._runs) == 1 else ()

        def values() -> dict[str, Any]:
            shown = overview_of(run, stamp)
            return {**shown.values(), "benchmarks": shown.benchmarks.with_tables(*results)}

        return self._live(request, "run.html.j2", (stamp, standing), values, **given)

    def games(self, request: Request) -> Response:
        run, number = self._run(request)
        state = (stamp_of(run), str(request.url.query))
        found = lambda: {"found": find(run, Query.of(request.query_params))}  # noqa: E731
        return self._live(request, "games.html.j2", state, found, run=number, outcomes=OUTCOMES)

    def game(self, request: Request) -> Response:
        run, number = self._run(request)
        game = game_page(run, _whole(request.query_params.get("round")), request.query_params.get("id", ""))
        return HTMLResponse(self._page("game.html.j2", run=number, game=game, state=""))

    def picture(self, request: Request) -> Response:
        run, given = self._run(request)[0], request.query_params
        number = _whole(given.get("round"))
        found = picture_file(run, number, given.get("pair", ""), given.get("kind", ""))
        if found is None:
            raise HTTPException(404, "this pair has no such picture")
        if f'"{found.sha256}"' == request.headers.get("if-none-match"):
            return Response(status_code=304)
        data = found.file()
        kind = next((kind for start, kind in TYPES.items() if data.startswith(start)), "application/octet-stream")
        return Response(data, media_type=kind, headers={"ETag": f'"{found.sha256}"'})

    def problem(self, request: Request, error: Exception) -> Response:
        status, text = (error.status_code, error.detail) if isinstance(error, HTTPException) else (404, str(error))
        return HTMLResponse(self._page("problem.html.j2", text=text, state=""), status)

    def _run(self, request: Request) -> tuple[Path, int]:
        number = int(request.path_params["run"])
        if not 1 <= number <= len(self._runs):
            raise HTTPException(404, f"this view has no run {number}")
        return self._runs[number - 1], number

    def _live(
        self, request: Request, name: str, state: object, values: Callable[[], dict[str, Any]], **given: Any
    ) -> Response:
        """The page, unless the reader already has it for this `state`.

        The state is taken before the page reads anything, so that the next request sees a change in between.
        """
        tag = f'"{hashlib.sha256(repr(state).encode()).hexdigest()[:20]}"'
        if request.headers.get("if-none-match") == tag:
            return Response(status_code=304, headers={"ETag": tag})
        return HTMLResponse(self._page(name, **given, **values(), state=tag), headers={"ETag": tag})

    def _page(self, name: str, **values: Any) -> str:
        return pages.fill(templates(), name, {"names": self._names, **values}, command=COMMAND, served=True)


def _whole(text: str | None) -> int:
    if text is None or not (text.isascii() and text.isdigit() and len(text) < 10):
        raise HTTPException(404, "the address needs the number of a round")
    return int(text)


@cache
def templates() -> Environment:
    filters = {"figure": figure, "signed": lambda value: "–" if value is None else f"{value:+.3f}"}
    return pages.environment(TEMPLATES, filters)


def app_of(runs: Sequence[Path], results: Sequence[Table]) -> Starlette:
    shown = Pages(runs, results)
    places: dict[str, Handler] = {
        "/": shown.home,
        "/{run:int}/": shown.run,
        "/{run:int}/games": shown.games,
        "/{run:int}/game": shown.game,
        "/{run:int}/picture": shown.picture,
    }
    routes = [Route(path, handler) for path, handler in places.items()]
    return Starlette(routes=routes, exception_handlers={VzError: shown.problem, HTTPException: shown.problem})

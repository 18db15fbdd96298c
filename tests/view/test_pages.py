"""What the pages say: where a run stands, which games there are, and everything about one of them."""

import json
import re
import shutil
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from html import unescape
from pathlib import Path
from urllib.parse import urlencode

import polars as pl
import pytest

from stages.core.errors import InputError
from stages.core.folder import artifact
from stages.core.folder.locking import is_being_written
from stages.view.game import drawn_votes
from stages.view.games import Query, excerpt, find
from stages.view.overview import finished_rounds, standing_of
from stages.view.server import serving
from tests.report.runs import EVIL, write_benchmark
from tests.view.asking import Client
from tests.view.conftest import GAMES, RARE, ROUNDS, SmallRun


@contextmanager
def view_of(*runs: Path, results: Sequence[Path] = ()) -> Iterator[Client]:
    with serving(runs, results) as address:
        client = Client(address)
        client.enter()
        yield client


@pytest.fixture(scope="module")
def view(two_rounds: SmallRun) -> Iterator[Client]:
    with view_of(two_rounds.folder) as client:
        yield client


def words(page: str) -> str:
    """The text of a page, without its style and script."""
    body = re.sub(r"<(style|script)>.*?</\1>", "", page, flags=re.DOTALL)
    return " ".join(unescape(re.sub(r"<[^>]*>", " ", body)).split())


def test_one_run_is_the_first_page(view: Client, two_rounds: SmallRun):
    assert view.ask("/").headers["location"] == "/1/"
    page = view.ask("/1/")
    assert page.status == 200 and "2 of 2" in words(page.text) and "All 2 rounds are finished." in words(page.text)
    assert len(re.findall('<svg class="chart"', page.text)) == 13


def test_a_page_is_sent_again_only_when_the_run_has_changed(run: SmallRun):
    with view_of(run.folder) as client:
        first = client.ask("/1/")
        again = client.ask("/1/", If_None_Match=first.headers["etag"])
        assert (again.status, again.body) == (304, b"")
        assert f"data-state='{first.headers['etag']}'" in first.text  # what the page asks with
        run.play(3)
        new = client.ask("/1/", If_None_Match=first.headers["etag"])
        assert new.status == 200 and "All 3 rounds are finished." in words(new.text)
        games = client.ask("/1/games", If_None_Match=client.ask("/1/games?round=1").headers["etag"])
        assert games.status == 200 and f"{3 * GAMES} games" in words(games.text)


def test_a_round_that_is_not_finished_is_not_shown(run: SmallRun):
    state = json.loads((run.folder / "state.json").read_text())
    (run.folder / "state.json").write_text(json.dumps({**state, "iteration": 1}))
    (run.folder / "round-0002/round.json").unlink()
    assert len(find(run.folder, Query()).games) == GAMES and finished_rounds(run.folder) == 1
    with view_of(run.folder) as client:
        assert client.ask("/1/game?round=2&id=x").status == 404
        assert "The run stopped in round 2 of 2." in words(client.ask("/1/").text)
        with artifact.locked(run.folder):
            assert "Round 2 of 2: training." in words(client.ask("/1/").text)


def test_before_the_first_round_ends_the_page_says_so(run: SmallRun):
    (run.folder / "state.json").unlink()
    shutil.rmtree(run.folder / "round-0001")
    with view_of(run.folder) as client, artifact.locked(run.folder):
        page = client.ask("/1/")
        assert page.status == 200 and "No round is finished yet." in words(page.text)
        assert "Round 1 of 2: playing." in words(page.text) and "0 games" in words(client.ask("/1/games").text)


def test_the_standing_counts_the_games_that_are_saved(run: SmallRun):
    shutil.copytree(run.folder / "round-0002/games", run.folder / "round-0003/games")
    journal = run.folder / "round-0003/.rollouts.partial/journal"
    journal.mkdir(parents=True)
    rows = pl.read_parquet(run.folder / "round-0002/rollouts/part-00000.parquet")
    rows.filter(pl.col("game_id") == rows["game_id"][0]).write_parquet(journal / "000000000.parquet")
    recipe = run.folder / "recipe.yaml"
    recipe.write_text(recipe.read_text().replace("  rounds: 2\n", "  rounds: 30\n"))
    with artifact.locked(run.folder):
        assert standing_of(run.folder).text.startswith(f"Round 3 of 30: playing, 1 of {GAMES} games are saved.")


def test_a_lock_that_nobody_holds_is_no_writer(run: SmallRun):
    assert is_being_written(run.folder) is False
    with artifact.locked(run.folder):
        assert is_being_written(run.folder) is True
    run.folder.with_name(".small.lock").touch()
    assert is_being_written(run.folder) is None and "All 2 rounds" in standing_of(run.folder).text


@pytest.mark.parametrize(
    ("query", "wanted"),
    [
        (Query(), pl.lit(True)),
        (Query(round="2"), pl.col("round") == 2),
        (Query(winner="spy"), pl.col("winner") == "spy"),
        (Query(winner="civilians", round="1"), (pl.col("winner") == "civilians") & (pl.col("round") == 1)),
        (Query(player="current"), pl.lit(True)),
        (Query(player="base"), pl.lit(False)),
        (Query(text=RARE.upper()), pl.col("game_id") == pl.col("game_id").min().over("round")),  # the first one dealt
        (Query(text="[a.]*"), pl.lit(False)),
        (Query(text="only i know 1."), pl.lit(True)),
    ],
)
def test_a_query_finds_the_games_of_the_tables(two_rounds: SmallRun, query: Query, wanted: pl.Expr):
    judged = [
        pl.read_parquet(two_rounds.folder / f"round-{number:04d}/scored/games.parquet").with_columns(round=pl.lit(number))
        for number in range(1, ROUNDS + 1)
    ]  # fmt: skip
    games = pl.concat(judged).filter(wanted).sort("round", "game_id", descending=[True, False])
    found = find(two_rounds.folder, query)
    assert [(game["round"], game["game_id"]) for game in found.games] == games.select("round", "game_id").rows()
    assert [game["winner"] for game in found.games] == games["winner"].to_list() and found.total == len(games)


def test_games_of_a_pair(two_rounds: SmallRun):
    pair = find(two_rounds.folder, Query()).games[0]["pair_id"]
    found = find(two_rounds.folder, Query(pair=pair)).games
    assert found and {game["pair_id"] for game in found} == {pair}


def test_an_excerpt_shows_what_was_found():
    assert excerpt("x" * 100 + "A Teapot" + "y" * 100, "teapot") == ("…" + "x" * 68 + "A ", "Teapot", "y" * 70 + "…")
    assert excerpt("teapot", "TEAPOT") == ("", "teapot", "")


def game_address(run: Path, **wanted: str) -> str:
    game = find(run, Query(**wanted)).games[0]
    return f"/1/game?{urlencode({'round': game['round'], 'id': game['game_id']})}"


def test_a_game_shows_all_that_its_tables_hold(view: Client, two_rounds: SmallRun):
    page = view.ask(game_address(two_rounds.folder, text=RARE, round="2"))
    text = words(page.text)
    folder = two_rounds.folder / "round-0002"
    rows = pl.read_parquet(folder / "rollouts/part-*.parquet").filter(pl.col("game_id") == pl.col("game_id").min())
    scored = pl.read_parquet(folder / "scored/scored.parquet").join(rows, on=["game_id", "turn", "sample"], how="semi")
    assert page.status == 200 and RARE in text and text.count("Only I know") == len(rows)
    for value in scored["advantage"].drop_nulls():
        assert f"{value:+.3f}" in text
    prompts = rows["prompt"].explode().struct.field("content").explode().struct.field("text").drop_nulls()
    assert all(" ".join(prompt.split()) in text for prompt in prompts)
    seen = {f"images/{pair}" for pair in re.findall(r"picture\?[^\"]*kind=(\w+)", page.text)}
    assert len(seen) == 2


def test_a_picture_is_the_file_of_the_pair(view: Client, two_rounds: SmallRun):
    game = find(two_rounds.folder, Query()).games[0]
    for kind in ("original", "modified"):
        path = f"/1/picture?round={game['round']}&pair={game['pair_id']}&kind={kind}"
        answer = view.ask(path)
        file = two_rounds.games / f"images/{game['pair_id']}_{kind}.png"
        assert answer.body == file.read_bytes() and answer.headers["content-type"] == "image/png"
        assert view.ask(path, If_None_Match=answer.headers["etag"]).status == 304


@pytest.mark.parametrize(
    "path",
    [
        "/2/", "/1/nothing", "/1/game", "/1/game?round=1&id=x", "/1/game?round=9999999999&id=x", "/1/game?round=-1&id=x",
        "/1/picture?round=1&pair=x&kind=original", "/1/picture?round=1&pair=pair-000&kind=../../state.json",
        "/1/picture?round=1&pair=../games&kind=original", "/1/picture?round=0&pair=pair-000&kind=original",
        "/1/picture?round=..%2F..&pair=pair-000&kind=original", "/1/../../etc/passwd", "/1/%2e%2e/%2e%2e/etc/passwd",
    ],
)  # fmt: skip
def test_what_is_not_there_is_said_on_a_page(view: Client, path: str):
    answer = view.ask(path)
    assert answer.status == 404 and "Nothing to show" in answer.text


@pytest.mark.parametrize("ref", ["images/other.png", "../secret.png", "/etc/passwd"])
def test_only_the_pictures_of_the_table_are_served(run: SmallRun, ref: str):
    pairs = run.games / "pairs.parquet"
    pl.read_parquet(pairs).with_columns(original=pl.lit(ref)).write_parquet(pairs)
    shutil.copy(next(run.games.glob("images/*_modified.png")), run.games / "images/other.png")
    shutil.copy(next(run.games.glob("images/*_modified.png")), run.games.parent / "secret.png")
    with view_of(run.folder) as client:
        assert client.ask("/1/picture?round=1&pair=pair-000&kind=original").status == 404


def test_what_a_model_wrote_is_only_text(evil_run: Path):
    with view_of(evil_run, evil_run) as client:
        paths = ["/", "/1/", "/1/games", f"/1/games?{urlencode({'text': EVIL[0], 'pair': EVIL[2]})}"]
        for path in [*paths, f"/1/games?{urlencode({'text': EVIL[1]})}", game_address(evil_run, round="1")]:
            page = client.ask(path).text
            assert len(re.findall("<script", page)) == 1 and "<img src=x" not in page and "<b onclick" not in page
        assert all(" ".join(clue.split()) in words(page) for clue in EVIL)


def test_two_runs_stand_side_by_side(two_rounds: SmallRun, run: SmallRun):
    run.play(3)
    with view_of(two_rounds.folder, run.folder) as client:
        page = client.ask("/").text
        text = words(page)
        assert "All 2 rounds are finished." in text and "All 3 rounds are finished." in text
        assert f"{two_rounds.folder.parent.name}/small" in text and "iterate.rounds 2 3" in text
        accuracies = re.findall(r'aria-label="(Accuracy: vote accuracy [^"]*)"', page)
        assert len(accuracies) == 2 and "(round 2)" in accuracies[0] and "(round 3)" in accuracies[1]
        assert client.ask("/2/games").status == 200


def test_benchmarks_of_the_run_and_those_that_are_named_are_shown(run: SmallRun, tmp_path: Path):
    write_benchmark(run.folder / "round-0002/benchmark", "Only the first 100 questions of each task.")
    named = write_benchmark(tmp_path / "<i>all")
    with view_of(run.folder, results=[named]) as client:
        text = words(client.ask("/1/").text)
        assert "After round 2 Only the first 100 questions of each task. task metric" in text
        assert text.count("chartqa relaxed_overall 2,500 86.1 87.2 +1.1 +0.2 … +2.0 80 / 52") == 2 and "<i>all" in text
    with view_of(run.folder, run.folder, results=[named]) as client:
        text = words(client.ask("/").text)
        assert text.count("chartqa") == 3 and "small: After round 2" in text
        assert words(client.ask("/1/").text).count("chartqa") == 1
    with pytest.raises(InputError, match="is an output of 'make-games'"), serving([run.folder], [run.games]):
        pass


def test_votes_are_arrows_from_each_voter_to_the_seat():
    votes = [{"player": None, "vote_kind": "seat", "vote": seat} for seat in (2, 2, 3)]
    votes.append({"player": None, "vote_kind": "na", "vote": None})
    nodes, arrows = drawn_votes({"players": 4, "spy": 2}, votes)
    at = {node["seat"]: (node["x"], node["y"]) for node in nodes}
    assert at[0] == (180, 180) and at[1] == (180, 52) and at[2] == pytest.approx((308, 180))
    assert [(arrow.votes, arrow.right) for arrow in arrows] == [(2, True), (1, False)]
    assert arrows[0].x1 < arrows[0].x2 < 308 and arrows[0].width > arrows[1].width
    both = [{"player": 1, "vote_kind": "seat", "vote": 2}, {"player": 2, "vote_kind": "seat", "vote": 1}]
    nodes, (there, back) = drawn_votes({"players": 2, "spy": 1}, both)
    assert len(nodes) == 2 and (there.x1 - back.x1) * (there.x2 - back.x2) >= 0 and there.x1 != back.x2


def test_a_folder_that_is_no_run_is_refused(tmp_path: Path, two_rounds: SmallRun):
    for folder in (tmp_path, two_rounds.games):
        with pytest.raises(InputError, match="give the folder of a run of vz iterate"), serving([folder]):
            pass

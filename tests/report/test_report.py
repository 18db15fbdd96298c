"""The page of a run: complete, the same each time, and safe whatever models write."""

import base64
import hashlib
import json
import shutil
from html.parser import HTMLParser
from pathlib import Path

import polars as pl
import pytest

from stages import iterate, report
from stages.core.errors import InputError
from stages.core.folder.artifact import Report
from stages.core.pages.run_files import read_run
from stages.report.replay import choose, read_replays
from tests.helpers import fake_recipe
from tests.report.runs import EVIL, ROUNDS, change_rounds, write_benchmark

VOID = {"meta", "link", "img"}


class Page(HTMLParser):
    """Elements with their attributes, and the text outside of scripts and styles."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.elements: list[tuple[str, dict[str, str | None]]] = []
        self.inside: list[str] = []
        self.words: list[str] = []
        self.code: dict[str, str] = {}
        self.feed(text)
        self.close()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.elements.append((tag, dict(attrs)))
        if tag not in VOID:
            self.inside.append(tag)

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.elements.append((tag, dict(attrs)))

    def handle_endtag(self, tag: str) -> None:
        assert self.inside.pop() == tag  # well nested

    def handle_data(self, data: str) -> None:
        if self.inside and self.inside[-1] in {"script", "style"}:
            self.code[self.inside[-1]] = self.code.get(self.inside[-1], "") + data
        else:
            self.words.append(data)

    def having(self, tag: str) -> list[dict[str, str | None]]:
        return [attributes for name, attributes in self.elements if name == tag]

    def texts(self) -> list[str]:
        return [" ".join(text.split()) for text in self.words if text.strip()]


def page_of(run: Path, **options) -> Page:
    return Page(report.run(run, **options).out.read_text(encoding="utf-8"))


def test_a_run_becomes_one_page(run: Path):
    done = report.run(run)
    assert (done.stage, done.status, done.out) == ("report", "done", run / "report.html")
    assert done.counts == {"rounds": ROUNDS, "curves": 13, "evaluation_curves": 0, "games": 3,
                           "bytes": (run / "report.html").stat().st_size}  # fmt: skip
    page = Page(done.out.read_text(encoding="utf-8"))
    assert len([svg for svg in page.having("svg") if svg.get("class") == "chart"]) == 13
    assert {"small", "6 of 6", "3 decision, 3 clue; next: decision", "0"} <= set(page.texts())
    assert len(page.having("article")) == 3 and len(page.having("img")) == 6


def test_the_same_run_gives_the_same_bytes(run: Path, tmp_path: Path):
    first = report.run(run).out.read_bytes()
    assert report.run(run).status == "up to date"
    shutil.copytree(run.parent.parent, tmp_path / "elsewhere")
    assert report.run(tmp_path / "elsewhere/runs/small", tmp_path / "new/page.html").out.read_bytes() == first
    assert not list(run.glob(".*"))


def test_the_page_holds_all_it_needs(run: Path):
    page = page_of(run)
    links = [attributes.get(name) for _, attributes in page.elements for name in ("src", "href") if name in attributes]
    assert links and all(link.startswith("data:") for link in links)
    assert not page.having("iframe") and "@import" not in page.code["style"] and "url(" not in page.code["style"]


def test_the_policy_allows_only_the_own_script_and_style(evil_report: Report):
    page = Page(evil_report.out.read_text(encoding="utf-8"))
    policy = next(meta["content"] for meta in page.having("meta") if "http-equiv" in meta)
    rules = dict(rule.split(" ", maxsplit=1) for rule in policy.split("; "))
    assert rules["default-src"] == "'none'" and rules["img-src"] == "data:"
    for kind in ("script", "style"):
        digest = base64.b64encode(hashlib.sha256(page.code[kind].encode()).digest()).decode()
        assert rules[f"{kind}-src"] == f"'sha256-{digest}'" and len(page.having(kind)) == 1
    names = {name for _, attributes in page.elements for name in attributes}
    assert "class" in names and not {name for name in names if name.startswith("on") or name == "style"}


def test_what_a_model_wrote_is_only_text(evil_report: Report):
    page = Page(evil_report.out.read_text(encoding="utf-8"))
    for clue in EVIL:
        assert " ".join(clue.split()) in page.texts()
    assert {"</dd><script>alert(4)</script> (" + read_run(evil_report.out.parent).base[:12] + ")", "<b onclick=alert(5)>run",
            "round 1: <script>alert(6)</script>", "<script>alert(7)</script>"} <= set(page.texts())  # fmt: skip
    assert page.code["script"].count("alert") == 0 and len(page.having("img")) == 6


def test_a_value_that_is_not_a_number_is_a_gap_and_a_warning(evil_report: Report):
    assert "round 2: train.kl is nan; its curve has a gap there" in evil_report.warnings
    assert "nan" in Page(evil_report.out.read_text(encoding="utf-8")).texts()  # in the table of rounds


def test_evaluations_start_with_the_base_model(run: Path):
    lines = [{"iteration": number, "arena": {"win_rate": 0.5, "win_rate_interval": [0.4, 0.6], "games": 9},
              "transfer": {"chance": 0.3, "right": number / 9, "right_interval": [0, 1]}}
             for number in (0, 3, 6, 9)]  # fmt: skip
    (run / "evaluations.jsonl").write_text("".join(json.dumps(line) + "\n" for line in lines))
    page = page_of(run)
    charts = [svg["aria-label"] for svg in page.having("svg") if "aria-label" in svg]
    assert charts[13:] == ["Arena: win rate 0.500 (round 0) to 0.500 (round 6)",
                           "Transfer: right 0.0 (round 0) to 0.667 (round 6)"]  # fmt: skip
    assert {"even", "chance", "Held-out evaluation"} <= set(page.texts())  # round 9 is not finished


def test_benchmarks_are_shown_on_request(run: Path, tmp_path: Path):
    folder = write_benchmark(tmp_path / "measured", "Not measured: <b>far</b>.")
    texts = page_of(run, results=[folder]).texts()
    at = texts.index("chartqa")
    assert texts[at : at + 7] == ["chartqa", "relaxed_overall", "2,500", "86.1", "87.2", "+1.1", "+0.2 … +2.0"]
    assert texts[at + 7] == "80 / 52" and "Not measured: <b>far</b>." in texts
    with pytest.raises(InputError, match="is an output of 'rollout'"):
        report.run(run, results=[run / "round-0002/rollouts"])


def test_games_are_spread_over_the_rounds(run: Path):
    files = read_run(run)
    assert choose(files, 0) == [] and choose(files, 1) == [(1, 0)]
    assert choose(files, 3) == [(1, 0), (3, 0), (6, 0)]
    assert [number for number, _ in choose(files, 6)] == [1, 2, 3, 4, 5, 6]
    assert choose(files, 12)[:3] == [(1, 0), (1, 1), (2, 0)] and len(set(choose(files, 12))) == 12
    shutil.rmtree(run / "round-0001/rollouts")
    shutil.rmtree(run / "round-0006/scored")
    assert choose(files, 2) == [(2, 0), (5, 0)]


def test_a_replay_shows_the_game_in_the_tables(run: Path):
    for game in read_replays(read_run(run), 6):
        folder = run / f"round-{game['round']:04d}"
        rows = pl.read_parquet(folder / "rollouts/part-*.parquet").filter(pl.col("game_id") == game["game_id"])
        judged = pl.read_parquet(folder / "scored/games.parquet").filter(pl.col("game_id") == game["game_id"])
        scored = pl.read_parquet(folder / "scored/scored.parquet").filter(pl.col("game_id") == game["game_id"])
        assert [clue["clue"] for clue in game["clues"]] == rows.filter(phase="clue").sort("turn")["clue"].to_list()
        assert [choice["votes"] for choice in game["choices"][:4]] == judged["votes"][0].to_list()
        assert [choice["is_spy"] for choice in game["choices"][:4]].index(True) + 1 == game["spy"] == judged["spy"][0]
        clues = scored.filter(phase="clue").sort("turn")
        assert [choice["reward"] for choice in game["choices"][:4]] == clues["reward"].to_list()
        assert game["vote_reward"] == pytest.approx(scored.filter(phase="decision")["reward"].mean())
        assert game["winner"] == judged["winner"][0] and game["choices"][4]["votes"] == judged["na_votes"][0]
        assert sum(choice["percent"] for choice in game["choices"]) == pytest.approx(100)
        pictures = {
            base64.b64decode(one["url"].partition(",")[2]) for one in (*game["civilians_see"], *game["spy_sees"])
        }
        pair = game["game_id"].split(".")[0]
        assert pictures == {path.read_bytes() for path in run.parent.parent.glob(f"games/images/{pair}_*.png")}


def test_a_picture_that_no_pair_names_is_refused(run: Path):
    (run.parent.parent / "games/images/secret.png").write_bytes(
        (next(run.parent.parent.glob("games/images/*.png"))).read_bytes()
    )
    for part in run.glob("round-0001/rollouts/part-*.parquet"):
        rows = pl.read_parquet(part)
        rows.with_columns(images=pl.lit(["images/secret.png"])).write_parquet(part)
    with pytest.raises(InputError, match=r"pairs\.parquet: lists no picture 'images/secret\.png'"):
        read_replays(read_run(run), 1)


def test_the_spy_may_see_nothing_and_civilians_may_vote(games: Path, tmp_path: Path):
    recipe = fake_recipe("iterate.rounds=1", "iterate.games=3", "game.spy_view=blank", "game.voters=civilians",
                         "game.votes_per_civilian=2", "game.players=5")  # fmt: skip
    run = iterate.run(recipe, tmp_path / "run", games=games).out
    page = page_of(run, games=2)
    assert page.texts().count("an empty picture") == 3 and len(page.having("img")) == 2
    assert "8 votes by 4 civilians" in page.texts()
    assert {"5", "the civilians", "an empty picture"} <= set(page.texts())


def test_missing_games_are_a_warning(run: Path):
    for rollouts in run.glob("round-*/rollouts"):
        shutil.rmtree(rollouts)
    done = report.run(run)
    assert done.counts["games"] == 0 and "the page shows 0 of 3 games" in done.warnings[-1]
    assert "This page shows no games." in Page(done.out.read_text(encoding="utf-8")).texts()


def test_a_round_that_a_kill_left_unfinished_is_not_shown(run: Path):
    state = json.loads((run / "state.json").read_text())
    (run / "state.json").write_text(json.dumps({**state, "iteration": 4}))
    assert report.run(run).counts["rounds"] == 4


def test_a_run_of_an_older_version_is_shown(run: Path):
    change_rounds(run, lambda row: [row.pop(name) for name in ("train", "na_ema", "warnings")])
    (run / "recipe.yaml").write_text("model: {path: old}\n")
    page = page_of(run)
    assert page.texts().count("no data") == 6 and "old" in page.texts()[4]


def losing(name: str):
    def change(run: Path) -> None:
        for path in run.parent.parent.glob(name):
            shutil.rmtree(path) if path.is_dir() else path.unlink()

    return change


def cut(name: str):
    def change(run: Path) -> None:
        path = run.parent.parent / name
        path.write_bytes(path.read_bytes()[:-40])

    return change


def wrong_state(run: Path) -> None:
    (run / "state.json").write_text("[]")


def wrong_figures(run: Path) -> None:
    change_rounds(run, lambda row: row.update(warnings=5))


def broken_line(run: Path) -> None:
    (run / "metrics.jsonl").write_text('{"iteration": 1}\n{"iter')


def other_picture(run: Path) -> None:
    for path in run.parent.parent.glob("games/images/*"):
        path.write_bytes(b"no picture")


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (losing("runs/small"), r"small: no such folder; give the folder of a vz iterate run"),
        (losing("runs/small/manifest.json"), r"has no manifest.json.*; give the folder of a vz iterate run"),
        (losing("runs/small/state.json"), r"small: this run has no finished round yet; continue it"),
        (losing("runs/small/metrics.jsonl"), r"metrics.jsonl: No such file.*restore the file"),
        (broken_line, r"metrics.jsonl: line 2 is not a round's row"),
        (cut("runs/small/metrics.jsonl"), r"metrics.jsonl: line \d is not a round's row"),
        (cut("runs/small/state.json"), r"state.json: not valid JSON"),
        (cut("runs/small/round-0006/rollouts/games.parquet"), r"rollouts/games.parquet: not a readable Parquet file"),
        (cut("runs/small/round-0006/scored/scored.parquet"), r"scored/scored.parquet: not a readable Parquet file"),
        (wrong_state, r"state.json, .* contains values that vz does not write .*; restore the file from a copy"),
        (wrong_figures, r"metrics.jsonl, .* contains values that vz does not write"),
        (losing("runs/small/recipe.yaml"), r"recipe.yaml: cannot be read"),
        (losing("games/images/*"), r"images/.*png: the picture cannot be read .*make the games again"),
        (other_picture, r"images/.*png: the picture is not the one in pairs.parquet"),
        (losing("games"), r"games: the input .games. of .* is missing; put it back"),
        (losing("games/pairs.parquet"), r"pairs.parquet: no such table"),
    ],
)
def test_missing_input_is_named_and_nothing_is_written(run: Path, change, message: str):
    change(run)
    with pytest.raises(InputError, match=message):
        report.run(run)
    assert not run.exists() or not list(run.glob("*report*"))


def test_the_output_of_another_stage_is_refused(run: Path):
    with pytest.raises(InputError, match="output of 'score', but an output of .iterate. is needed"):
        report.run(run / "round-0001/scored")


def test_a_run_without_its_pictures_still_has_curves(run: Path):
    losing("games")(run)
    assert report.run(run, games=0).counts["games"] == 0


def test_a_file_of_another_program_is_not_replaced(run: Path, tmp_path: Path):
    (tmp_path / "notes.html").write_text("mine")
    with pytest.raises(InputError, match=r"notes.html: exists and was not written by vz"):
        report.run(run, tmp_path / "notes.html")
    with pytest.raises(InputError, match="is a folder"):
        report.run(run, tmp_path)
    assert (tmp_path / "notes.html").read_text() == "mine"

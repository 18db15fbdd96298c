"""Weights & Biases. WANDB_PROJECT, WANDB_MODE and the other variables of wandb apply."""

from __future__ import annotations

from typing import Any

from stages.track.record import Record
from stages.track.tracker import Run, project

GAME_COLUMNS = ["game", "civilians see", "the spy sees", "spy", "winner", "votes", "votes right", "text"]


class ToWandb:
    """Local files go to the run's folder `tracking`. Code, git state and console output are not sent."""

    def __init__(self, run: Run) -> None:
        import wandb

        self._wandb: Any = wandb
        settings = wandb.Settings(console="off", disable_git=True, disable_code=True, save_code=False, silent=True)
        self._run = wandb.init(
            project=project("WANDB_PROJECT"),
            id=run.id,
            name=run.name,
            resume="allow",
            dir=str(run.folder / "tracking"),
            config=dict(run.settings),
            allow_val_change=True,
            settings=settings,
        )
        offline = f"offline; wandb sync {run.folder / 'tracking' / 'wandb'}/offline-run-* sends it later"
        self.where = offline if self._run.offline else str(self._run.url)

    def log(self, record: Record) -> None:
        api, values = self._wandb, dict[str, Any](record.figures)
        for name, table in record.tables.items():
            values[f"{name} (table)"] = api.Table(columns=table.columns, data=[list(row) for row in table.iter_rows()])
        if record.games:
            rows = [
                [
                    game.game_id,
                    api.Image(game.civilians_see),
                    api.Image(game.spy_sees),
                    game.spy,
                    game.winner,
                    game.votes,
                    game.votes_right,
                    game.text,
                ]
                for game in record.games
            ]
            values["games (table)"] = api.Table(columns=GAME_COLUMNS, data=rows)
            shown = [(game.side_by_side(), f"{game.game_id}: {game.winner} won") for game in record.games]
            values["games"] = [api.Image(picture, caption=caption) for picture, caption in shown]
        self._run.log(values, step=record.number, commit=True)

    def close(self) -> None:
        self._run.finish()


open_tracker = ToWandb

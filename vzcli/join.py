"""vz join"""

from __future__ import annotations

from typing import Annotated

import typer


def command(
    address: Annotated[str, typer.Argument(help="The run's train.address, such as node0:29500.")],
) -> None:
    """Train on this machine, too, for a run whose vz train or vz iterate runs on another one. Ends with that run."""
    from stages.train.join import join

    join(address)

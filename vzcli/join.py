"""vz join"""

from __future__ import annotations

from typing import Annotated

import typer


def command(
    address: Annotated[str, typer.Argument(help="The run's train.address, such as node0:29500.")],
) -> None:
    """Join a run of vz train or vz iterate on another machine, and train for it on this one. Ends with that run."""
    from stages.train.join import join

    join(address)

"""track: sends the contents of a run's files to the trackers that its recipe names."""

from stages.track.tracking import Tracking, check_ready, open_tracking

__all__ = ["Tracking", "check_ready", "open_tracking"]

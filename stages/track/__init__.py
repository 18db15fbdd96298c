"""track: sends what a run's files say to the trackers that its recipe names."""

from stages.track.tracking import Tracking, check_ready, open_tracking

__all__ = ["Tracking", "check_ready", "open_tracking"]

"""Where time goes: parts of one thread, without what engine and optimizer did meanwhile."""

from threading import Thread

from hypothesis import given
from hypothesis import strategies as st

from stages.core.clock import ENGINE, OPTIMIZER, Clock, joined, length


class Time:
    """Seconds that pass when a test says so."""

    def __init__(self) -> None:
        self.now = 100.0

    def __call__(self) -> float:
        return self.now

    def passes(self, seconds: float) -> None:
        self.now += seconds


def started() -> tuple[Clock, Time]:
    time = Time()
    clock = Clock(time)
    clock.start()
    return clock, time


def test_inner_parts_and_busy_time_are_not_counted_twice():
    clock, time = started()
    with clock.part("rollout"):
        time.passes(1)
        with clock.part("hashing"):
            time.passes(2)
        with clock.busy(ENGINE):
            time.passes(4)
        time.passes(8)
    time.passes(16)
    found = clock.lap()
    assert (found.total, found.engine, found.optimizer, found.overhead) == (31, 4, 0, 27)
    assert list(found.parts.items()) == [("other", 16), ("rollout", 9), ("hashing", 2)]


def test_engine_and_optimizer_may_work_at_once_and_across_laps():
    clock, time = started()
    with clock.busy(ENGINE):
        with clock.busy(OPTIMIZER):
            time.passes(1)
        time.passes(2)
        first = clock.lap()
        time.passes(4)
    time.passes(8)
    second = clock.lap()
    assert (first.total, first.engine, first.optimizer, first.overhead) == (3, 3, 1, 0)
    assert (second.total, second.engine, second.optimizer, second.overhead) == (12, 4, 0, 8)


def test_only_the_thread_that_records_has_parts():
    clock, time = started()

    def play() -> None:
        with clock.part("playing"), clock.busy(ENGINE):
            time.passes(1)

    with clock.part("waiting"):
        thread = Thread(target=play)
        thread.start()
        thread.join()
        time.passes(2)
    found = clock.lap()
    assert (found.engine, found.overhead, found.parts["waiting"]) == (1, 2, 2) and "playing" not in found.parts


def test_seconds_of_another_process_count_as_if_they_had_just_ended():
    clock, time = started()
    time.passes(5)
    clock.add(OPTIMIZER, 3)
    clock.add(OPTIMIZER, 9)  # of which 4 were before the start
    assert clock.lap().optimizer == 5


def test_nothing_is_recorded_before_the_start():
    time = Time()
    clock = Clock(time)
    with clock.part("early"), clock.busy(ENGINE):
        time.passes(1)
    clock.start()
    found = clock.lap()
    assert (found.total, found.engine) == (0, 0) and "early" not in found.parts


spans = st.lists(st.tuples(st.integers(0, 50), st.integers(0, 50)).map(lambda ends: (min(ends), max(ends))))


@given(spans)
def test_joined_spans_cover_the_same_time_once(given_spans: list[tuple[float, float]]):
    covered = {second for begin, end in given_spans for second in range(int(begin), int(end))}
    assert length(joined(given_spans)) == len(covered)

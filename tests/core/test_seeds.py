from stages.core.seeds import SEED_BITS, derive, rng


def test_a_seed_depends_on_its_parts_only():
    assert derive(1, "game", 2) == derive(1, "game", 2)
    assert len({derive(1, "game", turn) for turn in range(1000)}) == 1000


def test_parts_do_not_run_together():
    assert derive("ab", "c") != derive("a", "bc")


def test_seeds_leave_room_for_samples_in_64_bits():
    assert max(derive(number) for number in range(100)) + 10**6 < 2**63
    assert SEED_BITS < 53  # exact as a JSON number


def test_rng_is_the_same_stream_everywhere():
    assert [rng("a", 1).randint(0, 9) for _ in range(3)] == [rng("a", 1).randint(0, 9)] * 3

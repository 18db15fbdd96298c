import pytest

from stages.core.errors import InputError
from stages.core.folder import artifact
from stages.core.recipe import load
from stages.core.recipe.load import place_of, resolve_model
from stages.core.recipe.served import is_served, origin, split_place

PLACE = "https://host:8000/v1#owner/model"


def test_an_address_is_a_place_and_stays_as_it_is():
    assert place_of(PLACE) == PLACE
    assert is_served(PLACE) and not is_served("owner/model") and not is_served("/http://x")
    assert split_place(PLACE) == ("https://host:8000/v1", "owner/model")
    assert split_place("http://host/v1/") == ("http://host/v1", None)


def test_an_address_can_be_set_on_the_command_line():
    assert load("tiny", [f"rollout.seats.spy={PLACE}"]).rollout.seats.spy == PLACE


@pytest.mark.parametrize(
    "place",
    [
        "http://",
        "http://host:eighty/v1",
        "http://user@host/v1",
        "http://:pass@host/v1#m",
        "https://host/v1?key=1#m",
    ],
)
def test_an_address_with_secrets_or_without_a_host_is_refused(place: str):
    with pytest.raises(InputError):
        place_of(place)


def test_addresses_differ_as_inputs_by_what_they_name():
    hashes = {artifact.content_hash(place) for place in (PLACE, PLACE + "2", "http://host:8000/v1#owner/model")}
    assert len(hashes) == 3


def test_weights_are_not_to_be_had_at_an_address():
    with pytest.raises(InputError, match="weights are needed"):
        resolve_model(PLACE)


def test_an_origin_has_its_port():
    assert origin("https://host/v1") == origin("https://host:443/v2") != origin("http://host/v1")


def test_patience_is_no_setting_of_a_result_and_the_address_is():
    base = load("tiny").settings("rollout")
    patient = load("tiny", ["rollout.server.attempts=99", "rollout.server.timeout=5", "rollout.server.requests=1"])
    other = load("tiny", ["rollout.server.url=http://other/v1"])
    assert patient.settings("rollout") == base != other.settings("rollout")

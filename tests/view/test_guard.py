"""Who gets in: a browser on this machine with the token, and no other site."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from stages.view.server import serving
from tests.view.asking import Client
from tests.view.conftest import SmallRun


@pytest.fixture(scope="module")
def client(two_rounds: SmallRun) -> Iterator[Client]:
    with serving([two_rounds.folder]) as address:
        yield Client(address)


@pytest.fixture(scope="module")
def inside(client: Client) -> Client:
    known = Client(client.address)
    known.enter()
    return known


def test_the_token_becomes_a_cookie_that_no_script_and_no_other_site_gets(client: Client):
    answer = Client(client.address).enter()
    name, *rules = answer.headers["set-cookie"].split("; ")
    assert answer.status == 200 and name == f"vz-view-{client.port}={client.token}"
    assert {"HttpOnly", "SameSite=strict", "Path=/"} <= set(rules) and len(client.token) > 40
    assert client.token not in answer.text


@pytest.mark.parametrize("path", ["/", "/1/", "/1/games", "/1/picture?round=1&pair=pair-000&kind=original", "/nothing"])
@pytest.mark.parametrize("cookie", ["", "vz-view-{port}=wrong", "vz-view-{port}=", "other={token}", '"\\x00=;;'])
def test_without_the_token_nothing_is_shown(client: Client, path: str, cookie: str):
    answer = client.ask(path, Cookie=cookie.format(port=client.port, token=client.token))
    assert answer.status == 403 and "vz view printed" in answer.text and "set-cookie" not in answer.headers


def test_a_wrong_token_is_refused_even_with_the_cookie(inside: Client):
    assert inside.ask(f"/?token={inside.token[:-1]}").status == 403
    assert inside.ask("/1/?token=%C3%A4").status == 403


@pytest.mark.parametrize("host", ["evil.example", "evil.example:80", "127.0.0.1.evil.example", "10.0.0.1", "", "[::1"])
def test_other_host_names_are_refused(inside: Client, host: str):
    answer = inside.ask("/1/", Host=host)
    assert answer.status == 403 and "small" not in answer.text
    assert inside.ask(f"/?token={inside.token}", Host=host).status == 403


def test_a_forwarded_port_is_served(inside: Client):
    assert inside.ask("/1/", Host="localhost:9999").status == 200


@pytest.mark.parametrize(
    "headers",
    [
        {"Origin": "http://evil.example"},
        {"Origin": "null"},
        {"Origin": "http://127.0.0.1:1"},
        {"Sec_Fetch_Site": "cross-site", "Sec_Fetch_Mode": "no-cors"},
        {"Sec_Fetch_Site": "same-site", "Sec_Fetch_Mode": "cors"},
    ],
)
def test_requests_of_other_sites_are_refused(inside: Client, headers: dict[str, str]):
    assert inside.ask("/1/", **headers).status == 403


def test_own_requests_and_links_from_elsewhere_are_served(inside: Client):
    own = f"http://127.0.0.1:{inside.port}"
    assert inside.ask("/1/", Origin=own, Sec_Fetch_Site="same-origin", Sec_Fetch_Mode="cors").status == 200
    assert inside.ask("/1/", Sec_Fetch_Site="cross-site", Sec_Fetch_Mode="navigate").status == 200


@pytest.mark.parametrize("method", ["POST", "PUT", "DELETE", "OPTIONS", "PATCH", "TRACE"])
def test_it_only_shows(inside: Client, method: str):
    assert inside.ask("/1/", method).status == 405


def test_head_has_no_body(inside: Client):
    answer = inside.ask("/1/games", "HEAD")
    assert answer.status == 200 and answer.body == b"" and answer.headers["etag"]


@pytest.mark.parametrize("path", ["/1/", "/1/games", "/9/", "/1/picture?round=1&pair=pair-000&kind=original"])
def test_every_answer_forbids_frames_guesses_and_referrers(inside: Client, path: str):
    headers = inside.ask(path).headers
    assert "frame-ancestors 'none'" in headers["content-security-policy"]
    assert headers["x-content-type-options"] == "nosniff" and headers["referrer-policy"] == "no-referrer"
    assert headers["cross-origin-resource-policy"] == "same-origin"
    assert not {"server", "access-control-allow-origin"} & set(headers)


def test_it_listens_on_the_loopback_interface_only(client: Client):
    lines = [line for file in ("tcp", "tcp6") for line in Path("/proc/net", file).read_text().splitlines()[1:]]
    places = [words[1].split(":") for words in map(str.split, lines) if words[3] == "0A"]
    assert {host for host, port in places if int(port, 16) == client.port} == {"0100007F"}

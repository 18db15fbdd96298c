"""The gallery's page as text; how it behaves is in test_browser.py."""

from __future__ import annotations

import base64
import hashlib
import io
import re
from pathlib import Path

import pytest
from PIL import Image

from stages.core.errors import InputError
from stages.inspect import gallery
from stages.inspect.show import show
from tests.inspect.folders import pair, squares, write_pairs


def pictures(text: str) -> list[tuple[str, bytes]]:
    """MIME type and bytes of every picture on the page."""
    found = re.findall(r'<img[^>]* src="data:([a-z/]+);base64,([^"]+)"', text)
    return [(kind, base64.b64decode(data)) for kind, data in found]


def test_small_pictures_are_the_files_own_bytes(kinds: Path, tmp_path: Path):
    report = show(kinds, tmp_path / "page.html")
    shown = pictures(report.out.read_text())
    assert {data for _, data in shown} == {file.read_bytes() for file in (kinds / "images").iterdir()}
    assert len(shown) == report.counts["pictures"] == 13 and {kind for kind, _ in shown} == {"image/png"}


def test_large_pictures_are_shown_as_smaller_copies(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    noisy = Image.effect_noise((400, 300), 60).convert("RGB")
    folder = write_pairs(tmp_path / "games", [pair("a", noisy, squares(size=(400, 300)))])
    monkeypatch.setattr(gallery, "EXACT_BYTES", 10_000)
    monkeypatch.setattr(gallery, "LONGEST_SIDE", 200)
    text = show(folder, tmp_path / "page.html").out.read_text()
    (first, data), (second, _) = pictures(text)
    assert (first, second) == ("image/webp", "image/png") and Image.open(io.BytesIO(data)).size == (200, 150)
    assert "Pictures of more than 10 kB" in " ".join(text.split()) and 'width="400" height="300"' in text


def test_the_page_says_how_many_pairs_it_shows(kinds: Path, tmp_path: Path):
    text = show(kinds, tmp_path / "page.html", limit=3).out.read_text()
    assert "3 of 7 pairs, spread evenly" in text and text.count("<article") == 3


def test_the_policy_allows_only_the_own_script_and_style(kinds: Path, tmp_path: Path):
    text = show(kinds, tmp_path / "page.html").out.read_text()
    policy = re.search(r'Content-Security-Policy" content="([^"]+)"', text)
    assert policy is not None and policy[1].startswith("default-src &#39;none&#39;; img-src data:")
    for tag in ("style", "script"):
        (inside,) = re.findall(f"<{tag}>(.*?)</{tag}>", text, re.DOTALL)
        digest = base64.b64encode(hashlib.sha256(inside.encode()).digest()).decode()
        assert f"sha256-{digest}" in policy[1].replace("&#39;", "'").replace("&#43;", "+")
    assert "http://" not in text and "https://" not in text and "style=" not in text.partition("<body>")[2]


def test_skipped_pairs_are_listed(kinds: Path, tmp_path: Path):
    text = show(kinds, tmp_path / "page.html").out.read_text()
    assert "1 pair was skipped" in text and "identical (<bdi>shows the same</bdi>)" in text


def test_pairs_that_look_the_same_are_a_warning(kinds: Path, tmp_path: Path):
    for name in ("page.html", "sheet.png"):
        report = show(kinds, tmp_path / name, sheet=name == "sheet.png")
        assert report.warnings == ["pairs whose two pictures look the same: 1 (equal)"]


def test_a_repeated_gallery_is_up_to_date(kinds: Path, tmp_path: Path):
    first = show(kinds, tmp_path / "page.html")
    data = first.out.read_bytes()
    again = show(kinds, tmp_path / "page.html")
    assert (first.status, again.status) == ("done", "up to date") and first.out.read_bytes() == data


def test_a_file_of_another_program_is_not_replaced(kinds: Path, tmp_path: Path):
    (tmp_path / "page.html").write_text("mine")
    with pytest.raises(InputError, match="was not written by vz"):
        show(kinds, tmp_path / "page.html")
    with pytest.raises(InputError, match="is a folder"):
        show(kinds, tmp_path)
    assert (tmp_path / "page.html").read_text() == "mine"


def test_the_name_of_a_page_must_end_in_html(kinds: Path, tmp_path: Path):
    with pytest.raises(InputError, match=r"ends in \.html"):
        show(kinds, tmp_path / "gallery.png")
    assert not list(tmp_path.glob("gallery*"))


def test_nothing_is_written_into_the_games_folder(kinds: Path):
    before = sorted(kinds.rglob("*"))
    for sheet in (False, True):
        with pytest.raises(InputError, match="is inside the games folder"):
            show(kinds, kinds / "deep" / "file.png", sheet=sheet)
    assert sorted(kinds.rglob("*")) == before


def test_the_templates_are_in_the_package():
    """hatch packs everything in `stages`, so they must be there."""
    folder = gallery.TEMPLATES
    assert {path.name for path in folder.iterdir()} == {"gallery.html.j2", "page.css", "page.js"}


def test_a_gallery_shows_a_limited_number_of_pairs(kinds: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr("stages.inspect.show.IN_GALLERY", 4)
    counts = show(kinds, tmp_path / "page.html").counts
    assert (counts["pairs"], counts["of"]) == (4, 7)

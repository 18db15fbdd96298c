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
from stages.inspect.pairs import choose
from stages.inspect.show import IN_GALLERY, show
from tests.inspect.folders import all_kinds, pair, squares, write_pairs


def pictures(text: str) -> list[tuple[str, bytes]]:
    """MIME type and bytes of every picture on the page."""
    found = re.findall(r'<img[^>]* src="data:([a-z/]+);base64,([^"]+)"', text)
    return [(kind, base64.b64decode(data)) for kind, data in found]


def test_small_pictures_are_the_files_own_bytes(kinds: Path, tmp_path: Path):
    report = show(kinds, page=tmp_path / "page.html")
    shown = pictures(report.out.read_text())
    assert {data for _, data in shown} == {file.read_bytes() for file in (kinds / "images").iterdir()}
    assert len(shown) == report.counts["gallery"]["pictures"] == 13 and {kind for kind, _ in shown} == {"image/png"}
    assert report.counts["gallery"]["as_webp"] == 0 and "the files&#39; own bytes" not in report.out.read_text()
    assert "files' own bytes" in report.out.read_text()


def test_large_pictures_are_written_again_and_the_page_says_so(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    noisy = Image.effect_noise((400, 300), 60).convert("RGB")
    folder = write_pairs(tmp_path / "games", [pair("a", noisy, squares(size=(400, 300)))])
    monkeypatch.setattr(gallery.cards, "PAGE_BYTES", 20_000)
    monkeypatch.setattr(gallery.cards, "LONGEST_SIDE", 200)
    report = show(folder, page=tmp_path / "page.html")
    text = report.out.read_text()
    (first, data), (second, _) = pictures(text)
    assert (first, second) == ("image/webp", "image/png") and Image.open(io.BytesIO(data)).size == (200, 150)
    assert report.counts["gallery"]["as_webp"] == 1 and "1 of the 2 pictures" in " ".join(text.split())
    assert text.count("<small>as WebP</small>") == 1 and 'width="400" height="300"' in text


def test_the_page_says_how_many_of_how_many(kinds: Path, tmp_path: Path):
    text = show(kinds, page=tmp_path / "page.html", limit=3).out.read_text()
    assert "3 of 7 pairs, spread evenly" in text and text.count("<article") == 3
    assert IN_GALLERY == 200


def test_one_style_and_one_script_are_admitted_by_their_hashes(kinds: Path, tmp_path: Path):
    text = show(kinds, page=tmp_path / "page.html").out.read_text()
    policy = re.search(r'Content-Security-Policy" content="([^"]+)"', text)
    assert policy is not None and policy[1].startswith("default-src &#39;none&#39;; img-src data:")
    for tag in ("style", "script"):
        (inside,) = re.findall(f"<{tag}>(.*?)</{tag}>", text, re.DOTALL)
        digest = base64.b64encode(hashlib.sha256(inside.encode()).digest()).decode()
        assert f"sha256-{digest}" in policy[1].replace("&#39;", "'").replace("&#43;", "+")
    assert "http://" not in text and "https://" not in text and "style=" not in text.partition("<body>")[2]


def test_skipped_pairs_are_listed(kinds: Path, tmp_path: Path):
    text = show(kinds, page=tmp_path / "page.html").out.read_text()
    assert "1 pair was skipped" in text and "identical (<bdi>shows the same</bdi>)" in text


def test_pairs_that_no_eye_can_tell_apart_are_a_warning(kinds: Path, tmp_path: Path):
    report = show(kinds, page=tmp_path / "page.html", sheet=tmp_path / "sheet.png")
    assert report.warnings == ["pairs whose pictures are the same to the eye: 1 (equal)"]


def test_the_same_again_is_up_to_date(kinds: Path, tmp_path: Path):
    first = show(kinds, page=tmp_path / "page.html")
    data = first.out.read_bytes()
    again = show(kinds, page=tmp_path / "page.html")
    assert (first.status, again.status) == ("done", "up to date") and first.out.read_bytes() == data


def test_a_strangers_file_is_not_replaced(kinds: Path, tmp_path: Path):
    (tmp_path / "page.html").write_text("mine")
    with pytest.raises(InputError, match="is no page of vz inspect --gallery"):
        show(kinds, page=tmp_path / "page.html")
    with pytest.raises(InputError, match="is a folder"):
        show(kinds, page=tmp_path)
    assert (tmp_path / "page.html").read_text() == "mine"


def test_a_page_is_not_written_as_a_picture(kinds: Path, tmp_path: Path):
    with pytest.raises(InputError, match=r"ends in \.html"):
        show(kinds, page=tmp_path / "gallery.png")
    assert not list(tmp_path.glob("gallery*"))


def test_nothing_is_written_into_the_games_folder(kinds: Path):
    before = sorted(kinds.rglob("*"))
    for option in ("page", "sheet"):
        with pytest.raises(InputError, match="lies in the games folder"):
            show(kinds, **{option: kinds / "deep" / "file.png"})
    assert sorted(kinds.rglob("*")) == before


def test_what_the_page_is_made_of_lies_in_the_package():
    """hatch packs whatever lies in `stages`, so it must lie there."""
    folder = Path(gallery.page.TEMPLATES)
    assert {path.name for path in folder.iterdir()} == {"gallery.html.j2", "gallery.css", "gallery.js"}


def test_a_folder_of_many_pairs_gives_a_page_of_some(tmp_path: Path):
    few = all_kinds()[0]
    folder = write_pairs(tmp_path / "games", [{**few, "pair_id": f"p{number:03d}"} for number in range(IN_GALLERY + 5)])
    assert choose(folder, IN_GALLERY).total == IN_GALLERY + 5
    assert show(folder, page=tmp_path / "page.html").counts["gallery"]["pairs"] == IN_GALLERY

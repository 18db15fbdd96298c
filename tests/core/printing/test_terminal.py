"""Text of strangers never controls a terminal, and is never read as markup."""

import io
import json
import logging
import sys
import warnings

import pytest
from rich.table import Table

from stages.core.printing.screen import Screen
from stages.core.printing.terminal import escape_logs, printable, put, say, say_briefly
from tests.cli import vz

HOSTILE = "a\x1b[31m\x9b2J\r\x07\u202eb\u2066\udc80\n\tc [red]d[/red] [/] :smile:"
SHOWN = "a\\u001b[31m\\u009b2J\\u000d\\u0007\\u202eb\\u2066\\udc80\n\tc [red]d[/red] [/] :smile:"


def test_characters_that_control_a_terminal_are_escaped():
    assert printable(HOSTILE) == SHOWN
    assert printable("Größe – 数 🙂 e\u0301 \u0645") == "Größe – 数 🙂 e\u0301 \u0645"
    assert all(printable(chr(code)) != chr(code) for code in (*range(9), 11, 12, *range(13, 32), *range(127, 160)))


def test_json_stays_the_same_json():
    assert json.loads(printable(json.dumps(HOSTILE, ensure_ascii=False))) == HOSTILE


def test_messages_and_results_are_printed_so(capsys: pytest.CaptureFixture[str]):
    say(f"{HOSTILE} http://me:pass@host")
    put(HOSTILE)
    shown = capsys.readouterr()
    assert (shown.err, shown.out) == (f"{SHOWN} http://…@host\n", f"{SHOWN}\n")


def test_a_message_is_one_line_that_keeps_its_beginning_and_its_end(capsys: pytest.CaptureFixture[str]):
    say_briefly("x/a\nb.yaml: bad; mend it")
    say_briefly(f"x.yaml: {'long ' * 2000}; mend it")
    short, long = capsys.readouterr().err.splitlines()
    assert short == "x/a b.yaml: bad; mend it"
    assert len(long) < 1510 and long.startswith("x.yaml: long") and long.endswith("; mend it")


def test_a_screen_reads_no_markup_and_keeps_its_own_colours():
    out = io.StringIO()
    screen = Screen(file=out, width=200, force_terminal=True, color_system="standard")
    table = Table(HOSTILE, box=None)
    table.add_row(HOSTILE)
    screen.print(HOSTILE, style="bold")
    screen.print(table)
    text = out.getvalue()
    assert text.count("c [red]d[/red] [/] :smile:") == text.count("\\u001b[31m\\u009b2J\\u000d") == 3
    assert "\x1b[1m" in text and not any(
        each in text for each in ("\x1b[31m", "\x9b", "\r", "\x07", "\u202e", "\u2066")
    )


def test_logs_and_warnings_of_libraries_are_printable(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
):
    before = logging.getLogRecordFactory()
    monkeypatch.setattr(sys, "excepthook", sys.excepthook)
    monkeypatch.setattr(warnings, "formatwarning", warnings.formatwarning)
    try:
        escape_logs()
        record = logging.getLogRecordFactory()("n", logging.WARNING, "f", 1, "of %s", (HOSTILE,), None)
        assert record.getMessage() == f"of {SHOWN}"
        assert SHOWN in warnings.formatwarning(HOSTILE, UserWarning, "f", 1)
        sys.excepthook(ValueError, ValueError(HOSTILE), None)
        assert SHOWN in capsys.readouterr().err
    finally:
        logging.setLogRecordFactory(before)


def test_a_name_with_escape_characters_is_escaped_in_an_error():
    done = vz("inspect", "no\x1b[2Jfolder")
    assert done.returncode == 2 and "no\\u001b[2Jfolder" in done.stderr and "\x1b" not in done.stderr

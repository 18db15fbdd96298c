"""What vz prints: text from models, servers, recipes and file names, made safe for a terminal.

Escape characters in this text could move the cursor, hide lines or change the terminal; text direction marks could make
a line read differently. vz prints them as `\\u001b`, so JSON stays equivalent.
"""

from __future__ import annotations

import logging
import re
import sys
import traceback
import warnings
from typing import Any

from stages.core.printing.secret_values import without_secrets

# All control characters except line feed and tab; direction marks; other line ends; invisible marks; halves of
# characters, which a terminal cannot print.
_UNSAFE = re.compile(
    "[\x00-\x08\x0b-\x1f\x7f-\x9f\xad\u061c\u200b\u200e\u200f\u2028-\u202e\u2060-\u206f\ufeff\ufff9-\ufffb\ud800-\udfff]"
)


LONGEST = 1500  # characters of a message


def printable(text: str) -> str:
    """`text` with every character that a terminal may act on escaped."""
    return _UNSAFE.sub(lambda found: f"\\u{ord(found[0]):04x}", text)


def say(message: str) -> None:
    """Print a message to stderr, without passwords and keys."""
    print(printable(without_secrets(message)), file=sys.stderr)


def say_briefly(message: str) -> None:
    """The same, in one line. A long message loses its middle, since the fault comes first and the remedy last."""
    line = " ".join(message.split("\n"))
    say(line if len(line) <= LONGEST else f"{line[: LONGEST * 2 // 3]} … {line[-LONGEST // 3 :]}")


def put(text: str) -> None:
    """Print a result to stdout."""
    print(printable(text), flush=True)


def escape_logs() -> None:
    """Make the log records, warnings and tracebacks of all libraries printable from now on."""
    record_of, warning_of = logging.getLogRecordFactory(), warnings.formatwarning

    def record(*given: Any, **named: Any) -> logging.LogRecord:
        made = record_of(*given, **named)
        if made.args or not isinstance(made.msg, str) or _UNSAFE.search(made.msg):
            try:
                made.msg, made.args = printable(made.getMessage()), ()
            except Exception:  # a bad format, which logging itself reports
                return made
        return made

    logging.setLogRecordFactory(record)
    warnings.formatwarning = lambda *given, **named: printable(warning_of(*given, **named))
    sys.excepthook = lambda *error: say("".join(traceback.format_exception(*error)).rstrip())

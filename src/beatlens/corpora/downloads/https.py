"""Requests for files of a corpus: over https alone, tried again where a fault may pass, limited in size and time.

http is for a server on this machine. A redirect obeys the same rule, and leads to no private network but that of the
configured server.
"""

from __future__ import annotations

import email.utils
import http.client
import ipaddress
import logging
import socket
import ssl
import time
import urllib.error
import urllib.parse
import urllib.request
from collections.abc import Callable, Mapping
from email.message import Message
from functools import cache
from typing import Any, TypeVar

from beatlens.core.record_faults import RecordFault

logger = logging.getLogger(__name__)
Result = TypeVar("Result")

TIMEOUT_S = 30.0
ATTEMPTS = 4
MAX_WAIT_S = 120.0
"""Longest wait before another try, whatever the server asks for."""
MIN_BYTES_PER_S = 1000
"""A server that is slower, once `TIMEOUT_S` have passed, counts as one that has broken off."""
_PASSING = frozenset({408, 425, 429, 500, 502, 503, 504})
_CHUNK = 1 << 16
_given_up: set[str] = set()
"""Servers that this process gave up on. Until one answers, each further file is asked for only once."""


class Interrupted(RecordFault):
    """No file this time, though there may be one the next: a server can't be reached, breaks off, or sends another.

    `member` is the file, relative to the corpus; "" where it isn't known.
    """

    member = ""


class NotOnServer(Interrupted):
    """The server answers, but hasn't got the file."""


class TooLong(Interrupted):
    """The server sends more than the file can have."""


def check_url(url: str, what: str) -> None:
    """Raise ValueError where an address is neither one of https nor one of http on this machine."""
    try:
        parts = urllib.parse.urlsplit(url)
        usable = bool(parts.hostname) and (parts.port is None or parts.port > 0)
    except ValueError:
        usable = False
    if usable:
        usable = parts.scheme == "https" or _on_this_machine(parts)
        usable &= not (parts.query or parts.fragment or "@" in parts.netloc) and url.isprintable() and " " not in url
    if not usable:
        raise ValueError(f"{what}: {url!r}; expected https://<server>/<path>, or http on this machine")


def _on_this_machine(parts: urllib.parse.SplitResult) -> bool:
    host = parts.hostname or ""
    try:
        loopback = ipaddress.ip_address(host).is_loopback
    except ValueError:
        loopback = host == "localhost"
    return parts.scheme == "http" and loopback


def _is_private(host: str) -> bool:
    """Tell whether a name stands for an address that isn't one of the internet; False where it can't be resolved."""
    try:
        found = socket.getaddrinfo(host, None)
    except OSError:
        return False
    return not all(ipaddress.ip_address(str(address[4][0]).partition("%")[0]).is_global for address in found)


class _Refused(urllib.error.URLError):
    """A redirect that isn't followed."""


class _Redirects(urllib.request.HTTPRedirectHandler):
    def redirect_request(
        self, req: urllib.request.Request, fp: Any, code: int, msg: str, headers: Any, newurl: str
    ) -> urllib.request.Request | None:
        old, new = urllib.parse.urlsplit(req.full_url), urllib.parse.urlsplit(newurl)
        allowed = new.scheme == "https" and (new.hostname == old.hostname or not _is_private(new.hostname or ""))
        if not allowed and not (_on_this_machine(old) and _on_this_machine(new)):
            raise _Refused(f"redirected to {newurl!r}; expected https and a server on the internet")
        return super().redirect_request(req, fp, code, msg, headers, newurl)


@cache
def _opener() -> urllib.request.OpenerDirector:
    """Return an opener without handlers of other schemes, and without a proxy for this machine."""
    proxy = urllib.request.getproxies().get("https")
    opener = urllib.request.OpenerDirector()
    for handler in (
        *([urllib.request.ProxyHandler({"https": proxy})] if proxy else []),
        urllib.request.HTTPHandler(),
        urllib.request.HTTPSHandler(context=ssl.create_default_context()),
        urllib.request.HTTPDefaultErrorHandler(),
        urllib.request.HTTPErrorProcessor(),
        _Redirects(),
        urllib.request.UnknownHandler(),
    ):
        opener.add_handler(handler)
    return opener


def request(url: str, headers: Mapping[str, str] | None = None) -> http.client.HTTPResponse:
    """Ask for a file; the answer is a context manager, to be read by `receive`.

    Raises
    ------
    OSError, http.client.HTTPException
        Where the server can't be reached or answers with an error (`urllib.error.HTTPError`).
    """
    check_url(url, "address")
    asked = urllib.request.Request(url, headers={"User-Agent": "beatlens", **(headers or {})})
    answer: http.client.HTTPResponse = _opener().open(asked, timeout=TIMEOUT_S)
    if answer.status != 200 and not (answer.status == 206 and asked.has_header("Range")):
        answer.close()
        raise OSError(f"status {answer.status}; expected the file")
    if answer.headers.get_content_type() == "text/html":  # a page to log in, or one that says what went wrong
        answer.close()
        raise OSError("a web page; expected the file")
    return answer


def receive(answer: http.client.HTTPResponse, write: Callable[[bytes], Any], limit: int, *, whole: bool) -> None:
    """Pass an answer's content on, piece by piece.

    Parameters
    ----------
    answer
        Of `request`.
    write
        Takes the pieces.
    limit
        Most bytes that are taken.
    whole
        Whether the answer itself must say where it ends, since nothing else tells that it is whole.

    Raises
    ------
    OSError, http.client.HTTPException
        Where the connection ends early or is too slow.
    TooLong
        ``download_failed`` for more than `limit` bytes.
    """
    length = answer.length
    if answer.headers.get("Content-Encoding", "identity") != "identity":
        raise OSError(f"content encoding {answer.headers['Content-Encoding']!r}; expected none")
    if whole and length is None and not answer.chunked:
        raise OSError("the answer has no Content-Length, so nothing tells whether it is whole")
    too_long = TooLong("download_failed", f"{answer.url}: expected at most {limit} bytes; the server sends more")
    if length is not None and length > limit:
        raise too_long
    received, started = 0, time.monotonic()
    while piece := answer.read1(_CHUNK):
        received += len(piece)
        if received > limit:
            raise too_long
        write(piece)
        late = time.monotonic() - started - TIMEOUT_S
        if late * MIN_BYTES_PER_S > received:
            raise OSError(f"{received} bytes in {late + TIMEOUT_S:.0f} s; expected {MIN_BYTES_PER_S} a second")
    if length is not None and received != length:
        raise OSError(f"{received} bytes of {length} received")


def persistently(url: str, action: Callable[[], Result]) -> Result:
    """Return what `action` gives; after a fault that may pass, call it again, later each time or when the server says.

    Raises
    ------
    RecordFault
        ``download_failed``: `NotOnServer`, `TooLong`, or `Interrupted` after the last try. Where no further try would
        help now, it is raised at once.
    """
    server = urllib.parse.urlsplit(url).netloc
    tries = 1 if server in _given_up else ATTEMPTS
    for attempt in range(tries):
        wait = 2.0**attempt
        try:
            result = action()
            _given_up.discard(server)
            return result
        except urllib.error.HTTPError as error:
            error.close()
            if error.code in {404, 410}:
                raise NotOnServer("download_failed", f"{url}: not on the server") from None
            if error.code not in _PASSING:
                raise Interrupted("download_failed", f"{url}: {error}") from None
            wait, fault = min(max(wait, _asked_wait(error.headers)), MAX_WAIT_S), str(error)
        except _Refused as error:
            raise Interrupted("download_failed", f"{url}: {error.reason}") from None
        except RecordFault:
            raise
        except (OSError, http.client.HTTPException, ValueError) as error:  # ValueError: a redirect to no address
            fault = f"{error or type(error).__name__}"
        if attempt < tries - 1:
            logger.warning("%s: %s; trying again in %.0f s", url, fault, wait)
            time.sleep(wait)
    _given_up.add(server)
    raise Interrupted("download_failed", f"{url}: {fault} ({tries} {'tries' if tries > 1 else 'try'})")


def _asked_wait(headers: Message) -> float:
    """Return the seconds to wait that a Retry-After header asks for (RFC 9110), 0 where there is none."""
    text = (headers.get("Retry-After") or "").strip()
    if text.isdecimal():
        return float(text)
    try:
        return email.utils.parsedate_to_datetime(text).timestamp() - time.time()
    except (ValueError, OverflowError):
        return 0.0

"""The server of `beatlens review`: a run's folder and the decisions on its beats, for browsers on this machine alone.

It listens on 127.0.0.1. Who has the token that is printed at the start may read and decide; the token comes once in the
address and is then kept in a cookie that no other site's page can send. A request that names another host (as by DNS
rebinding) or comes from another origin is refused. GET gives files of the folder, POST takes decisions, and nothing
else is answered.
"""

from __future__ import annotations

import hmac
import json
import logging
import secrets
import shutil
from datetime import UTC, datetime
from http import HTTPStatus
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from os import fstat
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, quote, urlsplit

from beatlens.corpora.reviewed import COLUMNS, BadDecision, Decision
from beatlens.review.decision_file import NAME, DecisionFile, disputed
from beatlens.review.predicted_beats import ReviewedRun
from beatlens.review.served_files import OTHER, content_type, open_below

logger = logging.getLogger(__name__)

HOST = "127.0.0.1"
PORT = 8765
DECISIONS = "/-/decisions"
FIRST_PAGE = "/report.html"
MAX_BODY = 16_384
"""Bytes of a decision as it is sent."""
IDLE_S = 60
"""Seconds after which a connection that says nothing is closed."""
FIELDS = ("beat_id", "decision", "label", "pred", "reviewer", "note", "run", "bundle_sha256")
"""What a page sends, each as text; the server adds the time. An empty decision takes the reviewer's last one back."""


class Refused(Exception):
    """A request that isn't answered."""

    def __init__(self, status: HTTPStatus, text: str) -> None:
        super().__init__(text)
        self.status = status


class ReviewServer(ThreadingHTTPServer):
    """Serve a run until `shutdown`.

    Parameters
    ----------
    folder
        ``results/<run>``.
    port
        Port on 127.0.0.1; 0 takes a free one.
    reviewer
        Name that pages propose; "" where they ask.

    Raises
    ------
    ValueError
        Where the folder is no finished run, or its table of decisions can't be read.
    OSError
        Where the port is taken.
    """

    daemon_threads = True

    def __init__(self, folder: Path, port: int = PORT, reviewer: str = "") -> None:
        self.folder = folder.resolve()
        self.run = ReviewedRun.open(folder)
        self.decisions = DecisionFile(self.folder / NAME)
        self.reviewer = reviewer
        self.state()  # what is wrong with the table is said now, and the first page needn't wait for libraries
        self.token = secrets.token_urlsafe(24)
        super().__init__((HOST, port), _Handler)

    @property
    def url(self) -> str:
        """Address of the first page, with the token."""
        return f"http://{HOST}:{self.server_port}{FIRST_PAGE}?token={self.token}"

    @property
    def cookie(self) -> str:
        """Name of the cookie; browsers keep cookies by host, whatever the port."""
        return f"beatlens-{self.server_port}"

    def handle_error(self, request: Any, client_address: Any) -> None:
        """Log what went wrong with a connection, such as that the browser closed it."""
        logger.debug("connection of %s", client_address, exc_info=True)

    def state(self, record: str = "") -> dict[str, Any]:
        """Return the decisions (of a record), on which beats reviewers differ, and how much is left.

        Parameters
        ----------
        record
            ``corpus/record``; all records where empty.
        """
        every = self.decisions.read()
        shown = [one for one in every if not record or one.beat_id.rpartition("/")[0] == record]
        decided = self.run.in_review(frozenset(one.beat_id for one in every))
        return {
            "run": self.run.run,
            "bundle_sha256": self.run.bundle_sha256,
            "classes": list(self.run.classes),
            "reviewer": self.reviewer,
            "n_review": self.run.n_review,
            "n_left": self.run.n_review - decided,
            "decisions": [_told(one) for one in shown],
            "disputed": disputed(every),
        }

    def decide(self, sent: dict[str, str]) -> dict[str, Any]:
        """Keep a decision as a page sends it, and return what others decided on the same beat.

        Raises
        ------
        Refused
            For a decision on another run's beat, on a beat that isn't there, or that can't be one.
        """
        ours = (self.run.run, self.run.bundle_sha256)
        if (sent["run"], sent["bundle_sha256"]) != ours:
            raise Refused(
                HTTPStatus.CONFLICT,
                f"a page of the run {sent['run'][:100]!r} with the bundle {sent['bundle_sha256'][:12]!r}; "
                f"expected {ours[0]!r} with {ours[1][:12]!r}: load the page again",
            )
        predicted = self.run.prediction(sent["beat_id"])
        if predicted is None:
            raise Refused(HTTPStatus.NOT_FOUND, f"beat_id {sent['beat_id'][:200]!r}; expected a beat of this run")
        if sent["pred"] != predicted:
            text = f"pred {sent['pred'][:40]!r}; expected {predicted!r}, as the run has it: load the page again"
            raise Refused(HTTPStatus.CONFLICT, text)
        allowed = ("", "none", *self.run.classes)
        if sent["label"] not in allowed:
            raise Refused(HTTPStatus.BAD_REQUEST, f"label {sent['label'][:40]!r}; expected one of {allowed}")
        reviewer = sent["reviewer"].strip()
        if not sent["decision"]:
            every = self.decisions.withdraw(sent["beat_id"], reviewer)
        else:
            now = datetime.now(UTC).isoformat(timespec="milliseconds")
            try:
                new = Decision(**{**sent, "reviewer": reviewer, "note": sent["note"].strip(), "time": now})
            except BadDecision as error:
                raise Refused(HTTPStatus.BAD_REQUEST, str(error)) from None
            every = self.decisions.add(new)
        of_beat = [one for one in every if one.beat_id == sent["beat_id"]]
        return {"decisions": [_told(one) for one in of_beat], "disputed": disputed(of_beat)}


def _told(decision: Decision) -> dict[str, str]:
    return dict(zip(COLUMNS, decision.row(), strict=True))


class _Handler(BaseHTTPRequestHandler):
    server: ReviewServer
    protocol_version = "HTTP/1.1"
    server_version, sys_version = "beatlens", ""
    timeout = IDLE_S

    def do_GET(self) -> None:
        """Answer with a file of the run, or the decisions."""
        self._answer(self._get)

    def do_POST(self) -> None:
        """Take a decision."""
        self._answer(self._post)

    def log_message(self, format: str, *values: Any) -> None:
        """Log a request; the address may hold the token, so only its path is told."""
        logger.debug("%s %s", self.command, urlsplit(self.path).path if self.command else "?")

    def _answer(self, do: Any) -> None:
        try:
            self._check_host()
            do()
        except Refused as refused:
            self._refuse(refused.status, str(refused))
        except ConnectionError:
            self.close_connection = True
        except (ValueError, OSError) as error:
            logger.exception("%s", urlsplit(self.path).path)
            self._refuse(HTTPStatus.INTERNAL_SERVER_ERROR, str(error))

    def _get(self) -> None:
        address = urlsplit(self.path)
        query = parse_qs(address.query)
        if "token" in query:
            self._check_token(query["token"][0])
            here = quote(address.path, safe="/%")
            self._head(HTTPStatus.SEE_OTHER, "text/plain; charset=utf-8", 0, location=here, with_cookie=True)
            return
        self._check_token(self._sent_cookie())
        if address.path == DECISIONS:
            self._say(self.server.state(query.get("record", [""])[0]))
        elif address.path == "/":
            self._head(HTTPStatus.SEE_OTHER, "text/plain; charset=utf-8", 0, location=FIRST_PAGE)
        elif address.path == "/favicon.ico":  # which browsers ask for unasked
            self._head(HTTPStatus.NO_CONTENT, "image/png", 0)
        else:
            self._send_file(address.path)

    def _post(self) -> None:
        self._check_token(self._sent_cookie())
        if self.headers.get("Origin") != f"http://{self.headers.get('Host')}":
            raise Refused(HTTPStatus.FORBIDDEN, f"Origin {self.headers.get('Origin')!r}; expected this server's")
        if urlsplit(self.path).path != DECISIONS:
            raise Refused(HTTPStatus.NOT_FOUND, f"only {DECISIONS} takes a POST")
        length = self.headers.get("Content-Length", "")
        if self.headers.get("Transfer-Encoding") or not length.isascii() or not length.isdigit():
            raise Refused(HTTPStatus.LENGTH_REQUIRED, "no Content-Length")
        if int(length) > MAX_BODY:
            raise Refused(HTTPStatus.REQUEST_ENTITY_TOO_LARGE, f"{length} bytes; expected at most {MAX_BODY}")
        if self.headers.get_content_type() != "application/json":
            raise Refused(HTTPStatus.UNSUPPORTED_MEDIA_TYPE, "expected application/json")
        try:
            sent = json.loads(self.rfile.read(int(length)))
        except (ValueError, RecursionError):
            raise Refused(HTTPStatus.BAD_REQUEST, "expected JSON") from None
        if (
            not isinstance(sent, dict)
            or set(sent) != set(FIELDS)
            or not all(isinstance(value, str) for value in sent.values())
        ):
            raise Refused(HTTPStatus.BAD_REQUEST, f"expected an object of text: {', '.join(FIELDS)}")
        self._say(self.server.decide(sent))

    def _check_host(self) -> None:
        host, port = self.headers.get("Host"), self.server.server_port
        if host not in (f"{HOST}:{port}", f"localhost:{port}"):
            raise Refused(HTTPStatus.MISDIRECTED_REQUEST, f"Host {host!r}; expected {HOST}:{port}")

    def _check_token(self, token: str) -> None:
        if not hmac.compare_digest(token.encode(), self.server.token.encode()):
            raise Refused(HTTPStatus.FORBIDDEN, "no token: open the address that beatlens review printed")

    def _sent_cookie(self) -> str:
        pairs = (pair.strip().partition("=") for pair in self.headers.get("Cookie", "").split(";"))
        return next((value for name, _, value in pairs if name == self.server.cookie), "")

    def _send_file(self, target: str) -> None:
        try:
            with open_below(self.server.folder, target) as file:
                self._head(HTTPStatus.OK, content_type(target), fstat(file.fileno()).st_size)
                shutil.copyfileobj(file, self.wfile)
        except FileNotFoundError:
            raise Refused(HTTPStatus.NOT_FOUND, "no such file in the run") from None

    def _say(self, value: dict[str, Any]) -> None:
        body = json.dumps(value, ensure_ascii=True).encode()
        self._head(HTTPStatus.OK, "application/json", len(body))
        self.wfile.write(body)

    def _refuse(self, status: HTTPStatus, text: str) -> None:
        body = json.dumps({"error": text}).encode()
        self.close_connection = True  # what was sent may not have been read
        self._head(status, "application/json", len(body))
        self.wfile.write(body)

    def _head(
        self, status: HTTPStatus, kind: str, length: int, *, location: str = "", with_cookie: bool = False
    ) -> None:
        self.send_response(status)
        self.send_header("Content-Type", kind)
        self.send_header("Content-Length", str(length))
        self.send_header("X-Content-Type-Options", "nosniff")
        self.send_header("Referrer-Policy", "no-referrer")
        self.send_header("Cross-Origin-Resource-Policy", "same-origin")
        self.send_header("Cache-Control", "no-store")
        policy = "frame-ancestors 'none'" + ("; script-src 'none'" if kind == "image/svg+xml" else "")
        self.send_header("Content-Security-Policy", policy)
        if kind == OTHER:
            self.send_header("Content-Disposition", "attachment")
        if location:
            self.send_header("Location", location)
        if with_cookie:
            token = f"{self.server.cookie}={self.server.token}; Path=/; HttpOnly; SameSite=Strict"
            self.send_header("Set-Cookie", token)
        if self.close_connection:
            self.send_header("Connection", "close")
        self.end_headers()

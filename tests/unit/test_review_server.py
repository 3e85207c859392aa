"""The server of `beatlens review`: who gets an answer, which files, and decisions that no kill and no rival loses."""

from __future__ import annotations

import contextlib
import http.client
import json
import os
import signal
import subprocess
import sys
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlsplit

import pandas as pd
import pytest

from beatlens.core.files import sha256_of
from beatlens.corpora.reviewed import read_decisions, read_reviewed
from beatlens.review.server import DECISIONS, MAX_BODY, ReviewServer

SOURCES = Path(__file__).parents[2] / "src"


def make_run(folder: Path) -> Path:
    """Make what the server needs of a finished run: 40 beats of two records, every fourth in review."""
    (folder / "predictions").mkdir(parents=True)
    (folder / "model" / "bundle").mkdir(parents=True)
    (folder / "model" / "bundle" / "bundle.json").write_text("{}")
    (folder / "run_config.yaml").write_text("run: first\nbundle: null\nclasses: [N, V]\n")
    (folder / "report.html").write_text("<p>report</p>")
    beats = pd.DataFrame({"r_sample": range(40), "corpus": "c"})
    beats["record"] = ["r" if k % 2 else "s/t" for k in range(40)]
    beats["beat_id"] = [f"c/{name}/{k}" for name, k in zip(beats["record"], beats["r_sample"], strict=True)]
    beats["pred"], beats["review"] = "N", beats["r_sample"] % 4 == 0
    beats.to_parquet(folder / "predictions" / "beats.parquet")
    return folder


@contextlib.contextmanager
def serving(folder: Path) -> Iterator[ReviewServer]:
    with ReviewServer(folder, 0) as server:
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        try:
            yield server
        finally:
            server.shutdown()
            thread.join()


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ReviewServer]:
    with serving(make_run(tmp_path_factory.mktemp("served") / "first")) as running:
        yield running


class Client:
    """Sends requests as a browser with the cookie would, but for what is changed."""

    def __init__(self, url: str) -> None:
        address = urlsplit(url)
        self.host = address.netloc
        self.headers = {
            "Host": self.host,
            "Cookie": f"other=1; beatlens-{address.port}={parse_qs(address.query)['token'][0]}",
            "Origin": f"http://{self.host}",
            "Content-Type": "application/json",
        }

    def ask(self, method: str, path: str, body: Any = None, **changes: str | None) -> tuple[int, bytes, Any]:
        headers = {name: value for name, value in {**self.headers, **changes}.items() if value is not None}
        content = body if body is None or isinstance(body, bytes) else json.dumps(body).encode()
        connection = http.client.HTTPConnection(self.host, timeout=20)
        try:
            connection.putrequest(method, path, skip_host=True, skip_accept_encoding=True)
            if content is not None and "Content-Length" not in headers:
                headers["Content-Length"] = str(len(content))
            for name, value in headers.items():
                connection.putheader(name, value)
            connection.endheaders(content)
            answer = connection.getresponse()
            return answer.status, answer.read(), answer.headers
        finally:
            connection.close()


def decision(folder: Path, beat: str, label: str = "V", reviewer: str = "ann", **changes: str) -> dict[str, str]:
    kind = "unsure" if not label else "accepted" if label == "N" else "corrected"
    sha = sha256_of(folder / "model" / "bundle" / "bundle.json")
    sent = {"beat_id": beat, "decision": kind, "label": label, "pred": "N", "reviewer": reviewer, "note": ""}
    return sent | {"run": "first", "bundle_sha256": sha} | changes


def test_the_token_opens_a_session_and_leaves_the_address(server: ReviewServer) -> None:
    client = Client(server.url)
    address = urlsplit(server.url)
    status, _, headers = client.ask("GET", f"{address.path}?{address.query}", Cookie=None)
    assert (status, headers["Location"]) == (303, "/report.html")
    assert server.token in headers["Set-Cookie"]
    for part in ("HttpOnly", "SameSite=Strict"):
        assert part in headers["Set-Cookie"]
    status, body, headers = client.ask("GET", "/report.html")
    assert (status, body) == (200, b"<p>report</p>")
    assert headers["Content-Type"] == "text/html; charset=utf-8"
    assert headers["X-Content-Type-Options"] == "nosniff"
    assert client.ask("GET", "/")[2]["Location"] == "/report.html"


@pytest.mark.parametrize(
    ("changes", "status"),
    [
        ({"Cookie": None}, 403),
        ({"Cookie": "beatlens-1=x"}, 403),
        ({"Host": "evil.example"}, 421),
        ({"Host": "evil.example:8765"}, 421),
        ({"Host": None}, 421),
    ],
)
def test_without_the_token_or_for_another_host_nothing_is_answered(
    server: ReviewServer, changes: dict[str, str | None], status: int
) -> None:
    client = Client(server.url)
    for path in ("/report.html", DECISIONS, "/predictions/beats.parquet"):
        assert client.ask("GET", path, **changes)[0] == status
    sent = decision(server.folder, "c/r/1")
    assert client.ask("POST", DECISIONS, sent, **changes)[0] == status
    assert client.ask("GET", "/report.html?token=wrong")[0] == 403
    assert not server.decisions.path.exists()


@pytest.mark.parametrize(
    ("changes", "status"),
    [
        ({"Origin": None}, 403),
        ({"Origin": "null"}, 403),
        ({"Origin": "http://evil.example"}, 403),
        ({"Content-Type": "text/plain"}, 415),
        ({"Content-Length": None, "Transfer-Encoding": "chunked"}, 411),
        ({"Content-Length": "-1"}, 411),
        ({"Content-Length": str(MAX_BODY + 1)}, 413),
    ],
)
def test_a_post_of_another_page_or_size_is_refused(
    server: ReviewServer, changes: dict[str, str | None], status: int
) -> None:
    sent = json.dumps(decision(server.folder, "c/r/1")).encode()
    assert Client(server.url).ask("POST", DECISIONS, sent, **changes)[0] == status
    assert not server.decisions.path.exists()


@pytest.mark.parametrize(
    ("body", "status", "words"),
    [
        (b"{", 400, "expected JSON"),
        (b"[" * 9000, 400, "expected JSON"),
        ([], 400, "expected an object"),
        ({"beat_id": "c/r/1"}, 400, "expected an object"),
        ({"beat_id": 1}, 400, "expected an object"),
        ({"beat_id": "c/r/2"}, 404, "expected a beat of this run"),
        ({"beat_id": "nonsense"}, 404, "expected a beat of this run"),
        ({"run": "second"}, 409, "load the page again"),
        ({"bundle_sha256": "b" * 64}, 409, "load the page again"),
        ({"pred": "V"}, 409, "as the run has it"),
        ({"label": "PVC"}, 400, "label 'PVC'"),
        ({"decision": "deleted"}, 400, "decision 'deleted'"),
        ({"reviewer": "  "}, 400, "reviewer ''"),
        ({"note": "x" * 1001}, 400, "at most 1000"),
    ],
)
def test_a_decision_that_cannot_be_one_is_refused_with_words(
    server: ReviewServer, body: Any, status: int, words: str
) -> None:
    if isinstance(body, dict) and len(body) == 1 and body != {"beat_id": "c/r/1"}:
        body = decision(server.folder, "c/r/1") | body
    found, answer, _ = Client(server.url).ask("POST", DECISIONS, body)
    assert found == status
    assert words in json.loads(answer)["error"]
    assert not server.decisions.path.exists()


def test_other_methods_and_places_are_refused(server: ReviewServer) -> None:
    client = Client(server.url)
    for method in ("PUT", "DELETE", "OPTIONS", "HEAD"):
        assert client.ask(method, "/report.html")[0] == 501
    assert client.ask("POST", "/report.html", {})[0] == 404


def test_nothing_outside_the_folder_no_link_no_hidden_file_and_no_listing_is_served(tmp_path: Path) -> None:
    folder = make_run(tmp_path / "first")
    (tmp_path / "secret.txt").write_text("secret")
    (folder / ".hidden").write_text("secret")
    (folder / "link.txt").symlink_to(tmp_path / "secret.txt")
    (folder / "inside.html").symlink_to("report.html")
    (folder / "up").symlink_to(tmp_path)
    os.mkfifo(folder / "pipe")
    (folder / "rec%2Ford ä").mkdir()
    (folder / "rec%2Ford ä" / "<b>.svg").write_text("<svg/>")
    with serving(folder) as server:
        client = Client(server.url)
        for path in (
            *("/../secret.txt", "/%2e%2e/secret.txt", "/..%2fsecret.txt", "/predictions/../../secret.txt"),
            *("//secret.txt", "/predictions//beats.parquet", "/..%5csecret.txt", "/.hidden", "/%00", "/%ff"),
            *("/link.txt", "/inside.html", "/up/secret.txt", "/pipe", "/predictions", "/predictions/", "/none"),
            *(f"{folder}/report.html", "/report.html/", f"/{'a' * 5000}", "/" + "x/" * 2000),
        ):
            status, body, _ = client.ask("GET", path)
            assert (status, b"secret" in body) == (404, False), path
        status, body, headers = client.ask("GET", "/rec%252Ford%20%C3%A4/%3Cb%3E.svg")
        assert (status, body, headers["Content-Type"]) == (200, b"<svg/>", "image/svg+xml")
        assert "script-src 'none'" in headers["Content-Security-Policy"]
        headers = client.ask("GET", "/predictions/beats.parquet")[2]
        assert headers["Content-Disposition"] == "attachment"
        assert client.ask("GET", "/a\\b?token=" + server.token)[2]["Location"] == "/a%5Cb"


def test_two_reviewers_at_once_lose_nothing_and_are_both_told_where_they_differ(tmp_path: Path) -> None:
    folder = make_run(tmp_path / "first")
    with serving(folder) as one, serving(folder) as two:  # also two servers of one run
        clients = {"ann": Client(one.url), "bob": Client(two.url)}
        work = [(who, f"c/r/{k}", "V" if who == "ann" or k > 3 else "N") for k in range(1, 40, 2) for who in clients]
        with ThreadPoolExecutor(8) as pool:
            answers = list(
                pool.map(
                    lambda job: clients[job[0]].ask("POST", DECISIONS, decision(folder, job[1], job[2], job[0])), work
                )
            )
        assert [status for status, *_ in answers] == [200] * 40
        for client in clients.values():
            state = json.loads(client.ask("GET", DECISIONS)[1])
            assert len(state["decisions"]) == 40
            assert state["disputed"] == ["c/r/1", "c/r/3"]
        answer = json.loads(clients["ann"].ask("POST", DECISIONS, decision(folder, "c/r/1", "", "ann"))[1])
        assert {(row["reviewer"], row["label"]) for row in answer["decisions"]} == {("bob", "N"), ("ann", "")}
        assert answer["disputed"] == ["c/r/1"]
        withdrawn = decision(folder, "c/r/1", "N", "ann", decision="")
        assert json.loads(clients["ann"].ask("POST", DECISIONS, withdrawn)[1])["disputed"] == []
        edited = [
            line for line in (folder / "reviewed.csv").read_text().splitlines(keepends=True) if "c/r/5," not in line
        ]
        (folder / "reviewed.csv").write_text("".join(edited))  # by hand, while both serve
        assert clients["bob"].ask("POST", DECISIONS, decision(folder, "c/r/5", "V", "bob"))[0] == 200
        assert len(json.loads(clients["ann"].ask("GET", DECISIONS)[1])["decisions"]) == 38
    found = read_reviewed([folder / "reviewed.csv"], "c")["r"]
    assert found.disputed == (3,)
    assert found.labels == {1: "N"} | dict.fromkeys(range(5, 40, 2), "V")


def test_what_is_left_counts_beats_in_review_once(tmp_path: Path) -> None:
    folder = make_run(tmp_path / "first")
    with serving(folder) as server:
        client = Client(server.url)
        for beat, who in (("c/s/t/4", "ann"), ("c/s/t/4", "bob"), ("c/r/1", "ann")):
            assert client.ask("POST", DECISIONS, decision(folder, beat, "V", who))[0] == 200
        state = json.loads(client.ask("GET", f"{DECISIONS}?record=c/s/t")[1])
        assert (state["n_review"], state["n_left"], len(state["decisions"])) == (10, 9, 2)


def test_cells_that_look_like_formulas_or_tags_come_back_as_they_were(tmp_path: Path) -> None:
    folder = make_run(tmp_path / "first")
    note, who = '=HYPERLINK("x")\n<script>alert(1)</script>', "@ann <b>"
    with serving(folder) as server:
        assert Client(server.url).ask("POST", DECISIONS, decision(folder, "c/r/1", note=note, reviewer=who))[0] == 200
    text = (folder / "reviewed.csv").read_text()
    assert "'=HYPERLINK" in text
    (row,) = read_decisions(folder / "reviewed.csv")
    assert (row.note, row.reviewer) == (note, who)


def test_a_confirmed_decision_survives_a_kill(tmp_path: Path) -> None:
    folder = make_run(tmp_path / "first")
    command = [sys.executable, "-m", "beatlens.cli", "review", str(folder), "--port", "0"]
    environment = {**os.environ, "PYTHONPATH": str(SOURCES)}
    process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True, env=environment)
    assert process.stdout is not None
    client, kept = Client(process.stdout.readline().strip()), []
    killer = threading.Timer(0.05, process.send_signal, [signal.SIGKILL])
    with contextlib.suppress(OSError, http.client.HTTPException):
        for k in range(10_000):
            beat = f"c/r/{2 * (k % 20) + 1}"
            if client.ask("POST", DECISIONS, decision(folder, beat, "V" if k % 40 < 20 else "N"))[0] == 200:
                kept.append((beat, "V" if k % 40 < 20 else "N"))
            if len(kept) == 5:
                killer.start()
    killer.join()
    process.wait()
    process.stdout.close()
    assert kept
    found = {row.beat_id: row.label for row in read_decisions(folder / "reviewed.csv")}
    last = dict(kept)
    # The one under way when the process died may be there or not; all that were confirmed are.
    assert len({beat for beat in last if found[beat] != last[beat]}) <= 1
    assert set(last) <= set(found)
    with serving(folder) as server:
        client = Client(server.url)
        assert client.ask("POST", DECISIONS, decision(folder, "c/r/1", "V"))[0] == 200
    assert not [path for path in folder.iterdir() if path.name.endswith(".tmp.csv")]


def test_a_folder_that_is_no_run_or_a_broken_table_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match=r"no run_config\.yaml; expected the folder of a finished run"):
        ReviewServer(tmp_path, 0)
    folder = make_run(tmp_path / "first")
    (folder / "reviewed.csv").write_text("beat_id,label\nc/r/1,N\n")
    with pytest.raises(ValueError, match=r"reviewed\.csv: columns"):
        ReviewServer(folder, 0)

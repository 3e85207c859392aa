"""Downloads, against a server on this machine."""

from __future__ import annotations

import hashlib
import json
import threading
import urllib.parse
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import suppress
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from beatlens.beats.preprocess import PreprocessSettings
from beatlens.beats.preprocess_shard import CorpusSource, preprocess_shard
from beatlens.core.record_faults import RecordFault
from beatlens.corpora.downloads import download, https
from beatlens.corpora.downloads.download import Remote, fetch_file, fetch_record
from beatlens.corpora.downloads.download_folder import DownloadFolder
from beatlens.corpora.downloads.https import Interrupted, NotOnServer
from beatlens.corpora.downloads.interrupted import tries
from beatlens.corpora.index import update_sheet
from beatlens.corpora.record_sheet import read_sheet, shard_digest
from beatlens.corpora.registry import read_record
from beatlens.shards.shard import Shard

PREFIX = "/files/own/1.0.0/"


class Server(ThreadingHTTPServer):
    """Serves `files`; `cut` says after how many bytes the next answer for a file breaks off.

    `status` are errors that come once, with `headers`; `moved` are redirects; a file in `endless` has no end, and
    one in `down` isn't to be had; in place of one in `pages` a web page is sent.
    """

    daemon_threads = True

    def __init__(self) -> None:
        self.files: dict[str, bytes] = {}
        self.cut: dict[str, int] = {}
        self.status: dict[str, int] = {}
        self.headers: dict[str, str] = {}
        self.moved: dict[str, str] = {}
        self.endless: set[str] = set()
        self.down: set[str] = set()
        self.pages: set[str] = set()
        self.requests: Counter[str] = Counter()
        self.ranges: list[str] = []
        self.honour_ranges = True
        self.range_bytes = 1 << 30
        self.tags = True
        super().__init__(("127.0.0.1", 0), Handler)

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server_port}/files"


class Handler(BaseHTTPRequestHandler):
    server: Server
    timeout = 30

    def log_message(self, *values: object) -> None:
        pass

    def do_GET(self) -> None:
        name = urllib.parse.unquote(self.path).removeprefix(PREFIX)
        self.server.requests[name] += 1
        if name in self.server.status:
            self.send_response(self.server.status.pop(name))
            self._end(self.server.headers)
        elif name in self.server.down:
            self.send_error(503)
        elif name in self.server.pages:
            self.send_response(200)
            self._end({"Content-Type": "text/html; charset=utf-8", "Content-Length": "5"})
            self.wfile.write(b"<htm>")
        elif name in self.server.moved:
            self.send_response(302)
            self._end({"Location": self.server.moved[name]})
        elif name in self.server.endless:
            self.send_response(200)
            self.end_headers()
            with suppress(OSError):
                for _ in range(10_000):
                    self.wfile.write(b"x" * 999 + b"\n")
        elif name not in self.server.files or not self.path.startswith(PREFIX):
            self.send_error(404)
        else:
            self._send(name, self.server.files[name])

    def _end(self, headers: dict[str, str]) -> None:
        for key, value in headers.items():
            self.send_header(key, value)
        self.end_headers()

    def _send(self, name: str, content: bytes) -> None:
        tag = f'"{hashlib.sha256(content).hexdigest()}"'
        asked, total = self.headers.get("Range"), len(content)
        headers = {"ETag": tag} if self.server.tags else {}
        if asked and self.server.honour_ranges and self.headers.get("If-Range", tag) == tag:
            self.server.ranges.append(asked)
            begin = int(asked.removeprefix("bytes=").removesuffix("-"))
            if begin >= total:
                self.send_error(416)
                return
            content = content[begin:][: self.server.range_bytes]
            self.send_response(206)
            headers["Content-Range"] = f"bytes {begin}-{begin + len(content) - 1}/{total}"
        else:
            self.send_response(200)
        self._end(headers | {"Content-Length": str(len(content))})
        self.wfile.write(content[: self.server.cut.pop(name, len(content))])


@pytest.fixture
def server(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, write_wfdb_record) -> Iterator[Server]:
    """Return a server of a corpus of two records, with RECORDS and SHA256SUMS."""
    monkeypatch.setenv("no_proxy", "127.0.0.1")
    monkeypatch.delenv("BEATLENS_DATA", raising=False)
    monkeypatch.setattr(https.time, "sleep", lambda seconds: None)
    folder = tmp_path / "origin"
    write_wfdb_record(folder, "r1", symbols=["N", "V"])
    write_wfdb_record(folder / "g1", "r2")
    server = Server()
    server.files = {str(p.relative_to(folder)): p.read_bytes() for p in folder.rglob("*.*")}
    server.files["unrelated.dat"] = b"never asked for"
    sums = "".join(f"{hashlib.sha256(content).hexdigest()}  {name}\n" for name, content in server.files.items())
    server.files |= {"RECORDS": b"r1\ng1/\n", "g1/RECORDS": b"r2\n", "SHA256SUMS": sums.encode()}
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01}, daemon=True)
    thread.start()
    yield server
    server.shutdown()
    server.server_close()
    thread.join(5)


def remote(server: Server) -> Remote:
    return Remote("own/1.0.0", server.url, "atr")


def fetch(server: Server, folder: Path, name: str, sha256: str | None) -> bytes:
    """Fetch a file into a folder of its own and return its content."""
    with DownloadFolder.opened(folder, remote(server).source, make=True) as home:
        assert home is not None
        fetch_file(remote(server), name, home, sha256, limit=1 << 20)
    return (folder / name).read_bytes()


def names_in(folder: Path) -> set[str]:
    return {str(path.relative_to(folder)) for path in folder.rglob("*") if path.is_file()}


def test_a_record_and_nothing_else_is_fetched_once(server: Server, tmp_path: Path) -> None:
    folder = tmp_path / "here"
    names = [path.name for path in fetch_record(remote(server), "r1", folder)]
    assert names == ["r1.hea", "r1.dat", "r1.atr"]
    assert names_in(folder) == {*names, "SHA256SUMS", "remote.json"}
    assert all((folder / name).read_bytes() == server.files[name] for name in names)
    fetch_record(remote(server), "r1", folder)
    assert [server.requests[name] for name in names] == [1, 1, 1]
    assert not server.requests["unrelated.dat"]


@pytest.mark.parametrize("checked", [True, False])
def test_a_broken_connection_is_resumed(server: Server, tmp_path: Path, checked: bool) -> None:
    if not checked:
        del server.files["SHA256SUMS"]
    server.cut = {"r1.dat": 1000}
    server.status = {"r1.hea": 503}
    fetch_record(remote(server), "r1", tmp_path / "here")
    assert server.ranges == ["bytes=1000-"]
    assert (tmp_path / "here" / "r1.dat").read_bytes() == server.files["r1.dat"]


def test_a_killed_download_is_resumed(server: Server, tmp_path: Path) -> None:
    content, folder = server.files["r1.dat"], tmp_path / "here"
    digest = hashlib.sha256(content).hexdigest()
    fetch(server, folder, "r1.hea", None)
    (folder / "r1.dat.part").write_bytes(content[:700])
    assert fetch(server, folder, "r1.dat", digest) == content
    assert server.ranges == ["bytes=700-"]
    # A server that sends the whole file all the same, a part of something else, a part that is too long:
    for part, honour in ((content[:700], False), (b"x" * 700, True), (b"x" * 9999, True)):
        (folder / "r1.dat").unlink()
        (folder / "r1.dat.part").write_bytes(part)
        server.honour_ranges = honour
        assert fetch(server, folder, "r1.dat", digest) == content
    assert names_in(folder) == {"r1.hea", "r1.dat", "remote.json"}


def test_without_checksums_nothing_is_added_to_what_an_earlier_version_left(server: Server, tmp_path: Path) -> None:
    content, folder = server.files["r1.dat"], tmp_path / "here"
    fetch(server, folder, "r1.hea", None)
    (folder / "r1.dat.part").write_bytes(b"x" * 700)
    assert fetch(server, folder, "r1.dat", None) == content
    # Nor a piece of the rest.
    (folder / "r1.dat").unlink()
    server.range_bytes, server.cut = 10, {"r1.dat": 1000}
    assert fetch(server, folder, "r1.dat", None) == content
    # Nor where the server can't tell whether a file is the one that it began to send.
    (folder / "r1.dat").unlink()
    server.tags, server.cut = False, {"r1.dat": 1000}
    assert fetch(server, folder, "r1.dat", None) == content
    assert server.ranges == ["bytes=1000-"]


def test_a_damaged_copy_is_fetched_again(server: Server, tmp_path: Path) -> None:
    folder = tmp_path / "here"
    fetch_record(remote(server), "r1", folder)
    (folder / "r1.dat").write_bytes(b"damaged")
    fetch_record(remote(server), "r1", folder)
    assert (folder / "r1.dat").read_bytes() == server.files["r1.dat"]


def test_wrong_content_is_refused(server: Server, tmp_path: Path) -> None:
    server.files["r1.dat"] = server.files["r1.dat"][:-1] + b"!"
    with pytest.raises(RecordFault, match=r"checksum_mismatch: .*r1\.dat: content differs"):
        fetch_record(remote(server), "r1", tmp_path / "here")
    assert names_in(tmp_path / "here") == {"r1.hea", "SHA256SUMS", "remote.json"}


def test_a_truncated_list_of_checksums_checks_nothing_off(server: Server, tmp_path: Path) -> None:
    whole = server.files["SHA256SUMS"]
    server.files["r1.dat"] = server.files["r1.dat"][:-1] + b"!"
    server.cut = {"SHA256SUMS": 10}
    with pytest.raises(RecordFault, match="checksum_mismatch"):
        fetch_record(remote(server), "r1", tmp_path / "broken")
    assert (tmp_path / "broken" / "SHA256SUMS").read_bytes() == whole
    # A copy that isn't whole is fetched anew; a server's list that lacks a file, or holds something else, is refused.
    (tmp_path / "broken" / "SHA256SUMS").write_bytes(whole[:70])
    with pytest.raises(RecordFault, match="checksum_mismatch"):
        fetch_record(remote(server), "r1", tmp_path / "broken")
    assert (tmp_path / "broken" / "SHA256SUMS").read_bytes() == whole
    server.files["SHA256SUMS"] = b"".join(line for line in whole.splitlines(True) if b"r1.dat" not in line)
    with pytest.raises(RecordFault, match=r"checksum_mismatch: r1\.dat: not in the server's SHA256SUMS"):
        fetch_record(remote(server), "r1", tmp_path / "short")
    server.files["SHA256SUMS"] = b"<html>log in first</html>"
    with pytest.raises(RecordFault, match="expected lines of a sha256 and a file name"):
        fetch_record(remote(server), "r1", tmp_path / "page")


def test_without_checksums(server: Server, tmp_path: Path) -> None:
    del server.files["SHA256SUMS"], server.files["r1.atr"]
    folder = tmp_path / "here"
    assert [path.name for path in fetch_record(remote(server), "r1", folder)] == ["r1.hea", "r1.dat"]
    assert (folder / "r1.dat").read_bytes() == server.files["r1.dat"]
    with pytest.raises(NotOnServer, match=r"download_failed: .*r9\.hea: not on the server"):
        fetch_record(remote(server), "r9", folder)


@pytest.mark.parametrize("name", ["RECORDS", "SHA256SUMS", "r1.hea", "r1.dat", "r1.atr"])
def test_what_has_no_end_is_given_up(
    server: Server, tmp_path: Path, resize: Callable[[str, object], None], name: str
) -> None:
    resize("MAX_LISTING_BYTES", {"RECORDS": 5000, "SHA256SUMS": 5000})
    resize("MAX_ANNOTATION_BYTES", 5000)
    server.endless = {name}
    corpus = {"name": "own", "role": "test", "format": "wfdb", "remote": "own/1.0.0", "base_url": server.url}

    def use() -> None:
        update_sheet([corpus], tmp_path / "sheet.tsv", tmp_path / "data", tmp_path)
        fetch_record(remote(server), "r1", tmp_path / "corpora" / "own")

    with pytest.raises(ValueError, match=rf"{name}.*(expected at most \d+ bytes|no Content-Length)"):
        use()
    assert sum(path.stat().st_size for path in tmp_path.rglob("*.part")) < 2 << 20


def test_gives_up_after_some_tries(server: Server, tmp_path: Path) -> None:
    server.shutdown()
    server.server_close()
    for tried in (r"\(4 tries\)", r"\(1 try\)"):  # of many records, each would wait as long
        with pytest.raises(Interrupted, match=f"download_failed: .*{tried}"):
            fetch_record(remote(server), "r1", tmp_path / "here")


@pytest.mark.parametrize(
    ("asked", "waited"),
    [("7", 7), ("99999", 120), (format_datetime(datetime.now(UTC) + timedelta(days=1)), 120), ("soon", 1)],
    ids=["seconds", "many seconds", "date", "no number"],
)
def test_a_server_says_when_to_ask_again(
    server: Server, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, asked: str, waited: float
) -> None:
    pauses: list[float] = []
    monkeypatch.setattr(https.time, "sleep", pauses.append)
    server.status, server.headers = {"r1.hea": 429}, {"Retry-After": asked}
    fetch_record(remote(server), "r1", tmp_path / "here")
    assert pauses == [waited]


def test_what_will_not_pass_is_asked_once(server: Server, tmp_path: Path) -> None:
    server.status = {"r1.hea": 403}
    with pytest.raises(RecordFault, match="403"):
        fetch_record(remote(server), "r1", tmp_path / "here")
    assert server.requests["r1.hea"] == 1


@pytest.mark.parametrize(
    "target",
    ["file:///etc/hostname", "ftp://127.0.0.1/x", "http://192.0.2.1/x", "https://127.0.0.1/x", "https://10.0.0.1/x"],
)
def test_a_redirect_leads_to_no_other_place(server: Server, tmp_path: Path, target: str) -> None:
    server.moved = {"r1.dat": target}
    with pytest.raises(RecordFault, match="download_failed"):
        fetch_record(remote(server), "r1", tmp_path / "here")
    assert "r1.dat" not in names_in(tmp_path / "here")
    server.moved = {"r1.dat": f"{PREFIX}moved.dat"}
    server.files["moved.dat"] = server.files["r1.dat"]
    fetch_record(remote(server), "r1", tmp_path / "here")


@pytest.mark.parametrize(
    "url", ["file:///etc", "ftp://a/b", "http://physionet.org/files", "https://a:b@c/d", "https://"]
)
def test_addresses_are_of_https(tmp_path: Path, url: str) -> None:
    corpus = {"name": "own", "role": "test", "format": "wfdb", "remote": "own/1.0.0", "base_url": url}
    with pytest.raises(ValueError, match=r"corpora own: base_url: .*; expected https://"):
        update_sheet([corpus], None, tmp_path / "data", tmp_path / "results")


@pytest.mark.parametrize(
    "file", ["../../x.dat", "/x.dat", "RECORDS", "remote.json", "r2.hea", ".r1.dat", "r1.dat.part"]
)
def test_a_remote_header_leads_nowhere_else(server: Server, tmp_path: Path, file: str) -> None:
    del server.files["SHA256SUMS"]
    server.files["r1.hea"] = server.files["r1.hea"].replace(b"r1.dat", file.encode())
    server.files[file] = b"taken for a signal"
    with pytest.raises(RecordFault, match="unsafe_path"):
        fetch_record(remote(server), "r1", tmp_path / "here")
    assert b"taken for a signal" not in [path.read_bytes() for path in tmp_path.rglob("*") if path.is_file()]


def test_a_data_folder_asks_no_server(server: Server, tmp_path: Path, write_wfdb_record) -> None:
    folder, outside = tmp_path / "data" / "own", tmp_path / "outside"
    write_wfdb_record(folder, "r1", symbols=["N"])
    outside.write_bytes(b"")
    (folder / "r1.dat").unlink()
    (folder / "r1.dat.part").symlink_to(outside)
    (folder / "remote.json").write_text(json.dumps({"remote": "own/1.0.0", "base_url": server.url, "annotator": "atr"}))
    corpus = {"name": "own", "role": "test", "format": "wfdb"}
    rows = update_sheet([corpus], tmp_path / "sheet.tsv", tmp_path / "data", tmp_path / "results")
    assert [row.reason for row in rows if row.record == "r1"] == ["missing_signal_file"]
    with pytest.raises(RecordFault):
        read_record(rows[0], folder)
    assert server.requests.total() == 0
    assert outside.read_bytes() == b""


def test_a_download_follows_no_link(server: Server, tmp_path: Path) -> None:
    outside = tmp_path / "outside"
    (outside / "g1").mkdir(parents=True)
    (outside / "file").write_bytes(b"mine")
    folder = tmp_path / "results" / "corpora" / "own"
    fetch_record(remote(server), "r1", folder)
    before = names_in(outside)

    # A file that is a link is no copy: what it names stays as it is, and the file is fetched.
    (folder / "r1.dat").unlink()
    (folder / "r1.dat").symlink_to(outside / "file")
    fetch_record(remote(server), "r1", folder)
    assert not (folder / "r1.dat").is_symlink()
    # A partial file that is a link, or another name of a file elsewhere; a folder that is a link.
    (folder / "r1.dat").unlink()
    for make in ((folder / "r1.dat.part").symlink_to, (folder / "r1.dat.part").hardlink_to):
        make(outside / "file")
        with pytest.raises(RecordFault, match=r"unsafe_path: .*r1\.dat\.part"):
            fetch_record(remote(server), "r1", folder)
        (folder / "r1.dat.part").unlink()
    (folder / "g1").symlink_to(outside / "g1")
    with pytest.raises(RecordFault, match="unsafe_path: .*g1"):
        fetch_record(remote(server), "g1/r2", folder)
    # The corpus folder, and the one that it lies in.
    for place in (folder, folder.parent):
        place.rename(tmp_path / "aside")
        place.symlink_to(outside)
        with pytest.raises(RecordFault, match="unsafe_path: .*made itself, and no link"):
            fetch_record(remote(server), "r1", folder)
        place.unlink()
        (tmp_path / "aside").rename(place)
    assert names_in(outside) == before
    assert (outside / "file").read_bytes() == b"mine"


def test_only_a_folder_that_was_made_for_the_corpus_is_filled(server: Server, tmp_path: Path) -> None:
    corpus = {"name": "own", "role": "test", "format": "wfdb", "remote": "own/1.0.0", "base_url": server.url}
    folder = tmp_path / "results" / "corpora" / "own"
    folder.mkdir(parents=True)
    (folder / "RECORDS").write_text("theirs\n")
    for marker in (
        None,
        {"remote": "own/2.0.0", "base_url": server.url},
        {"remote": "own/1.0.0", "base_url": "https://a"},
        [],
    ):
        if marker is not None:
            (folder / "remote.json").write_text(json.dumps(marker))
        for sheet in (None, tmp_path / "sheet.tsv"):
            with pytest.raises(ValueError, match="isn't a folder that beatlens made for .*own/1.0.0.*; move it away"):
                update_sheet([corpus], sheet, tmp_path / "data", tmp_path / "results")
    assert server.requests.total() == 0
    assert names_in(folder) == {"RECORDS", "remote.json"}


def test_an_unsafe_name_refuses_its_record_alone(server: Server, tmp_path: Path) -> None:
    corpus = {"name": "own", "role": "test", "format": "wfdb", "remote": "own/1.0.0", "base_url": server.url}
    server.files["RECORDS"] += b"../../up\n/etc/passwd\n../g2/\na\tb\nRECORDS\n.hidden\nx\0y\nx;y\n"
    rows = update_sheet([corpus], tmp_path / "sheet.tsv", tmp_path / "data", tmp_path / "results")
    assert {row.path for row in rows if not row.reason} == {"r1", "g1/r2"}
    refused = [row for row in rows if row.reason]
    assert {row.path: row.reason for row in refused} == {
        "../../up": "unsafe_path",
        "../g2/": "unsafe_path",
        "/etc/passwd": "unsafe_path",
        "a%09b": "unsafe_name",
        "x%00y": "unsafe_name",
        "x%3By": "unsafe_name",
        "RECORDS": "unsafe_path",
        ".hidden": "unsafe_path",
    }
    assert read_sheet(tmp_path / "sheet.tsv") == rows
    for row in refused:
        with pytest.raises(RecordFault, match=row.reason):
            read_record(row, tmp_path / "results" / "corpora" / "own", remote=remote(server))


def test_records_of_a_server_may_have_any_printable_name(server: Server, tmp_path: Path) -> None:
    corpus = {"name": "own", "role": "test", "format": "wfdb", "remote": "own/1.0.0", "base_url": server.url}
    name, served = "Übung (1) $(touch x)", dict(server.files)
    server.files = {
        "RECORDS": f"{name}\n".encode(),
        "SHA256SUMS": b"",
        **{
            f"{name}.{ending}": served[f"r1.{ending}"].replace(b"r1", name.encode()) for ending in ("hea", "dat", "atr")
        },
    }
    (row,) = update_sheet([corpus], tmp_path / "sheet.tsv", tmp_path / "data", tmp_path / "results")
    record = read_record(row, tmp_path / "results" / "corpora" / "own", remote=remote(server))
    assert record.name == row.record
    assert record.name.startswith("bung_1_touch_x_-")
    assert record.annotations is not None


def test_a_shard_whose_download_was_interrupted_runs_again(
    server: Server, tmp_path: Path, config: dict[str, Any]
) -> None:
    corpus = {"name": "own", "role": "predict", "format": "wfdb", "remote": "own/1.0.0", "base_url": server.url}
    rows = update_sheet([corpus], tmp_path / "sheet.tsv", tmp_path / "data", tmp_path / "results")
    folder, shard = tmp_path / "results" / "corpora" / "own", tmp_path / "shard"
    settings = PreprocessSettings.from_config(config)

    def run() -> tuple[dict[str, str], int]:
        """Run the shard as the rule does; return the reason of each record, and what the rule's params have next."""
        source, due = CorpusSource(folder, remote=remote(server)), tries(shard, {"own": remote(server)})
        preprocess_shard(rows, {"own": source}, settings, shard, tries=due)
        status = Shard(shard).status
        return dict(zip(status["record"], status["reason"], strict=True)), tries(shard, {"own": remote(server)})

    whole, sums = dict(server.files), server.files["SHA256SUMS"]
    bad, good = {"r2": "", "r1": "download_failed"}, {"r2": "", "r1": ""}
    server.down = {"r1.dat"}
    assert run() == (bad, 0), "nothing is tried again while the server hasn't got it"
    assert run() == (bad, 0), "nor after a run for another reason"
    server.down = set()
    assert run() == (good, 1)
    assert run() == (good, 1), "a number that went back to 0 would run the shard once more"

    (folder / "r1.dat").unlink()
    del server.files["r1.dat"]
    assert run() == (bad, 1), "a file that isn't there is an outage like another"
    server.files = dict(whole)
    assert tries(shard, {}) == 1, "no other server is asked than that of the configuration"
    assert run() == (good, 2)

    (folder / "r1.dat").unlink()
    server.endless = {"r1.dat"}
    assert run() == (bad, 3), "the server has something, whatever it is"
    server.endless = set()
    assert run() == (good, 3)

    cut = b"".join(line for line in sums.splitlines(keepends=True) if b"r1.dat" not in line)
    server.files["SHA256SUMS"] = cut
    (folder / "SHA256SUMS").write_bytes(cut)
    assert run() == ({"r2": "", "r1": "checksum_mismatch"}, 4)
    server.files["SHA256SUMS"] = sums
    download._asked_again.clear()  # as a process of its own
    assert run() == (good, 4)


def test_annotations_that_are_listed_are_no_absent_ones(server: Server, tmp_path: Path) -> None:
    del server.files["r1.atr"]
    with pytest.raises(NotOnServer, match=r"r1\.atr: not on the server"):
        fetch_record(remote(server), "r1", tmp_path / "here")


def test_a_web_page_is_no_file(server: Server, tmp_path: Path) -> None:
    """What a network answers in place of the server, until one has logged in."""
    server.pages = {"SHA256SUMS", "r1.hea"}
    for page in ("SHA256SUMS", "r1.hea"):
        with pytest.raises(Interrupted, match=f"{page}: a web page; expected the file"):
            fetch_record(remote(server), "r1", tmp_path / "here")
        server.pages.remove(page)
    fetch_record(remote(server), "r1", tmp_path / "here")


def test_sheet_of_a_remote_corpus(server: Server, tmp_path: Path) -> None:
    corpus = {"name": "own", "role": "test", "format": "wfdb", "remote": "own/1.0.0", "base_url": server.url}
    sheet = tmp_path / "results" / "record_sheet.tsv"
    arguments = (tmp_path / "data", tmp_path / "results")
    dry = update_sheet([corpus], None, *arguments)
    assert not (tmp_path / "results").exists()
    rows = update_sheet([corpus], sheet, *arguments)
    assert rows == dry
    assert [row.path for row in rows] == ["g1/r2", "r1"]
    requests = server.requests.total()
    assert update_sheet([corpus], sheet, *arguments) == rows
    assert server.requests.total() == requests

    folder = tmp_path / "results" / "corpora" / "own"
    record = read_record(rows[1], folder, remote=remote(server))
    assert record.annotations is not None
    assert record.annotations.symbol == ("N", "V")
    assert np.isfinite(record.signal).all()
    assert not (folder / "g1" / "r2.dat").exists()
    assert update_sheet([corpus], sheet, *arguments) == rows

    # Records put into the data folder by hand have the digest of those that would be downloaded.
    for name, content in server.files.items():
        if name.startswith(("r1", "g1/r2")):
            (tmp_path / "data" / "own" / name).parent.mkdir(parents=True, exist_ok=True)
            (tmp_path / "data" / "own" / name).write_bytes(content)
    local = update_sheet([corpus], sheet, *arguments)
    assert shard_digest(local, 0, 1) == shard_digest(rows, 0, 1)


def test_no_listing(server: Server, tmp_path: Path) -> None:
    corpus = {"name": "own", "role": "test", "format": "wfdb", "remote": "own/2.0.0", "base_url": server.url}
    with pytest.raises(ValueError, match=r"corpora own: .*own/2\.0\.0/RECORDS lists no record"):
        update_sheet([corpus], None, tmp_path / "data", tmp_path / "results")

"""Downloads, against a server on this machine."""

from __future__ import annotations

import hashlib
import threading
from collections import Counter
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import numpy as np
import pytest

from beatlens.core.record_faults import RecordFault
from beatlens.corpora import download
from beatlens.corpora.download import Remote, fetch_file, fetch_record, read_remote
from beatlens.corpora.index import update_sheet
from beatlens.corpora.record_sheet import shard_digest
from beatlens.corpora.registry import read_record

PREFIX = "/files/own/1.0.0/"


class Server(ThreadingHTTPServer):
    """Serves `files`; `cut` says after how many bytes the next answer for a file breaks off."""

    daemon_threads = True

    def __init__(self) -> None:
        self.files: dict[str, bytes] = {}
        self.cut: dict[str, int] = {}
        self.status: dict[str, int] = {}
        self.requests: Counter[str] = Counter()
        self.ranges: list[str] = []
        self.honour_ranges = True
        super().__init__(("127.0.0.1", 0), Handler)

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server_port}/files"


class Handler(BaseHTTPRequestHandler):
    server: Server
    timeout = 5

    def log_message(self, *values: object) -> None:
        pass

    def do_GET(self) -> None:
        name = self.path.removeprefix(PREFIX)
        self.server.requests[name] += 1
        content = self.server.files.get(name)
        if name in self.server.status:
            self.send_error(self.server.status.pop(name))
            return
        if content is None or not self.path.startswith(PREFIX):
            self.send_error(404)
            return
        asked = self.headers.get("Range")
        if asked and self.server.honour_ranges:
            self.server.ranges.append(asked)
            begin = int(asked.removeprefix("bytes=").removesuffix("-"))
            if begin >= len(content):
                self.send_error(416)
                return
            content = content[begin:]
            self.send_response(206)
        else:
            self.send_response(200)
        self.send_header("Content-Length", str(len(content)))
        self.end_headers()
        self.wfile.write(content[: self.server.cut.pop(name, len(content))])


@pytest.fixture
def server(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, write_wfdb_record) -> Iterator[Server]:
    """Return a server of a corpus of two records, with RECORDS and SHA256SUMS."""
    monkeypatch.setenv("no_proxy", "127.0.0.1")
    monkeypatch.delenv("BEATLENS_DATA", raising=False)
    monkeypatch.setattr(download.time, "sleep", lambda seconds: None)
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


def test_a_record_and_nothing_else_is_fetched_once(server: Server, tmp_path: Path) -> None:
    folder = tmp_path / "here"
    names = [path.name for path in fetch_record(remote(server), "r1", folder)]
    assert names == ["r1.hea", "r1.dat", "r1.atr"]
    assert {str(p.relative_to(folder)) for p in folder.rglob("*.*")} == set(names)
    assert all((folder / name).read_bytes() == server.files[name] for name in names)
    fetch_record(remote(server), "r1", folder)
    assert [server.requests[name] for name in names] == [1, 1, 1]
    assert not server.requests["unrelated.dat"]


def test_a_broken_connection_is_resumed(server: Server, tmp_path: Path) -> None:
    server.cut = {"r1.dat": 1000}
    server.status = {"r1.hea": 503}
    fetch_record(remote(server), "r1", tmp_path / "here")
    assert server.ranges == ["bytes=1000-"]
    assert (tmp_path / "here" / "r1.dat").read_bytes() == server.files["r1.dat"]


def test_a_killed_download_is_resumed(server: Server, tmp_path: Path) -> None:
    (tmp_path / "r1.dat.part").write_bytes(server.files["r1.dat"][:700])
    digest = hashlib.sha256(server.files["r1.dat"]).hexdigest()
    fetch_file(remote(server), "r1.dat", tmp_path, digest)
    assert server.ranges == ["bytes=700-"]
    assert sorted(path.name for path in tmp_path.glob("r1*")) == ["r1.dat"]
    # A server that sends the whole file all the same, a part of something else, a part that is too long:
    for part, honour in ((server.files["r1.dat"][:700], False), (b"x" * 700, True), (b"x" * 9999, True)):
        (tmp_path / "r1.dat").unlink()
        (tmp_path / "r1.dat.part").write_bytes(part)
        server.honour_ranges = honour
        assert fetch_file(remote(server), "r1.dat", tmp_path, digest).read_bytes() == server.files["r1.dat"]


def test_a_damaged_copy_is_fetched_again(server: Server, tmp_path: Path) -> None:
    fetch_record(remote(server), "r1", tmp_path)
    (tmp_path / "r1.dat").write_bytes(b"damaged")
    fetch_record(remote(server), "r1", tmp_path)
    assert (tmp_path / "r1.dat").read_bytes() == server.files["r1.dat"]


def test_wrong_content_is_refused(server: Server, tmp_path: Path) -> None:
    server.files["r1.dat"] = server.files["r1.dat"][:-1] + b"!"
    with pytest.raises(RecordFault, match=r"checksum_mismatch: .*r1\.dat: content differs"):
        fetch_record(remote(server), "r1", tmp_path)
    assert sorted(path.name for path in tmp_path.glob("r1*")) == ["r1.hea"]


def test_without_checksums(server: Server, tmp_path: Path) -> None:
    del server.files["SHA256SUMS"], server.files["r1.atr"]
    server.cut = {"r1.dat": 10}
    assert [path.name for path in fetch_record(remote(server), "r1", tmp_path)] == ["r1.hea", "r1.dat"]
    assert (tmp_path / "r1.dat").read_bytes() == server.files["r1.dat"]
    with pytest.raises(RecordFault, match=r"download_failed: .*r9\.hea: not on the server"):
        fetch_record(remote(server), "r9", tmp_path)


def test_gives_up_after_some_tries(server: Server, tmp_path: Path) -> None:
    server.shutdown()
    server.server_close()
    with pytest.raises(RecordFault, match=r"download_failed: .*\(4 tries\)"):
        fetch_record(remote(server), "r1", tmp_path)


def test_a_remote_header_leads_nowhere_else(server: Server, tmp_path: Path) -> None:
    del server.files["SHA256SUMS"]
    server.files["r1.hea"] = server.files["r1.hea"].replace(b"r1.dat", b"../../x.dat")
    with pytest.raises(RecordFault, match="unsafe_path"):
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
    assert read_remote(folder) == remote(server)
    record = read_record(rows[1], folder)
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

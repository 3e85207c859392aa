"""A record whose download was interrupted is tried again by the next run, and only until it is there."""

from __future__ import annotations

import hashlib
import shutil
import threading
from collections.abc import Iterator
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest
import yaml

from beatlens.core.files import read_table

ROOT = Path(__file__).resolve().parents[2]


class Handler(SimpleHTTPRequestHandler):
    down: frozenset[str] = frozenset()

    def log_message(self, *values: object) -> None:
        pass

    def do_GET(self) -> None:
        if Path(self.path).name in Handler.down:
            self.send_error(503)
        else:
            super().do_GET()


@pytest.fixture
def server(tmp_path: Path, write_wfdb_record) -> Iterator[str]:
    """Serve a corpus of two records; return the server's address."""
    folder = tmp_path / "origin" / "own" / "1.0.0"
    for name in ("r1", "r2"):
        write_wfdb_record(folder, name)
    files = sorted(folder.iterdir())
    sums = "".join(f"{hashlib.sha256(file.read_bytes()).hexdigest()}  {file.name}\n" for file in files)
    (folder / "SHA256SUMS").write_text(sums)
    (folder / "RECORDS").write_text("r1\nr2\n")
    server = ThreadingHTTPServer(("127.0.0.1", 0), partial(Handler, directory=str(tmp_path / "origin")))
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05}, daemon=True)
    thread.start()
    yield f"http://127.0.0.1:{server.server_port}"
    server.shutdown()
    server.server_close()
    thread.join(5)


def test_a_record_is_tried_again_until_it_is_here(fresh, server: str, monkeypatch: pytest.MonkeyPatch) -> None:
    shutil.copytree(ROOT / "models" / "mitdb", fresh.folder / "given")
    corpus = {"name": "own", "format": "wfdb", "role": "predict", "remote": "own/1.0.0", "base_url": server}
    config = {"run": "own", "bundle": "given", "shards": 1, "corpora": [corpus]}
    (fresh.folder / "own.yaml").write_text(yaml.safe_dump(config))
    target = "results/own/preprocess/0of1/status.tsv"

    def reasons() -> dict[str, str]:
        table = read_table(fresh.folder / target)
        return dict(zip(table["record"], table["reason"], strict=True))

    monkeypatch.setattr(Handler, "down", frozenset({"r2.dat"}))
    fresh.snakemake(target, "--cores", "1", config="own.yaml")
    assert reasons() == {"r1": "", "r2": "download_failed"}
    assert fresh.planned(target, config="own.yaml") == {}, "it still isn't there, and nothing else has changed"
    monkeypatch.setattr(Handler, "down", frozenset())
    fresh.snakemake(target, "--cores", "1", config="own.yaml")
    assert reasons() == {"r1": "", "r2": ""}
    assert fresh.planned(target, config="own.yaml") == {}

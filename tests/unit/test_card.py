"""What a page and a card say of a model, and the bundle that comes along: whole, small, and as its card says."""

from __future__ import annotations

import hashlib
import json
import re
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pandas as pd
import pytest
import yaml
from jinja2 import Environment, FileSystemLoader, StrictUndefined

from beatlens.config.load import load_config
from beatlens.core.files import read_json
from beatlens.prediction.bundle import Bundle
from beatlens.prediction.familiar_records import Familiar
from beatlens.prediction.origin import CorpusOrigin, Origin, Score
from beatlens.report.card import card_facts, render_card
from beatlens.report.numbers import count
from beatlens.report.sections.origin import origin_section

ROOT = Path(__file__).parents[2]
SHIPPED = ROOT / "models" / "mitdb"


def origin(made=False):
    corpus = CorpusOrigin("c<1>", made, False, 2, 2, 1.0, "ODC-By 1.0", "The Database")
    scores: tuple[Score, ...] = (Score("N", "f1", 0.91, 0.85, 0.97, 9), Score("V", "f1", None, None, None, 0))
    scores += tuple(Score(name, metric, 0.5, None, None, 9) for metric in ("precision", "recall") for name in "NV")
    return Origin((corpus,), (("N", 1234), ("V", 5)), (("II", 2),), (("360", 2),), scores)


def page(made, corpus_format):
    corpora = [{"name": "mine", "format": corpus_format, "role": "predict"}]
    inputs = SimpleNamespace(bundle={"origin": origin(made).to_json()}, config=yaml.safe_dump({"corpora": corpora}))
    folder = ROOT / "src" / "beatlens" / "report"
    environment = Environment(loader=FileSystemLoader(folder), autoescape=True, undefined=StrictUndefined)
    return environment.get_template("origin.html.j2").render(origin=origin_section(inputs))


def test_the_page_says_what_the_model_learnt_from_and_warns_where_that_was_no_heart():
    said = page(made=False, corpus_format="wfdb")
    for part in (
        "2 real recordings of 2 patients",
        "c&lt;1&gt;",
        "ODC-By 1.0",
        "N 0.91 (0.85 to 0.97)",
        f"{count(1234)} N",
    ):
        assert part in said
    assert "warning" not in said
    warned = page(made=True, corpus_format="wfdb")
    assert 'class="warning"' in warned
    assert "made records alone. What it says of the recordings of mine means nothing" in warned
    assert "warning" not in page(made=True, corpus_format="synthetic")
    assert origin_section(SimpleNamespace(bundle={}, config="")) is None


def test_a_card_has_the_numbers_of_its_json_and_no_other():
    bundle = SimpleNamespace(
        classes=("N", "V"), origin=origin(), familiar=Familiar({"II": 1.5}, (0.25, 3.4), 0.5),
        provenance={"split": {"test": ["c/1", "c/2"]}, "versions": {"numpy": "2.0"}, "seed": 1},
    )  # fmt: skip
    rows = [("test", s, c, m) for s in ("all", "without 9") for c in "NV" for m in ("f1", "precision", "recall")]
    rows += [("test", "all", "all", "accuracy"), ("train", "all", "N", "f1")]
    metrics = pd.DataFrame(rows, columns=["split", "scope", "class", "metric"])
    metrics = metrics.assign(value=0.7 + np.arange(len(rows)) / 1000, lo=0.6, hi=np.nan)
    unseen = [
        {"database": "d", "group": "sinus", "records": 10, "unused": 0, "beats": 99, "review": 0.125,
         "review_familiar": 0.0, "remarks": {"unlike:rate": 1},
         "beats_V": 3, "records_V": 2, "share_V": [0.2, 0.1, 0.4]},
    ]  # fmt: skip
    facts = json.loads(json.dumps(card_facts(bundle, metrics, unseen)))
    text = render_card(facts)
    for part in (
        "0.700",
        "2: 0.200 (0.100 to 0.400)",
        "12 %",
        "The Database",
        "ODC-By 1.0",
        "1 unlike:rate |",
        "make ship",
    ):
        assert part in text
    assert facts["scores"]["all"]["all"]["accuracy"] == [0.712, 0.6, None]
    assert facts["scores"]["all"]["all"]["ece"] == [None] * 3
    assert "0.713" not in text, "training patients aren't scored"
    facts["scores"]["all"]["N"]["f1"][0] = 0.1234
    assert "0.123" in render_card(facts)
    assert "never saw" in render_card(facts | {"unseen": []}), "scores on DS2 stay"
    with pytest.raises(ValueError, match="no test patient"):
        card_facts(bundle, metrics[:0], [])


def test_the_shipped_bundle_is_whole_and_small():
    names = {file.name for file in SHIPPED.iterdir()}
    sums = dict(reversed(line.split("  ")) for line in (SHIPPED / "SHA256SUMS").read_text().splitlines())
    assert names == {*sums, "SHA256SUMS"}
    assert names == {
        *("bundle.json", "weights.npz", "prototypes.npz", "card.json", "README.md", "SHA256SUMS", "unseen.csv")
    }
    for name, digest in sums.items():
        assert hashlib.sha256((SHIPPED / name).read_bytes()).hexdigest() == digest, name
    assert sum(file.stat().st_size for file in SHIPPED.iterdir()) <= 1_000_000
    text = "".join((SHIPPED / name).read_text(encoding="utf-8") for name in ("bundle.json", "card.json", "README.md"))
    assert not re.search(r'[\s"(]/\w+/|20\d\d-\d\d-\d\d', text), "no place and no day of its making"


def test_the_shipped_bundle_was_taught_by_the_configuration_that_is_here():
    bundle = Bundle.load(SHIPPED)
    overlay = yaml.safe_load((ROOT / "config" / "mitdb.yaml").read_text(encoding="utf-8"))
    config = load_config(overlay, ROOT, ROOT)
    given = load_config({"run": "x", "bundle": "models/mitdb", "corpora": overlay["corpora"]}, ROOT, ROOT)
    for name in ("classes", "leads", "signal", "rpeaks", "beats", "quality"):
        assert given[name] == config[name], name
    table = (ROOT / "config" / "splits" / "ds1ds2.csv").read_text(encoding="utf-8").splitlines()
    records = {line.split(",")[1]: line.split(",")[2] for line in table if line.startswith("mitdb,")}
    taught = {text.removeprefix("mitdb/") for text in bundle.provenance["training"]["patients"]}
    assert {records[name] for name in taught} == {"train"}
    assert {text.split("/")[1] for text in bundle.bank.patients} <= taught
    assert bundle.origin is not None
    assert not bundle.origin.made


def test_the_shipped_card_is_that_of_its_json():
    facts = read_json(SHIPPED / "card.json")
    assert (SHIPPED / "README.md").read_text(encoding="utf-8") == render_card(facts)
    value = read_json(SHIPPED / "bundle.json")
    assert (facts["origin"], facts["familiar"]) == (value["origin"], value["familiar"])
    unseen = pd.read_csv(SHIPPED / "unseen.csv")
    for row in facts["unseen"]:
        own = unseen[(unseen["database"] == row["database"]) & (unseen["group"] == row["group"]) & unseen["used"]]
        assert (len(own), int(own["n_beats"].sum())) == (row["records"], row["beats"])
        for name in facts["classes"][1:]:
            assert int((own[f"n_{name}"] > 0).sum()) == row[f"records_{name}"]

"""Condition the records of one shard, find their beats and describe them."""

from __future__ import annotations

import json

from beatlens.beats.preprocess import PreprocessSettings
from beatlens.beats.preprocess_shard import CorpusSource, preprocess_shard
from beatlens.corpora.downloads.download import Remote
from beatlens.corpora.formats.rules import ReadingRules
from beatlens.corpora.label_table import LabelTable
from beatlens.corpora.record_sheet import read_sheet, shard_rows
from beatlens.corpora.registry import read_patients
from beatlens.corpora.reviewed import read_reviewed
from beatlens.corpora.strips import StripSettings
from beatlens.run import programs


def main() -> None:
    parser = programs.parser(__doc__, sheet="record sheet", output="shard directory to write")
    for flag, what in (("--data-root", "CORPUS=FOLDER"), ("--labels", "CORPUS=TABLE"), ("--patients", "CORPUS=TABLE")):
        parser.add_argument(flag, type=programs.named_path, action="extend", nargs="*", default=[], help=what)
    parser.add_argument("--reviewed", type=json.loads, default={}, help="tables of decisions by corpus, as JSON")
    parser.add_argument("--shard", type=int, required=True, help="number of this shard, from 0")
    parser.add_argument("--shards", type=int, required=True, help="number of shards")
    parser.add_argument("--strips", type=json.loads, default={}, help="what corpora of strips don't say, as JSON")
    parser.add_argument("--remotes", type=json.loads, default={}, help="where corpora are downloaded from, as JSON")
    parser.add_argument("--tries", type=int, default=0, help="how often downloads of this shard were tried again")
    parser.add_argument("--rules", type=json.loads, default={}, help="what names in the files mean, as JSON")
    arguments = programs.start(parser)

    sheet = read_sheet(arguments.sheet)
    rows = shard_rows(sheet, arguments.shard, arguments.shards)
    labels = {corpus: LabelTable.read(path) for corpus, path in arguments.labels}
    names = {corpus: {row.record for row in sheet if row.corpus == corpus} for corpus in {row.corpus for row in sheet}}
    patients = {corpus: read_patients(path, names[corpus]) for corpus, path in arguments.patients}
    reviewed = {corpus: read_reviewed(paths, corpus, names[corpus]) for corpus, paths in arguments.reviewed.items()}
    strips = {corpus: StripSettings(**entry) for corpus, entry in arguments.strips.items()}
    remotes = {corpus: Remote(**entry) for corpus, entry in arguments.remotes.items()}
    folders = dict(arguments.data_root)
    rules = {corpus: ReadingRules.from_corpus(entry, folders, remotes) for corpus, entry in arguments.rules.items()}
    sources = {
        corpus: CorpusSource(
            folder,
            labels.get(corpus),
            patients.get(corpus, {}),
            strips.get(corpus),
            remotes.get(corpus),
            rules.get(corpus, ReadingRules()),
            reviewed.get(corpus, {}),
        )
        for corpus, folder in folders.items()
    }
    settings = PreprocessSettings.from_config(arguments.settings)
    progress = programs.progress(rows, len(rows), "records")
    preprocess_shard(progress, sources, settings, arguments.output, tries=arguments.tries)


if __name__ == "__main__":
    main()

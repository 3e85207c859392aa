"""The pages of a shard's records, or of one record on demand, from the files of a run."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path, PurePosixPath
from typing import TYPE_CHECKING, Any
from urllib.parse import quote

import numpy as np

from beatlens.core.files import atomic_directory, sha256_of, write_text
from beatlens.core.leads import canonical_lead
from beatlens.holter.urgency import most_urgent_first
from beatlens.report.images import Image, Place
from beatlens.report.page_paths import page_path, tiles_folder
from beatlens.report.records.cases import (
    CaseLimits,
    CaseSections,
    case_sections,
    diagnosis_case,
    explained_cases,
    explained_diagnoses,
    map_limits,
)
from beatlens.report.records.diagnoses import diagnosis_section
from beatlens.report.records.files import RunFiles
from beatlens.report.records.old_pages import remove_tiles
from beatlens.report.records.page import Beside, Person, RecordPage, render_record, svg_uri
from beatlens.report.records.paper import paper_svg
from beatlens.report.sections.cases import REVIEW_WORDS
from beatlens.report.sections.holter import record_summary
from beatlens.report.settings import ReportSettings
from beatlens.viewer.record_data import RecordData, ViewerSettings
from beatlens.viewer.strips import strip_files
from beatlens.viewer.tiles import TILE_S, tile_scripts, tiles

if TYPE_CHECKING:
    import pandas as pd

    from beatlens.shards.shard import Shard

INDEX_COLUMNS = ("corpus", "record", "page", "bytes", "sha256")
SHORT_S = 60.0
"""A record up to this length is also drawn on ECG paper, its first ten seconds."""
RHYTHM_LEADS = ("II", "V1", "I")


@dataclass(frozen=True)
class PageSettings:
    """What the configuration says of pages."""

    title: str
    run: str
    classes: tuple[str, ...]
    ectopic: tuple[str, ...]
    methods: tuple[str, ...]
    diagnosis_methods: tuple[str, ...]
    viewer: ViewerSettings
    single_file: bool
    pages: int

    @classmethod
    def of(cls, config: Mapping[str, Any]) -> PageSettings:
        """Take them from the configuration, or from those sections of it."""
        report = asdict(ReportSettings()) | config["report"]  # a run of an earlier version says nothing of pages
        viewer = ViewerSettings(
            report["speed_mm_s"], report["gain_mm_mv"], config["figures"]["colour_map"], REVIEW_WORDS
        )
        return cls(
            title=report["title"] or f"beatlens: {config['run']}",
            run=config["run"],
            classes=tuple(config["classes"]),
            ectopic=tuple(name for name in config["strips"]["ectopic"] if name in config["classes"]),
            methods=("fused", *config["explain"]["methods"]),
            diagnosis_methods=("fused", *config["diagnosis_explanations"]["methods"]),
            viewer=viewer,
            single_file=report["single_file"],
            pages=report["pages"],
        )


class RecordPages:
    """Makes pages of records of a run."""

    def __init__(self, files: RunFiles, settings: PageSettings) -> None:
        self.files, self.settings = files, settings
        names = (
            "records",
            "remarks",
            "episodes",
            "holter",
            "hours",
            "cases",
            "class-cases",
            "words",
            "diagnoses",
            "diagnosis-facts",
        )
        self.tables = files.tables(names)
        self.limits = CaseLimits(
            map_limits(files, settings.methods), map_limits(files, settings.methods, "class-cases", "classes")
        )
        self.diagnosis_limits = map_limits(files, settings.diagnosis_methods, "diagnosis-facts", "diagnoses")
        self.names = files.diagnosis_names()
        self.bundle_sha256 = sha256_of(files.beat_bundle) if files.beat_bundle is not None else ""
        drawn_of = {"cases": "cases", "class-cases": "classes"}
        folders = [files.folder / "figures" / name for table, name in drawn_of.items() if table in files.names]
        figures = {path.stem: path for folder in folders for path in folder.glob("*.svg")}
        if "words" in files.names:
            drawn = (files.folder / "figures" / "tachograms").glob("*.svg")
            figures |= {f"{path.stem}_tachogram": path for path in drawn}
        self.figures = dict(sorted(figures.items()))

    def chosen(self) -> list[tuple[str, str]]:
        """Return the records that get a page, the most urgent first."""
        table = self.tables.get("holter")
        if table is not None:
            table = most_urgent_first(table)
        else:
            table = self.tables["records"].sort_values(["corpus", "record"], kind="stable")
            if "diagnoses" in self.tables:
                review = self.tables["diagnoses"][["corpus", "record", "review"]]
                joined = table.merge(review, on=["corpus", "record"], how="left", validate="one_to_one")
                table = joined.assign(review=joined["review"].eq(True)).sort_values(
                    "review", ascending=False, kind="stable"
                )
        head = table.head(self.settings.pages)
        return list(zip(head["corpus"], head["record"], strict=True))

    def write_shard(self, name: str, *, every: Sequence[tuple[str, str]] | None = None) -> Iterator[dict[str, Any]]:
        """Write the pages of a shard's chosen records (or of those given), and yield a row of the index for each."""
        shard, beats = self.files.shard(name), self.files.beats(name)
        of_record = dict(list(beats.groupby(["corpus", "record"])))
        chosen = set(self.chosen() if every is None else every)
        for row in shard.records.itertuples():
            key = (row.corpus, row.record)
            if key in chosen:
                yield self._write(shard, key, of_record.get(key, beats.iloc[:0]))

    def _write(self, shard: Shard, key: tuple[str, str], beats: pd.DataFrame) -> dict[str, Any]:
        row, leads = shard.row(*key), shard.leads(*key)
        stretches = shard.stretches
        stretches = stretches[(stretches["corpus"] == key[0]) & (stretches["record"] == key[1])]
        names = _told_apart(leads)
        cases = explained_diagnoses(self.files, self.tables, key, self.diagnosis_limits)
        cases += explained_cases(self.files, self.tables, key, self.limits)
        data = RecordData(
            corpus=key[0],
            record=key[1],
            signal=np.asarray(shard.signal(*key)),
            leads=names,
            fs=float(row.fs),
            classes=self.settings.classes if self.files.predicted else (),
            beats=beats.sort_values("r_sample", kind="stable"),
            stretches=stretches,
            ectopic=self.settings.ectopic if self.files.predicted else (),
            cases=cases,
        )
        page = page_path(*key)
        holds = self.settings.single_file or data.duration_s <= TILE_S
        lead = next(
            (names[k] for name in RHYTHM_LEADS for k, lead in enumerate(leads) if canonical_lead(lead) == name),
            names[0],
        )
        strips = strip_files(data, lead)
        folder = self.files.folder / tiles_folder(*key)
        if holds:
            remove_tiles(folder)
            places = [svg_uri(strip.svg) for strip in strips]
        else:
            address = quote(folder.name)
            places = [f"{address}/strip-{k}.svg" for k in range(len(strips))]
            with atomic_directory(folder) as new:
                for k, strip in enumerate(strips):
                    (new / f"strip-{k}.svg").write_text(strip.svg, encoding="utf-8")
                for k, script in enumerate(tile_scripts(data.signal, data.fs)):
                    (new / f"{k}.js").write_text(script, encoding="utf-8")
        text = render_record(
            RecordPage(
                title=self.settings.title,
                run=self.settings.run,
                data=data,
                person=self._person(key, row),
                summary=self._summary(key),
                diagnoses=diagnosis_section(self._rows("diagnoses", key), self.names),
                cases=self._cases(page, data),
                remarks=self._remarks(key),
                strips=strips,
                lead=lead,
                paper=svg_uri(paper_svg(data, self.settings.viewer)) if data.duration_s <= SHORT_S else "",
                tiles=tiles(data.signal, data.fs) if holds else None,
                beside=Beside(
                    tiles="" if holds else quote(folder.name),
                    strips=places,
                    report=self._to(page, "report.html" if self.files.predicted else "diagnoses.html"),
                    diagnoses=self._to(page, "diagnoses.html") if "diagnoses" in self.tables else "",
                ),
                viewer=self.settings.viewer,
                bundle_sha256=self.bundle_sha256 if data.predicted else "",
            )
        )
        write_text(self.files.folder / page, text)
        raw = text.encode()
        return dict(zip(INDEX_COLUMNS, (*key, str(page), len(raw), hashlib.sha256(raw).hexdigest()), strict=True))

    def _rows(self, name: str, key: tuple[str, str]) -> pd.DataFrame | None:
        return self.files.of_record(self.tables, name, *key)

    def _to(self, page: PurePosixPath, target: str) -> str:
        """Return the address of a file of the run's folder as seen from a page."""
        return quote(os.path.relpath(target, page.parent))

    def _image(self, page: PurePosixPath, svg: Path) -> Image:
        """Take a figure, in its smaller form where there are two."""
        forms = [path for path in (svg, svg.with_suffix(".png")) if path.is_file()]
        return Place(self.files.folder / page.parent, embed=self.settings.single_file).image(*forms)

    def _cases(self, page: PurePosixPath, data: RecordData) -> CaseSections:
        """Return the explained diagnoses of a record, then its explained beats."""
        beats = case_sections(
            self.files,
            self.tables,
            data,
            names=list(self.figures),
            image=lambda name: self._image(page, self.figures[name]),
        )
        rows = self._rows("diagnosis-facts", (data.corpus, data.record))
        folder = self.files.folder / "figures" / "diagnoses" / "cases"
        diagnoses = [
            diagnosis_case(row, self._image(page, folder / f"{row['case']}.svg"))
            for row in ([] if rows is None else rows.to_dict("records"))
        ]
        return CaseSections([*diagnoses, *beats.shown], beats.n_hidden)

    def _person(self, key: tuple[str, str], row: Any) -> Person:
        known = self._rows("records", key)
        split = str(known["split"].iloc[0]) if known is not None and len(known) else ""
        age = f"{row.age:g}" if isinstance(row.age, float | int) and np.isfinite(row.age) else ""
        return Person(
            str(row.patient), age, {"F": "female", "M": "male"}.get(row.sex, ""), "" if split == "none" else split
        )

    def _summary(self, key: tuple[str, str]) -> Any:
        holter, hours, episodes = (self._rows(name, key) for name in ("holter", "hours", "episodes"))
        if holter is None or hours is None or episodes is None or not len(holter):
            return None
        return record_summary(holter.iloc[0].to_dict(), hours, episodes)

    def _remarks(self, key: tuple[str, str]) -> list[str]:
        rows = self._rows("remarks", key)
        return [] if rows is None else [f"{row.remark.replace('_', ' ')}: {row.detail}" for row in rows.itertuples()]


def build_on_demand(folder: Path, name: str, config: Mapping[str, Any]) -> Path:
    """Make the page of one record of a finished run, and return its path.

    Parameters
    ----------
    folder
        The run's folder.
    name
        ``corpus/record``.
    config
        The run's configuration.

    Raises
    ------
    ValueError
        Where the run has no such record, or several shards hold it.
    """
    corpus, _, record = name.partition("/")
    files = RunFiles.all_of(folder)
    places = sorted(path.parent.name for path in (folder / "preprocess").glob("*of*/records.parquet"))
    holding = [place for place in places if (corpus, record) in files.shard(place)]
    if not holding:
        raise ValueError(f"{folder}: no record {name!r} among those used; expected CORPUS/RECORD of records.tsv")
    if len(holding) > 1:
        raise ValueError(
            f"{folder}/preprocess: {name} lies in {', '.join(holding)}; expected one shard: others are of a former "
            "number of shards and can be removed, here and in predictions/shards"
        )
    (row,) = RecordPages(files, PageSettings.of(config)).write_shard(holding[0], every=[(corpus, record)])
    return folder / str(row["page"])


def _told_apart(leads: Sequence[str]) -> tuple[str, ...]:
    """Return lead names, with a number behind one that occurs again: some records call all their leads ECG."""
    return tuple(f"{name} ({leads[:k].count(name) + 1})" if name in leads[:k] else name for k, name in enumerate(leads))

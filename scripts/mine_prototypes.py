"""Mine the prototype library and the label-free view of the beats, from training patients alone."""

from __future__ import annotations

from beatlens.beats.settings import BeatSettings
from beatlens.core.files import read_table, write_table
from beatlens.inputs.labelled_records import records_of_split, split_beats
from beatlens.inputs.network_inputs import InputSpec, prepare_record
from beatlens.prototypes.mining import PrototypeSettings, mine, training_patients
from beatlens.prototypes.settings.library import LibrarySettings
from beatlens.prototypes.space import beat_map, cluster_table, fit_space, sample_beats
from beatlens.prototypes.templates import class_templates
from beatlens.prototypes.validation import summarise, validate
from beatlens.run import programs
from beatlens.shards.learning_shards import sealed
from beatlens.shards.shard import BeatGeometry


def main() -> None:
    parser = programs.parser(
        __doc__,
        shards=programs.Several("shard directories"),
        records="record table with the splits",
        library="table to write, one row a prototype",
        waves="arrays of the prototypes to write",
        templates="arrays of the classes' typical waves to write",
        validation="table of suspicious prototypes to write",
        summary="table of counts of prototypes to write",
        clusters="table of clusters of the label-free space to write",
        space="arrays of the label-free space to write",
    )
    arguments = programs.start(parser)
    settings = arguments.settings

    beats = BeatSettings.read(settings["beats"])
    geometry = BeatGeometry.from_seconds(settings["signal"]["fs"], beats.before_s, beats.after_s)
    records = read_table(arguments.records)
    shards = sealed(arguments.shards, records)
    seed, limits = settings["split"]["seed"], LibrarySettings.read(settings["library"])
    classes, leads = tuple(settings["classes"]), tuple(settings["leads"])
    mining = PrototypeSettings.read(settings["prototypes"])
    library = mine(
        shards, records, classes=classes, leads=leads, geometry=geometry, beats=beats, settings=mining, seed=seed
    )
    library.save(arguments.library, arguments.waves)
    validation = validate(library.table, limits)
    write_table(arguments.validation, validation)
    write_table(arguments.summary, summarise(library.table, validation, classes))
    spec = InputSpec(library.bank.classes, library.bank.leads, geometry, beats, library.bank)
    patients = training_patients(shards, records, spec)
    class_templates(patients, classes, leads, geometry).save(arguments.templates)
    tables = split_beats(shards, records_of_split(records, "train"))
    sample = sample_beats((prepare_record(shard, table, spec) for shard, table in tables), limits, seed)
    space = fit_space(sample, limits, seed)
    write_table(arguments.clusters, cluster_table(space, sample))
    space.save(arguments.space, **beat_map(space, sample, seed))


if __name__ == "__main__":
    main()

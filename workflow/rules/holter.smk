# What a Holter report says of each record, counted by shard, and which records a person should look at first.
EXPORTED = ("holter", "hours", "episodes", "stretches")
EXPORTS = expand("<results>/tables/{name}.csv", name=EXPORTED)  # beside the report, for spreadsheets
HOLTER = ["<results>/predictions/holter.parquet", "<results>/predictions/hours.parquet"]


rule count_holter:
    """Count rates, pauses, ectopy and RR variation of a shard's records, record by record and hour by hour."""
    input:
        beats="<results>/predictions/shards/{shard}/beats.parquet",
        stretches="<results>/preprocess/{shard}/stretches.parquet",
        shard_records="<results>/preprocess/{shard}/records.parquet",
        records="<results>/records.tsv",
    output:
        holter=ensure("<results>/predictions/shards/{shard}/holter.parquet", non_empty=True),
        hours=ensure("<results>/predictions/shards/{shard}/hours.parquet", non_empty=True),
    log:
        "<logs>/holter/{shard}.log",
    benchmark:
        "<benchmarks>/holter/{shard}.tsv"
    conda:
        "../../envs/base.yaml"
    threads: CONFIG["compute_threads"]
    resources:
        mem_mb=memory(1500),
        runtime=15,
    params:
        program=program("count_holter"),
        code=code("count_holter"),
        settings=settings("strips.ectopic", "classes", "beats.gap_s"),
    shell:
        "{params.program} --beats {input.beats:q} --stretches {input.stretches:q}"
        " --shard-records {input.shard_records:q} --records {input.records:q} --settings {params.settings:q}"
        " --output {output.holter:q} --hours {output.hours:q} --log {log:q}"


rule gather_holter:
    """Join the Holter tables of all shards, with the reasons to look at a record first."""
    input:
        holter=every_shard("holter.parquet", folder="predictions/shards"),
        hours=every_shard("hours.parquet", folder="predictions/shards"),
        episodes="<results>/predictions/episodes.parquet",
        stretches=NOTES[0],
        remarks=NOTES[1],
        alert_beats=ALERTS[2],
        # Where the target rhythms was made, its table is kept up to date; it isn't made here for the first time.
        rhythms=lambda wildcards: rhythm_table(),
    output:
        holter=ensure(HOLTER[0], non_empty=True),
        hours=ensure(HOLTER[1], non_empty=True),
    log:
        "<logs>/gather_holter.log",
    benchmark:
        "<benchmarks>/gather_holter.tsv"
    conda:
        "../../envs/base.yaml"
    threads: CONFIG["compute_threads"]
    resources:
        mem_mb=memory(1000),
        runtime=15,
    params:
        program=program("gather_holter"),
        code=code("gather_holter"),
        rhythms=lambda wildcards, input: f"--rhythms {shlex.quote(as_list(input.rhythms)[0])}" if input.rhythms else "",
    shell:
        "{params.program} --holter {input.holter:q} --hours {input.hours:q} --episodes {input.episodes:q}"
        " --stretches {input.stretches:q} --remarks {input.remarks:q} --alert-beats {input.alert_beats:q}"
        " {params.rhythms} --output {output.holter:q} --output-hours {output.hours:q} --log {log:q}"


rule export_tables:
    """Write what was found of records, hours, episodes and stretches as CSV."""
    input:
        tables=expand("<results>/predictions/{name}.parquet", name=EXPORTED),
    output:
        tables=ensure(EXPORTS, non_empty=True),
    log:
        "<logs>/export_tables.log",
    benchmark:
        "<benchmarks>/export_tables.tsv"
    conda:
        "../../envs/base.yaml"
    threads: CONFIG["compute_threads"]
    resources:
        mem_mb=memory(1000),
        runtime=15,
    params:
        program=program("export_tables"),
        code=code("export_tables"),
        folder=lambda wildcards, output: Path(output.tables[0]).parent,
    shell:
        "{params.program} --tables {input.tables:q} --folder {params.folder:q} --log {log:q}"

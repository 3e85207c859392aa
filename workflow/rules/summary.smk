# What other programs read of a run: its summary, and the beats most similar to given ones.


localrules:
    seeds,


rule summarise:
    """Count records, strips, beats, reviews and alerts of the run, with its main scores, as JSON."""
    input:
        records="<results>/records.tsv",
        status="<results>/status.tsv",
        beats=PREDICTIONS[0],
        strips="<results>/predictions/strips.parquet",
        record_predictions="<results>/predictions/records.parquet",
        stretches=NOTES[0],
        remarks=NOTES[1],
        episodes="<results>/predictions/episodes.parquet",
        alerts="<results>/alerts/alerts.csv",
        clusters="<results>/alerts/clusters.csv",
        cases="<results>/explanations/cases.csv",
        metrics="<results>/metrics/classification.csv" if LABELLED else [],
    output:
        summary=ensure("<results>/summary.json", non_empty=True),
    log:
        "<logs>/summary.log",
    benchmark:
        "<benchmarks>/summary.tsv"
    conda:
        "../../envs/base.yaml"
    threads: CONFIG["compute_threads"]
    resources:
        mem_mb=memory(1000),
        runtime=15,
    params:
        program=program("summarise"),
        code=code("summarise"),
        settings=settings("run", "classes"),
        # A run without labels has no scores.
        metrics=lambda wildcards, input: f"--metrics {shlex.quote(input.metrics)}" if input.metrics else "",
    shell:
        "{params.program} --records {input.records:q} --status {input.status:q} --beats {input.beats:q}"
        " --strips {input.strips:q} --record-predictions {input.record_predictions:q} --stretches {input.stretches:q}"
        " --remarks {input.remarks:q} --episodes {input.episodes:q} --alerts {input.alerts:q} --clusters {input.clusters:q}"
        " --cases {input.cases:q} {params.metrics} --settings {params.settings:q} --output {output.summary:q} --log {log:q}"


rule mine_seeds:
    """List the beats of the run that are most similar to those of seed_mining.table, by shape."""
    input:
        shards=every_shard("signals.npy", "records.parquet", "beats.parquet"),
        records="<results>/records.tsv",
        seeds=seed_table,
    output:
        found=ensure("<results>/seeds/similar_beats.csv", non_empty=True),
    log:
        "<logs>/seeds.log",
    benchmark:
        "<benchmarks>/seeds.tsv"
    conda:
        "../../envs/base.yaml"
    threads: CONFIG["compute_threads"]
    resources:
        mem_mb=memory(2000),
        runtime=60,
    params:
        program=program("mine_seeds"),
        code=code("mine_seeds"),
        settings=settings("classes", "leads", "signal", "beats"),
        top=CONFIG["seed_mining"]["top"],
        max_records=(
            "--max-records {max_records}".format(**CONFIG["seed_mining"])
            if CONFIG["seed_mining"]["max_records"]
            else ""
        ),
        shards=folders("shards"),
    shell:
        "{params.program} --shards {params.shards:q} --seeds {input.seeds:q} --top {params.top} {params.max_records}"
        " --settings {params.settings:q} --output {output.found:q} --log {log:q}"


rule seeds:
    """The beats most similar to given ones (seed_mining)."""
    input:
        "<results>/seeds/similar_beats.csv",

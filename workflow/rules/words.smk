# Explained cases in words, and the RR intervals that carry the rhythm's part of each explanation.


rule describe_cases:
    """Measure each explained beat and say in words what it is and what the network used."""
    input:
        cases="<results>/explanations/cases.csv",
        index="<results>/explanations/fused.tsv",
        fused=ancient("<results>/explanations/fused"),
        shards=every_shard("signals.npy", "records.parquet", "beats.parquet"),
        predictions=STORED_PREDICTIONS,
        bundle=BUNDLE_FILES,
    output:
        words=report(
            ensure("<results>/explanations/words.csv", non_empty=True),
            caption="../report/words.rst",
            category="Explanations",
        ),
        intervals=ensure("<results>/explanations/rr_context.csv", non_empty=True),
    log:
        "<logs>/describe_cases.log",
    benchmark:
        "<benchmarks>/describe_cases.tsv"
    conda:
        "../../envs/torch.yaml"
    threads: CONFIG["compute_threads"]
    resources:
        mem_mb=memory(1500),
        runtime=30,
    params:
        program=program("describe_cases"),
        code=code("describe_cases"),
        settings=settings("explain", "strips.ectopic", "seed", "compute_threads"),
        shards=folders("shards"),
        predictions=folders("predictions"),
        bundle=folders("bundle"),
    shell:
        "{params.program} --cases {input.cases:q} --fused {input.fused:q} --shards {params.shards:q}"
        " --predictions {params.predictions:q} --bundle {params.bundle:q} --settings {params.settings:q}"
        " --words {output.words:q} --intervals {output.intervals:q} --log {log:q}"


rule draw_tachograms:
    """Draw the RR intervals around each explained beat, coloured by what they carry."""
    input:
        intervals="<results>/explanations/rr_context.csv",
    output:
        folder=report(
            directory("<results>/figures/tachograms"),
            patterns=["{case}.svg"],
            caption="../report/tachogram.rst",
            category="Explanations",
            labels={"case": "{case}", "shows": "RR intervals"},
        ),
        index=ensure("<results>/figures/tachograms.tsv", non_empty=True),
    log:
        "<logs>/draw_tachograms.log",
    benchmark:
        "<benchmarks>/draw_tachograms.tsv"
    conda:
        "../../envs/base.yaml"
    threads: CONFIG["compute_threads"]
    resources:
        mem_mb=memory(1000),
        runtime=15,
    params:
        program=program("draw_tachograms"),
        code=code("draw_tachograms"),
        index=program("index_folder"),
        index_code=code("index_folder"),
    shell:
        "{params.program} --intervals {input.intervals:q} --output {output.folder:q} --log {log:q}"
        " && {params.index} --folder {output.folder:q} --output {output.index:q}"

# Which predictions are explained, their explanations by each method, and one fused explanation of each.
# Cases are known only when predictions are there, so a shard's cases leave as one archive a method; an index beside each
# folder of explanations (names and sha256) is what later rules depend on, since Snakemake has no checksum of a folder.


rule select_cases:
    """Choose the predictions to explain: some of each class that are correct, wrong and sent to review."""
    input:
        beats="<results>/predictions/beats.parquet",
        records="<results>/records.tsv",
    output:
        cases=report(
            ensure("<results>/explanations/cases.csv", non_empty=True),
            caption="../report/cases.rst",
            category="Explanations",
        ),
    log:
        "<logs>/cases.log",
    benchmark:
        "<benchmarks>/cases.tsv"
    conda:
        "../../envs/base.yaml"
    threads: CONFIG["compute_threads"]
    resources:
        mem_mb=memory(2000),
        runtime=15,
    params:
        program=program("select_cases"),
        code=code("select_cases"),
        settings=settings("cases", "classes", "beats", "seed"),
    shell:
        "{params.program} --beats {input.beats:q} --records {input.records:q} --settings {params.settings:q}"
        " --output {output.cases:q} --log {log:q}"


rule explain_shard:
    """Explain the cases of a shard by one method."""
    input:
        cases="<results>/explanations/cases.csv",
        shard=this_shard("signals.npy", "records.parquet", "beats.parquet"),
        # A patient's other records may lie in any shard.
        shards=every_shard("signals.npy", "records.parquet", "beats.parquet"),
        predictions=STORED_PREDICTIONS,
        bundle=BUNDLE_FILES,
    output:
        archive=ensure("<results>/explanations/shards/{method}/{shard}.zip", non_empty=True),
    log:
        "<logs>/explain/{method}/{shard}.log",
    benchmark:
        "<benchmarks>/explain/{method}/{shard}.tsv"
    conda:
        "../../envs/torch.yaml"
    threads: CONFIG["compute_threads"]
    resources:
        mem_mb=memory(1500),
        runtime=120,
        gpu=GPU,
    params:
        program=program("explain"),
        code=code("explain"),
        # The program is given the whole section, but another method's part of it reruns nothing.
        uses=lambda wildcards: explain_settings(wildcards.method),
        settings=lambda wildcards, input: sections(CONFIG, "explain", "seed", "device", "compute_threads"),
        shard=folders("shard"),
        shards=folders("shards"),
        predictions=folders("predictions"),
        bundle=folders("bundle"),
    shell:
        "{params.program} --method {wildcards.method} --cases {input.cases:q} --shard {params.shard:q}"
        " --shards {params.shards:q} --predictions {params.predictions:q} --bundle {params.bundle:q}"
        " --settings {params.settings:q} --output {output.archive:q} --log {log:q}"


rule gather_explanations:
    """Unpack a method's archives into one folder, a file a case."""
    input:
        archives=lambda wildcards: every_archive(wildcards.method)(wildcards),
        cases="<results>/explanations/cases.csv",
    output:
        folder=directory("<results>/explanations/{method}"),
        index=ensure("<results>/explanations/{method}.tsv", non_empty=True),
    log:
        "<logs>/gather_explanations/{method}.log",
    benchmark:
        "<benchmarks>/gather_explanations/{method}.tsv"
    wildcard_constraints:
        method="|".join(METHODS),
    conda:
        "../../envs/base.yaml"
    threads: CONFIG["compute_threads"]
    resources:
        mem_mb=memory(1000),
        runtime=15,
    params:
        program=program("gather_explanations"),
        code=code("gather_explanations"),
        index=program("index_folder"),
        index_code=code("index_folder"),
    shell:
        "{params.program} --archives {input.archives:q} --cases {input.cases:q} --output {output.folder:q} --log {log:q}"
        " && {params.index} --folder {output.folder:q} --output {output.index:q}"


rule fuse:
    """Align the methods' explanations of each case on one grid and fuse them."""
    input:
        cases="<results>/explanations/cases.csv",
        indexes=expand("<results>/explanations/{method}.tsv", method=METHODS),
        folders=ancient(expand("<results>/explanations/{method}", method=METHODS)),
    output:
        folder=directory("<results>/explanations/fused"),
        index=ensure("<results>/explanations/fused.tsv", non_empty=True),
    log:
        "<logs>/fuse.log",
    benchmark:
        "<benchmarks>/fuse.tsv"
    conda:
        "../../envs/base.yaml"
    threads: CONFIG["compute_threads"]
    resources:
        mem_mb=memory(1000),
        runtime=15,
    params:
        program=program("fuse"),
        code=code("fuse"),
        settings=settings("fusion"),
        methods=by_method("folders"),
        index=program("index_folder"),
        index_code=code("index_folder"),
    shell:
        "{params.program} --cases {input.cases:q} {params.methods} --settings {params.settings:q}"
        " --output {output.folder:q} --log {log:q}"
        " && {params.index} --folder {output.folder:q} --output {output.index:q}"

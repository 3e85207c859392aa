# From record files to conditioned signals and beats, a shard a job, and who is in which split.


rule make_corpus:
    """Make the embedded corpus: WFDB files with annotations and the truth that was planted in them."""
    output:
        stamp=ensure("results/corpora/{corpus}/corpus.json", non_empty=True),
    log:
        "results/corpora/logs/{corpus}.log",
    benchmark:
        "results/corpora/benchmarks/{corpus}.tsv"
    conda:
        "../../envs/base.yaml"
    threads: CONFIG["compute_threads"]
    resources:
        mem_mb=memory(2000),
        runtime=15,
    params:
        program=program("make_corpus"),
        code=code("make_corpus"),
        settings=settings("synthetic"),
        folder=lambda wildcards, output: Path(output.stamp).parent,
    shell:
        "{params.program} --output {params.folder:q} --settings {params.settings:q} --log {log:q}"


rule preprocess_shard:
    """Read the records of a shard, condition their signals, find their beats and describe each."""
    input:
        corpora=expand("results/corpora/{corpus}/corpus.json", corpus=MADE_CORPORA),
    output:
        signals=ensure("<results>/preprocess/{shard}/signals.npy", non_empty=True),
        records=ensure("<results>/preprocess/{shard}/records.parquet", non_empty=True),
        beats=ensure("<results>/preprocess/{shard}/beats.parquet", non_empty=True),
        annotated=ensure("<results>/preprocess/{shard}/beats_annotated.parquet", non_empty=True),
        truth=ensure("<results>/preprocess/{shard}/truth.parquet", non_empty=True),
        stretches=ensure("<results>/preprocess/{shard}/stretches.parquet", non_empty=True),
        rhythms=ensure("<results>/preprocess/{shard}/rhythms.parquet", non_empty=True),
        remarks=ensure("<results>/preprocess/{shard}/remarks.tsv", non_empty=True),
        status=ensure("<results>/preprocess/{shard}/status.tsv", non_empty=True),
    log:
        "<logs>/preprocess/{shard}.log",
    benchmark:
        "<benchmarks>/preprocess/{shard}.tsv"
    conda:
        "../../envs/base.yaml"
    threads: CONFIG["compute_threads"]
    resources:
        mem_mb=memory(1500),
        runtime=120,
    params:
        program=program("preprocess"),
        code=code("preprocess"),
        settings=settings("signal", "rpeaks", "beats", "quality", "leads"),
        records=digest,
        interrupted=interrupted,
        strips=strip_settings(),
        remotes=remote_settings(),
        rules=reading_rules(),
        originals=originals(),
        labels=tables("labels"),
        patients=tables("patients"),
        reviewed=reviewed_digests(),
        sheet=lambda wildcards, input: f"{RESULTS}/record_sheet.tsv",
        place=lambda wildcards: "--shard {} --shards {}".format(*wildcards.shard.split("of")),
        roots=options("--data-root", [(name, folder_of(name)) for name in CORPORA]),
        label_tables=options("--labels", named_tables("labels")),
        patient_tables=options("--patients", named_tables("patients")),
        decisions=lambda wildcards, input: shlex.join(["--reviewed", json.dumps(reviewed_tables())]),
        output=lambda wildcards, output: Path(output.signals).parent,
    shell:
        "{params.program} --sheet {params.sheet:q} {params.roots} {params.place} {params.label_tables} {params.patient_tables}"
        " {params.decisions}"
        " --strips {params.strips:q} --remotes {params.remotes:q} --rules {params.rules:q} --tries {params.interrupted}"
        " --settings {params.settings:q} --output {params.output:q} --log {log:q}"


rule list_records:
    """List who was used and who was not, why, and what to do: never fails on records, so that the list is there."""
    input:
        shards=every_shard("status.tsv"),
    output:
        status=report(
            ensure("<results>/status.tsv", non_empty=True),
            caption="../report/status.rst",
            category="Records",
        ),
        page=ensure("<results>/status.html", non_empty=True),
    log:
        "<logs>/list_records.log",
    benchmark:
        "<benchmarks>/list_records.tsv"
    conda:
        "../../envs/base.yaml"
    threads: CONFIG["compute_threads"]
    resources:
        mem_mb=memory(1000),
        runtime=15,
    params:
        program=program("list_records"),
        code=code("list_records"),
        settings=settings("run"),
        records=lambda wildcards: shard_digest(record_rows(), 0, 1),
        sheet=lambda wildcards, input: f"{RESULTS}/record_sheet.tsv",
        shards=folders("shards"),
    shell:
        "{params.program} --shards {params.shards:q} --sheet {params.sheet:q}"
        " --settings {params.settings:q} --status {output.status:q} --page {output.page:q} --log {log:q}"


rule split:
    """Deal whole patients to train, select, calibrate and test; fail where too few records can be used."""
    input:
        shards=every_shard("records.parquet", "beats.parquet", "beats_annotated.parquet"),
        status="<results>/status.tsv",
    output:
        records=ensure("<results>/records.tsv", non_empty=True),
    log:
        "<logs>/split.log",
    benchmark:
        "<benchmarks>/split.tsv"
    conda:
        "../../envs/base.yaml"
    threads: CONFIG["compute_threads"]
    resources:
        mem_mb=memory(2000),
        runtime=15,
    params:
        program=program("split"),
        code=code("split"),
        settings=settings("split", "classes", "max_bad_fraction"),
        sheet=lambda wildcards, input: f"{RESULTS}/record_sheet.tsv",
        shards=folders("shards"),
        table_content=file_digest(CONFIG["split"]["table"]),
        table=option("--table", CONFIG["split"]["table"]),
        page=lambda wildcards, input: f"{RESULTS}/status.html",
    shell:
        "{params.program} --shards {params.shards:q} --sheet {params.sheet:q} {params.table}"
        " --settings {params.settings:q} --records {output.records:q} --status {input.status:q} --page {params.page:q}"
        " --log {log:q}"

# Predictions of beats, a shard a job, and what follows from them for strips and records.
PREDICTIONS = ["<results>/predictions/beats.parquet", "<results>/predictions/beats_annotated.parquet"]
# By shard, as explaining reads them: nothing is predicted twice.
STORED_PREDICTIONS = every_shard("beats.parquet", "look_alikes.parquet", folder="predictions/shards")

NOTES = ["<results>/predictions/stretches.parquet", "<results>/predictions/remarks.tsv"]


rule predict_shard:
    """Classify the beats of a shard, at detected and at annotated R peaks, and send doubtful ones to review."""
    input:
        shard=this_shard("signals.npy", "records.parquet", "beats.parquet", "beats_annotated.parquet"),
        records="<results>/records.tsv",
        bundle=BUNDLE_FILES,
    output:
        beats=ensure("<results>/predictions/shards/{shard}/beats.parquet", non_empty=True),
        annotated=ensure("<results>/predictions/shards/{shard}/beats_annotated.parquet", non_empty=True),
        remarks=ensure("<results>/predictions/shards/{shard}/remarks.tsv", non_empty=True),
        look_alikes=ensure("<results>/predictions/shards/{shard}/look_alikes.parquet", non_empty=True),
    log:
        "<logs>/predict/{shard}.log",
    benchmark:
        "<benchmarks>/predict/{shard}.tsv"
    conda:
        "../../envs/torch.yaml"
    threads: CONFIG["compute_threads"]
    resources:
        mem_mb=memory(1500),
        runtime=60,
        gpu=GPU,
    params:
        program=program("predict"),
        code=code("predict"),
        settings=settings("device", "compute_threads"),
        shard=folders("shard"),
        bundle=folders("bundle"),
    shell:
        "{params.program} --shard {params.shard:q} --records {input.records:q} --bundle {params.bundle:q}"
        " --settings {params.settings:q} --beats {output.beats:q} --annotated {output.annotated:q}"
        " --remarks {output.remarks:q} --look-alikes {output.look_alikes:q} --log {log:q}"


rule gather_predictions:
    """Put the predictions of all shards into one table each, joined by beat id, and what is noted of records."""
    input:
        beats=every_shard("beats.parquet", folder="predictions/shards"),
        annotated=every_shard("beats_annotated.parquet", folder="predictions/shards"),
        stretches=every_shard("stretches.parquet"),
        remarks=every_shard("remarks.tsv"),
        predicted_remarks=every_shard("remarks.tsv", folder="predictions/shards"),
        records="<results>/records.tsv",
    output:
        beats=ensure("<results>/predictions/beats.parquet", non_empty=True),
        annotated=ensure("<results>/predictions/beats_annotated.parquet", non_empty=True),
        stretches=ensure("<results>/predictions/stretches.parquet", non_empty=True),
        remarks=ensure("<results>/predictions/remarks.tsv", non_empty=True),
    log:
        "<logs>/gather_predictions.log",
    benchmark:
        "<benchmarks>/gather_predictions.tsv"
    conda:
        "../../envs/base.yaml"
    threads: CONFIG["compute_threads"]
    resources:
        mem_mb=memory(2000),
        runtime=15,
    params:
        program=program("gather_predictions"),
        code=code("gather_predictions"),
    shell:
        "{params.program} --beats {input.beats:q} --annotated {input.annotated:q}"
        " --stretches {input.stretches:q} --remarks {input.remarks:q} {input.predicted_remarks:q}"
        " --output-beats {output.beats:q} --output-annotated {output.annotated:q}"
        " --output-stretches {output.stretches:q} --output-remarks {output.remarks:q} --log {log:q}"


rule aggregate_strips:
    """Aggregate beats to strips of fixed length and to records, and list runs and pauses."""
    input:
        beats="<results>/predictions/beats.parquet",
        annotated="<results>/predictions/beats_annotated.parquet",
        records="<results>/records.tsv",
        stretches="<results>/predictions/stretches.parquet",
        remarks="<results>/predictions/remarks.tsv",
    output:
        strips=ensure("<results>/predictions/strips.parquet", non_empty=True),
        records=ensure("<results>/predictions/records.parquet", non_empty=True),
        episodes=ensure("<results>/predictions/episodes.parquet", non_empty=True),
    log:
        "<logs>/strips.log",
    benchmark:
        "<benchmarks>/strips.tsv"
    conda:
        "../../envs/base.yaml"
    threads: CONFIG["compute_threads"]
    resources:
        mem_mb=memory(2000),
        runtime=15,
    params:
        program=program("aggregate_strips"),
        code=code("aggregate_strips"),
        settings=settings("strips", "classes", "beats.gap_s"),
    shell:
        "{params.program} --beats {input.beats:q} --annotated {input.annotated:q} --records {input.records:q}"
        " --stretches {input.stretches:q} --remarks {input.remarks:q} --settings {params.settings:q}"
        " --strips {output.strips:q} --record-table {output.records:q} --episodes {output.episodes:q} --log {log:q}"

# A page a record, made by shard: what a Holter report says, the viewer, strips, explained cases, diagnoses.
WITH_BEATS, WITH_DIAGNOSES = ("beats" in CONFIG["targets"], "diagnoses" in CONFIG["targets"])
CASE_METHODS = [*METHODS, "fused"]
RECORD_PAGES = every_index("records")


localrules:
    name_pages,


rule build_record_pages:
    """Build the pages of a shard's records, the most urgent of the run alone where there are many."""
    input:
        shard=this_shard("signals.npy", "records.parquet", "beats.parquet", "stretches.parquet"),
        records="<results>/records.tsv",
        beats="<results>/predictions/shards/{shard}/beats.parquet" if WITH_BEATS else [],
        bundle=BUNDLE_FILES[0] if WITH_BEATS else [],
        episodes="<results>/predictions/episodes.parquet" if WITH_BEATS else [],
        remarks="<results>/predictions/remarks.tsv" if WITH_BEATS else [],
        holter=HOLTER[0] if WITH_BEATS else [],
        hours=HOLTER[1] if WITH_BEATS else [],
        cases="<results>/explanations/cases.csv" if WITH_BEATS else [],
        maps=expand("<results>/explanations/{method}.tsv", method=CASE_METHODS) if WITH_BEATS else [],
        figures="<results>/figures/cases.tsv" if WITH_BEATS else [],
        words="<results>/explanations/words.csv" if WITH_BEATS else [],
        tachograms="<results>/figures/tachograms.tsv" if WITH_BEATS else [],
        class_cases="<results>/explanations/classes/cases.csv" if WITH_BEATS and OTHER_CLASSES else [],
        class_maps=(
            expand("<results>/explanations/classes/{method}.tsv", method=CASE_METHODS)
            if WITH_BEATS and OTHER_CLASSES
            else []
        ),
        class_figures=CLASS_FIGURES if WITH_BEATS else [],
        diagnoses=DIAGNOSIS_PREDICTIONS[0] if WITH_DIAGNOSES else [],
        diagnosis_bundle=DIAGNOSIS_BUNDLE_FILES[0] if WITH_DIAGNOSES else [],
        diagnosis_facts=f"{DIAGNOSIS_FIGURE_FOLDER}.tsv" if WITH_DIAGNOSES and DIAGNOSIS_METHODS else [],
        diagnosis_maps=(
            expand("<results>/explanations/diagnoses/{method}.tsv", method=[*DIAGNOSIS_METHODS, "fused"])
            if WITH_DIAGNOSES and DIAGNOSIS_METHODS
            else []
        ),
    output:
        index=ensure("<results>/records/{shard}.tsv", non_empty=True),
    log:
        "<logs>/records/{shard}.log",
    benchmark:
        "<benchmarks>/records/{shard}.tsv"
    conda:
        "../../envs/base.yaml"
    threads: CONFIG["compute_threads"]
    resources:
        mem_mb=memory(2000),
        runtime=60,
    params:
        program=program("build_record_pages"),
        code=code("build_record_pages"),
        settings=settings(
            "run",
            "classes",
            "strips.ectopic",
            "explain.methods",
            "diagnosis_explanations.methods",
            "figures.colour_map",
            "report",
        ),
        # A table of an earlier configuration may still lie in the run's folder.
        tables=lambda wildcards, input: " ".join(
            name
            for name in (
                *("records", "episodes", "remarks", "holter", "hours", "cases"),
                *("class-cases", "words", "diagnoses", "diagnosis-facts"),
            )
            if input.get(name.replace("-", "_"))
        ),
        predicted="--predicted" if WITH_BEATS else "--no-predicted",
        folder=lambda wildcards, output: Path(output.index).parents[1],
    shell:
        "{params.program} --run-folder {params.folder:q} --shard {wildcards.shard} --tables {params.tables}"
        " {params.predicted} --diagnosis-bundle {input.diagnosis_bundle:q} --bundle {input.bundle:q}"
        " --settings {params.settings:q}"
        " --output {output.index:q} --log {log:q}"


rule name_pages:
    """Give the folder of the records' pages a name that Snakemake's report knows: the jobs of shards share the folder."""
    input:
        indexes=RECORD_PAGES,
    output:
        pages=report(
            directory("<results>/pages"),
            patterns=["{corpus}/{record}.html"],
            caption="../report/record_page.rst",
            category="Records",
            labels={"corpus": "{corpus}", "record": "{record}"},
        ),
    log:
        "<logs>/name_pages.log",
    benchmark:
        "<benchmarks>/name_pages.tsv"
    conda:
        "../../envs/base.yaml"
    threads: CONFIG["compute_threads"]
    resources:
        mem_mb=memory(100),
        runtime=5,
    shell:
        "ln -sfn records {output.pages:q} 2> {log:q}"

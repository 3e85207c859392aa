# The network, and the bundle of all that inference needs. A configured bundle is used as it is.
TRAINING_SECTIONS = "model training look_alikes beats classes leads signal seed device compute_threads".split()
FOLDS = CONFIG["training"]["folds"]
# Maps of some beats by epoch, for which the training is watched; a bundle that is given has none.
WATCHED = [] if CONFIG["bundle"] else WatchSettings.read(CONFIG["watch"]).epochs(CONFIG["training"]["epochs"])
MAPS = [f"<results>/watch/{epoch}.npz" for epoch in WATCHED]
WATCH_FILES = ["<results>/watch/cohort.npz", "<results>/watch/drift.csv", *MAPS] if WATCHED else []

if not CONFIG["bundle"]:

    rule train_network:
        """Train the network on the training patients; without folds, run it on patients not seen."""
        input:
            shards=every_shard("signals.npy", "records.parquet", "beats.parquet", "beats_annotated.parquet"),
            records="<results>/records.tsv",
            library="<results>/prototypes/library.csv",
            waves="<results>/prototypes/waves.npz",
        output:
            weights=ensure("<results>/model/training/weights.npz", non_empty=True),
            model=ensure("<results>/model/training/model.json", non_empty=True),
            held_out=[] if FOLDS else ensure("<results>/model/training/held_out.npz", non_empty=True),
            history=report(
                ensure("<results>/model/history.csv", non_empty=True),
                caption="../report/history.rst",
                category="Model",
            ),
            watch=[ensure(file, non_empty=True) for file in WATCH_FILES],
        log:
            "<logs>/train.log",
        benchmark:
            "<benchmarks>/train.tsv"
        conda:
            "../../envs/torch.yaml"
        threads: CONFIG["compute_threads"]
        resources:
            mem_mb=memory(4000),
            runtime=240,
            gpu=GPU,
        params:
            program=program("train"),
            code=code("train"),
            settings=settings(*TRAINING_SECTIONS, "watch"),
            shards=folders("shards"),
            watch=lambda wildcards, output: (
                f"--watch {shlex.quote(str(Path(output.watch[0]).parent))}" if WATCHED else ""
            ),
            # The state of each epoch, from which a killed job goes on: no output, since Snakemake deletes outputs first.
            state=lambda wildcards, output: Path(output.weights).with_name("state.npz"),
            key=lambda wildcards, input: training_key(),
            held_out=lambda wildcards, output: "" if FOLDS else f"--held-out {shlex.quote(output.held_out)}",
        shell:
            "{params.program} --shards {params.shards:q} --records {input.records:q} --library {input.library:q}"
            " --waves {input.waves:q} --settings {params.settings:q} --weights {output.weights:q}"
            " --model {output.model:q} {params.held_out} --history {output.history:q} --state {params.state:q} --key {params.key:q}"
            " {params.watch} --log {log:q}"

    if FOLDS:

        rule train_fold:
            """Train a network without the patients of a fold, and run it on them."""
            input:
                shards=every_shard("signals.npy", "records.parquet", "beats.parquet", "beats_annotated.parquet"),
                records="<results>/records.tsv",
                library="<results>/prototypes/library.csv",
                waves="<results>/prototypes/waves.npz",
            output:
                held_out=ensure("<results>/model/training/held_out_{fold}.npz", non_empty=True),
            log:
                "<logs>/train_fold/{fold}.log",
            benchmark:
                "<benchmarks>/train_fold/{fold}.tsv"
            wildcard_constraints:
                fold=r"\d+",
            conda:
                "../../envs/torch.yaml"
            threads: CONFIG["compute_threads"]
            resources:
                mem_mb=memory(4000),
                runtime=240,
                gpu=GPU,
            params:
                program=program("train_fold"),
                code=code("train_fold"),
                settings=settings(*TRAINING_SECTIONS),
                shards=folders("shards"),
                state=lambda wildcards, output: Path(output.held_out).with_name(f"state_fold{wildcards.fold}.npz"),
                key=lambda wildcards, input: training_key("train_fold"),
            shell:
                "{params.program} --shards {params.shards:q} --records {input.records:q} --library {input.library:q}"
                " --waves {input.waves:q} --settings {params.settings:q} --fold {wildcards.fold}"
                " --held-out {output.held_out:q} --state {params.state:q} --key {params.key:q} --log {log:q}"

        rule gather_held_out:
            """Put together what the networks of all folds say of the patients that they haven't seen."""
            input:
                parts=[f"<results>/model/training/held_out_{fold}.npz" for fold in range(FOLDS)],
            output:
                held_out=ensure("<results>/model/training/held_out.npz", non_empty=True),
            log:
                "<logs>/gather_held_out.log",
            benchmark:
                "<benchmarks>/gather_held_out.tsv"
            conda:
                "../../envs/torch.yaml"
            threads: CONFIG["compute_threads"]
            resources:
                mem_mb=memory(1000),
                runtime=15,
            params:
                program=program("gather_held_out"),
                code=code("gather_held_out"),
            shell:
                "{params.program} --parts {input.parts:q} --held-out {output.held_out:q} --log {log:q}"

    rule make_bundle:
        """Calibrate and set the review thresholds on patients not seen; put all that inference needs together."""
        input:
            shards=every_shard("records.parquet"),
            records="<results>/records.tsv",
            library="<results>/prototypes/library.csv",
            waves="<results>/prototypes/waves.npz",
            weights="<results>/model/training/weights.npz",
            model="<results>/model/training/model.json",
            held_out="<results>/model/training/held_out.npz",
        output:
            bundle=ensure("<results>/model/bundle/bundle.json", non_empty=True),
            weights=ensure("<results>/model/bundle/weights.npz", non_empty=True),
            prototypes=ensure("<results>/model/bundle/prototypes.npz", non_empty=True),
        log:
            "<logs>/bundle.log",
        benchmark:
            "<benchmarks>/bundle.tsv"
        conda:
            "../../envs/torch.yaml"
        threads: CONFIG["compute_threads"]
        resources:
            mem_mb=memory(4000),
            runtime=60,
            gpu=GPU,
        params:
            program=program("bundle"),
            code=code("bundle"),
            settings=bundle_settings,
            shards=folders("shards"),
            output=lambda wildcards, output: Path(output.bundle).parent,
        shell:
            "{params.program} --shards {params.shards:q} --records {input.records:q} --library {input.library:q}"
            " --waves {input.waves:q} --weights {input.weights:q} --model {input.model:q} --held-out {input.held_out:q}"
            " --settings {params.settings:q} --output {params.output:q} --log {log:q}"

# The page of a run that hasn't finished, for whoever opens the run's folder: it is there from the start of a run, says
# what failed, and goes when a call of Snakemake comes to its end. No output of a rule: Snakemake removes those of a job that fails.
import subprocess


def write_unfinished(log):
    """Write the page; where that fails, the run's own error is what matters, so it is only told."""
    python = [sys.executable, str(ROOT / "scripts" / "write_unfinished.py")]
    logs = [log] if isinstance(log, (str, Path)) else list(log or [])  # some versions give a list
    arguments = ["--run", CONFIG["run"], "--results", RESULTS, "--snakemake-log", str(logs[0] if logs else "")]
    done = subprocess.run(
        [*python, *arguments],
        env={**os.environ, "PYTHONPATH": str(ROOT / "src")},
        capture_output=True,
        text=True,
        check=False,
    )
    if done.returncode:
        logger.warning(f"{RESULTS}/unfinished.html couldn't be written: {done.stderr.strip()[-300:]}")


onstart:
    write_unfinished(log)


onerror:
    write_unfinished(log)
    logger.info(f"What failed, and what is there: {RESULTS}/unfinished.html")


onsuccess:
    Path(RESULTS, "unfinished.html").unlink(missing_ok=True)

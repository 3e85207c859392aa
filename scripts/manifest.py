"""Write the manifest of a run: every artefact with rule, size and sha256, versions, commit, times and test reads."""

from __future__ import annotations

from pathlib import Path

from beatlens.core.files import write_json
from beatlens.run import manifest, programs

ROOT = Path(__file__).resolve().parents[1]


def main() -> None:
    parser = programs.parser(
        __doc__,
        folder="its results",
        output="manifest to write",
    )
    parser.add_argument("--artefacts", type=programs.named_path, nargs="+", required=True, help="RULE=PATH of each")
    parser.add_argument("--run", required=True, help="name of the run")
    arguments = programs.start(parser)
    artefacts: dict[str, list[Path]] = {}
    for rule, path in arguments.artefacts:
        artefacts.setdefault(rule, []).append(path)
    write_json(arguments.output, manifest.build(artefacts, arguments.run, arguments.folder, ROOT))


if __name__ == "__main__":
    main()

"""Draw the prototype gallery."""

from __future__ import annotations

from pathlib import Path

from beatlens import programs
from beatlens.figures.prototypes import prototype_figure
from beatlens.figures.scale import PaperScale
from beatlens.figures.style import save_figure
from beatlens.prototypes.library import PrototypeLibrary


def main() -> None:
    parser = programs.parser(__doc__)
    parser.add_argument("--library", type=Path, required=True, help="prototypes/library.csv")
    parser.add_argument("--waves", type=Path, required=True, help="prototypes/waves.npz")
    parser.add_argument("--output", type=Path, required=True, help="figure to write (.svg, .png or .pdf)")
    arguments = parser.parse_args()
    programs.start(arguments)
    report = arguments.settings["report"]
    library = PrototypeLibrary.load(arguments.library, arguments.waves)
    scale = PaperScale(report["speed_mm_s"], report["gain_mm_mv"])
    save_figure(prototype_figure(library, arguments.settings["classes"], scale), arguments.output)


if __name__ == "__main__":
    main()

"""Train on one manipulation of a face, test on all five: the paper's table on FaceForensics++, in shape.

    python recipes/table_manipulation.py --data PATH_TO_SHARED_DATA --work runs/manipulation
    python recipes/table_manipulation.py --data PATH_TO_SHARED_DATA --work runs/manipulation --quick   (no result)

The pictures are those of `recipes/manipulated.py`: untouched faces and five manipulations of each, made and saved by
one line of code. A network learns 300 faces, untouched and manipulated in one way, and is tested on 120 other faces,
untouched and manipulated in each of the five ways. Fakes of a row are measured against the same 120 untouched faces, so
chance is 0.5 for AUC and for AP.

Training is that of `recipes/table_generators.py`, longer: crops of 96 px, 1,920 steps of 16 with a falling
learning rate, no augmentation but mirroring, the epoch chosen by AUC on the validation split of the manipulation
trained on. Nobody shows a network a mask.

Where a network has patches, its heatmaps (each pixel averages the patches that see it) are laid on the truth masks:

- `pixel_auc` and `iou` (pixels of P(fake) >= 0.5 are called), beside them what the same masks give on the untouched
  face, since a network that is warm in the middle of every picture scores well on masks in the middle;
- the surest patch of each manipulated picture is assigned to a part of the face by the paper's rule and by the
  photograph's own parsing mask, and so are 20 patches of the picture drawn at random.

Whole-image baselines give one number for a picture: they have no patches, so these columns are empty.

Cells may come from processors that make the pictures with other rounding: MAKES lists their fingerprints, and
the .json counts cells by it.

Every (model, trained on, seed) is one file in results/table_manipulation/; a rerun computes only what is missing, and
several processes of the same command share the work: start it as often as there are cores. Five models come first, all
five seeds of them; eight more follow. Cost: one to five minutes a cell (MesoInception4: eight) of one core with
bfloat16 products, about an hour for a seed of the first five. `--summarise` writes results/table_manipulation.csv,
.json and .md, and the counts by part of the face (table_manipulation_regions.csv and .png), from the cells there are,
and says which are missing. Expected of five seeds: AUC on manipulations not learned, less the whole ResNet-18, +0.045
[+0.032, +0.061] for xception_block3 and -0.006 [-0.018, +0.008] for resnet18_layer1.
"""

import argparse
from collections.abc import Sequence
from pathlib import Path

import torch

from manipulated import MANIPULATIONS, UNTOUCHED, fingerprint, manipulated, mask_of
from manipulation_cells import ESSENTIAL, FURTHER, QUICK, Experiment, run
from manipulation_summary import summarise
from table_generators import ROOT, SEEDS, Bench
from telltale.data.sample import Sample
from telltale.explain.face_parsing import by_masks
from telltale.explain.face_parts import PARTS
from telltale.provenance import invocation

# The set of pictures as processors make it that cells were computed on. Autoencoder, cloning and hence JPEG round
# otherwise: between two makes some 80 to 190 of the 2,820 pictures, in 0.2 % of their pixels, by 6 grey levels at most.
MAKES = {
    "9ac683d5107a7dd53c626008681df5b0974ffb0c926efd368a0f0338014f0577": "AMD EPYC with AVX-512",
    "68cf8c52e4247861307f15079d52d7cf42ede72d8e2ed67daa977d26d4ffd5d6": "Intel Xeon with AMX",
}


def experiment(pictures: Path, found: Sequence[Sample], work: Path, *, quick: bool) -> Experiment:
    """This recipe's experiment on the pictures of `manipulated.py`."""
    return Experiment(
        name="table_manipulation",
        bench=Bench(
            training=[one for one in found if one.split != "test"],
            tested=[one for one in found if one.split == "test"],
            fingerprint=fingerprint(found),
            work=work,
            cells=(work if quick else ROOT / "results") / "table_manipulation",
            quick=quick,
        ),
        real=UNTOUCHED,
        kinds=MANIPULATIONS,
        learned=MANIPULATIONS[:: 3 if quick else 1],
        models=(QUICK,) if quick else (ESSENTIAL, FURTHER),
        seeds=1 if quick else SEEDS,
        data="celebahq, manipulated",
        # Chosen by xception_block2's validation AUC on the swap: 0.63 with a quarter of these steps, 0.87 with all.
        training={} if quick else {"batch": 16, "steps_per_epoch": 120, "epochs": 16, "patience": 16},
        mask_of=mask_of,
        parse=by_masks(pictures / "parts", PARTS),
        makes=MAKES,
    )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--data", type=Path, required=True, help="the shared data: holds manifest.csv and generators/")
    parser.add_argument("--work", type=Path, default=Path("runs/manipulation"))
    parser.add_argument("--pictures", type=Path, help="made by manipulated.py, or made there now; WORK/pictures")
    parser.add_argument("--summarise", action="store_true", help="write the tables from the cells there are")
    parser.add_argument("--quick", action="store_true", help="few faces, two models, 5 steps; no result written")
    chosen = parser.parse_args()
    if not (chosen.data / "manifest.csv").is_file():
        parser.error(f"no manifest.csv in {chosen.data}: point --data at the folder of images and generators")
    torch.set_num_threads(1)
    work = chosen.work / "quick" if chosen.quick else chosen.work
    pictures = chosen.pictures or work / "pictures"
    asked = experiment(pictures, manipulated(chosen.data, pictures, quick=chosen.quick), work, quick=chosen.quick)
    if not chosen.summarise:
        run(asked)
    if chosen.summarise or chosen.quick:
        summarise(asked, "Trained on one manipulation, tested on all", invocation())


if __name__ == "__main__":
    main()

from pathlib import Path

from training_samples import tiny, write_samples

from telltale.learn.plan import cost, described
from telltale.learn.run import set_up


def test_a_plan_tells_settings_samples_and_geometry(tmp_path: Path) -> None:
    run = set_up(tiny(jpeg=0.25), samples=write_samples(tmp_path / "data"))
    text = "\n".join(described(run))
    for words in (
        "jpeg              0.25",
        "threads           1",
        "train      real      12  (one 6, two 6)",
        "validation fake       8  (one 4, two 4)",
        "xception_block1, 55,010 parameters",
        "field 19 px, stride 4 px, start -6 px; 7 x 7 patches on a crop of 32 px",
        run.dataset.fingerprint,
    ):
        assert words in text
    assert "padding" not in text


def test_a_plan_warns_of_a_crop_smaller_than_the_field(tmp_path: Path) -> None:
    config = tiny(architecture="xception_block2", allow_small=True)
    text = "\n".join(described(set_up(config, samples=write_samples(tmp_path / "data"))))
    assert "the crop is smaller than the field" in text


def test_whole_image_baselines_have_no_patches(tmp_path: Path) -> None:
    config = tiny(architecture="resnet18", crop=None)
    assert "one prediction per image" in "\n".join(described(set_up(config, samples=write_samples(tmp_path / "data"))))


def test_the_cost_is_measured(tmp_path: Path) -> None:
    run = set_up(tiny(), samples=write_samples(tmp_path / "data"))
    lines = list(cost(run))
    assert lines[0] == "cost"
    assert float(lines[1].split()[0]) > 0
    assert "at most 3 epochs" in lines[2]

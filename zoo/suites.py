"""Suites: which models a table compares. `tools/evaluate --suite NAME` trains and measures them."""

from dataclasses import dataclass, field

from kgan import registry


@dataclass(frozen=True)
class Row:
    """A model of a suite.

    Attributes:
        title: its name in the table.
        name: its name in the zoo.
        changes: `{field: value}` of its recipe, but not of data, steps and seed.
        tag: tells rows of the same name apart.
        shares: `{field: share}` of fields that are a part of the steps, as a pretraining; the step
            is timed without them.
        repeated: it gets `--training_seeds` trainings, others one.
        joint: one training on faces with the labels of all data sets, with the time of all.
    """

    title: str
    name: str
    changes: dict = field(default_factory=dict)
    tag: str = ""
    shares: dict = field(default_factory=dict)
    repeated: bool = False
    joint: bool = False

    @property
    def key(self):
        """What its files are called, and `--only`."""
        return f"{self.name}-{self.tag}" if self.tag else self.name

    @property
    def model(self):
        """The class of the model."""
        return registry.entry(self.name).model

    @property
    def recipe(self):
        """Its recipe, but for data, steps, seed and shares of the steps."""
        return registry.recipe(self.name).replace(**self.changes)


SUITES = {
    # What Sungatullina et al. 2018 (arXiv 1809.01396, section 4) compare, and StarGAN. CycleGAN has
    # the batch and the averages of the others, so that these differ in their discriminators alone.
    "table1": (
        Row("DFI", "dfi_small"),
        Row("DCGAN", "dcgan_translator_small"),
        Row("CycleGAN", "cyclegan_small", {"batch": 4, "ema": 0.99}, repeated=True),
        Row("StarGAN", "stargan_small", joint=True),
        Row("VGG-GAN", "vgg_gan_small"),
        Row("VGG*-GAN", "vgg_star_gan_small"),
        Row("VGG-MS-CycleGAN", "vgg_ms_cyclegan_small"),
        Row("Rand-MS-CycleGAN", "rand_ms_cyclegan_small", repeated=True),
        Row("MS-CycleGAN", "ms_cyclegan_small", repeated=True),
        Row("CycleGAN, separate scales", "multiscale_cyclegan_small"),
        Row("VGG*-MS-CycleGAN, pretrained generators", "vgg_star_ms_cyclegan_small",
            tag="pretrained", shares={"pretrain_steps": 0.25}),
        Row("VGG*-MS-CycleGAN", "vgg_star_ms_cyclegan_small", repeated=True),
    ),
}

"""VGG* and VGG classifiers: where reference networks come from.

Sungatullina, Zakharov, Ulyanov, Lempitsky: Image manipulation with perceptual discriminators,
ECCV 2018 (arXiv 1809.01396), section 3.3: VGG-19 with average pooling and leaky ReLU, fine-tuned
on ImageNet. The paper does not say how; the optimizer, its rates and the augmentation are ours.

The small names have a quarter of the width and are trained from nothing, on attributes of the
embedded faces or on classes of small photographs, so that perceptual discriminators work without a
download. What a translator shall edit must not be among the labels of its reference.
"""

from dataclasses import dataclass
from typing import ClassVar

from kgan.core.errors import UsageError
from kgan.core.lazy import keras, losses, networks, ops, optimizers, pixels, references
from kgan.core.recipe import knob
from kgan.core.registry import register
from kgan.data.signals import usual
from kgan.models.gan import GAN
from kgan.models.reference import VGGRecipe

OFFLINE = "give --vgg_weights FILE or --init random to tools/train"


@dataclass(frozen=True)
class ClassifierRecipe(VGGRecipe):
    depth: int = knob(19, "layers with weights in the published network", choices=(16, 19))
    filters: int = knob(64, "maps of the first block; they double up to eight times that", low=1)
    pooling: str = knob("average", "average in VGG*, max in VGG", choices=("average", "max"))
    slope: float = knob(0.2, "slope of the leaky ReLU in VGG*; 0 = ReLU, as in VGG", low=0, high=1)
    top: int = knob(4096, "units of the two fully connected layers", low=1)
    flatten: bool = knob(True, "the fully connected layers see the whole last maps, as published; "
                         "off: their mean, for pictures of any size (our addition)")
    dropout: float = knob(0.5, "dropout after the fully connected layers", low=0, high=0.9)
    init: str = knob("imagenet", "initial weights: Keras' ImageNet weights, or random",
                     choices=("imagenet", "random"))
    optimizer: str = knob("sgd", "sgd has momentum 0.9", choices=("sgd", "adam"), group="schedule")
    weight_decay: float = knob(5e-4, "decoupled weight decay", low=0, group="schedule")
    labels: str = knob("", "names of the labels, joined by commas; empty = those of the data",
                       group="data")
    classes: bool = knob(False, "labels are classes, one to a picture; the data decides",
                         group="data")
    from_data: ClassVar[tuple] = ("labels", "classes")

    def check(self):
        super().check()
        if self.init == "imagenet" and self.filters != 64:
            raise UsageError("--init imagenet needs --filters 64; or say --init random.")
        if self.size < Classifier.smallest:
            raise UsageError(f"--size must be at least {Classifier.smallest}: a VGG halves it five "
                             "times.")

    @property
    def imagenet_range(self):
        """Whether pictures are given to the network as Keras' weights expect them."""
        return self.init == "imagenet"

    def complete(self, data):
        if not data.label_names:
            raise UsageError(
                f"{self.data} has no labels: folder:PATH?layout=classes, tfds:NAME?label=all, or "
                "avatars:Smiling,Bald with several attributes have."
            )
        return self.replace(labels=",".join(data.label_names), classes=data.exclusive)


class Classifier(GAN):
    """A VGG that tells classes or attributes; a reference for perceptual discriminators."""

    players = {"classifier": ("classifier",)}
    averaged = ("classifier",)
    measures = ("labels",)
    exports = False
    smallest = 32

    def build_networks(self, r):
        return {
            "classifier": networks.vgg_classifier(
                "classifier", classes=len(r.labels.split(",")), depth=r.depth,
                filters=r.filters, pool=r.pooling, slope=r.slope, top=r.top, dropout=r.dropout,
                size=r.size if r.flatten else None, imagenet_range=r.imagenet_range,
            )
        }

    def deployed(self):
        return ["classifier"]

    @classmethod
    def signals_of(cls, recipe):
        labels = len(recipe.labels.split(",")) if recipe.labels else 0
        return usual(recipe.size, {"a": 3}, labels)

    def build_optimizer(self, player, schedule):
        decay = self.recipe.weight_decay or None
        if self.recipe.optimizer == "adam":
            return optimizers.Adam(schedule, beta_1=self.recipe.beta_1, weight_decay=decay)
        return keras.optimizers.SGD(schedule, momentum=0.9, weight_decay=decay)

    def prepare(self, data):
        if self.recipe.init == "imagenet":
            references.load_imagenet(
                self.classifier, self.recipe.depth, *self.recipe.vgg_file, instead=OFFLINE,
            )

    def loss_terms(self, batch):
        logits = self.classifier(batch["a"], training=True)
        if self.recipe.classes:
            loss = losses.cross_entropy(batch["labels"], logits)
        else:
            loss = losses.attributes(batch["labels"], logits)
        return {"classifier": {"cross_entropy": loss}}

    def show(self, batch):
        return {"a": batch["a"]}

    def classify(self, images):
        """Probabilities of the labels.

        Args:
            images: [n, h, w, 3], see `kgan.core.pixels.given`.

        Returns:
            float32 [n, k]: a softmax over classes, or a sigmoid for each attribute.

        Raises:
            TypeError, ValueError: `images` are something else.
        """
        images, _ = pixels.given(images)
        if images.shape[0] == 0:
            return ops.zeros((0, self.classifier.output_shape[-1]))
        logits = self.classifier(images, training=False)
        return ops.softmax(logits) if self.recipe.classes else ops.sigmoid(logits)


# What the references of the embedded faces know: nothing that a packaged translator edits.
AVATARS = ("avatars:Wearing_Hat,Bald,Black_Hair,Brown_Hair,Blond_Hair,Gray_Hair,Pale_Skin,"
           "Arched_Eyebrows?n=12000&test=2000")
SMALL = {
    "data": AVATARS, "size": 64, "batch": 64, "steps": 1000, "learning_rate": 1e-3, "beta_1": 0.9,
    "decay_from": 0.3, "filters": 16, "top": 256, "flatten": False, "dropout": 0.3,
    "init": "random", "optimizer": "adam", "weight_decay": 1e-4,
}
TINY = {
    "data": "avatars:Bald,Wearing_Hat?n=24&test=8", "labels": "Bald,Wearing_Hat", "size": 32,
    "batch": 2, "steps": 20, "filters": 2, "top": 4, "load_size": 0, "init": "random",
    "flatten": False,
}

register(
    "vgg_star",
    Classifier,
    ClassifierRecipe(data="tfds:imagenet2012?label=all", size=224, load_size=256, batch=64,
                     steps=100_000, learning_rate=1e-3),
    card="vgg_star.md",
    phrase="VGG-19 with average pooling and leaky ReLU, fine-tuned from ImageNet weights",
    tiny=TINY,
)
register(
    "vgg_star_small",
    Classifier,
    ClassifierRecipe(**SMALL),
    card="vgg_star.md",
    phrase="VGG* of a quarter of the width, the embedded reference network",
    weights=("avatars", "cifar10"),
    tiny=TINY,
)
register(
    "vgg_small",
    Classifier,
    ClassifierRecipe(**{**SMALL, "pooling": "max", "slope": 0.0}),
    card="vgg_star.md",
    phrase="VGG of a quarter of the width, with max pooling and ReLU, to compare with VGG*",
    weights=("avatars",),
    tiny={**TINY, "pooling": "max", "slope": 0.0},
)

"""Styles: what the objects in pictures look like, a few numbers for each, found, drawn and set.

Wang et al. 2018 (pix2pixHD, arXiv 1711.11585), section 3.4: an encoder gives each instance the mean
of its features; after training, the features of each class over the training pictures are
clustered, and a centre is a style to choose. Here the class of an instance is what the label map
says at most of its pixels (the authors read it from Cityscapes' way of numbering instances), and
where there are no instances each class of a picture is one.
"""

from dataclasses import dataclass

from kgan.core.batches import parts
from kgan.core.errors import UsageError
from kgan.core.lazy import np, ops, pix2pixhd, pixels, tf
from kgan.core.recipe import Recipe, knob
from kgan.models.translation import given_sources

BATCH = 8  # pictures that are encoded at a time


@dataclass(frozen=True)
class StyledRecipe(Recipe):
    classes: int = knob(35, "classes of label maps, whose ids are below it", low=1, high=65_536)
    instances: bool = knob(True, "there are maps of instances beside those of labels")
    features: int = knob(0, "numbers in which the encoder says what an object looks like: the "
                         "paper's 3; 0 = no encoder, no styles", low=0, high=64)
    encoder_filters: int = knob(16, "maps of the encoder's first layer", low=1)
    styles: int = knob(10, "styles of each class that are kept after training (K-means)", low=1)
    style_share: float = knob(1 / 64, "share of a picture that an object covers to count for the "
                              "styles", low=0, high=1)
    style_pictures: int = knob(3000, "training pictures whose objects are clustered, at the most",
                               low=1)


class Styled:
    """The half of a `kgan.models.gan.GAN` of label maps that knows what objects look like.

    Its recipe is a `StyledRecipe`. With `features` it has the networks `encoder` and `styles` (a
    `kgan.networks.pix2pixhd.Styles`). Its first direction takes `labels` and perhaps `instances`,
    and its `forward` also `styles`.

    Pictures and maps are given to its methods as to `translate`.
    """

    shrink = 1  # times that the encoder sees pictures smaller

    # In tensors

    def objects(self, given):
        """The ids of things in a batch: of instances, or where there are none of classes."""
        return given["instances" if self.recipe.instances else "labels"]

    def encoded(self, photos, ids, shrink):
        """Features of each pixel's object, float32 [n, h, w, features].

        Args:
            photos: float [n, h, w, 3] in [-1, 1].
            ids: int32 [n, h, w, 1], see `objects`.
            shrink: how many times the encoder sees them smaller, as it was trained.
        """
        maps = self.nets["encoder"](pix2pixhd.shrunk(photos, shrink))
        maps = pix2pixhd.instance_means(maps, pix2pixhd.shrunk(ids, shrink))
        return ops.repeat(ops.repeat(maps, shrink, 1), shrink, 2) if shrink > 1 else maps

    def usual(self, labels):
        """The most usual style of each pixel's class, float32 [n, h, w, features]."""
        labels = labels[..., 0]
        return self.nets["styles"](ops.zeros_like(labels, "float32"), labels)

    # What a person asks for

    def styles_of(self, photos, labels, instances=None):
        """The styles of the objects in photographs.

        Returns:
            float32 [n, h, w, features] in [-1, 1], the same at all pixels of an object.

        Raises:
            UsageError: the model knows no styles.
            TypeError, ValueError: the pictures or maps are something else.
        """
        self._check_styles()
        given = self._asked(labels, instances, photos)
        sides = tf.shape(given["labels"])[1:3]
        given = {k: pixels.extend(x, self.multiple, self.smallest) for k, x in given.items()}
        found = self.encoded(given["photos"], self.objects(given), self.shrink)
        return found[:, : sides[0], : sides[1]]

    def drawn_styles(self, labels, instances=None, seed=0):
        """A style of its class for each object, drawn by a seed; see `styles_of`."""
        self._check_styles()
        given = self._asked(labels, instances)
        ids = self.objects(given)[..., 0]
        shares = tf.random.stateless_uniform([ids.shape[0], pix2pixhd.MOST_IDS], [seed, 0])
        share = tf.gather(shares, ids, batch_dims=1)
        return self.nets["styles"](share, given["labels"][..., 0])

    def synthesise(self, labels, instances=None, styles=None):
        """Pictures of label maps.

        Args:
            labels, instances: the maps, [n, h, w]; a model without instances takes none.
            styles: see `styles_of` and `drawn_styles`; None = the most usual of each class.

        Returns:
            uint8 [n, h, w, 3].
        """
        given = self._asked(labels, instances)
        if styles is not None:
            self._check_styles()
            given["styles"] = tf.cast(styles, tf.float32)
        return pixels.to_uint8(self.translated(given, next(iter(self.directions))))

    def styles_known(self, label):
        """How many styles of a class there are to choose from, 0 to 1 less than this."""
        self._check_styles()
        return int(self.nets["styles"].counts[label])

    def edit_instance(self, labels, instances, id, style, photos=None):
        """Pictures in which one object looks different.

        Args:
            labels, instances: the maps, [n, h, w].
            id: of the instance, in all of the pictures; without instances the id of a class.
            style: the number of a style of its class, see `styles_known`, or `features` numbers.
            photos: the photographs of the maps, in whose styles all others stay; None: in the most
                usual ones.

        Returns:
            uint8 [n, h, w, 3].

        Raises:
            UsageError: there is no such instance or style.
        """
        self._check_styles()
        given = self._asked(labels, instances)
        there = self.objects(given) == id
        if not tf.reduce_any(there):
            raise UsageError(f"There is no object {id} in these maps.")
        if np.ndim(style) == 0:
            style = self._centre(given["labels"][there].numpy(), style)
        base = self.usual(given["labels"]) if photos is None else self.styles_of(
            photos, labels, instances)
        wanted = tf.cast(tf.reshape(style, [1, 1, 1, self.recipe.features]), tf.float32)
        return self.synthesise(labels, instances, tf.where(there, wanted, base))

    def _centre(self, labels, number):
        """A style by its number, of the class that most of some pixels have."""
        label = int(np.bincount(labels).argmax())
        known = self.styles_known(label)
        if not 0 <= number < known:
            has = f"styles 0 to {known - 1}" if known else "no styles: no object of it was seen"
            raise UsageError(f"There is no style {number}: class {label} has {has}.")
        return self.nets["styles"].centres[label, int(number)]

    def _asked(self, labels, instances, photos=None):
        """What a person gives, checked, as `forward` takes it."""
        if self.recipe.instances and instances is None:
            raise UsageError(f"{self.name_in_zoo} takes a map of instances beside labels.")
        given = {"labels": labels, "instances": instances, "photos": photos}
        signals = [s for s in self.signals if given[s.name] is not None]
        return given_sources({s.name: given[s.name] for s in signals}, signals)[0]

    def _check_styles(self):
        if not self.recipe.features:
            raise UsageError(f"{self.name_in_zoo} was trained without --features and knows no "
                             "styles.")

    # After training

    def learn_styles(self, data):
        """Clusters the features of objects in training pictures, class by class.

        Args:
            data: a `kgan.data.Data`; of more than `style_pictures` so many, evenly spaced.
        """
        r, train = self.recipe, data.train
        count = min(r.style_pictures, len(train["photos"]))
        rows = np.unique(np.linspace(0, len(train["photos"]) - 1, count).round().astype(int))
        features, labels = [], []
        for some in parts(rows, BATCH):
            photos = pixels.array_to_float(_cut(train["photos"][some], self.multiple))
            maps = self.nets["encoder"](pix2pixhd.shrunk(tf.constant(photos), self.shrink)).numpy()
            ids, classes = (
                pix2pixhd.shrunk(_cut(train[name][some], self.multiple), self.shrink)[..., 0]
                for name in ("instances" if r.instances else "labels", "labels"))
            for each in zip(maps, ids, classes, strict=True):
                its, their = objects_of(*each, r.style_share)
                features.append(its)
                labels.append(their)
        self.nets["styles"].set_weights(centres(
            np.concatenate(features), np.concatenate(labels), r.classes, r.styles))


def _cut(pictures, multiple):
    _, h, w, _ = pictures.shape
    return pictures[:, : h // multiple * multiple, : w // multiple * multiple]


def objects_of(maps, ids, labels, share):
    """Features and classes of the objects in a picture that are not small.

    Args:
        maps: float [h, w, features].
        ids, labels: int [h, w].
        share: of the picture, that an object covers at the least.

    Returns:
        (float [k, features], int [k]).
    """
    _, place, count = np.unique(ids, return_inverse=True, return_counts=True)
    place, flat = place.ravel(), maps.reshape(-1, maps.shape[-1])
    sums = np.stack([np.bincount(place, f) for f in flat.T], 1)
    classes = [np.bincount(labels.ravel()[place == i]).argmax() for i in range(len(count))]
    large = count > share * ids.size
    return (sums / count[:, None])[large], np.array(classes)[large]


def centres(features, labels, classes, most):
    """The centres of the features of each class by K-means, those of the most objects first.

    Args:
        features: float [n, k].
        labels: int [n].
        classes: how many there are.
        most: centres of a class.

    Returns:
        (float [classes, most, k], 0 where there are fewer; how many there are, float [classes]).
    """
    from sklearn.cluster import KMeans

    found = np.zeros((classes, most, features.shape[1]), "float32")
    counts = np.zeros(classes, "float32")
    for label in np.unique(labels):
        mine = features[labels == label]
        k = min(most, len(np.unique(mine, axis=0)))
        means = KMeans(k, n_init=10, random_state=0).fit(mine)
        order = np.argsort(-np.bincount(means.labels_, minlength=k), kind="stable")
        found[label, :k], counts[label] = means.cluster_centers_[order], k
    return found, counts

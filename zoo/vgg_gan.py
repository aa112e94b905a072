"""VGG-GAN: one generator that translates in one direction before a perceptual discriminator.

Sungatullina et al. 2018, as `perceptual`, whose networks, losses and card these names share; and
the DCGAN baseline of the paper, whose discriminator is an ordinary one.
"""

from kgan.core.lazy import losses, networks
from kgan.core.registry import register
from kgan.zoo.perceptual import TINY, PerceptualGAN, PerceptualRecipe


class OneWay(PerceptualGAN):
    """One generator that translates in one direction: VGG-GAN and the DCGAN baseline."""

    generators = ("g",)
    discriminators = ("d",)
    players = {"generator": generators, "discriminator": discriminators, "autoencoder": generators}

    @classmethod
    def directions_of(cls, recipe):
        return {recipe.direction: "g"}

    def loss_terms(self, batch):
        r = self.recipe
        how = self.directions[r.direction]
        source, target = batch[how.sources[0]], batch[how.target]
        generator = {}
        if r.lambda_identity:
            fake, same = networks.together(self.g, source, target)
            generator["identity"] = r.lambda_identity * losses.l1(same, target)
        else:
            fake = self.g(source)
        (real,), (seen,) = self.see(target), self.see(fake)
        judged = self.judge(self.d, real, seen)
        generator["adversarial"] = judged.pop("fools")
        return {"generator": generator, "discriminator": judged}


register("vgg_star_gan", OneWay, PerceptualRecipe(
    size=160, batch=16, steps=50_000, heads="", adversarial="bce", learning_rate=1e-4, beta_1=0.9,
    decay_from=1.0,
), card="perceptual.md", tiny=TINY, phrase="one generator, one head, through VGG*, no cycle")

register("vgg_star_gan_small", OneWay, PerceptualRecipe(
    size=64, batch=4, steps=2000, generator="resnet", downsamplings=2, blocks=4,
    upsample="nearest", blend=True, reference="vgg_star_small.avatars", heads="",
    discriminator_filters=32, discriminator_cap=128, adversarial="bce", lambda_identity=5.0,
    learning_rate=2e-4, discriminator_rate=2.0, ema=0.99,
), card="perceptual.md", tiny={**TINY, "downsamplings": 2},
   phrase="one generator, one head, through VGG*, no cycle; at 64 px, for a CPU")

register("vgg_gan", OneWay, PerceptualRecipe(
    size=160, batch=16, steps=50_000, reference="vgg19", heads="", adversarial="bce",
    learning_rate=1e-4, beta_1=0.9, decay_from=1.0,
), card="perceptual.md", tiny=TINY, phrase="one generator, one head, through plain VGG, no cycle")

register("vgg_gan_small", OneWay, PerceptualRecipe(
    size=64, batch=4, steps=2000, generator="resnet", downsamplings=2, blocks=4,
    upsample="nearest", blend=True, reference="vgg_small.avatars", heads="",
    discriminator_filters=32, discriminator_cap=128, adversarial="bce", lambda_identity=5.0,
    learning_rate=2e-4, discriminator_rate=2.0, ema=0.99,
), card="perceptual.md", tiny={**TINY, "downsamplings": 2},
   phrase="one generator, one head, through plain VGG, no cycle; at 64 px, for a CPU")

register("dcgan_translator", OneWay, PerceptualRecipe(
    size=160, batch=16, steps=50_000, discriminator="pixels", heads="", adversarial="bce",
    lambda_identity=0.0, learning_rate=1e-4, beta_1=0.9, decay_from=1.0,
), card="perceptual.md", tiny=TINY,
   phrase="one generator against an ordinary discriminator, nothing else")

register("dcgan_translator_small", OneWay, PerceptualRecipe(
    size=64, batch=4, steps=2000, generator="resnet", downsamplings=2, blocks=4,
    upsample="nearest", blend=True, discriminator="pixels", reference="vgg_star_small.avatars",
    heads="", discriminator_filters=32, discriminator_cap=128, adversarial="bce",
    lambda_identity=0.0, learning_rate=2e-4, discriminator_rate=2.0, ema=0.99,
), card="perceptual.md", tiny={**TINY, "downsamplings": 2},
   phrase="one generator against an ordinary discriminator, nothing else; at 64 px, for a CPU")

"""VAE and VAE-GAN: terms by hand, whose gradients they are, the equilibrium, schedules."""

import keras
import numpy as np
import pytest
import tensorflow as tf

from kgan.core import registry
from kgan.core.errors import UsageError


def softplus(x):
    return float(np.logaddexp(0, x).mean())


def numbers(terms):
    return {player: {term: float(x) for term, x in paid.items()} for player, paid in terms.items()}


def fresh(name, **changes):
    """A tiny model whose step is not compiled."""
    entry = registry.entry(name)
    keras.utils.set_random_seed(0)
    return entry.model(entry.recipe.replace(**{**entry.tiny, **changes}))


@pytest.fixture(scope="module")
def vae_gan(tiny_batch):
    """The published one, its batch, what players pay, and the calls of its networks."""
    model = fresh("vae_gan", gamma=0.3, lambda_adversarial=0.7, real_share=0.6, weight_decay=0.01)
    batch, calls = tiny_batch(model), []
    nets = dict(model.nets)
    for name in nets:
        def called(x, name=name, **keywords):
            y = nets[name](x, **keywords)
            calls.append((name, x, y))
            return y
        model.__dict__[name] = called
    terms = numbers(model.loss_terms(batch))
    model.__dict__.update(nets)
    return model, batch, terms, calls


def test_what_a_vae_pays(tiny_batch):
    model = fresh("vae", deviation=0.5, lambda_kl=2.0, weight_decay=0.0)
    batch = tiny_batch(model)
    found = numbers(model.loss_terms(batch))["autoencoder"]
    mean, log_variance = (np.asarray(x) for x in model.e(batch["a"], training=True))
    kl = 0.5 * (mean**2 + np.exp(log_variance) - 1 - log_variance).sum(1).mean()
    assert found["divergence"] == pytest.approx(2 * kl, rel=1e-4)
    codes, _ = model.posterior(batch)
    noise = (codes - mean) / np.exp(log_variance / 2)
    assert abs(float(np.mean(noise))) < 1 and 0.3 < float(np.std(noise)) < 2
    other, _ = model.posterior({**batch, "key": tf.constant([0, 9])})
    assert (np.asarray(codes) != np.asarray(other)).all()
    made = np.asarray(model.g(codes, training=True))
    error = ((made - batch["a"].numpy()) ** 2).sum((1, 2, 3)).mean()
    assert found["picture"] == pytest.approx(error / (2 * 0.5**2), rel=1e-4)
    assert set(found) == {"divergence", "picture"}


def test_codes_are_means_outside_of_a_training(tiny_batch):
    model = fresh("vae")
    x = tiny_batch(model)["a"]
    np.testing.assert_allclose(model.encode(x), model.e(x, training=False)[0], rtol=1e-5)


def test_each_network_sees_what_the_authors_show_it(vae_gan):
    model, batch, _, calls = vae_gan
    assert [name for name, *_ in calls] == ["e", "g", "g", "l", "l", "d"]
    _, (_, codes, again), (_, noise, drawn), (_, compared, _), (_, judged, maps), (_, seen, _) = (
        calls)
    np.testing.assert_array_equal(noise, model.noise(batch))
    assert not np.allclose(codes, noise)
    np.testing.assert_array_equal(compared, np.concatenate([again, batch["a"]]))
    np.testing.assert_array_equal(judged, np.concatenate([batch["a"], drawn]))
    np.testing.assert_array_equal(seen, maps)


def test_what_the_three_players_pay(vae_gan):
    model, _, terms, calls = vae_gan
    again, x = np.split(np.asarray(calls[3][2]), 2)
    similarity = 0.5 * ((again - x) ** 2).sum((1, 2, 3)).mean()
    real, fake = np.split(np.asarray(calls[5][2]), 2)
    decay = {
        player: 0.005 * sum(float(np.square(v).sum()) for v in model.variables_of(player)
                            if v.name == "kernel")
        for player in model.players
    }
    assert terms["encoder"]["similarity"] == pytest.approx(similarity, rel=1e-4)
    assert terms["generator"] == pytest.approx({
        "similarity": 0.3 * similarity, "adversarial": -0.7 * softplus(fake),
        "decay": decay["generator"]}, rel=1e-4)
    assert terms["discriminator"] == pytest.approx({
        "real": 0.6 * softplus(-real), "fake": 0.4 * softplus(fake),
        "decay": decay["discriminator"]}, rel=1e-4)
    assert set(terms["encoder"]) == {"divergence", "similarity", "decay"}


def gradients(model, batch):
    model._replicas = 1  # as compiled
    values = {p: [tf.convert_to_tensor(v) for v in model.variables_of(p)] for p in model.players}
    state = [tf.convert_to_tensor(v) for v in model._state()]
    return model._gradients(model.stages()[0].phases[0], values, state, batch)[1]


def test_the_gan_does_not_move_the_encoder_nor_the_similarity_the_discriminator(tiny_batch):
    """With one kind of term away, exactly the players that pay it have other gradients."""
    found = {}
    for name, changes in {
        "all": {}, "no gan": {"lambda_adversarial": 0.0},
        "no similarity": {"lambda_similarity": 0.0, "gamma": 0.0},
    }.items():
        model = fresh("vae_gan", **{"gamma": 0.5, "weight_decay": 0.0, **changes})
        found[name] = gradients(model, tiny_batch(model))
    for left_out, others in {
        "no gan": {"generator"}, "no similarity": {"encoder", "generator"},
    }.items():
        for player, whole in found["all"].items():
            pairs = zip(whole, found[left_out][player], strict=True)
            same = all(np.allclose(x, y, rtol=1e-3, atol=1e-7) for x, y in pairs)
            assert same == (player not in others), f"{left_out}: {player}"


@pytest.mark.parametrize("lambda_similarity", [0.7, 0.0])
def test_one_way_back_gives_the_gradients_of_two(tiny_batch, monkeypatch, lambda_similarity):
    model = fresh("vae_gan", gamma=1e-6, lambda_similarity=lambda_similarity)
    batch = tiny_batch(model)
    once, terms = gradients(model, batch), numbers(model.loss_terms(batch))
    monkeypatch.setattr(type(model), "one_way_back", False)
    for player, two in gradients(model, batch).items():
        for x, y in zip(once[player], two, strict=True):
            np.testing.assert_allclose(x, y, rtol=1e-3, atol=1e-5 * np.abs(y).max())
    for player, paid in numbers(model.loss_terms(batch)).items():
        assert terms[player] == pytest.approx(paid, rel=1e-5)


def test_the_plain_one(tiny, tiny_batch):
    """Munjal's losses: means of features, -log D, three sets of equal weight, each by itself."""
    model = tiny("vae_gan_plain", trains=False)
    batch, r = tiny_batch(model), model.recipe
    terms = numbers(model.loss_terms(batch))
    codes, divergence = model.posterior(batch)
    x, again, drawn = batch["a"], model.g(codes, training=True), model.g(
        model.noise(batch), training=True)
    maps = [model.l(p, training=True) for p in (x, again, drawn)]
    real, *fakes = [np.asarray(model.d(m, training=True)) for m in maps]
    similarity = float(np.square(maps[0] - maps[1]).mean())
    assert terms["encoder"] == pytest.approx({
        "divergence": float(divergence) / 128, "similarity": 10 * similarity}, rel=1e-4)
    assert terms["generator"] == pytest.approx({
        "similarity": 30 * similarity, "adversarial": sum(softplus(-f) for f in fakes)}, rel=1e-4)
    third = {name: 3 * value for name, value in terms["discriminator"].items()}
    assert third == pytest.approx({
        "real": softplus(-real), "fake": sum(softplus(f) for f in fakes)}, rel=1e-4)
    assert model.gates({}) == {} and r.batch == 4
    assert float(model.optimizers["discriminator"].learning_rate) == pytest.approx(1e-4)


def test_the_equilibrium():
    model = fresh("vae_gan", real_share=0.6)
    for real, fake, stay in (
        (0.68, 0.68, ""), (0.32, 0.68, "discriminator"), (0.68, 0.32, "discriminator"),
        (1.04, 0.68, "generator"), (0.68, 1.04, "generator"), (0.32, 1.04, ""), (0.34, 1.02, ""),
    ):
        gates = model.gates({"discriminator": {
            "real": tf.constant(0.6 * real), "fake": tf.constant(0.4 * fake)}})
        assert {player for player, closed in gates.items() if closed} == set(stay.split())
    assert fresh("vae_gan", margin=0.0).gates({}) == {}


@pytest.mark.slow  # that a gate is heeded is tested by a toy
def test_a_player_far_ahead_stays_in_a_step(tiny, tiny_batch):
    # cross-entropies near 0.7 are below 5 - 0.35, so the discriminator is far ahead
    model = tiny("vae_gan", equilibrium=5.0)
    before = {n: v.numpy() for n, v in model.run_variables.items()}
    model.train_step({"a": tiny_batch(model)["a"]})
    moved = {n for n, v in model.run_variables.items() if (v.numpy() != before[n]).any()}
    counts = {p: int(o.iterations) for p, o in model.optimizers.items()}
    assert counts == {"encoder": 1, "generator": 1, "discriminator": 0}
    assert not any(n.startswith("optimizers/discriminator") for n in moved)
    weights = {id(v) for v in model.variables_of("discriminator")}
    assert not any(id(v) in weights for n, v in model.run_variables.items() if n in moved)


def test_rates_fall_with_a_power_of_the_steps_done(tiny):
    model = tiny("vae_gan", trains=False)  # of 20 steps
    rates = []
    for step in (0, 10, 20):
        model.step.assign(step)
        rates.append(float(model.optimizers["generator"].learning_rate))
    first, last = 0.025 / 64, 1e-5 / 64
    assert rates == pytest.approx([first, first - 0.5**0.75 * (first - last), last], rel=1e-4)


def test_recipes():
    published = registry.recipe("vae_gan")
    assert (published.gamma, published.lambda_adversarial) == (1e-6, 1 - 1e-6)
    assert (published.equilibrium, published.margin, published.fakes) == (0.68, 0.35, "drawn")
    with pytest.raises(UsageError, match="multiple of 8"):
        published.replace(size=20)


def test_a_vae_draws_pictures():
    model = fresh("vae_gan")
    assert model.sample(3).shape == (3, 16, 16, 3)
    assert list(model.show({"a": tf.zeros((2, 16, 16, 3))})) == [
        "a", "reconstruct", "generated", "its reconstruction"]

"""Trainer: how the players of a model move.

One forward pass for all players of a phase under one persistent tape, an optimizer for each player,
replicas, XLA, precision, reported means. What the game is about, the model says
(`kgan.models.gan.GAN`): `players`, `stages` and what each player pays.
"""

import functools
from collections.abc import Mapping

from kgan.core.lazy import keras, pixels, schedules, tf
from kgan.models import checks, gating, replicas, slots
from kgan.models.shares import in_shares
from kgan.models.stages import laid_out


class Trainer:
    """The training half of a `kgan.models.gan.GAN`.

    Attributes:
        part: the `kgan.models.stages.Part` that the coming steps are of; None before `compile`.
    """

    part = None

    def compile(self, xla=False, steps_per_execution=1):
        """Makes optimizers and trackers. Call it before training or loading a run's state.

        Args:
            xla: compile the forward and backward pass of each replica with XLA.
            steps_per_execution: as in Keras.

        Raises:
            ValueError, TypeError: phases or terms do not fit the players.
        """
        checks.check_stages(self)
        # Keras must not guess: no optimizer of its own, no XLA around the strategy.
        super().compile(
            optimizer=None, jit_compile=False, steps_per_execution=steps_per_execution
        )
        recipe = self.recipe
        self._replicas = tf.distribute.get_strategy().num_replicas_in_sync
        for player in self.players:
            moves = self._moves(player)
            if not moves:
                continue
            schedule = schedules.LinearDecay(
                lambda: self.part.rate, moves, recipe.decay_from,
                scale=self.plateau.scale if self.plateau else None,
            )
            optimizer = replicas.summed_already(self.build_optimizer(player, schedule))
            if self.precision == "mixed_float16":
                optimizer = keras.optimizers.LossScaleOptimizer(optimizer)
            optimizer.build(self.variables_of(player))
            self.optimizers[player] = optimizer
        self._xla = xla
        self._enter(self.parts()[0])

    def parts(self):
        """The stages in their places, a `kgan.models.stages.Part` for each."""
        return laid_out(self.stages(), self.recipe)

    @property
    def stage(self):
        """The stage that the coming steps are of; None before `compile`."""
        return self.part and self.part.stage

    def enter_stage(self, name, at_its_start=True):
        """Makes the coming steps those of a stage."""
        with self.distribute_strategy.scope():  # trackers are variables
            if self.stage.name != name:
                self._enter(next(part for part in self.parts() if part.stage.name == name))
            if at_its_start:
                self.begin_stage(name)

    def _enter(self, part):
        self.part = part
        self._passes = [
            tf.function(
                functools.partial(self._gradients, phase), jit_compile=self._xla, autograph=False
            )
            for phase in part.stage.phases
        ]
        self.trackers = {name: replicas.mean()(name=name) for name in self._term_names()}
        self.moved = {player: replicas.mean()(name=f"moved/{player}") for player in self.players}
        self._gated = set()  # players of which a pass has asked whether they stay
        self.train_function = None

    def variables_of(self, player):
        """The trainable variables that a player owns."""
        return [v for name in self.players[player] for v in self.nets[name].trainable_variables]

    @property
    def run_variables(self):
        """All that a run must save to go on bit for bit: `{unique path: keras variable}`."""
        owned = [(f"nets/{name}", net.variables) for name, net in self.nets.items()]
        owned += [("averages", self.kept.variables), ("step", [self.step])]
        owned += [("plateau", self.plateau.variables)] if self.plateau else []
        found = {f"{room}/{i}": v for room, vs in owned for i, v in enumerate(vs)}
        for player, optimizer in self.optimizers.items():
            found |= {f"optimizers/{player}/{n}": v for n, v in slots.of(optimizer).items()}
            found |= {f"scales/{player}/{n}": v for n, v in slots.scale_of(optimizer).items()}
        return found

    @property
    def batches_per_step(self):
        """How many batches a step takes: one for each repeat of each phase, the most of any stage.

        Stages that need fewer leave the rest out.
        """
        return max(sum(p.repeat for p in stage.phases if p.fresh) for stage in self.stages())

    @property
    def plays_per_step(self):
        """How many forward and backward passes a step takes, the most of any stage."""
        return max(sum(phase.repeat for phase in stage.phases) for stage in self.stages())

    def _moves(self, player):
        """How often a player moves in the whole training."""
        return sum(
            stage.steps * phase.repeat
            for stage in self.stages() for phase in stage.phases
            if player in (phase.players or self.players)
        )

    def _maybe_symbolic_build(self, iterator=None, data_batch=None):
        """Nothing is left to build; Keras would read a batch for it, and cannot with workers."""

    def make_train_function(self, force=False):
        """As in Keras, but for several workers, see `kgan.models.replicas.of_workers`."""
        strategy = self.distribute_strategy
        if not isinstance(strategy, tf.distribute.MultiWorkerMirroredStrategy):
            super().make_train_function(force)
        elif force or not self.train_function:
            self.train_function = replicas.of_workers(strategy, self.train_step)

    def train_step(self, batch):
        """A step of every phase on this replica's share of the batch; returns the running means."""
        batch = self._given(batch)
        turns, turn, play = self.batches_per_step, -1, 0
        step = tf.cast(tf.convert_to_tensor(self.step), tf.int32)
        for phase, gradients_of in zip(self.stage.phases, self._passes, strict=True):
            for _ in range(phase.repeat):
                turn += phase.fresh
                # dealt like cards: a turn sees the same pictures on any number of replicas
                part = {domain: x[turn::turns] for domain, x in batch.items()}
                part |= {"key": self._key(play), "step": step}
                self._play(phase, gradients_of, part)
                play += 1
        self.kept.follow(self.step)
        self.step.assign_add(1)
        return self._reported()

    def _given(self, batch):
        """A batch as `fit` is given it, each signal in its type and pictures in their channels."""
        names, its, found = [s.name for s in self.signals], type(self).__name__, {}
        if not isinstance(batch, Mapping) or not set(names) <= set(batch):
            raise ValueError(f"{its} trains on batches that are dictionaries of "
                             f"{', '.join(names)}.")
        for signal in self.signals:
            name = signal.name
            x = found[name] = tf.convert_to_tensor(batch[name])
            if x.shape.rank is None or x.shape[0] is None:
                raise TypeError(f"{its} trains on batches of a known length: "
                                "dataset.batch(n, drop_remainder=True).")
            if signal.ids:
                found[name] = pixels.ids(x)
            elif signal.kind != "vector":
                if not (x.dtype.is_floating or x.dtype == tf.uint8):
                    raise TypeError(f"{its} trains on pictures of uint8, or float in [-1, 1]; "
                                    f"{name} is {x.dtype.name}.")
                x = pixels.to_float(x) if x.dtype == tf.uint8 else tf.cast(x, tf.float32)
                found[name] = pixels.to_channels(x, signal.channels)
            if x.shape[0] % self.batches_per_step:
                raise ValueError(f"a step of {its} takes {self.batches_per_step} batches at once, "
                                 f"and {x.shape[0]} pictures cannot be divided by that.")
        return found

    def _reported(self):
        """The running mean of every term, and of what each player pays in all; of players with a
        gate the share of their updates that were made."""
        means = {name: tracker.result() for name, tracker in self.trackers.items()}
        for name, value in list(means.items()):
            total = f"{name.rpartition('/')[0]}/total"
            means[total] = means.get(total, 0.0) + value
        return means | {f"moved/{p}": self.moved[p].result() for p in sorted(self._gated)}

    def _play(self, phase, gradients_of, batch):
        values = {p: [tf.convert_to_tensor(v) for v in self.variables_of(p)] for p in self.players}
        variables = self._state()
        own = replicas.own_seeds(variables) if self._replicas > 1 else {}
        state = [tf.convert_to_tensor(v) + own[i] if i in own else tf.convert_to_tensor(v)
                 for i, v in enumerate(variables)]
        gradients_of = in_shares(gradients_of, self.recipe.accumulate)
        terms, gradients, state = gradients_of(values, state, batch)
        if self._replicas > 1:
            terms, gradients = replicas.shared(terms, gradients)
        players, gates = phase.players or tuple(self.players), self.gates(terms)
        for player in players:
            with gating.unless(gates.get(player), functools.partial(self._moved_by, player)):
                self._apply(player, gradients[player])
            if player in gates:
                self.moved[player].update_state(tf.where(gates[player], 0.0, 1.0))
                self._gated.add(player)
        for place, value in state.items():
            variables[place].assign(value - own[place] if place in own else value)
        for player, paid in terms.items():
            for term, value in paid.items():
                self.trackers[f"{player}/{term}"].update_state(value)

    def _gradients(self, phase, values, state, batch):
        """Pure: values of all variables and a batch in; terms, gradients and changed state out.

        Variables are given as tensors so that the function can be compiled for each replica.
        """
        players = phase.players or tuple(self.players)
        # Those that move come last: a network may be another player's in another stage.
        order = sorted(values, key=lambda player: player in players)
        mapping = [
            pair for p in order for pair in zip(self.variables_of(p), values[p], strict=True)
        ]
        mapping += zip(self._state(), state, strict=True)
        with tf.GradientTape(persistent=True, watch_accessed_variables=False) as tape:
            tape.watch([values[player] for player in players])
            with keras.StatelessScope(state_mapping=mapping) as scope:
                terms = checks.pays(self, phase)(self._in_training(), batch)
            checks.check_terms(self, phase, terms)
            totals = {p: self._scaled(p, sum(terms[p].values())) for p in players}
        gradients = {
            p: tape.gradient(totals[p], values[p], unconnected_gradients="zero") for p in players
        }
        new = [scope.get_current_value(v) for v in self._state()]
        changed = {i: x for i, x in enumerate(new) if x is not state[i]}
        return terms, gradients, changed

    def _in_training(self):
        """This model with its players' networks in training mode, unless a call says otherwise.

        An outer layer that is called with `training=True` would not do: to Keras, that holds until
        the first network is told otherwise.
        """
        model = object.__new__(type(self))
        model.__dict__.update(self.__dict__, nets=dict(self.nets))
        for name in {name for names in self.players.values() for name in names}:
            model.nets[name] = _Training(self.nets[name])
            if getattr(self, name) is self.nets[name]:
                model.__dict__[name] = model.nets[name]
        return model

    def _scaled(self, player, total):
        total = total / self._replicas
        if self.precision == "mixed_float16":
            total = self.optimizers[player].scale_loss(total)
        return total

    def _apply(self, player, gradients):
        """Gives a player's optimizer its gradients, the sums over all replicas."""
        optimizer = self.optimizers[player]
        if self.recipe.clip_norm:
            scaled = self.precision == "mixed_float16"
            scale = optimizer.scale_loss(tf.ones(())) if scaled else 1.0
            gradients, _ = tf.clip_by_global_norm(gradients, self.recipe.clip_norm * scale)
        optimizer.apply(gradients, self.variables_of(player))

    def _moved_by(self, player):
        """The variables that an update changes, but for those of a loss scale."""
        return [*self.variables_of(player), *slots.of(self.optimizers[player]).values()]

    def learning_rate(self):
        """The learning rate at the present step of the first player that moves."""
        player = (self.stage.phases[0].players or tuple(self.players))[0]
        return float(self.optimizers[player].learning_rate)

    def _state(self):
        return [v for net in self.nets.values() for v in net.non_trainable_variables]

    def _key(self, play):
        replica = tf.distribute.get_replica_context().replica_id_in_sync_group
        step = tf.cast(tf.convert_to_tensor(self.step), tf.int32) * self.plays_per_step + play
        return tf.stack([tf.cast(replica, tf.int32) * 65537 + self.recipe.seed, step])

    def traces(self):
        """A concrete function of each phase of the stage, for one replica's share of a batch.

        With one replica, they are those that training takes.
        """
        values = {p: [_spec(v) for v in self.variables_of(p)] for p in self.players}
        state = [_spec(v) for v in self._state()]
        whole = self._replicas * self.recipe.accumulate
        batch = self.terms_spec(max(self.part.batch // whole, 1))
        return [f.get_concrete_function(values, state, batch) for f in self._passes]

    def _term_names(self):
        """The names under which terms are reported."""
        paid = [trace.structured_outputs[0] for trace in self.traces()]
        names = [f"{player}/{term}" for terms in paid for player in terms for term in terms[player]]
        return list(dict.fromkeys(names))

    @property
    def metrics(self):
        return [*self.trackers.values(), *self.moved.values()]


class _Training:
    """A network whose calls are in training mode unless they say otherwise."""

    def __init__(self, network):
        self._network = network

    def __call__(self, *inputs, training=True, **keywords):
        return self._network(*inputs, training=training, **keywords)

    def __getattr__(self, name):
        return getattr(self._network, name)


def _spec(variable):
    return tf.TensorSpec(variable.shape, variable.dtype)

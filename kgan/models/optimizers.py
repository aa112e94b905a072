"""Adam (Kingma, Ba 2015) whose update of a variable is one kernel.

Keras writes it as some ten operations, each of which reads and writes the whole variable: for
networks with many weights and small batches, as a U-Net's, a large part of a step.
"""

import keras
import tensorflow as tf


class Adam(keras.optimizers.Adam):
    """`keras.optimizers.Adam`: the same arguments, variables and arithmetic."""

    def update_step(self, gradient, variable, learning_rate):
        plain = isinstance(gradient, tf.Tensor) and variable.dtype == tf.float32
        if not plain or self.amsgrad:
            super().update_step(gradient, variable, learning_rate)
            return
        place = self._get_variable_index(variable)
        moves = tf.cast(self.iterations + 1, tf.float32)
        tf.raw_ops.ResourceApplyAdam(
            var=variable.handle, m=self._momentums[place].value.handle,
            v=self._velocities[place].value.handle, beta1_power=tf.pow(self.beta_1, moves),
            beta2_power=tf.pow(self.beta_2, moves), lr=tf.cast(learning_rate, tf.float32),
            beta1=self.beta_1, beta2=self.beta_2, epsilon=self.epsilon,
            grad=tf.cast(gradient, tf.float32),
        )

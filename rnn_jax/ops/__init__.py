"""Arrays in, arrays out: the ground floor. No parameters, no state, no time."""

from rnn_jax.ops import initializers as initializers
from rnn_jax.ops.dropout import drop as drop
from rnn_jax.ops.dropout import keep_mask as keep_mask
from rnn_jax.ops.gradients import clip_gradient_norm as clip_gradient_norm
from rnn_jax.ops.gradients import clip_gradient_value as clip_gradient_value
from rnn_jax.ops.linear import affine as affine
from rnn_jax.ops.linear import matmul as matmul
from rnn_jax.ops.linear import real_dtype as real_dtype
from rnn_jax.ops.linear import scale as scale
from rnn_jax.ops.linear import shift as shift
from rnn_jax.ops.linear import wider as wider
from rnn_jax.ops.masks import length_mask as length_mask
from rnn_jax.ops.masks import select as select
from rnn_jax.ops.norm import layer_norm as layer_norm
from rnn_jax.ops.ridge import Readout as Readout
from rnn_jax.ops.ridge import RidgeStats as RidgeStats
from rnn_jax.ops.ridge import ridge_init as ridge_init
from rnn_jax.ops.ridge import ridge_merge as ridge_merge
from rnn_jax.ops.ridge import ridge_solve as ridge_solve
from rnn_jax.ops.ridge import ridge_update as ridge_update
from rnn_jax.ops.tracing import depends as depends
from rnn_jax.ops.types import batch_like as batch_like
from rnn_jax.ops.types import explicit_sharding as explicit_sharding
from rnn_jax.ops.types import vary_like as vary_like
from rnn_jax.ops.types import varying_axes as varying_axes
from rnn_jax.ops.windows import windows as windows

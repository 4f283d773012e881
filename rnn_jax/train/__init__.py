"""What training scripts have in common: run directory, checkpoints, progress, command line."""

from rnn_jax.train import averaging as averaging
from rnn_jax.train import cli as cli
from rnn_jax.train import parallel as parallel
from rnn_jax.train.checkpoint import Checkpoints as Checkpoints
from rnn_jax.train.errors import MismatchError as MismatchError
from rnn_jax.train.errors import StorageError as StorageError
from rnn_jax.train.fit import fit as fit
from rnn_jax.train.fit import restore_params as restore_params
from rnn_jax.train.loop import Report as Report
from rnn_jax.train.loop import loop as loop
from rnn_jax.train.optimizers import Optimizer as Optimizer
from rnn_jax.train.plot import loss_curve as loss_curve
from rnn_jax.train.progress import Progress as Progress
from rnn_jax.train.run import Run as Run
from rnn_jax.train.saved import SavedRun as SavedRun
from rnn_jax.train.saved import read_metrics as read_metrics
from rnn_jax.train.saved import read_run as read_run
from rnn_jax.train.settings import Settings as Settings
from rnn_jax.train.state import TrainState as TrainState
from rnn_jax.train.state import apply_gradient as apply_gradient
from rnn_jax.train.stop import StopSignal as StopSignal

"""Models for whole tasks, as Flax NNX modules: batch first, each with a loss."""

from rnn_jax.models.classifier import Classifier as Classifier
from rnn_jax.models.classifier import ClassifierConfig as ClassifierConfig
from rnn_jax.models.letters import Letters as Letters
from rnn_jax.models.letters import LettersConfig as LettersConfig
from rnn_jax.models.pooling import Pooling as Pooling
from rnn_jax.models.pure import Pure as Pure
from rnn_jax.models.pure import PureStep as PureStep
from rnn_jax.models.pure import take_apart as take_apart
from rnn_jax.models.reader import Reader as Reader
from rnn_jax.models.reader import ReaderConfig as ReaderConfig
from rnn_jax.models.tagger import Tagger as Tagger
from rnn_jax.models.tagger import TaggerConfig as TaggerConfig
from rnn_jax.models.video_classifier import VideoClassifier as VideoClassifier
from rnn_jax.models.video_classifier import VideoClassifierConfig as VideoClassifierConfig

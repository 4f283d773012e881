"""Models for whole tasks, as Flax NNX modules: batch first, each with a loss."""

from rnn_jax.models.bridges import Bridge as Bridge
from rnn_jax.models.captioner import Captioner as Captioner
from rnn_jax.models.captioner_config import CaptionerConfig as CaptionerConfig
from rnn_jax.models.classifier import Classifier as Classifier
from rnn_jax.models.classifier import ClassifierConfig as ClassifierConfig
from rnn_jax.models.cnn import CNN as CNN
from rnn_jax.models.ctc_recogniser import CTCRecogniser as CTCRecogniser
from rnn_jax.models.ctc_recogniser import CTCRecogniserConfig as CTCRecogniserConfig
from rnn_jax.models.decoder import Decoder as Decoder
from rnn_jax.models.decoder import DecoderOutput as DecoderOutput
from rnn_jax.models.decoder import DecoderState as DecoderState
from rnn_jax.models.decoder_config import DecoderConfig as DecoderConfig
from rnn_jax.models.encoder import Encoder as Encoder
from rnn_jax.models.encoder import EncoderOutput as EncoderOutput
from rnn_jax.models.forecaster import Forecast as Forecast
from rnn_jax.models.forecaster import Forecaster as Forecaster
from rnn_jax.models.forecaster import ForecasterConfig as ForecasterConfig
from rnn_jax.models.gated_attention import GatedAttention as GatedAttention
from rnn_jax.models.gated_attention import GatedAttentionParams as GatedAttentionParams
from rnn_jax.models.language_model import LanguageModel as LanguageModel
from rnn_jax.models.language_model import LanguageModelConfig as LanguageModelConfig
from rnn_jax.models.letters import Letters as Letters
from rnn_jax.models.letters import LettersConfig as LettersConfig
from rnn_jax.models.listen_attend_spell import ListenAttendSpell as ListenAttendSpell
from rnn_jax.models.listen_attend_spell import SpellerState as SpellerState
from rnn_jax.models.listen_attend_spell_config import (
    ListenAttendSpellConfig as ListenAttendSpellConfig,
)
from rnn_jax.models.pooling import Pooling as Pooling
from rnn_jax.models.pure import Pure as Pure
from rnn_jax.models.pure import PureStep as PureStep
from rnn_jax.models.pure import take_apart as take_apart
from rnn_jax.models.reader import Reader as Reader
from rnn_jax.models.reader import ReaderConfig as ReaderConfig
from rnn_jax.models.search import Found as Found
from rnn_jax.models.seq2seq import Seq2Seq as Seq2Seq
from rnn_jax.models.seq2seq_config import Seq2SeqConfig as Seq2SeqConfig
from rnn_jax.models.speech import Encoded as Encoded
from rnn_jax.models.speech import Hypotheses as Hypotheses
from rnn_jax.models.speech import SpeechEncoder as SpeechEncoder
from rnn_jax.models.speech import SpeechEncoderConfig as SpeechEncoderConfig
from rnn_jax.models.speech import Transcript as Transcript
from rnn_jax.models.speech_alignment import speech_alignment as speech_alignment
from rnn_jax.models.speech_search import recognise as recognise
from rnn_jax.models.speech_search import recognise_all as recognise_all
from rnn_jax.models.tagger import Tagger as Tagger
from rnn_jax.models.tagger import TaggerConfig as TaggerConfig
from rnn_jax.models.transducer import Transducer as Transducer
from rnn_jax.models.transducer import TransducerConfig as TransducerConfig
from rnn_jax.models.video_classifier import VideoClassifier as VideoClassifier
from rnn_jax.models.video_classifier import VideoClassifierConfig as VideoClassifierConfig

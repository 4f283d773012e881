"""What rnn_jax costs beside other ways to do the same, measured by programs that anyone can run."""

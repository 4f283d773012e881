"""The scripts here need the peers, so looking for doctests must not import them."""

collect_ignore_glob = ["make_*.py"]

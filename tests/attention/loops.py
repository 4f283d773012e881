"""Attention as the papers write it, for one row and one query, in NumPy: loops over places.

Each takes the parameters, the real steps m (n, E) of the memory, the query q and what the row has
seen so far (a list of earlier weights), and returns scores or weights, one number for each place.
"""

import numpy as np


def sigmoid(a):
    return 1 / (1 + np.exp(-a))


def softmax(e):
    e = np.exp(e - np.max(e))
    return e / e.sum()


def dot(params, m, q, past):
    return np.array([sum(a * b for a, b in zip(q, one)) for one in m])


def scaled(params, m, q, past):
    return dot(params, m, q, past) / np.sqrt(len(q))


def general(params, m, q, past):
    return np.array([q @ params.w_k.T @ one for one in m])


def _additive(p, m, q, more=None):
    v = p.v if p.g is None else p.g * p.v / np.sqrt((p.v**2).sum())
    scores = []
    for s, one in enumerate(m):
        hidden = p.w_q.T @ q + p.w_k.T @ one + p.b
        scores.append(v @ np.tanh(hidden if more is None else hidden + more[s]))
    return np.array(scores)


def additive(params, m, q, past):
    return _additive(params, m, q)


def concat(params, m, q, past):
    return np.array([params.v @ np.tanh(np.concatenate([q, one]) @ params.w) for one in m])


def _filtered(params, seen):
    """u^T f_s for each place: the filters slide over what was seen, zero beyond the ends."""
    width, num = params.filters.shape
    features = np.zeros((len(seen), num))
    for s in range(len(seen)):
        for j in range(width):
            at = s + j - (width - 1) // 2
            if 0 <= at < len(seen):
                features[s] += seen[at] * params.filters[j]
    return features @ params.u


def location(params, m, q, past):
    seen = past[-1] if past else np.zeros(len(m))
    return _additive(params.score, m, q, _filtered(params, seen))


def location_cumulative(params, m, q, past):
    return _additive(params.score, m, q, _filtered(params, sum(past, np.zeros(len(m)))))


def coverage(params, m, q, past):
    covered = sum(past, np.zeros(len(m)))
    return _additive(params.score, m, q, [c * params.w_c[0] for c in covered])


def _local_p(params, m, q, window):
    centre = len(m) * sigmoid(params.v_p @ np.tanh(params.w_p.T @ q))
    near = [s for s in range(len(m)) if abs(s - centre) <= window]
    bell = np.array([np.exp(-((s - centre) ** 2) / (2 * (window / 2) ** 2)) for s in near])
    return near, bell, general(params.attention, m, q, None)


def local_p(params, m, q, past, window=2):
    """Luong's: softmax within the window, times the bell."""
    near, bell, scores = _local_p(params, m, q, window)
    weights = np.zeros(len(m))
    weights[near] = softmax(scores[near]) * bell
    return weights


def local_p_renormalised(params, m, q, past):
    weights = local_p(params, m, q, past)
    return weights / weights.sum()


def local_m(params, m, q, past, window=1):
    centre = min(len(past), len(m) - 1)
    near = [s for s in range(len(m)) if abs(s - centre) <= window]
    weights = np.zeros(len(m))
    weights[near] = softmax(dot(None, m, q, None)[near])
    return weights


def monotonic(params, m, q, past):
    """All ways to go forward from every place, each with its probability."""
    p = sigmoid(_additive(params.attention, m, q) + params.r)
    before = past[-1] if past else np.eye(len(m))[0]
    weights = np.zeros(len(m))
    for start in range(len(m)):
        for stop in range(start, len(m)):
            weights[stop] += before[start] * np.prod(1 - p[start:stop]) * p[stop]
    return weights


def monotonic_hard(params, m, q, past):
    scores = _additive(params.attention, m, q) + params.r
    before = past[-1] if past else np.eye(len(m))[0]
    weights = np.zeros(len(m))
    if before.any():
        ahead = [s for s in range(int(before.argmax()), len(m)) if scores[s] > 0]
        weights[ahead[:1]] = 1
    return weights


def hard(params, m, q, past):
    return np.eye(len(m))[_additive(params.attention, m, q).argmax()]


def _mlp(layers, x):
    for k, layer in enumerate(layers):
        x = layer.w.T @ x + layer.b
        x = np.tanh(x) if k + 1 < len(layers) else x
    return x


def mlp_heads(params, m, q, past, num_heads=2):
    """(context, weights (N, n))."""
    queries = np.split(_mlp(params.query, q), num_heads)
    keys = [np.split(_mlp(params.key, one), num_heads) for one in m]
    weights = np.array(
        [softmax(np.array([queries[n] @ key[n] for key in keys])) for n in range(num_heads)]
    )
    read = np.concatenate([sum(w * one for w, one in zip(head, m)) for head in weights])
    return read @ params.w_o + params.b_o, weights


def multi_head(p, m, q, past, num_heads=2):
    """(context, weights (N, n))."""
    queries = np.split(q @ p.w_q + p.b_q, num_heads)
    keys = [np.split(one @ p.w_k + p.b_k, num_heads) for one in m]
    values = [np.split(one @ p.w_v + p.b_v, num_heads) for one in m]
    weights, read = [], []
    for n in range(num_heads):
        scores = [queries[n] @ key[n] / np.sqrt(len(queries[n])) for key in keys]
        weights.append(softmax(np.array(scores)))
        read.append(sum(w * value[n] for w, value in zip(weights[-1], values)))
    return np.concatenate(read) @ p.w_o + p.b_o, np.array(weights)

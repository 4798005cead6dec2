"""Who answers this request? A keyed hash of the entity, with a key per rollout."""

from collections.abc import Iterable
from hashlib import blake2b

import numpy as np

__all__ = ["in_challenger_arm", "position"]

_SPACE = float(2**64)


def position(entity: str, *, key: str) -> float:
    """Where `entity` stands in [0, 1) for the rollout of `key`: uniform, and independent between keys.

    >>> position("c1", key="fraud/1") == position("c1", key="fraud/1") != position("c1", key="fraud/2")
    True
    """
    # CRC32 with a salt would put the same entities first in every rollout; a keyed blake2b does not.
    # It takes 64 bytes of key, so the key is hashed: cut off, a long problem's name would swallow the rollout's number.
    digest = blake2b(entity.encode(), key=blake2b(key.encode()).digest(), digest_size=8).digest()
    return int.from_bytes(digest, "big") / _SPACE


def in_challenger_arm(entities: Iterable[str], *, key: str, share: float) -> np.ndarray:
    """Boolean, shape (n,): True where the challenger answers. An entity inside at 5 % stays inside at 25 %."""
    names = [str(entity) for entity in entities]
    inside = {name: position(name, key=key) < share for name in set(names)}
    return np.array([inside[name] for name in names], dtype=bool)

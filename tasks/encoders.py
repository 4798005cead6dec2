"""How does a column that is no number become one? Transformers of ours beside scikit-learn's, importable, and so savable."""

from copy import copy
from typing import Any

import numpy as np
import pandas as pd
from sklearn.base import BaseEstimator, TransformerMixin
from sklearn.decomposition import TruncatedSVD
from sklearn.feature_extraction.text import TfidfVectorizer

__all__ = ["DateParts", "DaysBetween", "Frequencies", "JoinedCategories", "Phrases", "Product", "Words"]

_DAY = pd.Timedelta(days=1)


class _RowByRow(TransformerMixin, BaseEstimator):
    """Learns nothing: what becomes of a row depends on that row alone."""

    def fit(self, X: pd.DataFrame, y: Any = None) -> "_RowByRow":
        self.n_features_in_ = X.shape[1]
        return self

    def __sklearn_is_fitted__(self) -> bool:
        return True


class DateParts(_RowByRow):
    """Times as numbers: year, month, weekday (0 Monday), hour and day of the year; as a circle, shape (n, 10) a column,
    also where on the year, the week and the day it lies, as sine and cosine, so that a straight line can follow them."""

    def __init__(self, shape: str = "parts") -> None:
        self.shape = shape

    def transform(self, X: pd.DataFrame) -> np.ndarray:
        return np.hstack([self._one(_utc(X[name])) for name in X.columns])

    def _one(self, time: pd.Series) -> np.ndarray:
        at = time.dt
        hour = at.hour + at.minute / 60
        if self.shape == "parts":
            return np.column_stack([at.year, at.month, at.dayofweek, at.hour, at.dayofyear]).astype(float)
        turns = [(at.dayofyear - 1) / 365.25, (at.dayofweek + hour / 24) / 7, hour / 24]
        circles = [way(2 * np.pi * turn.astype(float)) for turn in turns for way in (np.sin, np.cos)]
        years = at.year + (at.dayofyear - 1) / 365.25
        return np.column_stack([years.astype(float), *circles])


class DaysBetween(_RowByRow):
    """Days from the second time to the first, shape (n, 1); nan where one is missing."""

    def transform(self, X: pd.DataFrame) -> np.ndarray:
        first, second = (_utc(X[name]) for name in X.columns)
        return ((first - second) / _DAY).to_numpy(dtype=float)[:, None]


class Product(_RowByRow):
    """The product of two numbers, shape (n, 1); nan where one is missing."""

    def transform(self, X: Any) -> np.ndarray:
        pair = np.asarray(X, dtype=float)
        return (pair[:, 0] * pair[:, 1])[:, None]


class JoinedCategories(_RowByRow):
    """Two texts as one category, shape (n, 1); missing where both are."""

    def transform(self, X: pd.DataFrame) -> pd.DataFrame:
        first, second = (X[name].astype(object) for name in X.columns)
        both = first.where(first.notna(), "").astype(str) + "\x1f" + second.where(second.notna(), "").astype(str)
        return pd.DataFrame({" and ".join(map(str, X.columns)): both.where(first.notna() | second.notna(), np.nan)})


class Frequencies(TransformerMixin, BaseEstimator):
    """Each category's share of the training rows; an unseen one has none, and missing values share one of their own."""

    def fit(self, X: pd.DataFrame, y: Any = None) -> "Frequencies":
        self.n_features_in_ = X.shape[1]
        self.categories_, self.shares_ = [], []
        for name in X.columns:
            shares = _keys(X[name]).value_counts(normalize=True).sort_index()
            self.categories_.append(shares.index.to_numpy(dtype=object))
            self.shares_.append(shares.to_numpy(dtype=float))
        return self

    def transform(self, X: pd.DataFrame) -> np.ndarray:
        columns = []
        for name, known, shares in zip(X.columns, self.categories_, self.shares_, strict=True):
            at = pd.Index(known, dtype=object).get_indexer(pd.Index(_keys(X[name]), dtype=object))
            columns.append(np.where(at < 0, 0.0, shares[at]))
        return np.column_stack(columns)


class Words(TransformerMixin, BaseEstimator):
    """One column of text as TF-IDF of its `words` most frequent words; with `topics` as that many dense numbers, which
    are its strongest directions (TruncatedSVD). A text without a known word is zero in all of them."""

    def __init__(self, words: int = 500, topics: int | None = None, seed: int = 0) -> None:
        self.words, self.topics, self.seed = words, topics, seed

    def fit(self, X: pd.DataFrame, y: Any = None) -> "Words":
        self.n_features_in_ = X.shape[1]
        texts = _texts(X)
        self.tfidf_: TfidfVectorizer | None = self._vectorizer()
        self.svd_: TruncatedSVD | None = None
        try:
            counted = self.tfidf_.fit_transform(texts)
        except ValueError:  # not one word: nothing to tell rows apart by
            self.tfidf_ = None
            return self
        if self.topics is not None:
            width = min(self.topics, *counted.shape)
            self.svd_ = TruncatedSVD(width, random_state=self.seed).fit(counted) if counted.shape[1] > width else None
        return self

    def _vectorizer(self) -> TfidfVectorizer:
        return TfidfVectorizer(max_features=self.words, dtype=np.float64)

    def __getstate__(self) -> dict[str, Any]:
        state = dict(super().__getstate__())
        if state.get("tfidf_") is not None:
            # scikit-learn remembers where in memory None lies. In the file it would make one model another in each process.
            state["tfidf_"] = copy(state["tfidf_"])
            state["tfidf_"].__dict__.pop("_stop_words_id", None)
        return state

    def transform(self, X: pd.DataFrame) -> Any:
        if self.tfidf_ is None:
            return np.zeros((len(X), 1))
        counted = self.tfidf_.transform(_texts(X))
        if self.topics is None:
            return counted
        return counted.toarray() if self.svd_ is None else self.svd_.transform(counted)


class Phrases(Words):
    """Words, and up to `ngrams` of them in a row as one: "not" and "paid" say something else than "not paid"."""

    def __init__(self, words: int = 500, topics: int | None = None, seed: int = 0, ngrams: int = 2) -> None:
        super().__init__(words, topics, seed)
        self.ngrams = ngrams

    def _vectorizer(self) -> TfidfVectorizer:
        return TfidfVectorizer(max_features=self.words, ngram_range=(1, self.ngrams), dtype=np.float64)


def _utc(time: pd.Series) -> pd.Series:
    return pd.to_datetime(time, utc=True)


def _keys(column: pd.Series) -> pd.Series:
    """Categories as texts, by which 3 and 3.0 are one; missing ones are the empty text's neighbour, and no text."""
    whole = pd.api.types.is_numeric_dtype(column)
    texts = column.astype(float).map(repr) if whole else column.astype(object).map(str)
    return texts.where(column.notna(), "\x00missing").astype(object)


def _texts(X: pd.DataFrame) -> list[str]:
    return ["" if pd.isna(text) else str(text) for text in X.iloc[:, 0].tolist()]

"""demo placeholder"""

from datetime import timedelta

from flows.replay import Planned
from schemas.plans import Reason
from schemas.problem import load_problem

P = load_problem("fraud")
S = P.source.starts
leaky = P.recipe.model_copy(update={"features": (*P.recipe.features, "review_score")}).model_dump(mode="json")
brittle = P.recipe.model_copy(
    update={"unseen_categories": "raise", "parameters": {"max_iter": 150, "learning_rate": 0.08}}
).model_dump(mode="json")
PLANNED = (
    Planned(S + timedelta(days=287), "try the analysts' score as a feature", "ana", leaky),
    Planned(S + timedelta(days=304), "more trees", "ben", brittle, Reason.FORCED),
)

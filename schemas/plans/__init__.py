"""How carefully, how often and on which evidence does a problem's model get renewed?

Every number says its unit and its reason. A problem overrides what its own traffic and labels call for.
"""

from schemas.plans.data import DataPlan
from schemas.plans.improvement import ImprovementPlan, Tier
from schemas.plans.monitoring import MonitoringPlan
from schemas.plans.retraining import Reach, RetrainingPlan
from schemas.plans.rollout import RolloutPlan
from schemas.plans.serving import ServingPlan
from schemas.plans.words import Gate, PairedTest, Promotion, Reason

__all__ = [
    "DataPlan",
    "Gate",
    "ImprovementPlan",
    "MonitoringPlan",
    "PairedTest",
    "Promotion",
    "Reach",
    "Reason",
    "RetrainingPlan",
    "RolloutPlan",
    "ServingPlan",
    "Tier",
]

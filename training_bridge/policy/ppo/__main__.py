"""python -m training_bridge.policy.ppo DIR"""

from training_bridge.policy.ppo.train import ppo
from training_bridge.programs import execute

execute(ppo)

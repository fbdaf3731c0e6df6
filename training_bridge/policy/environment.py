"""What torch and the hub read when they are imported; a program imports this first.

The runner sets the same for the programs it starts; this is for a program started from a shell.
"""

import os

from training_bridge.programs import ENVIRONMENT

for _name, _value in ENVIRONMENT.items():
    os.environ.setdefault(_name, _value)

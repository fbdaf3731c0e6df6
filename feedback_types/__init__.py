"""What a labeler can say: one folder per feedback type, plus the contract they share.

`WHETSTONE_TYPES_PATH` (folders separated by the system's path separator) adds types that live elsewhere: each of its
sub-folders is a type, exactly like the ones beside this file.
"""

import os

__path__.extend(folder for folder in os.environ.get("WHETSTONE_TYPES_PATH", "").split(os.pathsep) if folder)

"""What samples (RolloutEngine) and what trains (TrainEngine). Imported only by stages that need torch.

Each stage is a process of its own: what its start and its end need not do is left out here.
"""

import atexit
import gc
import sys
from unittest.mock import patch

from transformers.utils.import_utils import is_scipy_available, is_sklearn_available

# For detection losses and assisted decoding transformers imports these, and they pandas, where it finds them: 2 s, and nothing
# that is used here. Whether it does is asked once.
with patch.dict(sys.modules, {"scipy": None, "sklearn": None}):
    for is_available in (is_scipy_available, is_sklearn_available):
        is_available.cache_clear()
        is_available()

# As it ends Python collects all that torch and transformers have made: 2 s more. What is frozen it leaves alone.
atexit.register(gc.freeze)

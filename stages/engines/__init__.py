"""What samples (RolloutEngine) and what trains (TrainEngine). Imported only by stages that need torch.

Each stage is a process of its own: what its start and its end need not do is left out here.
"""

import atexit
import gc
import sys

from transformers.utils.import_utils import is_scipy_available, is_sklearn_available

# For detection losses and assisted decoding transformers imports these, and they pandas, where it finds them: 2 s, and nothing
# that is used here. It looks for each once, and finds none.
for _name, _is_available in (("scipy", is_scipy_available), ("sklearn", is_sklearn_available)):
    _loaded = sys.modules.get(_name)
    sys.modules[_name] = None  # type: ignore[assignment]  # as the import system has what can't be imported
    _is_available.cache_clear()
    _is_available()
    del sys.modules[_name]
    if _loaded is not None:
        sys.modules[_name] = _loaded

# As it ends Python collects all that torch and transformers have made: 2 s more. What is frozen it leaves alone.
atexit.register(gc.freeze)

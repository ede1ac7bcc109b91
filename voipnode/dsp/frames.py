"""The one shape that sound has inside the node: mono float32 frames of 10 ms, full scale 1.0."""

from __future__ import annotations

from typing import TypeAlias

import numpy as np
from numpy.typing import NDArray

Frame: TypeAlias = NDArray[np.float32]

FRAMES_PER_S = 100

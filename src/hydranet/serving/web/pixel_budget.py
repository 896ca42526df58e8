"""How many pixels are decoded at a time: what bounds memory, whatever sizes come."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager


class PixelBudget:
    """Requests take their image's pixels out of one budget, and wait in turn where there are too few left."""

    def __init__(self, pixels: int) -> None:
        self._left, self._changed, self._turn = pixels, asyncio.Condition(), asyncio.Lock()

    @asynccontextmanager
    async def hold(self, pixels: int) -> AsyncIterator[None]:
        """Within the `with` statement the pixels belong to the caller. pixels: at most the whole budget."""
        async with self._turn, self._changed:  # first come, first served: small images never starve a large one
            await self._changed.wait_for(lambda: self._left >= pixels)
            self._left -= pixels
        try:
            yield
        finally:
            async with self._changed:
                self._left += pixels
                self._changed.notify_all()

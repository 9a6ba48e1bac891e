"""The size limit of an app's build cache. A cache over the limit does not fail the build."""

from skypanel.domain import transcript
from skypanel.domain.limits import BUILD_LIMITS
from skypanel.flow import scripts
from skypanel.flow.runtimes import Compiler
from skypanel.ports.builder import StepFailed


async def bound(compiler: Compiler) -> None:
    """Delete a cache that is over its limit, and say so in the output."""
    kept_bytes, kept_files = BUILD_LIMITS.cache_bytes, BUILD_LIMITS.cache_files
    step = compiler.step("bash", "-c", scripts.BOUND, "bound", "/cache", str(kept_bytes), str(kept_files))
    try:
        over = (await compiler.text(step)).split()
    except StepFailed:
        return
    if over:
        held = f"{transcript.size(int(over[0]))} in {int(over[1]):,} files"
        limit = f"{transcript.size(kept_bytes)} in {kept_files:,} files"
        await compiler.write(transcript.detail(f"Not kept for the next build: the build cache has {held}; the limit is {limit}."))

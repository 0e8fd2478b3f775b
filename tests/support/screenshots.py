"""Take pictures of each page: light, dark and narrow, small enough for a repository.

Started by `scripts/screenshots [--to docs/images] [PAGE]...`.
"""

from __future__ import annotations

import argparse
import io
import math
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from PIL import Image

from benchmarks.seed import PAGES
from redisjobs import RedisJobs
from tests.support import lively
from tests.support.browser import NARROW, WIDE, Visitor, chromium
from tests.support.real_redis import RealRedis
from tests.support.site import Site

LOOKS = {"light": (WIDE, False), "dark": (WIDE, True), "narrow": (NARROW, False)}
MAX_BYTES = 150_000
MAX_HEIGHT_PX = 1_600
LIVE = ("dashboard", "queues")
BUSY_MS = 40_000
"""For so long a page that is live is watched before its picture is taken."""


def small(picture: bytes) -> bytes:
    """Return a PNG of at most 150 kB: with as many colours as fit, and no more than a screen and a half of height."""
    image = Image.open(io.BytesIO(picture)).convert("RGB")
    image = image.crop((0, 0, image.width, min(image.height, MAX_HEIGHT_PX)))
    for colours in (128, 64, 32, 16):
        packed = io.BytesIO()
        image.quantize(colours, dither=Image.Dither.NONE).save(packed, "PNG", optimize=True)
        if packed.tell() <= MAX_BYTES:
            break
    return packed.getvalue()


def take(site: Site, folder: Path, names: list[str]) -> list[str]:
    """Write `NAME-LOOK.png` for each page and look; return what the pages complained of."""
    with chromium() as browser:
        visitor = Visitor(browser)
        for name in names:
            for look, (width, dark) in LOOKS.items():
                page = visitor.page(site.url + PAGES[name], width=width, dark=dark)
                if name in LIVE and look == "light":
                    page.wait_for_timeout(BUSY_MS)
                file = folder / f"{name}-{look}.png"
                file.write_bytes(small(page.screenshot(full_page=True, animations="disabled")))
                print(f"{file}: {file.stat().st_size / 1e3:.0f} kB")
                page.close()
        visitor.leave()
    return visitor.complaints


@contextmanager
def at_work(redis: RealRedis) -> Iterator[None]:
    """Have the counters go up as if jobs ran, some hundred a second, more and less."""
    ended = threading.Event()

    def run() -> None:
        turn = 0
        while not ended.wait(0.25):
            turn += 1
            redis.client.incrby("stat:processed", int(90 + 35 * math.sin(turn / 9) + turn * 7 % 13))
            redis.client.incrby("stat:failed", turn * 5 % 7)

    thread = threading.Thread(target=run, daemon=True)
    thread.start()
    yield
    ended.set()
    thread.join()


def main() -> int:
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("names", nargs="*", metavar="PAGE", help=f"some of {', '.join(PAGES)} (default: all)")
    parser.add_argument("--to", type=Path, default=Path("docs/images"), metavar="FOLDER", help="(docs/images)")
    args = parser.parse_args()
    if unknown := set(args.names) - set(PAGES):
        parser.error(f"no page is called {', '.join(sorted(unknown))}; there are {', '.join(PAGES)}")
    args.to.mkdir(parents=True, exist_ok=True)
    with RealRedis() as redis:
        lively.seed(redis)
        app = RedisJobs(redis.url)
        site = Site(app.web())
        with at_work(redis):
            complaints = take(site, args.to, args.names or list(PAGES))
        site.close()
        app.close()
    print("\n".join(complaints), file=sys.stderr)
    return 1 if complaints else 0


if __name__ == "__main__":
    sys.exit(main())

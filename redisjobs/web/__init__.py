"""The web UI: pages for people and a JSON API, over the inspector. An ASGI app, to be served alone or mounted.

Must not know: workers, the app that jobs are declared in. It gets an `Access` and settings.
Always holds: nobody is let in beyond loopback unless it was said who may; what came from Redis is escaped and redacted.
"""

from redisjobs.web.accounts import Account, Role, User, hash_password
from redisjobs.web.settings import Settings
from redisjobs.web.site import Web
from redisjobs.web.tabs import Tab
from redisjobs.web.view import View

__all__ = ["Account", "Role", "Settings", "Tab", "User", "View", "Web", "hash_password"]

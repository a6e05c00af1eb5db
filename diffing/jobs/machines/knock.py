"""One knock at a Ray cluster's head, with the token of the environment: `python -m … ADDRESS` says how it went.

In a process of its own, as Ray reads the token once in a process. Says `in`, `refused`, or what went wrong.
"""

import sys

from ray._raylet import GcsClient  # type: ignore[attr-defined]  # compiled, and tells no types
from ray.exceptions import AuthenticationError, RaySystemError, RpcError


def said(address: str) -> str:
    try:
        # The smallest question that the head answers to nobody without its token.
        GcsClient(address=address).internal_kv_get(b"session_name", namespace=b"session", timeout=10)
    except AuthenticationError:
        return "refused"
    except (RpcError, RaySystemError, OSError) as error:
        return str(error).splitlines()[0][:200] or type(error).__name__
    return "in"


if __name__ == "__main__":
    sys.stdout.write(said(sys.argv[1]))

"""What servers of the dashboard are tried with: an environment that would open its door, and a free port."""

import socket

PATIENCE = 300.0
"""Seconds until a wait is given up: only a fault takes that long, on the busiest machine too."""
OPEN = {
    "STREAMLIT_SERVER_ADDRESS": "0.0.0.0",
    "STREAMLIT_SERVER_ALLOWED_HOSTS": "*",
    "STREAMLIT_SERVER_ENABLE_CORS": "false",
    "STREAMLIT_SERVER_ENABLE_XSRF_PROTECTION": "false",
    "STREAMLIT_SERVER_BASE_URL_PATH": "elsewhere",
    "STREAMLIT_GLOBAL_DEVELOPMENT_MODE": "true",
    "STREAMLIT_CLIENT_SHOW_ERROR_DETAILS": "full",
    "http_proxy": "http://127.0.0.1:9",
    "HTTP_PROXY": "http://127.0.0.1:9",
    "ALL_PROXY": "socks5://127.0.0.1:9",
}
"""An environment that would open the door, and send the first look at it to a proxy."""
TUNNEL = "http://localhost:9000"


def free() -> int:
    with socket.socket() as found:
        found.bind(("127.0.0.1", 0))
        return int(found.getsockname()[1])

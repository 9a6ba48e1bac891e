"""The smallest web app: it says hello, and which release of it does."""

import os
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer


class Hello(BaseHTTPRequestHandler):
    """Answer every GET."""

    def do_GET(self) -> None:
        """Say hello, and from which dyno."""
        body = f"Hello from {os.environ['DYNO']}, pushed with git.\n".encode()
        self.send_response(200)
        self.send_header("Content-Type", "text/plain; charset=utf-8")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)


ThreadingHTTPServer(("", int(os.environ["PORT"])), Hello).serve_forever()

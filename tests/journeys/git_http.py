"""git's own HTTP server behind Python's: `git_http.py ROOT ADDRESS` (https://git-scm.com/docs/git-http-backend)."""

import base64
import os
import subprocess
import sys
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from urllib.parse import urlsplit

PORT = 8000
LOGIN = ("builder", "token-of-the-builder")
CHALLENGE = 401
AUTHORIZATION = f"Basic {base64.b64encode(':'.join(LOGIN).encode()).decode()}"


class Backend(BaseHTTPRequestHandler):
    root = ""

    def do_GET(self) -> None:
        url = urlsplit(self.path)
        if url.path.startswith("/private/") and self.headers["Authorization"] != AUTHORIZATION:
            self.send_response(CHALLENGE)
            self.send_header("WWW-Authenticate", 'Basic realm="private"')
            self.end_headers()
            return
        environment = {
            "PATH": os.environ["PATH"],
            "GIT_PROJECT_ROOT": self.root,
            "GIT_HTTP_EXPORT_ALL": "1",
            "GIT_CONFIG_COUNT": "1",
            "GIT_CONFIG_KEY_0": "safe.directory",
            "GIT_CONFIG_VALUE_0": "*",
            "GIT_PROTOCOL": self.headers.get("Git-Protocol", ""),
            "HTTP_CONTENT_ENCODING": self.headers.get("Content-Encoding", ""),
            "REQUEST_METHOD": self.command,
            "PATH_INFO": url.path,
            "QUERY_STRING": url.query,
            "CONTENT_TYPE": self.headers.get("Content-Type", ""),
        }
        request = self.rfile.read(int(self.headers.get("Content-Length", 0)))
        answer = subprocess.run(["git", "http-backend"], input=request, env=environment, stdout=subprocess.PIPE, check=True).stdout
        head, _, body = answer.partition(b"\r\n\r\n")
        headers = dict(line.decode().split(": ", 1) for line in head.split(b"\r\n"))
        self.send_response(int(headers.pop("Status", "200").split()[0]))
        for name, value in headers.items():
            self.send_header(name, value)
        self.end_headers()
        self.wfile.write(body)

    do_POST = do_GET  # noqa: N815 - as http.server looks for it

    def log_message(self, *arguments: object) -> None:
        pass


if __name__ == "__main__":
    Backend.root, address = sys.argv[1:]
    ThreadingHTTPServer((address, PORT), Backend).serve_forever()

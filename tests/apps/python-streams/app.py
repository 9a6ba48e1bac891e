"""Tells what it is asked, streams events, and echoes what a WebSocket says. It goes on after SIGTERM."""

import base64
import hashlib
import json
import os
import signal
import time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Event

# https://www.rfc-editor.org/rfc/rfc6455#section-1.3
GUID = "258EAFA5-E914-47DA-95CA-C5AB0DC85B11"
stopping = Event()


class Answer(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def do_GET(self) -> None:
        match self.path:
            case "/crash":
                os._exit(1)
            case "/events":
                self.stream()
            case "/socket":
                self.talk()
            case _:
                self.tell()

    def do_POST(self) -> None:
        self.tell(self.rfile.read(int(self.headers["Content-Length"])).decode())

    def tell(self, text: str = "") -> None:
        body = json.dumps({"dyno": os.environ["DYNO"], "body": text, "headers": self.headers.items()}).encode()
        self.begin(200, **{"Content-Type": "application/json", "Content-Length": str(len(body))})
        self.wfile.write(body)

    def stream(self) -> None:
        self.close_connection = True
        self.begin(200, **{"Content-Type": "text/event-stream"})
        while True:
            word = "stopping" if stopping.is_set() else "running"
            self.wfile.write(f"data: {word} {time.monotonic()}\n\n".encode())
            time.sleep(0.1)

    def talk(self) -> None:
        """Echo frames of up to 125 bytes."""
        self.close_connection = True
        accept = base64.b64encode(hashlib.sha1((self.headers["Sec-WebSocket-Key"] + GUID).encode()).digest()).decode()
        self.begin(101, **{"Upgrade": "websocket", "Connection": "Upgrade", "Sec-WebSocket-Accept": accept})
        while head := self.rfile.read(2):
            mask, data = self.rfile.read(4), self.rfile.read(head[1] & 0x7F)
            said = bytes(byte ^ mask[place % 4] for place, byte in enumerate(data))
            self.wfile.write(bytes((head[0], len(said))) + said)

    def begin(self, status: int, **headers: str) -> None:
        self.send_response(status)
        for name, value in headers.items():
            self.send_header(name, value)
        self.end_headers()


signal.signal(signal.SIGTERM, lambda *_: stopping.set())
ThreadingHTTPServer(("0.0.0.0", int(os.environ["PORT"])), Answer).serve_forever()

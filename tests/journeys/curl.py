"""The API by curl."""

import json
import subprocess


class Curl:
    """Calls the API as docs/api.md shows it."""

    def __init__(self, panel):
        self.panel = panel
        self.base = f"https://localhost:{panel.ports[2]}"

    def argv(self, *arguments, token=True):
        own = ["--header", f"Authorization: Bearer {self.panel.token}"] if token else []
        return ["curl", "-sS", "--cacert", str(self.panel.home / "panel" / "ca.crt"), *own, *arguments]

    def __call__(self, *arguments, status=None, **more):
        done = subprocess.run(
            self.argv("-w", "\n%{http_code}", *arguments, **more), capture_output=True, text=True, check=True, timeout=120
        )
        body, _, code = done.stdout.rpartition("\n")
        assert status in {None, int(code)}, body
        return json.loads(body) if body.startswith(("{", "[")) else body

    def create(self, app):
        return self("-d", json.dumps({"name": app}), f"{self.base}/apps", status=201)

    def upload(self, body, status=200):
        blob = self("-X", "POST", f"{self.base}/sources", status=201)["source_blob"]
        file = self.panel.home / "upload.tgz"
        file.write_bytes(body)
        self.uploaded = self("-T", str(file), blob["put_url"], status=status, token=False)
        return blob["get_url"]

    def build(self, app, url, status=201, **more):
        body = {"source_blob": {"url": url, **more}}
        return self("-d", json.dumps(body), f"{self.base}/apps/{app}/builds", status=status)

    def output(self, build):
        return self("-N", build["output_stream_url"], token=False)

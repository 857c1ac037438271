"""A stand-in for W&B's server, which can refuse, stop answering or disappear; and a reader of W&B's files."""

import json
import re
import struct
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

KEY = "0123456789abcdef0123456789abcdef01234567"  # has the form of a key
REFUSAL = {"errors": [{"message": "user is not logged in"}]}


class FakeWandb:
    """url: what WANDB_BASE_URL has to be. requests: (path, body) of all that came in.

    status: of every answer from now on. silent: when set, no request is answered any more. last_step: of
    the history that it has of a run which is asked for; None for no such run.
    """

    def __init__(self):
        self.requests: list[tuple[str, bytes]] = []
        self.status = 200
        self.silent = False
        self.last_step: int | None = None
        self._closed = threading.Event()
        fake = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def do_POST(self):
                body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
                fake.requests.append((self.path, body))
                if fake.silent:
                    fake._closed.wait()
                    self.close_connection = True
                    return
                answer = fake.answer(self.path, body) if fake.status == 200 else REFUSAL
                content = json.dumps(answer).encode()
                self.send_response(fake.status)
                self.send_header("Content-Type", "application/json")
                self.send_header("Content-Length", str(len(content)))
                self.end_headers()
                self.wfile.write(content)

            do_GET = do_PUT = do_POST

            def log_message(self, *_):
                pass

        class Server(ThreadingHTTPServer):
            daemon_threads = True

            def handle_error(self, *_):
                pass  # clients that hang up

        self._server = Server(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self._server.server_address[1]}"
        threading.Thread(target=self._server.serve_forever, args=(0.05,), daemon=True).start()

    def close(self) -> None:
        """Go away: from now on nothing listens at this port."""
        self.status = 503  # for connections that are still open
        self._closed.set()
        self._server.shutdown()
        self._server.server_close()

    def queries(self, name: str) -> list[dict]:
        """The variables of the GraphQL mutations of this name."""
        bodies = [json.loads(body) for path, body in self.requests if path == "/graphql"]
        return [body["variables"] for body in bodies if re.search(rf"mutation {name}\b", body["query"])]

    def answer(self, path: str, body: bytes) -> dict:
        """The answer of W&B's server, as far as its client reads it."""
        if path != "/graphql":
            return {}
        request = json.loads(body)
        query, variables = request["query"], request.get("variables") or {}
        if "mutation UpsertBucket" in query:
            project = {
                "id": "project",
                "name": variables["project"],
                "entity": {"id": "entity", "name": "someone"},
            }
            bucket = {
                "id": "bucket",
                "name": variables["name"],
                "displayName": variables["displayName"],
                "config": "{}",
                "historyLineCount": 0,
                "project": project,
            }
            return {"data": {"upsertBucket": {"bucket": bucket, "inserted": True}}}
        if "mutation CreateRunFiles" in query:
            files = [{"name": name, "uploadUrl": f"{self.url}/{name}"} for name in variables["files"]]
            return {"data": {"createRunFiles": {"runID": "bucket", "uploadHeaders": [], "files": files}}}
        if "mutation UpsertView" in query:
            view = {"id": "view", "name": variables["name"]}
            return {"data": {"upsertView": {"view": view, "inserted": True}}}
        if "query RunResumeStatus" in query and self.last_step is not None:
            bucket = {
                "id": "bucket",
                "name": variables["name"],
                "summaryMetrics": json.dumps({"_step": self.last_step}),
                "displayName": "a run",
                "logLineCount": 0,
                "historyLineCount": 3,
                "eventsLineCount": 0,
                "historyTail": json.dumps([json.dumps({"_step": self.last_step, "_runtime": 1})]),
                "eventsTail": "[]",
                "config": "{}",
                "tags": [],
                "wandbConfig": json.dumps({"t": 1}),
            }
            project = {"name": "vaegan", "entity": {"name": "someone"}}
            return {"data": {"model": {"project": project, "id": "model", "bucket": bucket}}}
        if "viewer" in query:
            viewer = {
                "id": "viewer",
                "entity": "someone",
                "username": "someone",
                "flags": "{}",
                "teams": {"edges": []},
            }
            return {"data": {"viewer": viewer}}
        return {"data": {}}

    def history(self) -> list[dict]:
        """The lines of the runs' histories that have come in."""
        streams = [json.loads(body) for path, body in self.requests if path.endswith("file_stream")]
        files = [stream.get("files", {}).get("wandb-history.jsonl", {}) for stream in streams]
        return [json.loads(line) for file in files for line in file.get("content", [])]


def transaction_log(file: Path) -> Iterator:
    """The records of a .wandb file, which is a LevelDB log: blocks of 32 KiB with chunks in them."""
    from wandb.proto import wandb_internal_pb2

    block, head = 32768, 7
    content, at, parts = file.read_bytes(), 7, b""  # behind the file's own header
    while at + head <= len(content):
        if block - at % block < head:  # too little for a chunk: the rest of the block is filled up
            at += block - at % block
            continue
        length, kind = struct.unpack_from("<HB", content, at + 4)
        parts += content[at + head : at + head + length]
        at += head + length
        if kind in (1, 4):  # a whole record, or the last part of one
            record = wandb_internal_pb2.Record()
            record.ParseFromString(parts)
            yield record
            parts = b""

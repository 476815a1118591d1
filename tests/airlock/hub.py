"""The Hub's OAuth, as small as it can be: codes for tokens, tokens for people, over real HTTP on loopback."""

import json
import secrets
from base64 import urlsafe_b64encode
from hashlib import sha256
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Thread
from urllib.parse import parse_qs, urlsplit

SCOPE = "access:services!service=airlock"


class FakeHub:
    """Answers `/hub/api/oauth2/token` and `/hub/api/user` as JupyterHub 6 does."""

    def __init__(self, client_secret):
        self.client_secret = client_secret
        self.codes, self.tokens = {}, {}
        self.asked = 0
        hub = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def do_POST(self):
                form = parse_qs(self.rfile.read(int(self.headers["content-length"])).decode())
                self._say(*hub.trade({key: values[0] for key, values in form.items()}))

            def do_GET(self):
                hub.asked += 1
                model = hub.tokens.get(self.headers["authorization"].removeprefix("token "))
                self._say(*((200, model) if model else (403, {"message": "no"})))

            def _say(self, status, said):
                body = json.dumps(said).encode()
                self.send_response(status)
                self.send_header("Content-Type", "application/json")
                self.send_header("Content-Length", str(len(body)))
                self.end_headers()
                self.wfile.write(body)

            def log_message(self, *_):
                pass

        self.server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.server.daemon_threads = True
        self.thread = Thread(target=self.server.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True)
        self.thread.start()

    @property
    def port(self):
        return self.server.server_address[1]

    def close(self):
        if not self.thread.is_alive():
            return
        self.server.shutdown()
        self.thread.join()
        self.server.server_close()

    def token(self, name, *, kind="user", scopes=(SCOPE,)):
        """A token as the Hub would give it."""
        token = secrets.token_hex(16)
        self.tokens[token] = {"kind": kind, "name": name, "groups": [], "scopes": list(scopes)}
        return token

    def authorize(self, location, name):
        """What the Hub does when a signed-in person is sent to it: returns where it sends them back to."""
        asked = {key: values[0] for key, values in parse_qs(urlsplit(location).query).items()}
        code = secrets.token_hex(16)
        self.codes[code] = (name, asked["code_challenge"], asked["redirect_uri"])
        return f"{asked['redirect_uri']}?code={code}&state={asked['state']}"

    def trade(self, form):
        name, challenge, redirect = self.codes.pop(form.get("code"), (None, None, None))
        verifier = sha256(form.get("code_verifier", "").encode()).digest()
        right = (
            name is not None
            and urlsafe_b64encode(verifier).decode().rstrip("=") == challenge.rstrip("=")
            and form.get("client_secret") == self.client_secret
            and form.get("redirect_uri") == redirect
        )
        return (200, {"access_token": self.token(name)}) if right else (400, {"error": "invalid_grant"})

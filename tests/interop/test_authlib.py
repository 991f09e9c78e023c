"""Authlib (PyPI), as shipped: its Flask client, as a web application uses it, and its plain session."""

import unittest

import flask
from authlib.integrations.base_client import OAuthError
from authlib.integrations.flask_client import OAuth
from authlib.integrations.requests_client import OAuth2Session
from authlib.oauth2.rfc7523 import ClientSecretJWT

from support.person import Person
from support.provider import Provider

APP = "https://app.example"
ALICE = {"email": "alice@example.com", "name": "Alice Liddell", "password": "down the rabbit hole 1865"}


def web_application(client_id, client_secret, discovery):
    """A Flask application as Authlib's documentation shows it."""
    app = flask.Flask(__name__)
    app.secret_key = "of this test's cookies"
    oauth = OAuth(app)
    countersign = oauth.register(
        "countersign",
        client_id=client_id,
        client_secret=client_secret,
        server_metadata_url=discovery,
        client_kwargs={"scope": "openid profile email", "code_challenge_method": "S256"},
    )

    @app.get("/login")
    def login():
        return countersign.authorize_redirect(f"{APP}/callback", **flask.request.args)

    @app.get("/callback")
    def callback():
        try:
            token = countersign.authorize_access_token()
        except OAuthError as error:
            return {"error": error.error}, 403
        return {"token": token, "userinfo": countersign.userinfo(token=token)}

    @app.get("/logout")
    def logout():
        return countersign.logout_redirect(f"{APP}/signed-out", id_token_hint=flask.request.args["id_token"])

    @app.get("/signed-out")
    def signed_out():
        return countersign.validate_logout_response()

    return app.test_client()


class Authlib(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.provider = Provider()
        cls.addClassCleanup(cls.provider.stop)
        cls.provider.add_user(**ALICE)
        cls.discovery = f"{cls.provider.issuer}/.well-known/openid-configuration"

    def add_client(self, client_id, *options):
        return self.provider.add_client(
            client_id, "--redirect-uri", f"{APP}/callback", "--post-logout-redirect-uri", f"{APP}/signed-out", *options
        )

    def plain_session(self, client_id, client_secret, method):
        session = OAuth2Session(
            client_id,
            client_secret,
            token_endpoint_auth_method=method,
            revocation_endpoint_auth_method=method,
            redirect_uri=f"{APP}/callback",
            scope="openid profile email",
            code_challenge_method="S256",
        )
        self.addCleanup(session.close)
        return session

    def test_flask_application_signs_in_and_out(self):
        secret = self.add_client("flask")
        app = web_application("flask", secret, self.discovery)
        person = Person(ALICE["email"], ALICE["password"])

        callback, pages = person.visit(app.get("/login").location, f"{APP}/callback")
        self.assertEqual(pages, ["login", "consent"])
        # Authlib checks the state, the signature, iss, aud, exp, nonce and at_hash.
        signed_in = app.get(callback.removeprefix(APP)).json
        token, claims = signed_in["token"], signed_in["token"]["userinfo"]
        self.assertEqual(claims["iss"], self.provider.issuer)
        self.assertEqual(signed_in["userinfo"]["sub"], claims["sub"])
        self.assertEqual(signed_in["userinfo"]["email"], ALICE["email"])
        self.assertEqual(signed_in["userinfo"]["name"], ALICE["name"])

        session = self.plain_session("flask", secret, "client_secret_basic")
        refreshed = session.refresh_token(f"{self.provider.issuer}/token", token["refresh_token"])
        self.assertNotEqual(refreshed["access_token"], token["access_token"])
        answer = session.get(f"{self.provider.issuer}/userinfo")
        self.assertEqual(answer.json()["sub"], claims["sub"])

        logout = app.get("/logout", query_string={"id_token": token["id_token"]}).location
        returned, pages = person.visit(logout, f"{APP}/signed-out")
        self.assertEqual(pages, [])
        self.assertEqual(app.get(returned.removeprefix(APP)).status_code, 200)

        with self.assertRaises(OAuthError) as refusal:
            session.refresh_token(f"{self.provider.issuer}/token", refreshed["refresh_token"])
        self.assertEqual(refusal.exception.error, "invalid_grant")
        silent = app.get("/login", query_string={"prompt": "none"}).location
        callback, pages = person.visit(silent, f"{APP}/callback")
        self.assertEqual(pages, [])
        self.assertEqual(app.get(callback.removeprefix(APP)).json, {"error": "login_required"})

    def test_client_secret_jwt_introspects_and_revokes(self):
        secret = self.add_client("jwt", "--auth-method", "client_secret_jwt")
        session = self.plain_session("jwt", secret, "client_secret_jwt")
        endpoint = f"{self.provider.issuer}/token"
        session.register_client_auth_method(ClientSecretJWT(endpoint))

        verifier = "a" * 43
        url, state = session.create_authorization_url(f"{self.provider.issuer}/authorize", code_verifier=verifier)
        person = Person(ALICE["email"], ALICE["password"])
        callback, _ = person.visit(url, f"{APP}/callback")
        token = session.fetch_token(endpoint, authorization_response=callback, state=state, code_verifier=verifier)

        introspect, revoke = f"{self.provider.issuer}/introspect", f"{self.provider.issuer}/revoke"
        seen = session.introspect_token(introspect, token["access_token"], "access_token").json()
        self.assertTrue(seen["active"])
        self.assertEqual(seen["client_id"], "jwt")

        answer = session.revoke_token(revoke, token["refresh_token"], "refresh_token")
        self.assertEqual(answer.status_code, 200)
        seen = session.introspect_token(introspect, token["access_token"], "access_token").json()
        self.assertEqual(seen, {"active": False})
        with self.assertRaises(OAuthError) as refusal:
            session.refresh_token(endpoint, token["refresh_token"])
        self.assertEqual(refusal.exception.error, "invalid_grant")


if __name__ == "__main__":
    unittest.main()

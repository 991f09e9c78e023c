"""Authlib (PyPI), as shipped, where tokens come from the authorization endpoint: its classes of claims say whether an ID token vouches for
what came with it."""

import unittest
from urllib.parse import parse_qsl, urlsplit

from authlib.common.security import generate_token
from authlib.integrations.requests_client import OAuth2Session
from authlib.oauth2.rfc7636 import create_s256_code_challenge
from authlib.oidc.core import CodeIDToken, HybridIDToken, ImplicitIDToken
from joserfc import jwt
from joserfc.errors import InvalidClaimError
from joserfc.jwk import KeySet

from support.person import Person
from support.provider import Provider

APP = "https://app.example"
ALICE = {"email": "alice@example.com", "name": "Alice Liddell", "password": "down the rabbit hole 1865"}


class FrontChannel(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.provider = Provider()
        cls.addClassCleanup(cls.provider.stop)
        cls.provider.add_user(**ALICE)

    def sign_in(self, client_id, response_type):
        """Registers a client for a response type and signs Alice in to it. The session, what came in the fragment, and the nonce and
        verifier of the request."""
        secret = self.provider.add_client(
            client_id, "--redirect-uri", f"{APP}/callback", "--response-type", response_type
        )
        session = OAuth2Session(client_id, secret, redirect_uri=f"{APP}/callback", scope="openid profile email")
        self.addCleanup(session.close)
        nonce, verifier = generate_token(20), generate_token(48)
        # Authlib itself sends a challenge with the response type code alone.
        challenge = {"code_challenge": create_s256_code_challenge(verifier), "code_challenge_method": "S256"}
        url, state = session.create_authorization_url(
            f"{self.provider.issuer}/authorize",
            response_type=response_type,
            nonce=nonce,
            **(challenge if "code" in response_type else {}),
        )
        callback, pages = Person(ALICE["email"], ALICE["password"]).visit(url, f"{APP}/callback")
        self.assertEqual(pages, ["login", "consent"])
        self.assertEqual(urlsplit(callback).query, "")
        answer = dict(parse_qsl(urlsplit(callback).fragment))
        self.assertEqual(answer["state"], state)
        self.assertEqual(answer["iss"], self.provider.issuer)
        return session, answer, nonce, verifier

    def claims(self, session, kind, id_token, **params):
        """The claims of an ID token, of the class `kind`, not yet validated against `params`."""
        keys = KeySet.import_key_set(session.get(f"{self.provider.issuer}/.well-known/jwks.json", withhold_token=True).json())
        token = jwt.decode(id_token, keys, algorithms=["RS256"])
        return kind(
            token.claims,
            token.header,
            {"iss": {"essential": True, "value": self.provider.issuer}, "aud": {"essential": True, "value": session.client_id}},
            {"client_id": session.client_id, **params},
        )

    def redeem(self, session, answer, verifier):
        return session.fetch_token(f"{self.provider.issuer}/token", code=answer["code"], code_verifier=verifier)

    def assert_vouches(self, session, kind, id_token, **params):
        """The ID token vouches for each of `params`, and for nothing else in its place."""
        claims = self.claims(session, kind, id_token, **params)
        claims.validate(leeway=10)
        hashes = {"code": "c_hash", "access_token": "at_hash", "nonce": "nonce"}
        for name, value in params.items():
            forged = self.claims(session, kind, id_token, **{**params, name: f"{value}x"})
            with self.assertRaises(InvalidClaimError, msg=name) as refusal:
                forged.validate(leeway=10)
            self.assertIn(hashes[name], str(refusal.exception))
        return claims

    def test_code_id_token(self):
        session, answer, nonce, verifier = self.sign_in("hybrid", "code id_token")
        self.assertNotIn("access_token", answer)
        first = self.assert_vouches(session, HybridIDToken, answer["id_token"], nonce=nonce, code=answer["code"])

        token = self.redeem(session, answer, verifier)
        second = self.assert_vouches(
            session, CodeIDToken, token["id_token"], nonce=nonce, access_token=token["access_token"]
        )
        # OpenID Connect Core, section 3.3.3.6.
        self.assertEqual((first["iss"], first["sub"]), (second["iss"], second["sub"]))
        userinfo = session.get(f"{self.provider.issuer}/userinfo").json()
        self.assertEqual((userinfo["sub"], userinfo["email"]), (first["sub"], ALICE["email"]))

    def test_code_id_token_token(self):
        session, answer, nonce, verifier = self.sign_in("everything", "code id_token token")
        self.assertEqual(answer["token_type"].lower(), "bearer")
        params = {"nonce": nonce, "code": answer["code"], "access_token": answer["access_token"]}
        self.assert_vouches(session, HybridIDToken, answer["id_token"], **params)
        token = self.redeem(session, answer, verifier)
        self.assertNotEqual(token["access_token"], answer["access_token"])

    def test_code_token(self):
        session, answer, nonce, verifier = self.sign_in("two", "code token")
        self.assertNotIn("id_token", answer)
        token = self.redeem(session, answer, verifier)
        self.assert_vouches(session, CodeIDToken, token["id_token"], nonce=nonce, access_token=token["access_token"])

    def test_id_token(self):
        session, answer, nonce, _ = self.sign_in("identity", "id_token")
        claims = self.assert_vouches(session, ImplicitIDToken, answer["id_token"], nonce=nonce)
        self.assertEqual(claims["email"], ALICE["email"])
        self.assertNotIn("code", answer)

    def test_id_token_token(self):
        session, answer, nonce, _ = self.sign_in("implicit", "id_token token")
        params = {"nonce": nonce, "access_token": answer["access_token"]}
        self.assert_vouches(session, ImplicitIDToken, answer["id_token"], **params)
        session.token = {"access_token": answer["access_token"], "token_type": answer["token_type"]}
        userinfo = session.get(f"{self.provider.issuer}/userinfo").json()
        self.assertEqual(userinfo["email"], ALICE["email"])


if __name__ == "__main__":
    unittest.main()

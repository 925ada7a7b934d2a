"""An identity provider: real JWTs, signed by RS256 or ES256, its keys as a JWKS, and the check of a federation policy."""

import base64
import json
import time

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, padding, rsa
from cryptography.hazmat.primitives.asymmetric.utils import decode_dss_signature, encode_dss_signature

ISSUER = "https://idp.example.com"
# Half of a signature by ES256.
HALF = 32


class Untrusted(Exception):
    """Why a JWT is not trusted."""


class Idp:
    def __init__(self):
        self.rsa = rsa.generate_private_key(public_exponent=65537, key_size=2048)
        self.ec = ec.generate_private_key(ec.SECP256R1())

    def jwt(self, claims, algorithm="RS256"):
        """A JWT of this provider that is good for ten minutes, if `claims` do not say otherwise."""
        now = int(time.time())
        claims = {"iss": ISSUER, "iat": now, "exp": now + 600} | claims
        head = f"{part({'alg': algorithm, 'kid': algorithm, 'typ': 'JWT'})}.{part(claims)}"
        if algorithm == "RS256":
            signature = self.rsa.sign(head.encode(), padding.PKCS1v15(), hashes.SHA256())
        elif algorithm == "ES256":
            r, s = decode_dss_signature(self.ec.sign(head.encode(), ec.ECDSA(hashes.SHA256())))
            signature = r.to_bytes(HALF, "big") + s.to_bytes(HALF, "big")
        else:
            signature = b"none of these"
        return f"{head}.{text(signature)}"

    def jwks(self):
        """The public keys."""
        numbers, point = self.rsa.public_key().public_numbers(), self.ec.public_key().public_numbers()
        size = (numbers.n.bit_length() + 7) // 8
        return {"keys": [
            {"kid": "RS256", "kty": "RSA", "alg": "RS256", "n": text(numbers.n.to_bytes(size, "big")), "e": text(numbers.e.to_bytes(3, "big"))},
            {"kid": "ES256", "kty": "EC", "crv": "P-256", "alg": "ES256", "x": text(point.x.to_bytes(HALF, "big")), "y": text(point.y.to_bytes(HALF, "big"))},
        ]}

    def check(self, jwt, policy):
        """Raises Untrusted where `policy` does not trust `jwt`."""
        parts = jwt.split(".")
        try:
            header, claims = (json.loads(data(each)) for each in parts[:2])
            signature = data(parts[2])
        except (ValueError, IndexError):
            raise Untrusted("Could not parse the token.") from None
        keys = {key["kid"]: key for key in self.jwks()["keys"]}
        if header.get("alg") not in keys or header.get("kid") != header.get("alg"):
            raise Untrusted("The signing algorithm of the token is not supported.")
        try:
            verify(keys[header["kid"]], f"{parts[0]}.{parts[1]}".encode(), signature)
        except (InvalidSignature, ValueError):
            raise Untrusted("The signature of the token could not be verified with the JWKS of its issuer.") from None
        if claims.get("exp", 0) <= time.time():
            raise Untrusted("The token is expired.")
        if claims.get("nbf", 0) > time.time():
            raise Untrusted("The token is not yet valid.")
        audiences = claims.get("aud", [])
        audiences = [audiences] if isinstance(audiences, str) else audiences
        if claims.get("iss") != policy["issuer"] or claims.get("sub") != policy.get("subject", claims.get("sub")):
            raise Untrusted("No matching federation policy found for the token.")
        if not set(audiences) & set(policy["audiences"]):
            raise Untrusted("The audience of the token does not match the policy.")


def verify(key, signed, signature):
    number = lambda name: int.from_bytes(data(key[name]), "big")
    if key["kty"] == "RSA":
        public = rsa.RSAPublicNumbers(number("e"), number("n")).public_key()
        return public.verify(signature, signed, padding.PKCS1v15(), hashes.SHA256())
    if len(signature) != 2 * HALF:
        raise InvalidSignature
    r, s = (int.from_bytes(half, "big") for half in (signature[:HALF], signature[HALF:]))
    public = ec.EllipticCurvePublicNumbers(number("x"), number("y"), ec.SECP256R1()).public_key()
    return public.verify(encode_dss_signature(r, s), signed, ec.ECDSA(hashes.SHA256()))


def text(content):
    return base64.urlsafe_b64encode(content).decode().rstrip("=")


def data(content):
    return base64.urlsafe_b64decode(content + "=" * (-len(content) % 4))


def part(value):
    return text(json.dumps(value).encode())

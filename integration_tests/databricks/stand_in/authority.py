"""An authorization server beside the stand-in: tokens that live as long as a test says, by every way that Databricks has.

Databricks' own endpoints of the workspace and of an account (client credentials, token exchange, refresh tokens, authorization code
with PKCE), those of Microsoft Entra below `/entra`, the metadata service of a machine in Azure, and the services that give JWTs to
jobs of GitHub Actions (`/github`) and Azure DevOps (`/devops`). A test registers a principal for a warehouse or cluster; a token of
the principal counts there like the fixed token. The JWTs are real: `jwts.py`.
"""

import base64
import hashlib
import secrets
import threading
import time
from dataclasses import dataclass, field
from urllib.parse import parse_qs, urlencode

from jwts import Idp, Untrusted
from statements import Refusal

# Who somebody is.
ME = "/api/2.0/preview/scim/v2/Me"
EXCHANGE = "urn:ietf:params:oauth:grant-type:token-exchange"
ENTRA_APPLICATION = "2ff814a6-3304-4ab8-85cb-cd0e6f879c1d"
MANAGEMENT = "https://management.core.windows.net/"


@dataclass
class Principal:
    """Who may sign in, and how."""

    id: str
    compute: str
    secret: str | None = None
    # {"issuer", "audiences", "subject"}: what JWTs it trusts.
    policy: dict | None = None
    # Seconds that its tokens are good.
    lives: float = 3600
    # In Microsoft Entra; and whether it is a user of the workspace already, or Azure has to vouch for it.
    tenant: str | None = None
    is_user: bool = True
    resource_id: str | None = None
    # Applications of users: where the browser may be sent back to, whether a refresh token is good for once, who agrees.
    redirects: list[str] = field(default_factory=list)
    single_use: bool = False
    user: str = "me@example.com"
    # How often it was given a token.
    given: int = 0


class Authority:
    def __init__(self):
        self.principals, self.tokens, self.refresh_tokens, self.codes = {}, {}, {}, {}
        self.used, self.idp, self.lock = set(), Idp(), threading.Lock()

    def answers(self, path):
        starts = ("/oidc/", "/entra/", "/metadata/identity/", "/github/", "/devops/", "/idp/")
        return path.startswith(starts) or path in ("/.well-known/databricks-config", ME)

    def answer(self, method, path, query, headers, body, address):
        """Status, body, headers."""
        asked = {name: values[0] for name, values in parse_qs(query).items()}
        form = {name: values[0] for name, values in parse_qs(body.decode()).items()}
        match [method, *path.strip("/").split("/")]:
            case ["GET", "oidc", *rest, ".well-known", "oauth-authorization-server"]:
                base = "/".join([address, "oidc", *rest, "v1"])
                return 200, {"issuer": base, "authorization_endpoint": f"{base}/authorize", "token_endpoint": f"{base}/token"}, {}
            case ["GET", ".well-known", "databricks-config"]:
                return 200, {"oidc_endpoint": f"{address}/oidc", "account_id": "0000-account", "workspace_id": "0", "cloud": "AWS"}, {}
            case ["GET", "oidc", *_, "v1", "authorize"]:
                return self.authorize(asked)
            case ["POST", "oidc", *_, "v1", "token"]:
                return 200, self.grant(form, basic(headers)), {}
            case ["POST", "entra", tenant, "oauth2", "token"]:
                return 200, self.entra(tenant, form), {}
            case ["GET", "metadata", "identity", "oauth2", "token"]:
                return 200, self.machine(asked, headers), {}
            case ["GET", "github", "token"]:
                self.job(headers, "value")
                return 200, {"value": self.idp.jwt({"sub": "repo:acme/lake", "aud": asked.get("audience", "none")})}, {}
            case ["POST", "devops", *_, "oidctoken"]:
                self.job(headers, "oidcToken")
                return 200, {"oidcToken": self.idp.jwt({"sub": "sc://acme/lake", "aud": "api://AzureADTokenExchange"})}, {}
            case ["GET", "idp", "jwks.json"]:
                return 200, self.idp.jwks(), {}
            case ["GET", "api", "2.0", "preview", "scim", "v2", "Me"]:
                principal = self.of(bearer(headers))
                if principal is None:
                    raise Refusal(403, 403, "Invalid access token.", {"x-databricks-reason-phrase": "Invalid access token."})
                return 200, {"userName": principal.user if principal.redirects else principal.id}, {}
        raise Refusal(404, "NOT_FOUND", f"Nothing is at {path}.")

    def control(self, method, path, request):
        """PUT principals/<id>: a principal, or other settings of one. GET principals/<id>: how often it was given a token.
        POST principals/<id>/expire: no token that it was given counts any more. POST jwt: a JWT with these claims, signed by "algorithm".
        """
        match [method, *path]:
            case ["PUT", "principals", id]:
                with self.lock:
                    principal = self.principals.setdefault(id, Principal(id, request["compute"]))
                    for name, value in request.items():
                        setattr(principal, name, value)
                return {"refresh_token": self.new_refresh_token(principal)} if principal.redirects else {}
            case ["GET", "principals", id]:
                return {"given": self.principals[id].given}
            case ["POST", "jwt"]:
                algorithm = request.pop("algorithm", "RS256")
                return {"jwt": self.idp.jwt(request, algorithm)}
            case ["POST", "principals", id, "expire"]:
                with self.lock:
                    self.tokens = {token: held for token, held in self.tokens.items() if held[0].id != id}
                return {}
        raise ValueError(f"{method} {path}")

    def of(self, token):
        """Whose token it is, if it is one of these and still good."""
        with self.lock:
            principal, ends = self.tokens.get(token, (None, 0))
        return principal if principal is not None and time.monotonic() < ends else None

    def compute_of(self, headers):
        """The warehouse or cluster that a token of the request counts for; None if it is not one of these."""
        principal = self.of(bearer(headers))
        if principal is None:
            return None
        if not principal.is_user:
            vouched = headers.get("X-Databricks-Azure-SP-Management-Token") == self.management_token(principal)
            if not vouched or headers.get("X-Databricks-Azure-Workspace-Resource-Id") != principal.resource_id:
                raise Refusal(403, "PERMISSION_DENIED", f"Principal {principal.id} is not assigned to this workspace.")
        return principal.compute

    def give(self, principal, **more):
        token = f"eyS-{secrets.token_urlsafe(48)}"
        with self.lock:
            self.tokens[token] = (principal, time.monotonic() + principal.lives)
            principal.given += 1
        return {"access_token": token, "token_type": "Bearer", "expires_in": principal.lives, "scope": "all-apis"} | more

    def find(self, id, status=401, code="invalid_client"):
        if id not in self.principals:
            raise oauth(status, code, "Client application with the given ID was not found.")
        return self.principals[id]

    def grant(self, form, login):
        id, secret = login or (form.get("client_id"), form.get("client_secret"))
        match form.get("grant_type"):
            case "client_credentials":
                principal = self.find(id)
                if principal.secret is None or secret != principal.secret:
                    raise oauth(401, "invalid_client", "Client authentication failed.")
                if form.get("scope") != "all-apis":
                    raise oauth(400, "invalid_scope", "The requested scope is not allowed.")
                return self.give(principal)
            case grant if grant == EXCHANGE:
                if form.get("subject_token_type") != "urn:ietf:params:oauth:token-type:jwt" or "subject_token" not in form:
                    raise oauth(400, "invalid_request", "subject_token and its type are needed.")
                return self.give(self.trusted(form["subject_token"], id))
            case "refresh_token":
                return self.refresh(form, id, secret)
            case "authorization_code":
                return self.redeem(form, id, secret)
        raise oauth(400, "unsupported_grant_type", "This grant type is not supported.")

    def trusted(self, jwt, id):
        """The principal that trusts a JWT; without an id, the one of the policy of the account."""
        candidates = [self.find(id)] if id else [one for one in self.principals.values() if one.policy and one.policy.get("of_account")]
        why = "No matching federation policy found for the token."
        for principal in candidates:
            try:
                if principal.policy is None:
                    raise Untrusted(why)
                self.idp.check(jwt, principal.policy)
                return principal
            except Untrusted as untrusted:
                why = str(untrusted)
        raise oauth(400, "invalid_grant", why)

    def new_refresh_token(self, principal):
        token = f"doau{secrets.token_hex(24)}"
        with self.lock:
            self.refresh_tokens[token] = principal
        return token

    def application(self, id, secret):
        principal = self.find(id)
        if principal.secret is not None and secret != principal.secret:
            raise oauth(401, "invalid_client", "The client secret is missing or wrong.")
        return principal

    def refresh(self, form, id, secret):
        principal, token = self.application(id, secret), form.get("refresh_token")
        with self.lock:
            if token in self.used:
                raise oauth(400, "invalid_grant", "The refresh token was already used.")
            if self.refresh_tokens.get(token) is not principal:
                raise oauth(400, "invalid_grant", "The refresh token is invalid, expired or revoked.")
            if principal.single_use:
                self.used.add(token)
                del self.refresh_tokens[token]
        return self.give(principal, refresh_token=self.new_refresh_token(principal) if principal.single_use else token)

    def authorize(self, asked):
        """The page at which a user agrees; here everybody does at once."""
        principal = self.principals.get(asked.get("client_id"))
        if principal is None or asked.get("redirect_uri", "").rpartition(":")[0] not in principal.redirects:
            raise oauth(400, "invalid_request", "The client or its redirect_uri is not registered.")
        back = {"state": asked.get("state", "")}
        if asked.get("response_type") != "code" or asked.get("code_challenge_method") != "S256" or not asked.get("code_challenge"):
            back |= {"error": "invalid_request", "error_description": "PKCE with S256 is needed."}
        elif "offline_access" not in asked.get("scope", "").split():
            back |= {"error": "invalid_scope", "error_description": "offline_access is needed."}
        elif principal.user == "nobody":
            back |= {"error": "access_denied", "error_description": "The user has not agreed."}
        else:
            code = secrets.token_urlsafe(24)
            with self.lock:
                self.codes[code] = (principal, asked["redirect_uri"], asked["code_challenge"], time.monotonic() + 60)
            back["code"] = code
        return 302, "", {"location": f"{asked['redirect_uri']}/?{urlencode(back)}", "content-type": "text/html"}

    def redeem(self, form, id, secret):
        principal = self.application(id, secret)
        with self.lock:
            owner, redirect, challenge, ends = self.codes.pop(form.get("code"), (None, None, None, 0))
        digest = hashlib.sha256(form.get("code_verifier", "").encode()).digest()
        is_right = base64.urlsafe_b64encode(digest).decode().rstrip("=") == challenge
        if owner is not principal or redirect != form.get("redirect_uri") or not is_right or time.monotonic() > ends:
            raise oauth(400, "invalid_grant", "The authorization code is invalid.")
        return self.give(principal, refresh_token=self.new_refresh_token(principal))

    def management_token(self, principal):
        return f"management-{hashlib.sha256(principal.id.encode()).hexdigest()}"

    def for_resource(self, principal, resource):
        if resource == ENTRA_APPLICATION:
            answer = self.give(principal)
        elif resource == MANAGEMENT:
            answer = {"access_token": self.management_token(principal), "expires_in": principal.lives, "token_type": "Bearer"}
        else:
            raise oauth(400, "invalid_resource", "AADSTS500011: The resource principal was not found in the tenant.")
        # Microsoft writes numbers as texts.
        return answer | {"expires_in": str(int(answer["expires_in"])), "resource": resource}

    def entra(self, tenant, form):
        principal = self.principals.get(form.get("client_id"))
        if form.get("grant_type") != "client_credentials":
            raise oauth(400, "unsupported_grant_type", "AADSTS70003: The grant type is not supported.")
        if not any(one.tenant == tenant for one in self.principals.values()):
            raise oauth(400, "invalid_request", f"AADSTS90002: Tenant '{tenant}' not found. Trace ID: 1")
        if principal is None or principal.tenant != tenant:
            raise oauth(400, "unauthorized_client", "AADSTS700016: Application was not found in the directory. Trace ID: 1")
        if principal.secret is None or form.get("client_secret") != principal.secret:
            raise oauth(401, "invalid_client", "AADSTS7000215: Invalid client secret provided. Trace ID: 1")
        return self.for_resource(principal, form.get("resource"))

    def machine(self, asked, headers):
        if headers.get("Metadata") != "true" or "api-version" not in asked:
            raise oauth(400, "invalid_request", "Required metadata header not specified")
        principal = self.principals.get(asked.get("client_id"))
        if principal is None:
            raise oauth(400, "invalid_request", "Identity not found")
        return self.for_resource(principal, asked.get("resource"))

    def job(self, headers, name):
        if bearer(headers) != "token-of-the-job":
            raise Refusal(401, "UNAUTHORIZED", f"No {name} for this job.")


def bearer(headers):
    scheme, _, token = (headers.get("Authorization") or "").partition(" ")
    return token if scheme.lower() == "bearer" else None


def basic(headers):
    scheme, _, text = (headers.get("Authorization") or "").partition(" ")
    if scheme.lower() != "basic":
        return None
    id, _, secret = base64.b64decode(text).decode().partition(":")
    return id, secret


def oauth(status, code, description):
    """An error in the words of OAuth, which are not those of Databricks."""
    refusal = Refusal(status, code, description)
    refusal.body = {"error": code, "error_description": description}
    return refusal

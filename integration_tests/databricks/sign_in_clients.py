"""Databricks' own SDK signs in to the authorization server beside the stand-in, in every way that it has.

What it takes for right or wrong is what that server is held to. The stand-in's address is the first argument.
"""

import contextlib
import json
import logging
import os
import sys
import tempfile
import time
import unittest
import urllib.error
import urllib.parse
import urllib.request
import uuid
from unittest import mock

from databricks.sdk import WorkspaceClient, environments, errors, oauth
from databricks.sdk.core import Config

ADDRESS = sys.argv.pop(1)
logging.getLogger("databricks.sdk").setLevel(logging.ERROR)


def control(method, path, body):
    request = urllib.request.Request(f"{ADDRESS}/stand-in/{path}", json.dumps(body).encode(), method=method)
    with urllib.request.urlopen(request) as answer:
        return json.load(answer)


class Unmoved(urllib.request.HTTPRedirectHandler):
    """Follows no redirection."""

    def redirect_request(self, *_):
        return None


class SignIns(unittest.TestCase):
    """A warehouse and a principal of its own for each test."""

    def setUp(self):
        self.compute, self.id = uuid.uuid4().hex[:16], str(uuid.uuid4())
        control("PUT", f"computes/{self.compute}", {"token": uuid.uuid4().hex})
        self.addCleanup(control, "DELETE", f"computes/{self.compute}", {"schemas": [], "root": None})

    def principal(self, **settings):
        return control("PUT", f"authority/principals/{self.id}", {"compute": self.compute} | settings)

    def given(self):
        return control("GET", f"authority/principals/{self.id}", {})["given"]

    def jwt(self, **claims):
        return control("POST", "authority/jwt", claims)["jwt"]

    def policy(self, subject="me", audience="acme"):
        self.principal(policy={"issuer": "https://idp.example.com", "subject": subject, "audiences": [audience]})

    def client(self, auth_type, environment=None, **settings):
        with mock.patch.dict(os.environ, environment or {}):
            return WorkspaceClient(config=Config(host=ADDRESS, auth_type=auth_type, retry_timeout_seconds=5, **settings))

    def assert_works(self, client, environment=None):
        with mock.patch.dict(os.environ, environment or {}):
            self.assertEqual(client.warehouses.get(self.compute).id, self.compute)
        self.assertGreaterEqual(self.given(), 1)

    def file(self, text):
        file = tempfile.NamedTemporaryFile("w", delete=False)
        self.addCleanup(os.unlink, file.name)
        with file:
            file.write(text)
        return file.name

    def test_with_a_secret(self):
        self.principal(secret="dose-1")
        self.assert_works(self.client("oauth-m2m", client_id=self.id, client_secret="dose-1"))

    def test_with_a_secret_at_the_account(self):
        self.principal(secret="dose-1")
        url = oauth.get_account_endpoints(ADDRESS, "0000-account").token_endpoint
        self.assertEqual(url, f"{ADDRESS}/oidc/accounts/0000-account/v1/token")
        source = oauth.ClientCredentials(self.id, "dose-1", url, scopes="all-apis", use_header=True)
        self.assert_works(WorkspaceClient(config=Config(host=ADDRESS, token=source.token().access_token, auth_type="pat")))

    def test_a_wrong_secret_is_invalid_client(self):
        self.principal(secret="dose-1")
        with self.assertRaisesRegex(ValueError, "invalid_client: Client authentication failed"):
            self.client("oauth-m2m", client_id=self.id, client_secret="dose-2").warehouses.get(self.compute)

    def test_a_token_that_has_ended_is_refused(self):
        self.principal(secret="dose-1", lives=1)
        client = self.client("oauth-m2m", client_id=self.id, client_secret="dose-1")
        token = client.config.oauth_token().access_token
        time.sleep(1.2)
        with self.assertRaisesRegex(errors.PermissionDenied, "Invalid access token"):
            WorkspaceClient(config=Config(host=ADDRESS, token=token, auth_type="pat")).warehouses.get(self.compute)
        self.assert_works(client)

    def test_with_a_jwt_in_a_file(self):
        for algorithm in ("RS256", "ES256"):
            self.policy()
            path = self.file(self.jwt(sub="me", aud="acme", algorithm=algorithm))
            self.assert_works(self.client("file-oidc", client_id=self.id, oidc_token_filepath=path))

    def test_with_a_jwt_in_a_variable(self):
        self.policy()
        environment = {"MY_JWT": self.jwt(sub="me", aud=["other", "acme"])}
        self.assert_works(self.client("env-oidc", environment, client_id=self.id, oidc_token_env="MY_JWT"), environment)

    def test_a_jwt_that_no_policy_matches_is_invalid_grant(self):
        self.policy()
        now = int(time.time())
        for claims, words in [
            ({"sub": "you", "aud": "acme"}, "No matching federation policy"),
            ({"sub": "me", "aud": "other"}, "audience"),
            ({"sub": "me", "aud": "acme", "iss": "https://other.example.com"}, "No matching federation policy"),
            ({"sub": "me", "aud": "acme", "exp": now - 1}, "expired"),
            ({"sub": "me", "aud": "acme", "nbf": now + 99}, "not yet valid"),
            ({"sub": "me", "aud": "acme", "algorithm": "HS256"}, "algorithm"),
        ]:
            path = self.file(self.jwt(**claims))
            with self.assertRaisesRegex(ValueError, f"invalid_grant: .*{words}"):
                self.client("file-oidc", client_id=self.id, oidc_token_filepath=path).warehouses.get(self.compute)

    def test_a_signature_that_is_not_of_the_issuer_is_refused(self):
        self.policy()
        jwt = self.jwt(sub="me", aud="acme")
        other = self.jwt(sub="me", aud="acme", more=1)
        path = self.file(".".join(jwt.split(".")[:2] + other.split(".")[2:]))
        with self.assertRaisesRegex(ValueError, "invalid_grant: The signature"):
            self.client("file-oidc", client_id=self.id, oidc_token_filepath=path).warehouses.get(self.compute)

    def test_without_a_client_id_the_policy_of_the_account_counts(self):
        subject = uuid.uuid4().hex
        self.principal(policy={"issuer": "https://idp.example.com", "subject": subject, "audiences": ["acme"], "of_account": True})
        path = self.file(self.jwt(sub=subject, aud="acme"))
        self.assert_works(self.client("file-oidc", oidc_token_filepath=path))

    def test_as_a_job_of_github(self):
        self.policy("repo:acme/lake")
        environment = {
            "ACTIONS_ID_TOKEN_REQUEST_URL": f"{ADDRESS}/github/token?api-version=2.0",
            "ACTIONS_ID_TOKEN_REQUEST_TOKEN": "token-of-the-job",
        }
        self.assert_works(self.client("github-oidc", environment, client_id=self.id, token_audience="acme"), environment)

    def test_as_a_job_of_azure_devops(self):
        self.policy("sc://acme/lake", "api://AzureADTokenExchange")
        environment = {
            "SYSTEM_ACCESSTOKEN": "token-of-the-job", "SYSTEM_TEAMFOUNDATIONCOLLECTIONURI": f"{ADDRESS}/devops/acme/",
            "SYSTEM_TEAMPROJECTID": "p", "SYSTEM_PLANID": "l", "SYSTEM_JOBID": "j", "SYSTEM_HOSTTYPE": "build",
        }
        self.assert_works(self.client("azure-devops-oidc", environment, client_id=self.id), environment)

    def of_azure(self):
        """Azure's own addresses are fixed in the SDK."""
        public = environments.AzureEnvironment("PUBLIC", "https://management.core.windows.net/", f"{ADDRESS}/arm/", f"{ADDRESS}/entra/")
        application = mock.patch.object(Config, "effective_azure_login_app_id", new=environments.ARM_DATABRICKS_RESOURCE_ID)
        stack = contextlib.ExitStack()
        stack.enter_context(mock.patch.object(Config, "arm_environment", new=public))
        stack.enter_context(application)
        return stack

    def test_as_an_application_of_entra(self):
        self.principal(secret="entra-1", tenant="contoso")
        with self.of_azure():
            self.assert_works(self.client("azure-client-secret", azure_client_id=self.id, azure_client_secret="entra-1", azure_tenant_id="contoso"))
            for settings, number in [
                ({"azure_client_secret": "entra-2"}, 7000215),
                ({"azure_client_id": "nobody"}, 700016),
                ({"azure_tenant_id": "nowhere"}, 90002),
            ]:
                settings = {"azure_client_id": self.id, "azure_client_secret": "entra-1", "azure_tenant_id": "contoso"} | settings
                with self.assertRaisesRegex(ValueError, f"AADSTS{number}"):
                    self.client("azure-client-secret", **settings).warehouses.get(self.compute)

    def test_an_application_that_is_no_user_is_vouched_for_by_azure(self):
        resource = "/subscriptions/0/resourceGroups/g/providers/Microsoft.Databricks/workspaces/w"
        self.principal(secret="entra-1", tenant="contoso", is_user=False, resource_id=resource)
        settings = {"azure_client_id": self.id, "azure_client_secret": "entra-1", "azure_tenant_id": "contoso"}
        with self.of_azure():
            self.assert_works(self.client("azure-client-secret", azure_workspace_resource_id=resource, **settings))
            with self.assertRaisesRegex(errors.PermissionDenied, "not assigned to this workspace"):
                self.client("azure-client-secret", **settings).warehouses.get(self.compute)

    def consent(self):
        client = oauth.OAuthClient(
            oauth.get_workspace_endpoints(ADDRESS), "http://localhost:8020", self.id, scopes=["all-apis", "offline_access"],
        )
        consent = client.initiate_consent()
        opener = urllib.request.build_opener(Unmoved)
        with self.assertRaises(urllib.error.HTTPError) as moved:
            opener.open(consent.authorization_url)
        self.assertEqual(moved.exception.code, 302)
        query = urllib.parse.urlsplit(moved.exception.headers["location"]).query
        return consent, dict(urllib.parse.parse_qsl(query))

    def test_a_user_with_a_browser(self):
        self.principal(redirects=["http://localhost"], single_use=True)
        consent, back = self.consent()
        credentials = consent.exchange(back["code"], back["state"])
        first = credentials.token()
        self.assertTrue(first.refresh_token)
        second = credentials.refresh()
        self.assertNotEqual(first.refresh_token, second.refresh_token)
        client = WorkspaceClient(config=Config(host=ADDRESS, token=second.access_token, auth_type="pat"))
        self.assert_works(client)
        self.assertEqual(client.current_user.me().user_name, "me@example.com")
        # Each is good for once.
        with self.assertRaisesRegex(ValueError, "invalid_grant: The refresh token was already used"):
            oauth.SessionCredentials(first, credentials._token_endpoint, self.id).refresh()

    def test_a_code_is_good_for_once_and_for_its_verifier(self):
        self.principal(redirects=["http://localhost"])
        consent, back = self.consent()
        other, _ = self.consent()
        other._state = back["state"]
        with self.assertRaisesRegex(ValueError, "invalid_grant: The authorization code is invalid"):
            other.exchange(back["code"], back["state"])
        with self.assertRaisesRegex(ValueError, "invalid_grant"):
            consent.exchange(back["code"], back["state"])


if __name__ == "__main__":
    unittest.main(verbosity=2)

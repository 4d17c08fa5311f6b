"""A client of an instance, written as Authlib's and joserfc's documentation says, with both unchanged.

Speaks with the test in lines of JSON: takes the issuer, a registration token and the redirect URI, says to which
address the browser is to go, takes the address to which the browser came back, and says what came of it.
"""

import json
import sys

import requests
from authlib.common.security import generate_token
from authlib.integrations.requests_client import OAuth2Session
from joserfc import jwt
from joserfc.errors import JoseError
from joserfc.jwk import KeySet


def say(value):
    print(json.dumps(value), flush=True)


def hear():
    return json.loads(sys.stdin.readline())


def verified(token, metadata, keys, nonce, audience):
    """The claims, or an error of joserfc's."""
    decoded = jwt.decode(token, keys, algorithms=metadata["id_token_signing_alg_values_supported"])
    registry = jwt.JWTClaimsRegistry(
        iss={"essential": True, "value": metadata["issuer"]},
        aud={"essential": True, "value": audience},
        exp={"essential": True},
        iat={"essential": True},
        nonce={"essential": True, "value": nonce},
    )
    registry.validate(decoded.claims)
    return decoded.claims


def refused(token, metadata, keys, nonce, audience):
    try:
        verified(token, metadata, keys, nonce, audience)
    except JoseError as error:
        return type(error).__name__
    return None


def main():
    given = hear()
    well_known = given["issuer"] + "/.well-known/openid-configuration"
    metadata = requests.get(well_known, timeout=10).json()
    registration = requests.post(
        metadata["registration_endpoint"],
        json={
            "client_name": "Notes",
            "redirect_uris": [given["redirect_uri"]],
            "grant_types": ["authorization_code", "refresh_token", "client_credentials"],
            "response_types": ["code"],
        },
        headers={"authorization": "Bearer " + given["registration_token"]},
        timeout=10,
    ).json()
    client = OAuth2Session(
        registration["client_id"],
        registration["client_secret"],
        scope="openid profile email",
        redirect_uri=given["redirect_uri"],
        code_challenge_method="S256",
    )

    verifier, nonce = generate_token(48), generate_token(20)
    url, _ = client.create_authorization_url(
        metadata["authorization_endpoint"], code_verifier=verifier, nonce=nonce
    )
    say({"authorize": url})
    # Authlib compares the state by itself.
    token = client.fetch_token(
        metadata["token_endpoint"], authorization_response=hear()["came_back"], code_verifier=verifier
    )
    keys = KeySet.import_key_set(requests.get(metadata["jwks_uri"], timeout=10).json())
    id_token = token["id_token"]
    claims = verified(id_token, metadata, keys, nonce, client.client_id)
    user = client.get(metadata["userinfo_endpoint"]).json()

    refreshed = client.refresh_token(metadata["token_endpoint"], refresh_token=token["refresh_token"])
    introspected = client.introspect_token(
        metadata["introspection_endpoint"], refreshed["access_token"]
    ).json()
    revoked = client.revoke_token(
        metadata["revocation_endpoint"], refreshed["refresh_token"], token_type_hint="refresh_token"
    )
    after = client.introspect_token(metadata["introspection_endpoint"], refreshed["access_token"]).json()

    itself = OAuth2Session(registration["client_id"], registration["client_secret"])
    own = itself.fetch_token(metadata["token_endpoint"], grant_type="client_credentials")
    say(
        {
            "claims": claims,
            "user": user,
            "introspected": introspected["active"],
            "revoked": revoked.status_code,
            "after_revocation": after["active"],
            "own_token": own["token_type"],
            # What must not pass, so that the checks above can fail.
            "another_nonce": refused(id_token, metadata, keys, "another", client.client_id),
            "another_audience": refused(id_token, metadata, keys, nonce, "another"),
            "another_signature": refused(id_token[:-8] + "AAAAAAAA", metadata, keys, nonce, client.client_id),
        }
    )


main()

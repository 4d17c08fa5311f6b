//! Client libraries that are not ours, unchanged: the `openidconnect` crate, and Authlib with joserfc, register, sign
//! alice in, refresh and ask who she is. Only their way to the issuer's host name is ours.

use http::{Method, StatusCode};
use openidconnect::core::{
    CoreAuthenticationFlow, CoreClient, CoreClientRegistrationRequest, CoreGrantType, CoreProviderMetadata,
    CoreResponseType, CoreUserInfoClaims,
};
use openidconnect::registration::EmptyAdditionalClientMetadata;
use openidconnect::{
    AccessToken, AuthorizationCode, CsrfToken, HttpRequest, HttpResponse, IssuerUrl, Nonce,
    OAuth2TokenResponse as _, PkceCodeChallenge, RedirectUrl, ResponseTypes, Scope, TokenResponse as _,
};
use serde_json::json;

use crate::harness::TestApp;
use crate::oauth_flow::{approve, parameter};
use crate::python::{self, Script};

/// The library's requests for the issuer go to the listener for instances.
async fn call(app: &TestApp, request: HttpRequest) -> Result<HttpResponse, reqwest::Error> {
    let path = request.uri().path_and_query().expect("a path").as_str().to_owned();
    assert!(request.uri().to_string().starts_with(app.issuer()), "{}", request.uri());
    let (parts, body) = request.into_parts();
    let method: Method = parts.method;
    let response = app.instance_request(method, &path).headers(parts.headers).body(body).send().await?;
    let (status, headers) = (response.status(), response.headers().clone());
    let mut answer = HttpResponse::new(response.bytes().await?.to_vec());
    *answer.status_mut() = StatusCode::from_u16(status.as_u16()).expect("a status");
    *answer.headers_mut() = headers;
    Ok(answer)
}

#[tokio::test]
async fn the_openidconnect_crate_signs_a_person_in_unchanged() {
    let app = TestApp::start().await;
    let alice = app.resident("alice").await;
    let http = |request| call(&app, request);
    let issuer = IssuerUrl::new(app.issuer().to_owned()).expect("a URL");
    let metadata = CoreProviderMetadata::discover_async(issuer, &http).await.expect("discovered");

    let redirect = RedirectUrl::new("http://alice.localhost:8088/oauth/callback".to_owned()).expect("a URL");
    let grants = vec![CoreGrantType::AuthorizationCode, CoreGrantType::RefreshToken];
    let codes = vec![ResponseTypes::new(vec![CoreResponseType::Code])];
    let token = AccessToken::new(app.registration_token(&alice).await);
    let nothing_more = EmptyAdditionalClientMetadata::default();
    let made = CoreClientRegistrationRequest::new(vec![redirect.clone()], nothing_more)
        .set_initial_access_token(Some(token))
        .set_grant_types(Some(grants))
        .set_response_types(Some(codes))
        .register_async(metadata.registration_endpoint().expect("an endpoint"), &http)
        .await
        .expect("registered");
    let client =
        CoreClient::from_provider_metadata(metadata, made.client_id().clone(), made.client_secret().cloned())
            .set_redirect_uri(redirect);

    let (challenge, verifier) = PkceCodeChallenge::new_random_sha256();
    let flow = CoreAuthenticationFlow::AuthorizationCode;
    let (url, state, nonce) = client
        .authorize_url(flow, CsrfToken::new_random, Nonce::new_random)
        .add_scope(Scope::new("email".to_owned()))
        .set_pkce_challenge(challenge)
        .url();
    assert!(url.as_str().starts_with("http://localhost:3081/oauth/authorize?"), "{url}");
    let query = url.query().expect("a query");
    let approved = approve(&app, &alice.session, query, true).await.expect(200);
    assert_eq!(parameter(&approved, "state").as_ref(), Some(state.secret()));

    let code = AuthorizationCode::new(parameter(&approved, "code").expect("a code"));
    let tokens = client
        .exchange_code(code)
        .expect("an endpoint")
        .set_pkce_verifier(verifier)
        .request_async(&http)
        .await
        .expect("tokens");
    let id_token = tokens.id_token().expect("an id token");
    let claims = id_token.claims(&client.id_token_verifier(), &nonce).expect("it verifies");
    assert_eq!(claims.subject().as_str(), alice.user_id);
    assert_eq!(claims.email().map(|email| email.as_str()), Some("alice@example.com"));

    let refresh = tokens.refresh_token().expect("a refresh token");
    let request = client.exchange_refresh_token(refresh).expect("an endpoint");
    let again = request.request_async(&http).await.expect("tokens");
    let request = client.user_info(again.access_token().clone(), Some(claims.subject().clone()));
    let info: CoreUserInfoClaims =
        request.expect("an endpoint").request_async(&http).await.expect("an answer");
    assert_eq!(info.email().map(|email| email.as_str()), Some("alice@example.com"));
}

#[tokio::test]
async fn authlib_and_joserfc_sign_a_person_in_unchanged() {
    let python = python::interpreter(&["Authlib==1.9.10", "joserfc==1.8.0", "requests==2.34.2"]).await;
    let app = TestApp::start().await;
    let alice = app.resident("alice").await;
    // Requests for any host name arrive at the listener for instances.
    let mut client = Script::start(&python, "authlib_client.py", &app.instance_base);
    let given = json!({
        "issuer": app.issuer(),
        "registration_token": app.registration_token(&alice).await,
        "redirect_uri": "http://alice.localhost:8088/oauth/callback",
    });
    client.tell(&given).await;
    let said = client.hear().await;
    let url: url::Url = said["authorize"].as_str().expect("a URL").parse().expect("a URL");
    assert!(url.as_str().starts_with("http://localhost:3081/oauth/authorize?"), "{url}");
    let approved = approve(&app, &alice.session, url.query().expect("a query"), true).await.expect(200);
    client.tell(&json!({"came_back": approved.text("to")})).await;

    let done = client.hear().await;
    client.end().await;
    assert_eq!(done["claims"]["sub"], alice.user_id);
    assert_eq!(done["claims"]["email"], "alice@example.com");
    assert_eq!(done["user"]["sub"], alice.user_id);
    assert_eq!(done["user"]["preferred_username"], "alice");
    assert_eq!(done["introspected"], true);
    assert_eq!(done["revoked"], 200);
    assert_eq!(done["after_revocation"], false);
    assert_eq!(done["own_token"], "Bearer");
    for (check, error) in [
        ("another_nonce", "InvalidClaimError"),
        ("another_audience", "InvalidClaimError"),
        ("another_signature", "BadSignatureError"),
    ] {
        assert_eq!(done[check], error, "{check}: {done}");
    }
}

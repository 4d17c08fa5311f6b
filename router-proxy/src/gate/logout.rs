//! Signing out at a slug's host ends the portal session behind it, here at once and everywhere within the
//! time that authz-service takes to tell.

use std::time::Duration;

use control_api::authz::AppTokenRequest;
use control_api::wire::WireSecret;
use http::{HeaderMap, HeaderValue, header};

use super::{Gate, Visit};
use crate::error::Refusal;
use crate::pages::{Answer, see_other};
use crate::request::kind::Kind;

const WITHIN: Duration = Duration::from_secs(5);

impl Gate {
    /// `POST /.beaver/logout`, from this origin alone.
    pub(super) async fn logout(&self, visit: Visit<'_>) -> Result<Answer, Refusal> {
        if self.is_forged(visit) || !names_a_site(visit.headers) {
            return Err(Refusal::Forged);
        }
        let mut ended = true;
        for token in self.cookies.app_tokens(visit.headers) {
            // An expired token still names the session.
            let Ok(verified) = self.verifier.verify(token).await else { continue };
            let claims = &verified.claims;
            if claims.aud != visit.route.file.instance_id {
                continue;
            }
            let body = AppTokenRequest { app_token: WireSecret::from(token) };
            let outcome = tokio::time::timeout(WITHIN, self.authz.router_logout(&body)).await;
            match outcome {
                Ok(Ok(())) => (),
                // A refusal means that there is no such session: signed out already.
                Ok(Err(error)) if !error.is_transient() => tracing::info!(%error, "nothing to sign out of"),
                _ => {
                    tracing::error!(sid = %claims.sid, "a session could not be ended at authz-service");
                    ended = false;
                }
            }
            self.identities.forget(claims);
            self.revocations.end_session(claims.sid);
        }
        let mut answer = if ended {
            see_other(&self.pages.signed_out_url())
        } else {
            let request_id = visit.request_id.to_str().unwrap_or_default();
            self.pages.refusal(&Refusal::LogoutIncomplete, Kind::Form, request_id)
        };
        for cookie in [self.cookies.clear_app(), self.cookies.clear_transaction()].into_iter().flatten() {
            answer.headers_mut().append(header::SET_COOKIE, cookie);
        }
        Ok(answer)
    }
}

/// Browsers say where a form comes from, one way or the other.
fn names_a_site(headers: &HeaderMap<HeaderValue>) -> bool {
    headers.contains_key("sec-fetch-site") || headers.contains_key(header::ORIGIN)
}

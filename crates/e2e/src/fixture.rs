//! What scenarios share: the running installation, the browser driver, and people who have signed up.

use std::time::Duration;

use control_api::authz_client::AuthzClient;
use control_api::deploy::{InstanceState, InstanceView, ResolveRequest};
use control_api::deploy_client::DeployClient;
use service_kit::secret::Secret;

use crate::browser::Driver;
use crate::http::{Visitor, hidden_field};
use crate::installation::{Installation, purge_leftovers};
use crate::wait::until;
use crate::{Failure, Outcome, ensure, ensure_eq};

/// Long enough for the policy and on no list of common ones.
pub const PASSWORD: &str = "lodge-willow-dam-7431";
/// A sign-up is ready well within this, also on a busy machine.
pub const READY_LIMIT: Duration = Duration::from_mins(1);

/// The running installation and what drives it.
#[derive(Debug)]
pub struct World {
    /// The installation under test.
    pub site: Installation,
    /// The browser driver.
    pub driver: Driver,
    /// deploy-control, with the operator's token.
    pub deploy: DeployClient,
    /// authz-service, with the internal token.
    pub authz: AuthzClient,
}

impl World {
    /// Starts everything with the project's own script.
    pub async fn start() -> Outcome<Self> {
        purge_leftovers().await?;
        let site = Installation::plan()?;
        match Self::start_site(&site).await {
            Ok((driver, deploy, authz)) => Ok(Self { site, driver, deploy, authz }),
            Err(failure) => {
                report_logs(&site).await;
                let _ = site.purge().await;
                Err(failure)
            }
        }
    }

    async fn start_site(site: &Installation) -> Outcome<(Driver, DeployClient, AuthzClient)> {
        let output = site.up().await?;
        ensure!(
            output.all().contains(&site.portal),
            "up.sh does not tell the portal's address:\n{}",
            output.all()
        );
        let http = service_kit::http_client::internal().build()?;
        let deploy = DeployClient::new(
            http.clone(),
            format!("http://127.0.0.1:{}", site.deploy_port).parse()?,
            Secret::new(site.deploy_token.clone()),
        );
        let authz = AuthzClient::new(
            http,
            format!("http://127.0.0.1:{}", site.authz_port).parse()?,
            Secret::new(site.authz_token.clone()),
        );
        Ok((Driver::start().await?, deploy, authz))
    }

    /// Takes everything down; shows the services' last words where something failed.
    pub async fn end(self, failed: bool) -> Outcome {
        if failed {
            report_logs(&self.site).await;
        }
        drop(self.driver);
        self.site.purge().await
    }

    /// Runs `body` with these settings, and without them after.
    pub async fn with_settings(
        &self,
        settings: &[(&str, &str)],
        body: impl AsyncFnOnce() -> Outcome,
    ) -> Outcome {
        let before = std::fs::read_to_string(&self.site.env_file)?;
        self.site.set(settings)?;
        let outcome = match self.site.script("up.sh", &["--no-build"], "").await?.success() {
            Ok(_) => body().await,
            Err(failure) => Err(failure),
        };
        std::fs::write(&self.site.env_file, before)?;
        let restored = self.site.script("up.sh", &["--no-build"], "").await?.success();
        // Why it failed first is what matters.
        outcome.and(restored.map(drop))
    }

    /// Signs a person up through the portal as a browser without JavaScript does, skips onboarding and waits
    /// until the instance is ready. The visitor is signed in at the portal.
    pub async fn sign_up(&self, name: &str) -> Outcome<Visitor> {
        let mut visitor = self.submit_sign_up(name).await?;
        self.wait_ready(name).await?;
        let page = visitor.get(&format!("{}/onboarding/provider", self.site.portal)).await?;
        let csrf = hidden_field(&page.body, "csrf")?;
        let skip = format!("{}/onboarding/provider/skip", self.site.portal);
        let answer = visitor.submit(&skip, &[("csrf", &csrf)]).await?;
        ensure_eq!(answer.status, 303, "skip: {}", answer.body);
        Ok(visitor)
    }

    /// Sends the sign-up form and returns at once.
    pub async fn submit_sign_up(&self, name: &str) -> Outcome<Visitor> {
        let mut visitor = Visitor::new()?;
        let url = format!("{}/register", self.site.portal);
        let page = visitor.get(&url).await?;
        let csrf = hidden_field(&page.body, "csrf")?;
        let email = format!("{name}@example.com");
        let fields = [("username", name), ("email", &email), ("password", PASSWORD), ("csrf", &csrf)];
        let answer = visitor.submit(&url, &fields).await?;
        ensure_eq!(answer.status, 303, "sign-up of {name}: {}", answer.body);
        ensure_eq!(answer.header("location"), "/provisioning");
        Ok(visitor)
    }

    /// The instance of a slug as deploy-control sees it, without waking it.
    pub async fn instance(&self, slug: &str) -> Outcome<InstanceView> {
        let request =
            ResolveRequest { slug: Some(slug.parse()?), wake: Some(false), ..ResolveRequest::default() };
        Ok(self.deploy.resolve(&request).await?)
    }

    /// Waits until the instance of a slug is ready.
    pub async fn wait_ready(&self, slug: &str) -> Outcome<InstanceView> {
        self.wait_state(slug, InstanceState::Ready).await
    }

    /// Waits until the instance of a slug is in a state.
    pub async fn wait_state(&self, slug: &str, state: InstanceState) -> Outcome<InstanceView> {
        until(&format!("{slug} to be {}", state.as_str()), READY_LIMIT, async || {
            let view = self.instance(slug).await?;
            if view.state == state {
                Ok(Some(view))
            } else {
                Err(Failure(format!("{:?} {:?}", view.state, view.reason)))
            }
        })
        .await
    }

    /// Makes sure that somebody of this name has signed up, and answers a visitor who is signed in at the
    /// portal and at the instance. So each scenario can run alone.
    pub async fn signed_in(&self, name: &str) -> Outcome<Visitor> {
        let mut visitor = match self.instance(name).await {
            Ok(view) => {
                if view.state == InstanceState::Asleep {
                    // A scenario before this one has left it so.
                    let request = ResolveRequest { slug: Some(name.parse()?), ..ResolveRequest::default() };
                    self.deploy.resolve(&request).await?;
                    self.wait_ready(name).await?;
                }
                self.log_in(name).await?
            }
            Err(_) => self.sign_up(name).await?,
        };
        let (answer, at) = visitor.follow(&self.site.instance_url(name, "/")).await?;
        ensure_eq!(answer.status, 200, "at {at}: {}", answer.body);
        Ok(visitor)
    }

    /// Signs in at the portal.
    pub async fn log_in(&self, name: &str) -> Outcome<Visitor> {
        let mut visitor = Visitor::new()?;
        let url = format!("{}/login", self.site.portal);
        let page = visitor.get(&url).await?;
        let csrf = hidden_field(&page.body, "csrf")?;
        let fields = [("login", name), ("password", PASSWORD), ("csrf", &csrf)];
        let answer = visitor.submit(&url, &fields).await?;
        ensure_eq!(answer.status, 303, "sign-in of {name}: {}", answer.body);
        Ok(visitor)
    }
}

/// Prints the last lines of every control-plane container.
async fn report_logs(site: &Installation) {
    for service in ["docker-guard", "authz-service", "deploy-control", "router-proxy", "auth-portal"] {
        let container = site.service(service);
        if let Ok(output) = crate::shell::docker(&["logs", "--tail", "40", &container]).await {
            println!("--- last words of {service}\n{}", output.all());
        }
    }
}

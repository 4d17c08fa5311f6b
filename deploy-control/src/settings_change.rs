//! An administrator's change of the settings: read, written down, and in force from then on.

use control_api::deploy_settings::ChangeDeploySettings;

use crate::error::Error;
use crate::host::Host;
use crate::requests::Requests;
use crate::settings::{Chosen, Machine, Settings};

impl Requests {
    /// Sets all of it.
    pub async fn change_settings(&self, change: ChangeDeploySettings) -> Result<Settings, Error> {
        let host = Host::read();
        let usable = std::thread::available_parallelism().map_or(1, std::num::NonZero::get);
        let machine = Machine {
            memory_bytes: host.memory_bytes,
            cpus: host.cpus.unwrap_or_else(|| u32::try_from(usable).unwrap_or(u32::MAX)),
        };
        let chosen = Chosen::parse(&change.chosen, &self.context.config, machine).map_err(Error::Fields)?;
        let (id, name) = (change.actor.user_id, change.actor.name.clone());
        let settings = self.context.store.choose_settings(change.version, chosen, change.actor).await?;
        let settings = settings.ok_or(Error::ChangedMeanwhile)?;
        tracing::info!(administrator = %id, %name, version = settings.version, "the settings were changed");
        self.context.settle(settings.clone());
        Ok(settings)
    }
}

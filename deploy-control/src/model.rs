//! The rows as the rest of the service sees them: typed, and without a way to hold a secret.

use std::fmt;
use std::net::{Ipv4Addr, SocketAddrV4};
use std::str::FromStr;

use control_api::deploy::{InstanceState, OperationKind, OperationState, ProviderSummary};
use control_api::ids::{InstanceId, OperationId, UserId};
use control_api::names::{Slug, Username};

use crate::engine::{self, Limits};
use crate::image_name::ImageName;

/// Port on which every instance listens.
pub const INSTANCE_PORT: u16 = 8080;

/// A fieldless enum with one text for the database for each of its values.
macro_rules! stored {
    ($(#[$doc:meta])* $name:ident { $($(#[$vdoc:meta])* $variant:ident = $text:literal),+ $(,)? }) => {
        $(#[$doc])*
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
        pub enum $name { $($(#[$vdoc])* $variant),+ }

        impl $name {
            /// Every value.
            pub const ALL: &[Self] = &[$(Self::$variant),+];

            /// As in the database.
            pub fn as_str(self) -> &'static str {
                match self { $(Self::$variant => $text),+ }
            }
        }

        impl FromStr for $name {
            type Err = String;
            fn from_str(text: &str) -> Result<Self, String> {
                match text {
                    $($text => Ok(Self::$variant),)+
                    _ => Err(format!("{text} is no {}", stringify!($name))),
                }
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(self.as_str())
            }
        }
    };
}

stored!(
    /// Where an instance should be.
    Goal {
        /// Serving.
        Awake = "awake",
        /// Stopped until the next request.
        Asleep = "asleep",
        /// Stopped until somebody starts it.
        Stopped = "stopped",
        /// Gone; its data stays.
        Deleted = "deleted",
        /// Gone with its data.
        Purged = "purged",
    }
);

stored!(
    /// A change that is under way; see the diagram in `lifecycle`.
    Change {
        /// None.
        None = "none",
        /// The container is to be stopped and started.
        Restart = "restart",
        /// A new `config.json` lies beside the old one.
        Configure = "configure",
        /// The new file is in place; the container still has the old one.
        ConfigureHalt = "configure-halt",
        /// The container is started with the new file.
        ConfigureTry = "configure-try",
        /// The new file did not work.
        PutBack = "put-back",
        /// The container is started with the old file again.
        PutBackTry = "put-back-try",
        /// The container is to be replaced by one of the target image.
        Upgrade = "upgrade",
        /// The present data was copied aside; that of an older snapshot is to take its place.
        Restore = "restore",
        /// A container of the target image is being brought up; the old one still exists.
        UpgradeTry = "upgrade-try",
        /// The new container did not work.
        UpgradeBack = "upgrade-back",
        /// The old container is started with the old data again.
        UpgradeReturn = "upgrade-return",
        /// A register failed: what it took is given back.
        TakeBack = "take-back",
    }
);

stored!(
    /// Who asked.
    Actor {
        /// The owner, through the portal.
        User = "user",
        /// Whoever has the deploy token.
        Operator = "operator",
        /// A request at the instance's host.
        Router = "router",
        /// This service itself.
        Reconciler = "reconciler",
        /// Docker said so.
        Docker = "docker",
    }
);

stored!(
    /// How far an operation is, for people.
    Stage {
        /// Waits for its turn.
        Queued = "queued",
        /// Network, folders and container.
        Container = "container",
        /// Start, and ask until it serves.
        Ready = "ready",
        /// The app is told its owner.
        Register = "register",
        /// The route is published.
        Route = "route",
        /// The container is being stopped.
        Stop = "stop",
        /// The configuration is being replaced.
        Configure = "configure",
        /// The old state is being put back.
        PutBack = "put-back",
        /// The data is being copied.
        Snapshot = "snapshot",
        /// The container and what belongs to it is being removed.
        Remove = "remove",
        /// Nothing more will happen.
        Done = "done",
    }
);

impl Stage {
    /// In words for people.
    pub fn title(self) -> &'static str {
        match self {
            Self::Queued => "Waiting for its turn",
            Self::Container => "Making the container",
            Self::Ready => "Starting the app",
            Self::Register => "Telling the app its owner",
            Self::Route => "Opening the address",
            Self::Stop => "Stopping the container",
            Self::Configure => "Writing the configuration",
            Self::PutBack => "Putting the old state back",
            Self::Snapshot => "Copying the data aside",
            Self::Remove => "Removing the container",
            Self::Done => "Done",
        }
    }

    /// 0 to 100: a hint for a progress bar, growing along the usual way.
    pub fn percent(self) -> u8 {
        match self {
            Self::Queued => 0,
            Self::Configure | Self::Stop => 15,
            Self::Container | Self::Snapshot => 25,
            Self::Ready | Self::PutBack | Self::Remove => 60,
            Self::Register => 85,
            Self::Route => 95,
            Self::Done => 100,
        }
    }
}

/// One instance.
#[derive(Clone, Debug, PartialEq, Eq)]
#[expect(clippy::struct_excessive_bools, reason = "each is a column of its own")]
pub struct Instance {
    /// Its id, for ever.
    pub id: InstanceId,
    /// Its host label.
    pub slug: Slug,
    /// Who owns it.
    pub owner_id: UserId,
    /// The owner's name.
    pub username: Username,
    /// The owner's address; may be empty.
    pub email: String,
    /// Where it should be.
    pub goal: Goal,
    /// The change under way.
    pub change: Change,
    /// What was last published.
    pub state: InstanceState,
    /// Why it is so.
    pub reason: Option<String>,
    /// Counts its containers.
    pub generation: u64,
    /// Whether a container of this generation was made.
    pub container_made: bool,
    /// The image that it runs or will run.
    pub image_id: Option<String>,
    /// The one before.
    pub previous_image_id: Option<String>,
    /// Where an upgrade goes.
    pub target_image_id: Option<String>,
    /// Its address, while it has one, and the network that this is in.
    pub place: Option<Place>,
    /// User id of its own.
    pub uid: u32,
    /// Its limits.
    pub limits: Limits,
    /// Its provider, without the key.
    pub provider: Option<ProviderSummary>,
    /// Whether the app knows its owner, or does not want to.
    pub owner_registered: bool,
    /// Whether it was ever ready.
    pub ever_ready: bool,
    /// When it was first asked for.
    pub created_at: i64,
    /// When it last became ready.
    pub ready_at: Option<i64>,
    /// When it was last used, as far as is known.
    pub last_activity_at: Option<i64>,
    /// When its last trace was removed.
    pub deleted_at: Option<i64>,
    /// Frozen by us, or to be: the first rung of the sleep ladder.
    pub nap: bool,
    /// Not put to sleep for want of use before then.
    pub keep_awake_until: Option<i64>,
    /// What its container had used of the processor when it was last measured.
    pub cpu: Option<CpuSample>,
    /// When it was last seen to use more of the processor than an idle one.
    pub cpu_busy_at: Option<i64>,
    /// What lay below its `data/` when that was last counted.
    pub disk: Option<DiskUse>,
    /// The snapshot whose data a rollback under way brings back; `None` keeps the data.
    pub restore_generation: Option<u64>,
}

/// Processor time of a container, since it was started, at one moment.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct CpuSample {
    /// Nanoseconds, over all cores.
    pub total_ns: u64,
    /// When: milliseconds since 1970-01-01 UTC.
    pub at: i64,
}

/// A copy of `data/`, taken before an image was replaced.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Snapshot {
    /// The generation that ran until then; the copy bears its number.
    pub generation: u64,
    /// What it ran.
    pub image_id: String,
    /// Bytes on disk.
    pub bytes: u64,
    /// When: milliseconds since 1970-01-01 UTC.
    pub taken_at: i64,
}

/// Use of the disk at one moment.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct DiskUse {
    /// Bytes below `data/`.
    pub bytes: u64,
    /// When: milliseconds since 1970-01-01 UTC.
    pub at: i64,
}

/// An address and the shard that it is in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Place {
    /// Counts the networks from 0.
    pub shard: u16,
    /// The address there.
    pub address: Ipv4Addr,
}

impl Instance {
    /// The name of its current container.
    pub fn container_name(&self, installation: &str) -> String {
        engine::container_name(installation, &self.slug, self.generation)
    }

    /// Where the router finds it, while there is a container.
    pub fn upstream(&self) -> Option<SocketAddrV4> {
        let place = self.place.filter(|_| self.container_made)?;
        Some(SocketAddrV4::new(place.address, INSTANCE_PORT))
    }
}

/// One operation.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Operation {
    /// Its id.
    pub id: OperationId,
    /// The instance that it works on.
    pub instance_id: InstanceId,
    /// What it does.
    pub kind: OperationKind,
    /// How far it is.
    pub state: OperationState,
    /// The step under way.
    pub stage: Stage,
    /// Who asked.
    pub actor: Actor,
    /// What was desired before.
    pub undo: Option<Goal>,
    /// Whether it is to be cancelled.
    pub cancel: bool,
    /// What it waits for.
    pub waiting: Option<String>,
    /// Why it failed, or will fail once what it had begun is undone.
    pub verdict: Option<String>,
    /// When it was asked for.
    pub created_at: i64,
    /// When work began.
    pub started_at: Option<i64>,
    /// When it must be done.
    pub deadline: i64,
    /// When it ended.
    pub finished_at: Option<i64>,
}

/// The pull of an image: an operation that belongs to no instance.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ImagePull {
    /// Its id.
    pub id: OperationId,
    /// What is pulled.
    pub image: ImageName,
    /// How far it is.
    pub state: OperationState,
    /// 0 to 100.
    pub percent: u8,
    /// Whether it is to be cancelled.
    pub cancel: bool,
    /// What it waits for.
    pub waiting: Option<String>,
    /// Why it failed.
    pub verdict: Option<String>,
    /// When it was asked for.
    pub created_at: i64,
    /// When work began.
    pub started_at: Option<i64>,
    /// When it must be done.
    pub deadline: i64,
    /// When it ended.
    pub finished_at: Option<i64>,
}

/// One entry for the reason ledger.
#[derive(Clone, Debug)]
pub struct Entry<'a> {
    /// What happened: `started`, `stopped`, ...
    pub what: &'a str,
    /// Why.
    pub cause: &'a str,
    /// What shows it.
    pub evidence: Option<&'a str>,
    /// Who asked.
    pub actor: Actor,
}

/// As in the database and on the wire.
pub fn kind_str(kind: OperationKind) -> &'static str {
    match kind {
        OperationKind::Register => "register",
        OperationKind::Start => "start",
        OperationKind::Stop => "stop",
        OperationKind::Restart => "restart",
        OperationKind::Sleep => "sleep",
        OperationKind::Wake => "wake",
        OperationKind::ConfigureProvider => "configure-provider",
        OperationKind::Upgrade => "upgrade",
        OperationKind::Rollback => "rollback",
        OperationKind::Delete => "delete",
        OperationKind::Pull => "pull",
    }
}

/// Every kind of operation on an instance.
pub const KINDS: [OperationKind; 10] = [
    OperationKind::Register,
    OperationKind::Start,
    OperationKind::Stop,
    OperationKind::Restart,
    OperationKind::Sleep,
    OperationKind::Wake,
    OperationKind::ConfigureProvider,
    OperationKind::Upgrade,
    OperationKind::Rollback,
    OperationKind::Delete,
];

/// Every state of an operation, with its text.
pub const OPERATION_STATES: [(OperationState, &str); 5] = [
    (OperationState::Queued, "queued"),
    (OperationState::Running, "running"),
    (OperationState::Succeeded, "succeeded"),
    (OperationState::Failed, "failed"),
    (OperationState::Cancelled, "cancelled"),
];

//! Ids: ULIDs, one type each, so that one can never stand where another belongs.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};
use ulid::Ulid;
use utoipa::ToSchema;

/// The text is no ULID.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("must be a ULID: 26 letters and digits")]
pub struct InvalidId;

macro_rules! id {
    ($(#[$doc:meta])* $name:ident) => {
        $(#[$doc])*
        #[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, ToSchema)]
        #[serde(try_from = "String", into = "String")]
        #[schema(value_type = String, example = "01JDF3X5S8Q4M7R2V6T9W0YZAB")]
        pub struct $name(Ulid);

        impl $name {
            /// A new id.
            pub fn generate() -> Self {
                Self(Ulid::generate())
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                self.0.fmt(f)
            }
        }

        impl fmt::Debug for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                self.0.fmt(f)
            }
        }

        impl FromStr for $name {
            type Err = InvalidId;
            fn from_str(text: &str) -> Result<Self, InvalidId> {
                Ulid::from_string(text).map(Self).map_err(|_| InvalidId)
            }
        }

        impl TryFrom<String> for $name {
            type Error = InvalidId;
            fn try_from(text: String) -> Result<Self, InvalidId> {
                text.parse()
            }
        }

        impl From<$name> for String {
            fn from(id: $name) -> Self {
                id.to_string()
            }
        }
    };
}

id!(
    /// A person's account.
    UserId
);
id!(
    /// One person's instance of the app; the same over all generations of its container.
    InstanceId
);
id!(
    /// A piece of work that deploy-control does.
    OperationId
);
id!(
    /// The way of one image to all instances.
    RolloutId
);
id!(
    /// A session as others may see it; the secret that proves it is another value.
    SessionId
);
id!(
    /// An invite as administrators see it; its code is another value.
    InviteId
);
id!(
    /// An API key as others may see it; the key itself is another value.
    ApiKeyId
);

id!(
    /// A passkey as others may see it; the credential's own id is another value.
    PasskeyId
);

impl From<ApiKeyId> for SessionId {
    /// Where something must hang on a session and hangs on a key: both are ULIDs, so neither is taken for the
    /// other's.
    fn from(key: ApiKeyId) -> Self {
        Self(key.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ids_go_over_the_wire_as_text_and_refuse_anything_else() {
        let id = InstanceId::generate();
        let json = serde_json::to_string(&id).expect("json");
        assert_eq!(json, format!("\"{id}\""));
        assert_eq!(serde_json::from_str::<InstanceId>(&json).expect("an id"), id);
        for bad in ["\"\"", "\"../../etc\"", "\"01J\"", "7"] {
            assert!(serde_json::from_str::<InstanceId>(bad).is_err(), "{bad}");
        }
    }
}

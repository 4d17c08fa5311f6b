//! Secrets that must cross the wire: redacted when printed, plain in the body of a request or an answer.

use serde::{Deserialize, Serialize, Serializer};
use service_kit::secret::Secret;
use utoipa::ToSchema;

/// Text that is serialised in full (the wire needs it) and printed as `[redacted]`.
#[derive(Clone, Debug, Deserialize, ToSchema)]
#[serde(transparent)]
#[schema(value_type = String, format = Password)]
pub struct WireSecret(Secret<String>);

impl WireSecret {
    /// Wraps a text.
    pub fn new(text: String) -> Self {
        Self(Secret::new(text))
    }

    /// The text: hand it on, never print it.
    pub fn expose(&self) -> &str {
        self.0.expose()
    }
}

impl From<Secret<String>> for WireSecret {
    fn from(secret: Secret<String>) -> Self {
        Self(secret)
    }
}

impl From<&str> for WireSecret {
    fn from(text: &str) -> Self {
        Self(Secret::from(text))
    }
}

impl Serialize for WireSecret {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(self.expose())
    }
}

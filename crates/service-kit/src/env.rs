//! Configuration from the process environment. A reader collects every fault so that an operator sees all
//! of them at once; values are never repeated in a fault, because any of them may be a secret.

use std::collections::HashMap;
use std::fmt;
use std::str::FromStr;

use crate::secret::Secret;

/// Exit code for bad configuration: `EX_USAGE` of sysexits.h.
pub const EXIT_CONFIG: u8 = 64;

/// Reads variables and remembers what was wrong with them.
#[derive(Default)]
pub struct EnvReader {
    vars: HashMap<String, String>,
    faults: Vec<String>,
}

/// All faults of a configuration, one a line.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ConfigError(Vec<String>);

impl ConfigError {
    /// The faults, in the order in which they were found.
    #[must_use]
    pub fn faults(&self) -> &[String] {
        &self.0
    }
}

impl fmt::Display for ConfigError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "the configuration has {} fault(s):", self.0.len())?;
        for fault in &self.0 {
            write!(f, "\n  - {fault}")?;
        }
        Ok(())
    }
}

impl std::error::Error for ConfigError {}

impl EnvReader {
    /// Reads the environment of this process.
    #[must_use]
    pub fn from_process() -> Self {
        Self::from_pairs(
            std::env::vars_os().filter_map(|(k, v)| Some((k.into_string().ok()?, v.into_string().ok()?))),
        )
    }

    /// Reads the given pairs: for tests.
    pub fn from_pairs(pairs: impl IntoIterator<Item = (impl Into<String>, impl Into<String>)>) -> Self {
        Self { vars: pairs.into_iter().map(|(k, v)| (k.into(), v.into())).collect(), faults: Vec::new() }
    }

    /// The variable's text; empty counts as not set.
    #[must_use]
    pub fn text(&self, name: &str) -> Option<String> {
        self.vars.get(name).map(|v| v.trim()).filter(|v| !v.is_empty()).map(str::to_owned)
    }

    /// Parses a variable, or takes `default` where it is not set. A value that does not parse is a fault,
    /// and `default` stands in until [`EnvReader::finish`] reports it.
    pub fn parse_or<T>(&mut self, name: &str, default: T) -> T
    where
        T: FromStr,
        T::Err: fmt::Display,
    {
        self.parse_optional(name).unwrap_or(default)
    }

    /// Parses a variable where it is set.
    pub fn parse_optional<T>(&mut self, name: &str) -> Option<T>
    where
        T: FromStr,
        T::Err: fmt::Display,
    {
        let text = self.text(name)?;
        match text.parse() {
            Ok(value) => Some(value),
            Err(error) => {
                self.fault(name, &error.to_string());
                None
            }
        }
    }

    /// Parses a variable that must be set; `placeholder` stands in where it is missing or bad, until
    /// [`EnvReader::finish`] reports it.
    pub fn parse_required<T>(&mut self, name: &str, placeholder: T) -> T
    where
        T: FromStr,
        T::Err: fmt::Display,
    {
        if self.text(name).is_none() {
            self.fault(name, "is not set");
            return placeholder;
        }
        self.parse_or(name, placeholder)
    }

    /// A secret that must be set and have at least `min_len` characters.
    pub fn secret(&mut self, name: &str, min_len: usize) -> Secret<String> {
        match self.text(name) {
            None => {
                self.fault(name, "is not set");
                Secret::from("")
            }
            Some(text) if text.len() < min_len => {
                self.fault(name, &format!("must have at least {min_len} characters"));
                Secret::from("")
            }
            Some(text) => Secret::new(text),
        }
    }

    /// Records a fault that the caller found; `reason` must not repeat the value.
    pub fn fault(&mut self, name: &str, reason: &str) {
        self.faults.push(format!("{name}: {reason}"));
    }

    /// The value, or every fault that was met on the way to it.
    pub fn finish<T>(mut self, value: T) -> Result<T, ConfigError> {
        if self.faults.is_empty() { Ok(value) } else { Err(ConfigError(std::mem::take(&mut self.faults))) }
    }
}

impl Drop for EnvReader {
    fn drop(&mut self) {
        self.vars.values_mut().for_each(zeroize::Zeroize::zeroize);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_fault_is_reported_at_once_and_no_value_is_shown() {
        let mut env = EnvReader::from_pairs([("PORT", "not-a-port-s3cret"), ("TOKEN", "short-s3cret")]);
        let port: u16 = env.parse_or("PORT", 1);
        let _ = env.secret("TOKEN", 32);
        let _: u16 = env.parse_required("MISSING", 7);
        assert_eq!(port, 1);
        let error = env.finish(()).expect_err("three faults");
        assert_eq!(error.faults().len(), 3);
        let text = error.to_string();
        assert!(text.contains("PORT") && text.contains("TOKEN") && text.contains("MISSING"));
        assert!(!text.contains("s3cret"));
    }

    #[test]
    fn an_empty_variable_counts_as_not_set() {
        let mut env = EnvReader::from_pairs([("PORT", " ")]);
        assert_eq!(env.parse_or("PORT", 8_u16), 8);
        assert_eq!(env.finish(()), Ok(()));
    }
}

//! Sizes, cores and times as people write them, in `.env` and on the settings page: `256m`, `0.5`, `30m`, `off`. What is
//! printed can be read again and means the same.

use std::fmt;
use std::str::FromStr;
use std::time::Duration;

/// A size such as `256m`, `1g`, `1048576`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Bytes(pub u64);

impl FromStr for Bytes {
    type Err = &'static str;
    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let text = text.trim().to_ascii_lowercase();
        let text = text.strip_suffix('b').unwrap_or(&text);
        let (digits, factor) = match text.as_bytes().last() {
            Some(b'k') => (&text[..text.len() - 1], 1 << 10),
            Some(b'm') => (&text[..text.len() - 1], 1 << 20),
            Some(b'g') => (&text[..text.len() - 1], 1 << 30),
            _ => (text, 1),
        };
        let number: u64 = digits.parse().map_err(|_| "must be a size such as 256m or 1g")?;
        number.checked_mul(factor).filter(|n| *n > 0).map(Self).ok_or("is out of range")
    }
}

impl fmt::Display for Bytes {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let units = [(1 << 30, "g"), (1 << 20, "m"), (1 << 10, "k")];
        let (factor, unit) = units.into_iter().find(|(n, _)| self.0.is_multiple_of(*n)).unwrap_or((1, ""));
        write!(f, "{}{unit}", self.0 / factor)
    }
}

/// Cores such as `1.0` or `0.25`, in thousandths.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Cpus(pub u32);

impl FromStr for Cpus {
    type Err = &'static str;
    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let message = "must be a number of cores such as 0.5 or 2, with at most three decimals";
        let (whole, part) = text.split_once('.').unwrap_or((text, "0"));
        if part.is_empty() || part.len() > 3 || !part.bytes().all(|b| b.is_ascii_digit()) {
            return Err(message);
        }
        let whole: u32 = whole.parse().map_err(|_| message)?;
        let part: u32 = format!("{part:0<3}").parse().map_err(|_| message)?;
        let milli = whole.checked_mul(1_000).and_then(|w| w.checked_add(part)).ok_or(message)?;
        if milli < 10 { Err("must be 0.01 or more") } else { Ok(Self(milli)) }
    }
}

impl fmt::Display for Cpus {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let part = format!("{:03}", self.0 % 1_000);
        let part = part.trim_end_matches('0');
        write!(f, "{}.{}", self.0 / 1_000, if part.is_empty() { "0" } else { part })
    }
}

/// `30m`, `90s`, `2h` or `off`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct IdleTime(pub Option<Duration>);

impl fmt::Display for IdleTime {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Some(time) = self.0 else { return f.write_str("off") };
        let units = [(3_600, "h"), (60, "m")];
        let seconds = time.as_secs();
        let (factor, unit) = units.into_iter().find(|(n, _)| seconds.is_multiple_of(*n)).unwrap_or((1, "s"));
        write!(f, "{}{unit}", seconds / factor)
    }
}

impl FromStr for IdleTime {
    type Err = &'static str;
    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let message = "must be a time such as 30m, 90s or 2h, or off";
        if text == "off" {
            return Ok(Self(None));
        }
        let seconds = match text.as_bytes().last() {
            Some(b's') => 1,
            Some(b'm') => 60,
            Some(b'h') => 3_600,
            _ => return Err(message),
        };
        let number: u64 = text[..text.len() - 1].parse().map_err(|_| message)?;
        let seconds = number.checked_mul(seconds).filter(|s| *s > 0).ok_or(message)?;
        Ok(Self(Some(Duration::from_secs(seconds))))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn cores_and_times_are_read_exactly() {
        assert_eq!("0.25".parse(), Ok(Cpus(250)));
        assert_eq!("2".parse(), Ok(Cpus(2_000)));
        assert!("0.001".parse::<Cpus>().is_err());
        assert_eq!("off".parse(), Ok(IdleTime(None)));
        assert_eq!("90s".parse(), Ok(IdleTime(Some(Duration::from_secs(90)))));
    }

    #[test]
    fn what_is_printed_means_the_same() {
        for text in ["256m", "1g", "1025", "3k", "1536m"] {
            assert_eq!(text.parse::<Bytes>().map(|size| size.to_string()).as_deref(), Ok(text));
        }
        for text in ["0.25", "1.0", "16.0", "0.01", "2.125"] {
            assert_eq!(text.parse::<Cpus>().map(|cores| cores.to_string()).as_deref(), Ok(text));
        }
        for text in ["off", "90s", "30m", "2h"] {
            assert_eq!(text.parse::<IdleTime>().map(|time| time.to_string()).as_deref(), Ok(text));
        }
    }
}

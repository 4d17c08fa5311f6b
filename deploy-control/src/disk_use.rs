//! What the use of a disk means: from 80 % of the limit its owner is warned, at 100 % the instance is put to sleep.
//! Pure; the measuring is in `disk_watch`.

/// From so many hundredths of the limit on its owner is warned.
const WARNING_PERCENT: u128 = 80;

/// How full a disk is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Fill {
    /// There is room.
    Fine,
    /// Nearly full.
    Warning,
    /// Full.
    Full,
}

impl Fill {
    /// How full it is with so many bytes of a limit.
    pub fn of(used: u64, limit: u64) -> Self {
        if used >= limit {
            Self::Full
        } else if u128::from(used) * 100 >= u128::from(limit) * WARNING_PERCENT {
            Self::Warning
        } else {
            Self::Fine
        }
    }
}

/// What its owner should know, from 80 % on.
pub fn warning(used: u64, limit: u64) -> Option<String> {
    match Fill::of(used, limit) {
        Fill::Fine => None,
        Fill::Warning => Some(format!("its disk is nearly full: {} of {}", size(used), size(limit))),
        Fill::Full => full(used, limit),
    }
}

/// Why it is put to sleep, at 100 %.
pub fn full(used: u64, limit: u64) -> Option<String> {
    let is_full = Fill::of(used, limit) == Fill::Full;
    is_full.then(|| format!("{FULL}: {} of {}", size(used), size(limit)))
}

/// How the reason of an instance with a full disk begins.
pub const FULL: &str = "its disk is full";

/// A number of bytes for people, such as `1.5 GiB`.
pub fn size(bytes: u64) -> String {
    let (unit, name) = match bytes {
        0x4000_0000.. => (1 << 30, "GiB"),
        0x10_0000.. => (1 << 20, "MiB"),
        _ => (1 << 10, "KiB"),
    };
    let tenths = u128::from(bytes) * 10 / unit;
    if tenths.is_multiple_of(10) {
        format!("{} {name}", tenths / 10)
    } else {
        format!("{}.{} {name}", tenths / 10, tenths % 10)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_levels_by_table() {
        const G: u64 = 1 << 30;
        for (used, limit, fill) in [
            (0, G, Fill::Fine),
            (799, 1_000, Fill::Fine),
            (800, 1_000, Fill::Warning),
            (999, 1_000, Fill::Warning),
            (1_000, 1_000, Fill::Full),
            (u64::MAX, u64::MAX, Fill::Full),
            (u64::MAX - 1, u64::MAX, Fill::Warning),
        ] {
            assert_eq!(Fill::of(used, limit), fill, "{used} of {limit}");
            assert_eq!(warning(used, limit).is_some(), fill != Fill::Fine, "{used} of {limit}");
            assert_eq!(full(used, limit).is_some(), fill == Fill::Full, "{used} of {limit}");
        }
        assert_eq!(warning(900 << 20, G).as_deref(), Some("its disk is nearly full: 900 MiB of 1 GiB"));
        assert_eq!(full(3 << 29, G).as_deref(), Some("its disk is full: 1.5 GiB of 1 GiB"));
        assert_eq!(size(1_536), "1.5 KiB");
    }
}

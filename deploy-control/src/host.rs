//! What the machine has and how busy it is, as the kernel tells it in `/proc`. Reading and parsing are apart, so that the
//! parsing is pure. What cannot be read is absent.

/// What `/proc` says.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Host {
    /// Processors that are online.
    pub cpus: Option<u32>,
    /// Processes that run or wait, on average over 1, 5 and 15 minutes.
    pub load: Option<[f64; 3]>,
    /// Bytes of memory.
    pub memory_bytes: Option<u64>,
    /// Bytes that a new process could have without swapping.
    pub memory_available_bytes: Option<u64>,
}

impl Host {
    /// Reads it now; a few files that are never on a disk.
    pub fn read() -> Self {
        let text = |path| std::fs::read_to_string(path).unwrap_or_default();
        Self::parse(&text("/proc/stat"), &text("/proc/loadavg"), &text("/proc/meminfo"))
    }

    /// `proc_stat(5)`, `proc_loadavg(5)`, `proc_meminfo(5)`.
    pub fn parse(stat: &str, loadavg: &str, meminfo: &str) -> Self {
        let is_cpu = |line: &&str| {
            line.strip_prefix("cpu").is_some_and(|rest| rest.starts_with(|c: char| c.is_ascii_digit()))
        };
        let cpus = u32::try_from(stat.lines().filter(is_cpu).count()).ok().filter(|cpus| *cpus > 0);
        let mut numbers = loadavg.split_whitespace().map_while(|word| word.parse().ok());
        let load = match (numbers.next(), numbers.next(), numbers.next()) {
            (Some(one), Some(five), Some(fifteen)) => Some([one, five, fifteen]),
            _ => None,
        };
        let bytes = |name: &str| {
            let line = meminfo.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(':'))?;
            let kib: u64 = line.trim().strip_suffix("kB")?.trim().parse().ok()?;
            kib.checked_mul(1024)
        };
        Self { cpus, load, memory_bytes: bytes("MemTotal"), memory_available_bytes: bytes("MemAvailable") }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_kernels_words_are_read() {
        let stat = "cpu  1 2 3\ncpu0 1 2 3\ncpu1 1 2 3\ncpufreq 1\nintr 5\n";
        let meminfo = "MemTotal:        2048 kB\nMemFree:  1 kB\nMemAvailable:    1024 kB\n";
        let host = Host::parse(stat, "0.50 1.25 2.00 1/234 5678\n", meminfo);
        assert_eq!(
            host,
            Host {
                cpus: Some(2),
                load: Some([0.5, 1.25, 2.0]),
                memory_bytes: Some(2 << 20),
                memory_available_bytes: Some(1 << 20),
            }
        );
        for garbage in ["", "nonsense", "MemTotal: many kB\ncpux"] {
            assert_eq!(Host::parse(garbage, garbage, garbage), Host::default(), "{garbage}");
        }
    }

    #[test]
    fn this_machine_tells_all_of_it() {
        let host = Host::read();
        assert!(host.cpus.is_some() && host.load.is_some(), "{host:?}");
        assert!(host.memory_available_bytes <= host.memory_bytes && host.memory_bytes.is_some(), "{host:?}");
    }
}

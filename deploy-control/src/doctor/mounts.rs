//! Whether a filesystem offers project quotas, read from `/proc/self/mountinfo` (proc(5)).

use std::path::Path;

/// The filesystem of `path` and whether its quotas for projects are on; `None` where the table has no mount for it.
pub(super) fn quota_of(mountinfo: &str, path: &Path) -> Option<(String, bool)> {
    let mounts = mountinfo.lines().filter_map(|line| {
        let (left, right) = line.split_once(" - ")?;
        let point = left.split(' ').nth(4)?;
        let mut fields = right.split(' ');
        let (kind, options) = (fields.next()?, fields.nth(1)?);
        path.starts_with(unescape(point)).then_some((point.len(), kind, options))
    });
    // The deepest mount holds the path; of two at the same place the later covers the earlier.
    let (_, kind, options) = mounts.max_by_key(|(length, ..)| *length)?;
    let on = options.split(',').any(|option| matches!(option, "prjquota" | "pquota"));
    Some((kind.to_owned(), on))
}

/// Blanks and the like stand as three octal digits.
fn unescape(text: &str) -> String {
    text.replace("\\040", " ").replace("\\011", "\t").replace("\\134", "\\")
}

#[cfg(test)]
mod tests {
    use super::*;

    const TABLE: &str = "\
22 1 252:0 / / rw,relatime shared:1 - ext4 /dev/vda rw,discard
40 22 8:1 / /srv/my\\040data rw,noatime shared:9 - xfs /dev/sda1 rw,attr2,prjquota
41 22 0:30 / /srv/plain rw - xfs /dev/sdb rw,attr2,noquota
";

    #[test]
    fn the_deepest_mount_decides() {
        let of = |path: &str| quota_of(TABLE, Path::new(path));
        assert_eq!(of("/srv/my data/runtime/instances"), Some(("xfs".to_owned(), true)));
        assert_eq!(of("/srv/plain/runtime"), Some(("xfs".to_owned(), false)));
        assert_eq!(of("/srv/plainer"), Some(("ext4".to_owned(), false)));
        assert_eq!(quota_of("", Path::new("/srv")), None);
    }
}

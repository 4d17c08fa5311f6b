//! A look at the folders that a container will be given, as the second line behind the policy's textual check.
//! Docker resolves the path again when the container starts, so this cannot be the only line.

use std::path::Path;

use super::policy::Refusal;

/// Looks at each folder from the root of the instances to the bind's source: none may be a symbolic link, and
/// all must be there, because Docker would make a missing one as root. A folder that this process may not look
/// into is left to the textual policy.
pub(super) async fn check_folders(root: &str, source: &str) -> Result<(), Refusal> {
    let mut path = Path::new(root).to_path_buf();
    let below = source.strip_prefix(root).unwrap_or_default();
    for name in std::iter::once("").chain(below.split('/')).filter(|name| !name.is_empty()) {
        path.push(name);
        match tokio::fs::symlink_metadata(&path).await {
            Ok(metadata) if metadata.is_dir() => {}
            Ok(_) => return Err(Refusal::new("a bind's source is a symbolic link or no folder")),
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => {
                return Err(Refusal::new(
                    "a bind's source does not exist (or runtime/instances is not mounted where docker-guard runs)",
                ));
            }
            Err(error) => {
                tracing::debug!(path = %path.display(), %error, "a bind's folder cannot be looked at");
                return Ok(());
            }
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_bind_through_a_symbolic_link_is_refused() {
        let folder = tempfile::tempdir().expect("a folder");
        let root = folder.path().to_str().expect("text").to_owned();
        std::fs::create_dir_all(folder.path().join("real/data")).expect("folders");
        std::os::unix::fs::symlink("/etc", folder.path().join("real/link")).expect("a link");
        std::os::unix::fs::symlink("real", folder.path().join("alias")).expect("a link");
        std::fs::write(folder.path().join("real/file"), "").expect("a file");
        let check = async |below: &str| check_folders(&root, &format!("{root}/{below}")).await;
        assert_eq!(check("real/data").await, Ok(()));
        assert_eq!(check("real").await, Ok(()));
        for bad in ["real/link", "alias/data", "real/file", "real/missing"] {
            assert!(check(bad).await.is_err(), "{bad}");
        }
    }
}

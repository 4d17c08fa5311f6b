//! axe-core, the accessibility engine of Deque: its JavaScript is taken from a package of `PyPI` at test time, of this
//! version and with this checksum alone, and kept in the target directory.

use std::path::{Path, PathBuf};

use e2e::{Failure, Outcome};
use tokio::process::Command;
use tokio::sync::OnceCell;

/// A package that carries axe-core 4.12.1.
const PACKAGE: &str = "axe-playwright-python==0.1.8";
/// Of its wheel.
const SHA256: &str = "fdd263c998388f1a8e67cad02677e612d946248bd44d163be5e8650ea31f95f8";
/// Where the wheel has it.
const FILE: &str = "axe_playwright_python/axe.min.js";

/// Fetched once: two tests that unpack it side by side would be in each other's way.
static SOURCE: OnceCell<String> = OnceCell::const_new();

/// The JavaScript of axe-core.
pub(crate) async fn source() -> Outcome<&'static str> {
    Ok(SOURCE.get_or_try_init(load).await?.as_str())
}

async fn load() -> Outcome<String> {
    let folder = Path::new(env!("CARGO_TARGET_TMPDIR")).join(format!("axe-{SHA256}"));
    let file = folder.join(FILE);
    if !file.exists() {
        fetch(&folder).await?;
    }
    Ok(tokio::fs::read_to_string(file).await?)
}

/// Unpacks the wheel beside its place and moves it there, so that one which is half there is never read.
async fn fetch(folder: &Path) -> Outcome {
    let work = folder.with_extension("part");
    let _ = tokio::fs::remove_dir_all(&work).await;
    tokio::fs::create_dir_all(&work).await?;
    let wanted = work.join("wanted.txt");
    tokio::fs::write(&wanted, format!("{PACKAGE} --hash=sha256:{SHA256}\n")).await?;
    let pip = ["-m", "pip", "download", "--quiet", "--no-deps", "--only-binary=:all:", "--require-hashes"];
    python(Command::new("python3").args(pip).arg("--dest").arg(&work).arg("--requirement").arg(&wanted))
        .await?;
    let wheel = wheel_in(&work).await?;
    python(Command::new("python3").args(["-m", "zipfile", "-e"]).arg(&wheel).arg(&work)).await?;
    let _ = tokio::fs::remove_dir_all(folder).await;
    Ok(tokio::fs::rename(&work, folder).await?)
}

async fn wheel_in(folder: &Path) -> Outcome<PathBuf> {
    let mut entries = tokio::fs::read_dir(folder).await?;
    while let Some(entry) = entries.next_entry().await? {
        if entry.path().extension().is_some_and(|end| end == "whl") {
            return Ok(entry.path());
        }
    }
    Err(Failure(format!("pip put no wheel into {}", folder.display())))
}

async fn python(command: &mut Command) -> Outcome {
    let output = command
        .output()
        .await
        .map_err(|e| Failure(format!("python3 cannot be started ({e}); install Debian's python3-pip")))?;
    if output.status.success() {
        return Ok(());
    }
    Err(Failure(format!("{command:?}: {}", String::from_utf8_lossy(&output.stderr))))
}

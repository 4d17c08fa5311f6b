use std::fs::{self, Permissions};

use rcgen::{CertificateParams, KeyPair};

use super::*;

const NOW: i64 = 1_750_000_000;

struct Folder {
    folder: tempfile::TempDir,
    files: CertificateFiles,
}

/// A chain and a key; valid from the first to the second of the two years.
fn made(names: &[&str], years: (i32, i32)) -> (String, String) {
    let key = KeyPair::generate().expect("a key");
    let names: Vec<String> = names.iter().map(|name| (*name).to_owned()).collect();
    let mut params = CertificateParams::new(names).expect("parameters");
    params.not_before = rcgen::date_time_ymd(years.0, 1, 1);
    params.not_after = rcgen::date_time_ymd(years.1, 1, 1);
    (params.self_signed(&key).expect("a certificate").pem(), key.serialize_pem())
}

impl Folder {
    fn new() -> Self {
        let folder = tempfile::tempdir().expect("a folder");
        let files = CertificateFiles::new(folder.path().to_owned());
        Self { folder, files }
    }

    fn put(&self, name: &str, text: &str) {
        let path = self.folder.path().join(name);
        fs::create_dir_all(path.parent().expect("a folder")).expect("made");
        fs::write(&path, text).expect("written");
        fs::set_permissions(&path, Permissions::from_mode(0o640)).expect("set");
    }

    fn put_pair(&self, name: &str, (chain, key): &(String, String)) {
        self.put(&format!("{name}.crt"), chain);
        self.put(&format!("{name}.key"), key);
    }

    fn scan(&mut self) -> u64 {
        self.files.scan(NOW).expect("scanned")
    }

    fn find(&self, name: &str) -> Option<Arc<Certificate>> {
        self.files.table(NOW).find(name).cloned()
    }

    fn faults(&self) -> String {
        self.files.faults().collect::<Vec<_>>().join("; ")
    }
}

#[test]
fn both_layouts_are_found_and_everything_else_is_left_alone() {
    let mut folder = Folder::new();
    folder.put_pair("one", &made(&["one.example.com"], (2020, 2040)));
    let (chain, key) = made(&["two.example.com"], (2020, 2040));
    folder.put("two/fullchain.pem", &chain);
    folder.put("two/privkey.pem", &key);
    folder.put("README", "hello");
    folder.put(".hidden.crt", "hello");
    folder.put("empty/cert.pem", "hello");
    assert_eq!(folder.scan(), 0);
    assert!(folder.find("one.example.com").is_some() && folder.find("two.example.com").is_some());
    assert_eq!(folder.files.in_force().map(|one| one.name.to_owned()).collect::<Vec<_>>(), ["one", "two/"]);
    assert_eq!(folder.faults(), "");
}

#[test]
fn what_has_not_changed_is_kept_and_what_has_is_read_again() {
    let mut folder = Folder::new();
    folder.put_pair("a", &made(&["a.example.com"], (2020, 2040)));
    folder.scan();
    let first = folder.find("a.example.com").expect("there");
    folder.scan();
    assert!(Arc::ptr_eq(&first, &folder.find("a.example.com").expect("there")), "sessions can be resumed");
    folder.put_pair("a", &made(&["b.example.com"], (2020, 2040)));
    folder.scan();
    assert!(folder.find("a.example.com").is_none() && folder.find("b.example.com").is_some());
    fs::remove_file(folder.folder.path().join("a.crt")).expect("removed");
    assert_eq!(folder.scan(), 1, "half a pair is a fault");
    assert!(folder.find("b.example.com").is_some(), "and no removal");
    fs::remove_file(folder.folder.path().join("a.key")).expect("removed");
    assert_eq!(folder.scan(), 0);
    assert!(folder.find("b.example.com").is_none());
}

#[test]
fn a_bad_one_leaves_the_last_good_one_in_force_and_is_told_once() {
    let mut folder = Folder::new();
    let good = made(&["a.example.com"], (2020, 2040));
    let (other, expired, early) = (
        made(&["a.example.com"], (2020, 2040)),
        made(&["a.example.com"], (2020, 2021)),
        made(&["a.example.com"], (2039, 2040)),
    );
    folder.put_pair("a", &good);
    folder.scan();
    let first = folder.find("a.example.com").expect("there");
    let cases = [
        (("nonsense".to_owned(), good.1.clone()), "no certificate"),
        ((good.0.clone(), other.1.clone()), "does not belong"),
        ((good.0.clone(), "nonsense".to_owned()), "no private key"),
        (expired, "has expired"),
        (early, "not valid yet"),
        (("x".repeat(300_000), good.1.clone()), "too long"),
    ];
    for (pair, reason) in cases {
        folder.put_pair("a", &pair);
        assert_eq!(folder.scan(), 1, "{reason}");
        assert_eq!(folder.scan(), 0, "{reason}: told once");
        assert!(folder.faults().contains(reason) && folder.faults().contains("a.crt"), "{}", folder.faults());
        assert!(!folder.faults().contains("PRIVATE"));
        assert!(Arc::ptr_eq(&first, &folder.find("a.example.com").expect("there")), "{reason}");
    }
    folder.put_pair("a", &other);
    assert_eq!(folder.scan(), 0);
    assert_eq!(folder.faults(), "");
    assert!(!Arc::ptr_eq(&first, &folder.find("a.example.com").expect("there")));
}

#[test]
fn an_expired_one_is_better_than_none_and_the_longest_valid_one_wins() {
    let mut folder = Folder::new();
    folder.put_pair("a", &made(&["a.example.com"], (2020, 2021)));
    folder.scan();
    assert!(folder.find("a.example.com").is_some());
    folder.put_pair("b", &made(&["a.example.com"], (2020, 2030)));
    folder.put_pair("c", &made(&["a.example.com"], (2020, 2040)));
    folder.put_pair("d", &made(&["a.example.com"], (2049, 2050)));
    folder.scan();
    let found = folder.find("a.example.com").expect("there");
    assert_eq!(found.not_after, 2_208_988_800, "the one until 2040");
}

#[test]
fn a_key_that_anybody_may_read_is_named() {
    let mut folder = Folder::new();
    folder.put_pair("a", &made(&["a.example.com"], (2020, 2040)));
    folder.scan();
    assert_eq!(folder.files.exposed().count(), 0);
    fs::set_permissions(folder.folder.path().join("a.key"), Permissions::from_mode(0o644)).expect("set");
    folder.scan();
    assert_eq!(folder.files.exposed().collect::<Vec<_>>(), ["a"]);
}

#[test]
fn a_folder_that_is_gone_changes_nothing() {
    let mut folder = Folder::new();
    folder.put_pair("a", &made(&["a.example.com"], (2020, 2040)));
    folder.scan();
    let path = folder.folder.path().to_owned();
    fs::rename(&path, path.with_extension("gone")).expect("moved");
    assert!(folder.files.scan(NOW).is_err());
    assert!(folder.find("a.example.com").is_some());
    fs::rename(path.with_extension("gone"), &path).expect("moved back");
}

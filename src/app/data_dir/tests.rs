use std::fs::Permissions;

use tempfile::TempDir;

use super::*;

fn config(folder: &Path) -> Config {
    Config {
        data_dir: folder.to_owned(),
        ..Config::default()
    }
}

fn mode(path: &Path) -> u32 {
    fs::metadata(path).unwrap().permissions().mode() & 0o777
}

#[test]
fn a_new_folder_is_for_the_owner_alone() {
    let parent = TempDir::new().unwrap();
    let path = parent.path().join("a/b");
    DataDir::open(&path).unwrap();
    assert_eq!(mode(&path), 0o700);
}

#[test]
fn a_folder_has_one_process() {
    let parent = TempDir::new().unwrap();
    let folder = DataDir::open(parent.path()).unwrap();
    let first = folder.lock().unwrap();
    let refused = folder.lock().unwrap_err().to_string();
    assert!(refused.contains(&parent.path().display().to_string()));
    assert!(refused.contains(&format!("process {}", std::process::id())));
    drop(first);
    folder.lock().unwrap();
}

#[test]
fn a_file_is_not_a_folder() {
    let parent = TempDir::new().unwrap();
    let path = parent.path().join("file");
    fs::write(&path, "").unwrap();
    assert!(DataDir::open(&path).is_err());
    assert!(DataDir::open(&path.join("below")).is_err());
}

#[test]
fn the_master_key_is_made_once() {
    let folder = TempDir::new().unwrap();
    let config = config(folder.path());
    assert_eq!(find_master_key(&config).unwrap(), None);
    let made = make_master_key(&config, &Env::system()).unwrap();
    assert_eq!(mode(&config.key_file()), 0o600);
    assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 1);
    assert_eq!(made, make_master_key(&config, &Env::system()).unwrap());
    assert_eq!(find_master_key(&config).unwrap(), Some(made));
}

#[test]
fn a_secret_that_everybody_can_read_is_refused_and_one_of_a_group_told() {
    let folder = TempDir::new().unwrap();
    let path = folder.path().join("secret");
    fs::write(&path, "").unwrap();
    for (mode, refused) in [
        (0o600, false),
        (0o400, false),
        (0o640, false),
        (0o660, false),
        (0o604, true),
        (0o644, true),
        (0o777, true),
    ] {
        fs::set_permissions(&path, Permissions::from_mode(mode)).unwrap();
        assert_eq!(check_key_file(&path).is_err(), refused, "{mode:o}");
    }
    // What is no file of its own has no mode that counts.
    check_key_file(Path::new("/dev/null")).unwrap();
    check_key_file(&folder.path().join("missing")).unwrap();
}

#[test]
fn a_file_without_a_key_is_refused() {
    let folder = TempDir::new().unwrap();
    let config = config(folder.path());
    write_new(&config.key_file(), b"not a key").unwrap();
    let refused = find_master_key(&config).unwrap_err().to_string();
    assert!(refused.contains("does not hold a key"));
    assert!(!refused.contains("not a key"));
}

/// As on SMB, where every link is refused.
#[test]
fn without_hard_links_a_key_file_is_whole_and_the_first_stays() {
    let folder = TempDir::new().unwrap();
    let path = folder.path().join("key");
    let takes = |text: &str| {
        let draft = folder.path().join("draft");
        write_new(&draft, text.as_bytes()).unwrap();
        let taken = take_name(&draft, &path, |_, _| {
            Err(io::ErrorKind::PermissionDenied.into())
        });
        let _ = fs::remove_file(&draft);
        taken.map_err(|error| error.kind())
    };
    assert_eq!(takes("first"), Ok(()));
    assert_eq!(takes("second"), Err(io::ErrorKind::AlreadyExists));
    assert_eq!(fs::read_to_string(&path).unwrap(), "first\n");
    assert_eq!(mode(&path), 0o600);
    assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 1);
}

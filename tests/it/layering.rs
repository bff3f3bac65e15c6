//! The table in `docs/ARCHITECTURE.md` and the code say the same about who imports whom.

use std::{
    collections::{BTreeMap, BTreeSet},
    fs,
    path::{Path, PathBuf},
};

const TABLE: &str = include_str!("../../docs/ARCHITECTURE.md");

/// Who may import each module; `None` is everybody.
fn table() -> BTreeMap<String, Option<BTreeSet<String>>> {
    TABLE
        .lines()
        .filter(|line| line.starts_with("| `"))
        .map(|line| {
            let cells: Vec<_> = line.trim_matches('|').split('|').map(str::trim).collect();
            let importers = (cells[2] != "everybody").then(|| {
                cells[2]
                    .split(',')
                    .map(|name| name.trim().to_owned())
                    .collect()
            });
            (cells[0].trim_matches('`').to_owned(), importers)
        })
        .collect()
}

fn sources(folder: &Path, found: &mut Vec<PathBuf>) {
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            sources(&path, found);
        } else if path.extension().is_some_and(|extension| extension == "rs") {
            found.push(path);
        }
    }
}

/// The top-level modules that a source names, as `crate::module` or in a `use crate::{…}` group.
fn imports(source: &str) -> BTreeSet<String> {
    let mut found = BTreeSet::new();
    for (start, _) in source.match_indices("crate::") {
        let rest = &source[start + "crate::".len()..];
        if let Some(group) = rest.strip_prefix('{') {
            found.extend(group_heads(group));
        } else {
            found.insert(word(rest));
        }
    }
    found
}

/// The first words of the members of a `{…}` group.
fn group_heads(group: &str) -> Vec<String> {
    let (mut depth, mut heads, mut at_head) = (0, Vec::new(), true);
    for (index, char) in group.char_indices() {
        match char {
            '{' => depth += 1,
            '}' if depth == 0 => break,
            '}' => depth -= 1,
            ',' if depth == 0 => at_head = true,
            char if at_head && char.is_alphabetic() => {
                heads.push(word(&group[index..]));
                at_head = false;
            }
            _ => {}
        }
    }
    heads
}

fn word(text: &str) -> String {
    text.chars()
        .take_while(|char| char.is_alphanumeric() || *char == '_')
        .collect()
}

fn module_of(path: &Path, root: &Path) -> String {
    let inside = path.strip_prefix(root).unwrap();
    inside
        .components()
        .next()
        .unwrap()
        .as_os_str()
        .to_string_lossy()
        .trim_end_matches(".rs")
        .to_owned()
}

#[test]
fn every_import_is_in_the_table() {
    let (table, root) = (table(), Path::new(env!("CARGO_MANIFEST_DIR")).join("src"));
    let mut files = Vec::new();
    sources(&root, &mut files);
    let mut wrong = Vec::new();
    for file in files {
        let importer = module_of(&file, &root);
        if importer == "lib" {
            continue;
        }
        for imported in imports(&fs::read_to_string(&file).unwrap()) {
            let allowed = match table.get(&imported) {
                Some(importers) => importers
                    .as_ref()
                    .is_none_or(|importers| importers.contains(&importer)),
                None => false,
            };
            if imported != importer && !allowed {
                wrong.push(format!("{} imports {imported}", file.display()));
            }
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn every_module_is_in_the_table() {
    let lib = fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join("src/lib.rs")).unwrap();
    let modules: BTreeSet<_> = lib
        .lines()
        .filter_map(|line| line.strip_prefix("pub mod "))
        .map(|line| line.trim_end_matches(';').to_owned())
        .collect();
    let table: BTreeSet<_> = table().into_keys().collect();
    assert_eq!(modules, table);
}

/// The guard of `outbound` guards what goes through it.
#[test]
fn only_outbound_connects_by_tcp() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("src");
    let mut files = Vec::new();
    sources(&root, &mut files);
    for file in files {
        let source = fs::read_to_string(&file).unwrap();
        for opens in [
            "TcpStream::connect",
            "UdpSocket",
            "lookup_host",
            "ToSocketAddrs",
        ] {
            let may = module_of(&file, &root) == "outbound" || !source.contains(opens);
            assert!(may, "{} uses {opens}", file.display());
        }
    }
}

/// A library that one room keeps to itself, by its name in paths.
#[test]
fn each_library_stays_in_its_room() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("src");
    let mut files = Vec::new();
    sources(&root, &mut files);
    for (library, rooms) in [
        ("sea_orm", vec!["store"]),
        ("deadpool", vec!["store/postgres"]),
        ("argon2", vec!["crypto/passwords"]),
        ("josekit", vec!["crypto/jose"]),
        // The configuration checks the settings of mail in the words of the library that uses them.
        ("lettre", vec!["mail", "config/mail"]),
        ("clap", vec!["cli"]),
        ("governor", vec!["limits"]),
        ("prometheus_client", vec!["metrics"]),
        ("webpki_roots", vec!["outbound"]),
        ("http_cache_semantics", vec!["outbound"]),
        ("askama", vec!["pages"]),
        ("fluent_bundle", vec!["pages"]),
        ("swagger_ui_dist", vec!["pages/api_reference"]),
        ("opentelemetry", vec!["telemetry"]),
        ("opentelemetry_otlp", vec!["telemetry"]),
        ("opentelemetry_sdk", vec!["telemetry"]),
    ] {
        for file in &files {
            let inside = file
                .strip_prefix(&root)
                .unwrap()
                .to_string_lossy()
                .into_owned();
            let uses = fs::read_to_string(file).unwrap().lines().any(|line| {
                let line = line.trim_start();
                !line.starts_with("//")
                    && (line.starts_with(&format!("use {library}"))
                        || line.contains(&format!("{library}::")))
            });
            assert!(
                !uses || rooms.iter().any(|room| inside.starts_with(room)),
                "{inside} uses {library}"
            );
        }
    }
}

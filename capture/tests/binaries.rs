//! The resolver against server binaries whose facts are written down.
//!
//! `testdata/binaries` has a file for each binary, known by its build id: symbol and address of every hook,
//! value of every field. Binaries are looked for where Debian installs them and in `$SQLTRAIL_BINARIES`
//! (paths joined by `:`); those of the data that are not there are named. A binary that is not in the
//! data must resolve whole. `SQLTRAIL_BLESS=1` writes the data of the binaries that are there anew.

#![allow(clippy::unwrap_used, reason = "a test ends at what is unexpected")]

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write as _;
use std::path::{Path, PathBuf};
use std::{env, fs};

use capture::elf::Image;
use capture::resolve::{Resolved, resolve};

/// Paths joined by `:`.
const BINARIES: &str = "SQLTRAIL_BINARIES";
/// Set to write what is expected.
const BLESS: &str = "SQLTRAIL_BLESS";

const INSTALLED: [&str; 2] = ["/usr/lib/postgresql/15/bin/postgres", "/usr/sbin/mariadbd"];

/// Facts by name: `build_id`, `hook PortalRun`, `field port_user`.
type Facts = BTreeMap<String, String>;

fn data() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("testdata/binaries")
}

fn facts(image: &Image, resolved: &Resolved) -> Facts {
    let mut facts = Facts::new();
    let mut note = |name: String, value: String| assert_eq!(facts.insert(name, value), None);
    note("build_id".into(), image.build_id().unwrap().into());
    note("version".into(), resolved.version.clone().unwrap());
    for hook in &resolved.hooks {
        let place = format!("{} {:#x}", hook.symbol, hook.attach_vaddr);
        note(
            format!("hook {}", hook.name),
            format!("{place} {}", hook.first_instruction),
        );
    }
    for hook in &resolved.hooks_missing {
        note(format!("hook {hook}"), "not exported".into());
    }
    for field in &resolved.fields {
        let value = match field.value {
            Some(value) => format!("{value:#x}"),
            None => format!("not found: {}", field.why_missing),
        };
        note(format!("field {}", field.name), value);
    }
    if !resolved.tags.is_empty() {
        note("tags".into(), resolved.tags.len().to_string());
    }
    facts
}

fn read(path: &Path) -> Facts {
    let text = fs::read_to_string(path).unwrap();
    text.lines()
        .map(|line| {
            let (name, value) = line.split_once(" = ").unwrap();
            (name.to_owned(), value.to_owned())
        })
        .collect()
}

fn write(resolved: &Resolved, facts: &Facts) {
    let mut text = String::new();
    for (name, value) in facts {
        writeln!(text, "{name} = {value}").unwrap();
    }
    let version = resolved.version.as_deref().unwrap();
    let name = format!("{}-{version}.txt", resolved.engine.name());
    fs::create_dir_all(data()).unwrap();
    fs::write(data().join(name), text).unwrap();
}

/// What the data says of each build.
fn expected() -> BTreeMap<String, Facts> {
    let files = fs::read_dir(data()).unwrap();
    files
        .map(|file| {
            let facts = read(&file.unwrap().path());
            (facts["build_id"].clone(), facts)
        })
        .collect()
}

#[test]
fn every_binary_that_is_here_resolves_as_written() {
    let named = env::var(BINARIES).unwrap_or_default();
    let named = named.split(':').filter(|path| !path.is_empty());
    let here: Vec<PathBuf> = named
        .map(PathBuf::from)
        .chain(
            INSTALLED
                .iter()
                .map(PathBuf::from)
                .filter(|path| path.exists()),
        )
        .collect();
    if here.is_empty() {
        eprintln!("not run: no server binary is here");
    }
    let mut offences = Vec::new();
    let mut seen = BTreeSet::new();
    for path in here {
        let image = Image::open(&path).unwrap();
        let resolved = resolve(&image).unwrap();
        let found = facts(&image, &resolved);
        if env::var_os(BLESS).is_some() {
            write(&resolved, &found);
        }
        let path = path.display();
        for field in &resolved.fields {
            if field.value.is_some() == field.how.is_empty() {
                offences.push(format!("{path}: {} is not explained", field.name));
            }
        }
        seen.insert(found["build_id"].clone());
        if let Some(expected) = expected().get(&found["build_id"]) {
            for name in expected.keys().chain(found.keys()).collect::<BTreeSet<_>>() {
                let (want, got) = (expected.get(name), found.get(name));
                if want != got {
                    offences.push(format!("{path}: {name}: {got:?}, expected {want:?}"));
                }
            }
        } else {
            eprintln!("{path} is not in the data: only whether all is found is tested");
            let missing = (resolved.missing().into_iter()).chain(resolved.hooks_missing);
            offences.extend(missing.map(|name| format!("{path}: {name} is missing")));
        }
    }
    for (build, facts) in expected() {
        if !seen.contains(&build) {
            eprintln!("not run: {} (build {build}) is not here", facts["version"]);
        }
    }
    assert!(offences.is_empty(), "{}", offences.join("\n"));
}

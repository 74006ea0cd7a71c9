//! Licences, bans and sources of every dependency, read from `cargo metadata` against `deny.toml`: what cargo-deny
//! checks but for the advisories, without compiling a tool.

use std::collections::{BTreeMap, BTreeSet};
use std::process::Command;

use anyhow::{Context, Result, ensure};
use serde::Deserialize;

#[derive(Deserialize)]
struct Metadata {
    packages: Vec<Package>,
    resolve: Resolve,
}

#[derive(Deserialize)]
struct Resolve {
    nodes: Vec<Node>,
}

#[derive(Deserialize)]
struct Node {
    id: String,
    dependencies: Vec<String>,
}

#[derive(Deserialize)]
struct Package {
    id: String,
    name: String,
    version: String,
    license: Option<String>,
    source: Option<String>,
    links: Option<String>,
}

#[derive(Deserialize)]
struct Deny {
    graph: Graph,
    licenses: Licenses,
    bans: Bans,
    sources: Sources,
}

#[derive(Deserialize)]
struct Graph {
    targets: Vec<String>,
}

#[derive(Deserialize)]
struct Licenses {
    allow: BTreeSet<String>,
}

#[derive(Deserialize)]
struct Bans {
    deny: Vec<Banned>,
}

#[derive(Deserialize)]
struct Banned {
    name: String,
    /// Who may use it all the same.
    #[serde(default)]
    wrappers: Vec<String>,
}

#[derive(Deserialize)]
#[serde(rename_all = "kebab-case")]
struct Sources {
    allow_registry: Vec<String>,
}

fn rules() -> Result<Deny> {
    toml::from_str(include_str!("../../../deny.toml")).context("reading deny.toml")
}

fn metadata(rules: &Deny) -> Result<Metadata> {
    let mut command = Command::new(env!("CARGO"));
    command.args(["metadata", "--locked", "--format-version", "1", "--all-features"]);
    for target in &rules.graph.targets {
        command.args(["--filter-platform", target]);
    }
    let output = command.current_dir(concat!(env!("CARGO_MANIFEST_DIR"), "/..")).output().context("cargo metadata")?;
    ensure!(output.status.success(), "cargo metadata: {}", String::from_utf8_lossy(&output.stderr));
    serde_json::from_slice(&output.stdout).context("reading what cargo metadata says")
}

/// Whether an SPDX expression can be met with what is allowed: `OR` needs one side, `AND` every one.
fn is_met(expression: &str, allowed: &BTreeSet<String>) -> bool {
    let expression = expression.replace('/', " OR ");
    // Parentheses stand only around alternatives in practice: "(MIT OR Apache-2.0) AND Unicode-3.0".
    split(&expression, " AND ").iter().all(|all| {
        let any = all.trim();
        let inner = any.strip_prefix('(').and_then(|rest| rest.strip_suffix(')'));
        match inner {
            Some(inner) => is_met(inner, allowed),
            None => split(any, " OR ").iter().any(|one| {
                let one = one.trim();
                allowed.contains(one) || (one.contains(" AND ") || one.starts_with('(')) && is_met(one, allowed)
            }),
        }
    })
}

/// Splits at `word` outside parentheses.
fn split<'a>(text: &'a str, word: &str) -> Vec<&'a str> {
    let (mut depth, mut from, mut parts) = (0_usize, 0, Vec::new());
    for (at, letter) in text.char_indices() {
        match letter {
            '(' => depth += 1,
            ')' => depth = depth.saturating_sub(1),
            _ if depth == 0 && at >= from && text.get(at..).is_some_and(|rest| rest.starts_with(word)) => {
                parts.extend(text.get(from..at));
                from = at + word.len();
            }
            _ => {}
        }
    }
    parts.extend(text.get(from..));
    parts
}

#[test]
fn every_dependency_has_an_allowed_licence_and_source_and_none_is_banned() -> Result<()> {
    let rules = rules()?;
    let mut wrong = Vec::new();
    let mut sqlite = BTreeSet::new();
    let metadata = metadata(&rules)?;
    let names: BTreeMap<&str, &str> = metadata.packages.iter().map(|p| (p.id.as_str(), p.name.as_str())).collect();
    for package in &metadata.packages {
        let name = format!("{} {}", package.name, package.version);
        // `MIT OR Apache-2.0 AND …` without parentheses does not occur; AND binds tighter, as SPDX says.
        match &package.license {
            Some(license) if is_met(license, &rules.licenses.allow) => {}
            license => wrong.push(format!("{name}: licence {license:?} is not allowed in deny.toml")),
        }
        if let Some(banned) = rules.bans.deny.iter().find(|banned| banned.name == package.name) {
            let users = metadata.resolve.nodes.iter().filter(|node| node.dependencies.contains(&package.id));
            for user in users.filter_map(|node| names.get(node.id.as_str())) {
                if !banned.wrappers.iter().any(|wrapper| wrapper == user) {
                    wrong.push(format!("{name}, used by {user}, is banned in deny.toml"));
                }
            }
        }
        if let Some(source) = &package.source
            && !rules.sources.allow_registry.iter().any(|registry| *source == format!("registry+{registry}"))
        {
            wrong.push(format!("{name} comes from {source}, which deny.toml does not allow"));
        }
        if package.links.as_deref() == Some("sqlite3") {
            sqlite.insert(name);
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
    assert_eq!(sqlite.len(), 1, "one crate links SQLite: {sqlite:?}");
    Ok(())
}

#[test]
fn spdx_expressions_are_read() {
    let allowed: BTreeSet<String> = ["MIT", "Unicode-3.0", "Apache-2.0 WITH LLVM-exception"].map(str::to_owned).into();
    for good in [
        "MIT",
        "GPL-3.0 OR MIT",
        "Apache-2.0/MIT",
        "(MIT OR Apache-2.0) AND Unicode-3.0",
        "Apache-2.0 WITH LLVM-exception",
    ] {
        assert!(is_met(good, &allowed), "{good}");
    }
    for bad in ["GPL-3.0", "MIT AND GPL-3.0", "(MIT OR Apache-2.0) AND GPL-3.0"] {
        assert!(!is_met(bad, &allowed), "{bad}");
    }
}

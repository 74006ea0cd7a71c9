//! The screens hold no words of their own: every text a person reads comes from the message files.

use std::fs;
use std::path::{Path, PathBuf};

fn sources() -> Vec<PathBuf> {
    fn walk(folder: &Path, found: &mut Vec<PathBuf>) {
        for entry in fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                walk(&path, found);
            } else if path.extension().is_some_and(|ext| ext == "rs") && !path.ends_with("texts.rs") {
                found.push(path);
            }
        }
    }
    let mut found = Vec::new();
    walk(&Path::new(env!("CARGO_MANIFEST_DIR")).join("src/ui"), &mut found);
    walk(&Path::new(env!("CARGO_MANIFEST_DIR")).join("src/bin"), &mut found);
    found.sort();
    assert!(found.len() > 20, "the sources of the screens were not found");
    found
}

fn is_cjk(c: char) -> bool {
    matches!(c, '\u{2e80}'..='\u{9fff}' | '\u{f900}'..='\u{faff}' | '\u{ff00}'..='\u{ffef}')
}

/// The source without comments, its string literals replaced by `"0"`, `"1"`, … ; and these literals.
fn stripped(source: &str) -> (String, Vec<String>) {
    let (mut code, mut literals) = (String::new(), Vec::new());
    let chars: Vec<char> = source.chars().collect();
    let mut at = 0;
    while at < chars.len() {
        let next = chars.get(at + 1).copied();
        match chars[at] {
            '/' if next == Some('/') => {
                while at < chars.len() && chars[at] != '\n' {
                    at += 1;
                }
            }
            '\'' if next == Some('"') || next == Some('\\') => {
                // A character literal that could be taken for the beginning of a text.
                let end = chars[at + 1..].iter().position(|c| *c == '\'').unwrap();
                at += end + 2;
            }
            '"' => {
                let mut literal = String::new();
                at += 1;
                while chars[at] != '"' {
                    if chars[at] == '\\' {
                        at += 1;
                    }
                    literal.push(chars[at]);
                    at += 1;
                }
                at += 1;
                code.push_str(&format!("\"{}\"", literals.len()));
                literals.push(literal);
            }
            c => {
                code.push(c);
                at += 1;
            }
        }
    }
    (code, literals)
}

/// The bodies of all `rsx! { … }`.
fn rsx_bodies(code: &str) -> Vec<String> {
    let mut bodies = Vec::new();
    let mut rest = code;
    while let Some(start) = rest.find("rsx! {") {
        let body = &rest[start + "rsx! {".len()..];
        let mut depth = 1;
        let end = body
            .char_indices()
            .find_map(|(at, c)| {
                depth += match c {
                    '{' => 1,
                    '}' => -1,
                    _ => 0,
                };
                (depth == 0).then_some(at)
            })
            .unwrap();
        bodies.push(body[..end].to_owned());
        rest = &body[end..];
    }
    bodies
}

/// Literals that stand as text of an element: alone on their line, and with more than placeholders in them.
fn texts(body: &str, literals: &[String]) -> Vec<String> {
    body.lines()
        .filter_map(|line| line.trim().strip_prefix('"')?.strip_suffix('"')?.parse::<usize>().ok())
        .map(|place| literals[place].clone())
        .filter(|text| {
            let mut depth = 0;
            text.chars().any(|c| {
                depth += i32::from(c == '{') - i32::from(c == '}');
                depth == 0 && c.is_alphanumeric()
            })
        })
        .collect()
}

#[test]
fn no_chinese_stands_in_the_code_of_the_screens() {
    // What the tests look for on the screens is as people read it.
    for path in sources().into_iter().filter(|path| !path.ends_with("tests.rs")) {
        let (code, literals) = stripped(&fs::read_to_string(&path).unwrap());
        let found = literals.iter().find(|literal| literal.chars().any(is_cjk));
        assert_eq!(found, None, "{} says something in Chinese", path.display());
        assert!(!code.chars().any(is_cjk), "{} has Chinese outside of comments", path.display());
    }
}

#[test]
fn no_text_is_written_into_rsx() {
    for path in sources() {
        let (code, literals) = stripped(&fs::read_to_string(&path).unwrap());
        for body in rsx_bodies(&code) {
            assert_eq!(texts(&body, &literals), Vec::<String>::new(), "{} has words of its own", path.display());
            for name in ["placeholder:", "title:", "alt:", "\"aria-label\":", "label:"] {
                for (at, _) in body.match_indices(name) {
                    let value = body[at + name.len()..].trim_start();
                    assert!(!value.starts_with('"'), "{}: {name} is a text of its own", path.display());
                }
            }
        }
    }
}

#[test]
fn the_test_itself_sees_what_it_looks_for() {
    let source = "rsx! {\n    p {\n        \"Hello {name}\"\n    }\n    b {\n        \"{name}\"\n    }\n}";
    let (code, literals) = stripped(source);
    assert_eq!(texts(&rsx_bodies(&code)[0], &literals), ["Hello {name}"]);
}

#[test]
fn every_key_of_the_screens_is_in_the_message_files() {
    let words = super::words::Words::of(assets::messages::Lang::Zh);
    for path in sources() {
        let (code, literals) = stripped(&fs::read_to_string(&path).unwrap());
        for (at, call) in ["words.t(\"", "words.n(\"", "words.s(\"", "words.many(\"", "words.with(\"", "Message::of(\""]
            .iter()
            .flat_map(|call| code.match_indices(call))
        {
            let place: usize = code[at + call.len()..].split('"').next().unwrap().parse().unwrap();
            let key = &literals[place];
            assert!(words.has(key), "{}: there is no message {key}", path.display());
        }
        let keys = literals.iter().filter(|literal| literal.starts_with("app-") && !literal.contains('{'));
        for key in keys {
            assert!(words.has(key), "{}: there is no message {key}", path.display());
        }
    }
}

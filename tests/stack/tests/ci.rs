//! The recipe of `proxy/docs/ci.md`, run as it is written, on the demonstration.
#![allow(clippy::unwrap_used, clippy::indexing_slicing, clippy::print_stderr, reason = "tests")]

use std::fs;
use std::os::unix::fs::{PermissionsExt, symlink};
use std::path::{Path, PathBuf};
use std::process::Command;

use stack::{Executable, Role, Stack, StackOptions};
use strangler::corpus::{Bundle, Header, Limits, Line, Reader, Writer};

/// A command of the recipe, and the exit code that the text above it promises.
#[derive(Debug)]
struct Step {
    command: String,
    exit: i32,
}

/// The blocks between the two marks of the page: `sh` ones, whose first line may say `# exits N`.
fn recipe(page: &str) -> Vec<Step> {
    let (_, rest) = page.split_once("<!-- recipe -->").unwrap();
    let (recipe, _) = rest.split_once("<!-- end of recipe -->").unwrap();
    let blocks = recipe.split("```sh\n").skip(1).map(|block| block.split_once("```").unwrap().0);
    blocks
        .map(|command| {
            let said = command.lines().next().and_then(|line| line.strip_prefix("# exits "));
            let exit = said.map_or(0, |said| said.split([' ', ':']).next().unwrap().parse().unwrap());
            Step { command: command.to_owned(), exit }
        })
        .collect()
}

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../..")
}

/// A folder that looks like the service's own repository, with the programs on its path.
fn repository() -> tempfile::TempDir {
    let folder = tempfile::tempdir().unwrap();
    let programs = folder.path().join("bin");
    fs::create_dir(&programs).unwrap();
    let strangler = programs.join("strangler");
    let demo = env!("CARGO_BIN_EXE_demo");
    fs::write(&strangler, format!("#!/bin/sh\nexec '{demo}' node strangler \"$@\"\n")).unwrap();
    fs::set_permissions(&strangler, fs::Permissions::from_mode(0o755)).unwrap();
    symlink(env!("CARGO_BIN_EXE_identity"), programs.join("identity")).unwrap();
    bundle(&folder.path().join("users.bundle"));
    folder
}

/// What `strangler bundle users` makes, of the recording that is kept here: nothing was known to differ.
fn bundle(path: &Path) {
    let mut reader =
        Reader::open(&root().join("tests/corpus/demonstration.jsonl.zst"), Limits::default()).unwrap();
    let mut writer =
        Writer::create(path, Header::now(reader.header().key.clone(), Some("users".to_owned()))).unwrap();
    let configuration = "version = 1\nlegacy = \"http://legacy.invalid\"\n\n# The customers.\n[slices.users]\n\
        upstream = \"http://users.invalid\"\nsync = \"stateless\"\n\
        routes = [\"GET /users\", \"GET /users/me\", \"GET /users/{id}\"]\n\n\
        [slices.users.compare]\nredact = [\"$..phone\"]\n";
    writer
        .line(&Line::Bundle(Box::new(Bundle {
            slice: "users".to_owned(),
            configuration: configuration.to_owned(),
            hash: String::new(),
            baseline: Vec::new(),
        })))
        .unwrap();
    while let Some(exchange) = reader.next_exchange().unwrap() {
        if exchange.slice == "users" {
            writer.line(&Line::Exchange(Box::new(exchange))).unwrap();
        }
    }
    writer.end(0).unwrap();
}

#[test]
fn the_recipe_does_on_the_demonstration_what_the_page_says() {
    let page = fs::read_to_string(root().join("proxy/docs/ci.md")).unwrap();
    let steps = recipe(&page);
    assert!(
        steps.iter().map(|step| step.exit).collect::<Vec<_>>().starts_with(&[0, 1, 1, 0, 0, 4]),
        "{steps:#?}"
    );
    let roles = vec![Role::LegacyMonolith, Role::UserService];
    let executable = Executable::with_word(env!("CARGO_BIN_EXE_demo"), "node");
    let stack = Stack::start(StackOptions { roles, ..StackOptions::new(executable) }).unwrap();
    let url = |role| format!("http://{}", stack.address(role).unwrap());
    let folder = repository();
    let path = format!("{}:{}", folder.path().join("bin").display(), std::env::var("PATH").unwrap());
    for Step { command, exit } in &steps {
        let output = Command::new("bash")
            .current_dir(folder.path())
            .args(["-c", command])
            .env("PATH", &path)
            .env("NO_COLOR", "1")
            .env("MONOLITH", url(Role::LegacyMonolith))
            .env("USER_SERVICE", url(Role::UserService))
            .output()
            .unwrap();
        let told =
            format!("{}{}", String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
        if std::env::var_os("SHOW").is_some() {
            eprintln!("$ {command}{told}→ {:?}", output.status.code());
        }
        assert_eq!(output.status.code(), Some(*exit), "$ {command}{told}");
    }
    let junit = fs::read_to_string(folder.path().join("users.xml")).unwrap();
    assert!(junit.contains("<testsuite name=\"users\"") && junit.contains("7060e382"), "{junit}");
    stack.stop_all().unwrap();
}

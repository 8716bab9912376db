//! With every slice shadowed and a recording under way, customers leave secrets everywhere; nothing of them is
//! in any file the proxy writes, nor in anything it shows.

use std::path::Path;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use chassis::client::Client;
use rustix::process::{Pid, Signal, kill_process};
use stack::rules::in_shadow;
use stack::secrets::{Secret, plant};
use stack::{Config, Executable, Role, Stack, StackOptions};

use crate::is_in;

const PATIENCE: Duration = Duration::from_secs(60);

/// Where the admin listener shows something.
const SHOWN: [&str; 16] = [
    "/",
    "/metrics",
    "/api/status",
    "/api/slices",
    "/api/slices/products",
    "/api/slices/users",
    "/api/report",
    "/api/report?slice=products",
    "/api/differences?slice=products",
    "/api/differences?slice=users",
    "/api/differences",
    "/api/slices/orders",
    "/api/report?slice=orders",
    "/api/explain?method=GET&url=/products/1",
    "/api/inventory",
    "/api/history",
];

fn shadowing() -> Stack {
    let rules = in_shadow(&["users", "products", "orders", "payments"]).unwrap();
    // Values of differing bodies are kept, redacted: more to leak than their structure.
    let rules = rules.replace("recheck = \"20/s\"", "recheck = \"20/s\"\nexamples = \"values\"");
    let executable = Executable::with_word(env!("CARGO_BIN_EXE_demo"), "node");
    Stack::start(StackOptions { config: Config::Own(rules), ..StackOptions::new(executable) }).unwrap()
}

/// Every file below a folder, as it is and, where it is compressed, as it was.
fn files(folder: &Path) -> Vec<(String, Vec<u8>)> {
    let mut found = Vec::new();
    for entry in std::fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            found.extend(files(&path));
            continue;
        }
        let name = path.display().to_string();
        let bytes = std::fs::read(&path).unwrap();
        if name.ends_with(".zst") {
            found.push((format!("{name}, decompressed"), zstd::stream::decode_all(&*bytes).unwrap()));
        }
        found.push((name, bytes));
    }
    found
}

fn leaks(place: &str, bytes: &[u8], planted: &[Secret]) -> Vec<String> {
    let bytes = [bytes.to_vec()];
    let left = planted.iter().filter(|secret| is_in(&bytes, secret));
    left.map(|secret| format!("{secret:?} in {place}")).collect()
}

/// Compared requests so far.
async fn accounted(admin: &mut Client) -> u64 {
    let report = admin.get("/api/report").await.unwrap().json();
    let slices = report["slices"].as_array().cloned().unwrap_or_default();
    slices.iter().filter_map(|slice| slice["accounts"]["eligible"].as_u64()).sum()
}

/// What the commands print, and the bundle they write beside the recording.
fn commands(stack: &Stack, admin: &str, planted: &[Secret]) -> Vec<String> {
    let admin = format!("http://{admin}");
    let ask = |arguments: &[&str]| {
        let mut command = Command::new(env!("CARGO_BIN_EXE_demo"));
        command.args(["node", "strangler"]).args(arguments).args(["--admin", &admin]);
        let output = command.stdin(Stdio::null()).output().unwrap();
        (output.status.code(), [output.stdout, output.stderr].concat())
    };
    let mut left = Vec::new();
    for format in ["text", "json", "junit", "markdown", "github"] {
        let (code, printed) = ask(&["report", "--format", format]);
        let name = format!("report --format {format}");
        assert_eq!(code, Some(1), "{name}: {}", String::from_utf8_lossy(&printed));
        left.extend(leaks(&name, &printed, planted));
    }
    for name in ["status", "inventory", "history"] {
        let (code, printed) = ask(&[name]);
        assert_eq!(code, Some(0), "{name}: {}", String::from_utf8_lossy(&printed));
        left.extend(leaks(name, &printed, planted));
    }
    let recorded = stack.folder().join("recorded.jsonl.zst");
    let bundle = stack.database(Role::Strangler).join("users.bundle.zst");
    let (recorded, bundle) = (recorded.to_str().unwrap(), bundle.to_str().unwrap());
    let (code, printed) = ask(&["bundle", "users", "--corpus", recorded, "--out", bundle]);
    assert_eq!(code, Some(0), "{}", String::from_utf8_lossy(&printed));
    left
}

#[tokio::test]
async fn nothing_of_what_was_planted_is_kept_or_shown() {
    let stack = shadowing();
    let (proxy, address) = (stack.address(Role::Strangler).unwrap(), stack.admin().unwrap());
    let corpus = stack.folder().join("recorded.jsonl.zst");
    let mut recording = Command::new(env!("CARGO_BIN_EXE_demo"))
        .args(["node", "strangler", "record", "--admin", &format!("http://{address}"), "--out"])
        .arg(&corpus)
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .spawn()
        .unwrap();
    let deadline = Instant::now() + PATIENCE;
    while !corpus.exists() {
        assert!(Instant::now() < deadline, "the recording never began");
    }
    let mut planted = plant(proxy, &stack.database(Role::LegacyMonolith)).await.unwrap();
    planted.extend(plant(proxy, &stack.database(Role::LegacyMonolith)).await.unwrap());

    let mut admin = Client::new(address);
    while accounted(&mut admin).await < 20 || std::fs::metadata(&corpus).unwrap().len() < 4096 {
        assert!(Instant::now() < deadline, "{} were compared", accounted(&mut admin).await);
    }
    kill_process(Pid::from_child(&recording), Signal::INT).unwrap();
    assert!(recording.wait().unwrap().success());

    let mut left = commands(&stack, &address.to_string(), &planted);
    for path in SHOWN {
        let shown = admin.get(path).await.unwrap();
        assert_eq!(shown.status, 200, "{path}: {}", shown.text());
        left.extend(leaks(path, &shown.body, &planted));
    }
    let data = stack.database(Role::Strangler);
    let log = std::fs::read(stack.log(Role::Strangler)).unwrap();
    assert!(String::from_utf8_lossy(&log).contains("/users/me"), "the access log is in the log");
    left.extend(leaks("the log", &log, &planted));
    let recorded = stack.folder().join("recorded");
    std::fs::create_dir(&recorded).unwrap();
    std::fs::rename(&corpus, recorded.join("corpus.zst")).unwrap();
    let kept: Vec<_> = [data, recorded].iter().flat_map(|folder| files(folder)).collect();
    let says = |name: &str, text: &str| {
        let text = text.as_bytes();
        kept.iter().any(|(file, bytes)| file.contains(name) && bytes.windows(text.len()).any(|w| w == text))
    };
    // What may be kept is found by the same search: the search can find.
    assert!(says("evidence", "GET /users/me") && says("decompressed", "redacted-token-"));
    assert!(says("users.bundle.zst, decompressed", "redacted-"), "the bundle is among what was searched");
    // Writes are recorded as well, such as what was paid with.
    assert!(
        says("decompressed", "redacted-card-")
            && says("decompressed", "\"method\":\"POST\",\"target\":\"/payments\"")
    );
    for (name, bytes) in &kept {
        left.extend(leaks(name, bytes, &planted));
    }
    assert!(left.is_empty(), "{left:#?}");
    stack.stop_all().unwrap();
}

//! The command line: what it prints, and exit codes that never lie.

use std::fs;
use std::net::TcpListener;
use std::process::Command;

use crate::reload::Site;
use crate::support::client::get;
use crate::support::origin::Script;
use crate::support::proxy::{House, PROGRAM, Proxy, command, printed};
use crate::support::wait_for;

#[test]
fn check_says_what_is_wrong_and_exits_accordingly() {
    let site = Site::new();
    let good = site.configuration("legacy");
    let warned = format!("{good}[upstreams.unused]\nendpoints = [\"http://127.0.0.1:1\"]\n");
    let wrong = good.replace("phase", "phse");
    for (text, arguments, code, part) in [
        (&good, vec!["check", "strangler.toml"], 0, "valid, no problems"),
        (&good, vec!["check", "strangler.toml", "--strict"], 0, "valid, no problems"),
        (&warned, vec!["check", "strangler.toml"], 0, "1 warning"),
        (&warned, vec!["check", "strangler.toml", "--strict"], 1, "1 warning"),
        (&wrong, vec!["check", "strangler.toml"], 2, "invalid, 1 error"),
        (&wrong, vec!["check", "strangler.toml", "--strict"], 2, "invalid, 1 error"),
        (&good, vec!["check", "none.toml"], 2, "none.toml"),
        (&good, vec!["check"], 2, "config/strangler.toml"),
        (&good, vec!["check", "--nonsense"], 2, "--nonsense"),
        (&good, vec!["nonsense"], 2, "nonsense"),
    ] {
        let house = House::new(text);
        let output = house.command(&arguments);
        assert_eq!(output.status.code(), Some(code), "{arguments:?}: {}", printed(&output));
        assert!(printed(&output).contains(part), "{arguments:?}: {}", printed(&output));
    }
}

#[test]
fn check_speaks_json() {
    let site = Site::new();
    let house = House::new(&site.configuration("legacy").replace("phase", "phse"));
    let output = house.command(&["check", "strangler.toml", "--json"]);
    assert_eq!(output.status.code(), Some(2));
    let report: serde_json::Value = serde_json::from_slice(&output.stdout).unwrap();
    assert_eq!(report["valid"], false);
    assert_eq!(report["errors"], 1);
    assert_eq!(report["diagnostics"][0]["file"], "strangler.toml");
    assert!(report["diagnostics"][0]["line"].as_u64().is_some());
}

#[test]
fn check_shows_every_routes_policy_and_where_it_comes_from() {
    let site = Site::new();
    let house = House::new(&format!("{}timeouts = {{ response = \"3s\" }}\n", site.configuration("legacy")));
    let output = house.command(&["check", "strangler.toml", "--resolved"]);
    assert_eq!(output.status.code(), Some(0), "{}", printed(&output));
    let line = house.read().lines().count();
    for wanted in ["/products/**", "timeouts.response", "3s", &format!("strangler.toml:{line}")] {
        assert!(printed(&output).contains(wanted), "{wanted} is missing:\n{}", printed(&output));
    }
    let json = house.command(&["check", "strangler.toml", "--resolved", "--json"]);
    let report: serde_json::Value = serde_json::from_slice(&json.stdout).unwrap();
    assert_eq!(report["resolved"]["routes"][0]["id"], "/products/**");
}

#[test]
fn init_writes_what_check_accepts_and_never_overwrites() {
    let folder = tempfile::tempdir().unwrap();
    let init = |more: &[&str]| {
        let mut arguments = vec!["init", "--legacy", "http://127.0.0.1:8000"];
        arguments.extend(more);
        command(folder.path(), &arguments)
    };
    assert_eq!(init(&[]).status.code(), Some(0));
    let file = folder.path().join("config/strangler.toml");
    let text = fs::read_to_string(&file).unwrap();
    let check = command(folder.path(), &["check", "--strict"]);
    assert_eq!(check.status.code(), Some(0), "{}", printed(&check));
    fs::write(&file, "mine").unwrap();
    let refused = init(&[]);
    assert_eq!(refused.status.code(), Some(2));
    assert!(printed(&refused).contains("--force"), "{}", printed(&refused));
    assert_eq!(fs::read_to_string(&file).unwrap(), "mine");
    assert_eq!(init(&["--force"]).status.code(), Some(0));
    assert_eq!(fs::read_to_string(&file).unwrap(), text);
    // The example in the comments is right too: take the marks away and it is valid.
    let uncommented: String = text
        .lines()
        .skip_while(|line| !line.starts_with("[server]"))
        .map(|line| {
            line.strip_prefix("# ")
                .filter(|rest| rest.contains(" = ") || rest.starts_with('['))
                .unwrap_or(line)
        })
        .map(|line| format!("{line}\n"))
        .collect();
    fs::write(&file, format!("version = 1\nlegacy = \"http://127.0.0.1:8000\"\n{uncommented}")).unwrap();
    let check = command(folder.path(), &["check", "--strict"]);
    assert_eq!(check.status.code(), Some(0), "{}", printed(&check));
    assert!(printed(&check).contains("1 slice, 2 routes"), "{}", printed(&check));
    let wrong = command(folder.path(), &["init", "--legacy", "not a url", "--out", "x.toml"]);
    assert_eq!(wrong.status.code(), Some(2), "{}", printed(&wrong));
    assert!(!folder.path().join("x.toml").exists());
}

#[test]
fn explain_answers_from_the_file_and_from_the_running_proxy() {
    let site = Site::new();
    let (house, proxy) = site.serve();
    let from_file =
        house.command(&["explain", "GET", "/products/1?x=1", "-H", "x-a: b", "--config", "strangler.toml"]);
    assert_eq!(from_file.status.code(), Some(0), "{}", printed(&from_file));
    let from_proxy = proxy.ask(&["explain", "GET", "/products/1?x=1", "-H", "x-a: b"]);
    assert_eq!(from_proxy.status.code(), Some(0), "{}", printed(&from_proxy));
    assert_eq!(printed(&from_file), printed(&from_proxy));
    assert!(printed(&from_file).contains("legacy answers"), "{}", printed(&from_file));
    house.edit("phase = \"legacy\"", "phase = \"extracted\"");
    proxy.wait_generation(2);
    let from_proxy = proxy.ask(&["explain", "GET", "http://shop.example/products/1"]);
    assert!(printed(&from_proxy).contains("extracted answers"), "{}", printed(&from_proxy));
    let json = proxy.ask(&["explain", "POST", "/products/1", "--json"]);
    let explanation: serde_json::Value = serde_json::from_slice(&json.stdout).unwrap();
    assert!(explanation.is_object(), "{explanation}");
    for arguments in [
        vec!["explain", "GET", "products", "--config", "strangler.toml"],
        vec!["explain", "GET", "/", "-H", "no colon", "--config", "strangler.toml"],
        vec!["explain", "GET", "/", "--config", "none.toml"],
        vec!["explain", "GET"],
    ] {
        assert_eq!(house.command(&arguments).status.code(), Some(2), "{arguments:?}");
    }
}

#[test]
fn an_unreachable_proxy_is_said_with_its_address_and_how_to_give_another() {
    // A port that was free a moment ago.
    let address = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    let admin = format!("http://{address}");
    let site = Site::new();
    let with_port =
        site.configuration("legacy").replace("admin = \"127.0.0.1:0\"", &format!("admin = \"{address}\""));
    let house = House::new(&with_port);
    for name in ["status", "reload", "history"] {
        for arguments in [vec![name, "--admin", &admin], vec![name, "--config", "strangler.toml"]] {
            let output = house.command(&arguments);
            assert_eq!(output.status.code(), Some(3), "{arguments:?}: {}", printed(&output));
            let told = printed(&output);
            assert!(told.contains(&address.to_string()) && told.contains("--admin"), "{told}");
        }
        let output = house.command(&[name, "--config", "none.toml"]);
        assert_eq!(output.status.code(), Some(2), "{}", printed(&output));
    }
}

#[test]
fn the_admin_address_is_found_in_a_file_that_is_broken_now() {
    let address = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    let site = Site::new();
    let text =
        site.configuration("legacy").replace("admin = \"127.0.0.1:0\"", &format!("admin = \"{address}\""));
    let house = House::new(&text);
    let proxy = house.serve();
    assert_eq!(proxy.admin, address);
    house.write(&format!("{text}\n[slices.broken\nphse = 1\n"));
    proxy.wait_stale(true);
    let output = house.command(&["status", "--config", "strangler.toml"]);
    assert_eq!(output.status.code(), Some(0), "{}", printed(&output));
    assert!(printed(&output).starts_with("The files on disk are refused"), "{}", printed(&output));
}

/// The same, where nobody stands in for the extracted service.
fn alone(text: &str) -> String {
    text.replace("routes =", "fallback = \"never\"\nroutes =")
}

#[test]
fn status_tells_first_where_errors_come_from() {
    let site = Site::new();
    let house = House::new(&alone(&site.configuration("extracted")));
    let proxy = house.serve();
    site.products.script(Script::Status(500));
    for _ in 0..40 {
        get(proxy.public, "/products/1");
        get(proxy.public, "/other");
    }
    let told = wait_for("the sentence", || {
        let output = printed(&proxy.ask(&["status"]));
        output.starts_with("Errors come from extracted products, 100 %").then_some(output)
    });
    let row = told.lines().find(|line| line.starts_with("products")).unwrap();
    let cells: Vec<&str> = row.split_whitespace().collect();
    assert_eq!(cells, ["products", "extracted", "legacy", "0", "20", "20", "40"], "{told}");
    assert!(told.contains("    breaker open since "), "{told}");
    assert!(told.contains(": 20 of 20 requests failed"), "{told}");
    for line in told.lines().filter(|line| !line.contains("since")) {
        assert!(line.chars().count() <= 80, "{line}");
    }
    let slice = proxy.ask(&["status", "products"]);
    assert_eq!(slice.status.code(), Some(0), "{}", printed(&slice));
    assert!(printed(&slice).contains("/products/**"), "{}", printed(&slice));
    let none = proxy.ask(&["status", "none"]);
    assert_eq!(none.status.code(), Some(2), "{}", printed(&none));
    let json = proxy.ask(&["status", "--json"]);
    let report: serde_json::Value = serde_json::from_slice(&json.stdout).unwrap();
    assert_eq!(report["slices"][0]["traffic"]["extracted"], 20);
}

#[test]
fn an_extracted_service_that_is_gone_is_named_in_the_first_sentence() {
    let site = Site::new();
    let gone = crate::support::nobody();
    let text = site.configuration("extracted").replace("writer = \"legacy\"", "writer = \"extracted\"");
    let text = alone(&text.replace(&site.products.address.to_string(), &gone.to_string()));
    let house = House::new(&text);
    let proxy = house.serve();
    for at in 0..25 {
        let expected = if at < 20 { 502 } else { 503 };
        assert_eq!(get(proxy.public, "/products/1").status, expected);
    }
    wait_for("the sentence", || {
        let told = printed(&proxy.ask(&["status"]));
        told.starts_with("Errors come from extracted products, 100 %").then_some(())
    });
}

#[test]
fn the_two_lines_come_first_also_beside_an_access_log() {
    let site = Site::new();
    let text = site.configuration("legacy").replace("access_log = \"off\"", "access_log = \"stdout\"");
    let house = House::new(&text);
    let proxy: Proxy = house.serve();
    get(proxy.public, "/a");
    let lines = wait_for("a line of the access log", || {
        let lines = proxy.out();
        (lines.len() > 2).then_some(lines)
    });
    assert!(lines[0].starts_with("listening on http://127.0.0.1:"), "{lines:?}");
    assert!(lines[1].starts_with("admin on http://127.0.0.1:"), "{lines:?}");
    let record: serde_json::Value = serde_json::from_str(&lines[2]).unwrap();
    assert_eq!(record["status"], 200, "{record}");
}

#[test]
fn no_command_colours_what_nobody_looks_at() {
    let site = Site::new();
    let house = House::new(&site.configuration("legacy").replace("phase", "phse"));
    let output = house.command(&["check", "strangler.toml"]);
    assert!(!printed(&output).contains('\x1b'));
    for arguments in [vec!["--help"], vec!["--version"], vec!["run", "--help"]] {
        assert_eq!(house.command(&arguments).status.code(), Some(0), "{arguments:?}");
    }
}

#[test]
fn what_cannot_be_written_is_no_pass() {
    let site = Site::new();
    let house = House::new(&site.configuration("legacy"));
    let check = |json: bool, out: fs::File| {
        let mut check = Command::new(PROGRAM);
        check.args(["check", "strangler.toml"]).args(json.then_some("--json")).current_dir(house.folder());
        check.stdout(out).output().unwrap()
    };
    let full = || fs::OpenOptions::new().write(true).open("/dev/full").unwrap();
    for json in [false, true] {
        let output = check(json, full());
        assert_eq!(output.status.code(), Some(1), "{}", printed(&output));
        assert!(printed(&output).contains("cannot be written"), "{}", printed(&output));
        let output = check(json, fs::File::create(house.folder().join("out")).unwrap());
        assert_eq!(output.status.code(), Some(0), "{}", printed(&output));
    }
}

#[test]
fn usage_is_explained_in_json_where_json_is_wanted() {
    let house = House::new("");
    for arguments in
        [&["--json", "status", "--nonsense"][..], &["retreat", "x", "--json"], &["nonsense", "--json"]]
    {
        let output = house.command(arguments);
        assert_eq!(output.status.code(), Some(2), "{}", printed(&output));
        let said: serde_json::Value = serde_json::from_slice(&output.stderr).unwrap();
        assert!(said["error"].as_str().is_some_and(|error| !error.is_empty()), "{said}");
    }
    assert_eq!(house.command(&["status", "--help", "--json"]).status.code(), Some(0));
}

//! `explain` says what the data path does: random configurations, retreats and requests over real sockets.

use fastrand::Rng;

use crate::support::client::{get, post, send};
use crate::support::origin::Origin;
use crate::support::proxy::{House, Proxy, SERVER};

const CONFIGURATIONS: u32 = 25;
const REQUESTS: u32 = 40;
const ELEMENTS: [&str; 6] = ["a", "b", "A", "7", "a%2Fb", "x;v=1"];
const PATTERN_ELEMENTS: [&str; 6] = ["a", "b", "7", "{x}", "{x:int}", "{y}"];
const METHODS: [&str; 5] = ["GET", "HEAD", "POST", "PUT", "OPTIONS"];
const HOSTS: [&str; 3] = ["shop.example", "www.shop.example", "other.example"];

fn pick<'a>(rng: &mut Rng, from: &[&'a str]) -> &'a str {
    from[rng.usize(..from.len())]
}

fn route(rng: &mut Rng) -> String {
    let mut text = String::new();
    if rng.bool() {
        text.push_str(pick(rng, &["GET ", "POST ", "GET,POST ", "OPTIONS "]));
    }
    if rng.u32(..4) == 0 {
        text.push_str(pick(rng, &["shop.example", "*.shop.example"]));
    }
    let depth = rng.usize(1..4);
    let mut used = Vec::new();
    for _ in 0..depth {
        let element = pick(rng, &PATTERN_ELEMENTS);
        // A name may stand once in a pattern.
        let element = if used.contains(&element) { "a" } else { element };
        used.push(if element.starts_with("{x") { "{x}" } else { element });
        used.push(if element.starts_with("{x") { "{x:int}" } else { element });
        text.push('/');
        text.push_str(element);
    }
    if rng.u32(..4) == 0 {
        text.push_str("/**");
    }
    text
}

fn configuration(rng: &mut Rng, legacy: &Origin, sides: &[(&str, Origin)]) -> String {
    let unmatched = pick(rng, &["legacy", "legacy", "reject"]);
    let mut text = format!("version = 1\nlegacy = \"monolith\"\nunmatched = \"{unmatched}\"\n{SERVER}");
    text.push_str(&format!("[upstreams.monolith]\nendpoints = [\"{}\"]\n", legacy.url()));
    for (name, origin) in sides {
        text.push_str(&format!("[upstreams.{name}]\nendpoints = [\"{}\"]\n", origin.url()));
        let (phase, writer) = match rng.u32(..9) {
            0 => ("legacy", "legacy"),
            1 => ("legacy", "extracted"),
            2 => ("extracted", "legacy"),
            3 => ("retired", "extracted"),
            4 => ("shadow", "legacy"),
            5 => ("canary", "legacy"),
            6 => ("canary", "extracted"),
            7 => ("canary", "by-cohort"),
            _ => ("extracted", "extracted"),
        };
        let routes: Vec<String> = (0..rng.usize(2..6)).map(|_| format!("\"{}\"", route(rng))).collect();
        let except =
            if rng.u32(..3) == 0 { format!("except = [\"{}\"]\n", route(rng)) } else { String::new() };
        let paths = match rng.u32(..5) {
            0 => "paths = { trailing_slash = \"same\" }\n",
            1 => "paths = { case = \"insensitive\" }\n",
            2 => "paths = { matrix = \"ignore\" }\n",
            _ => "",
        };
        text.push_str(&format!(
            "[slices.{name}]\nupstream = \"{name}\"\nphase = \"{phase}\"\nwriter = \"{writer}\"\n\
             sync = \"both\"\ncanary = {{ share = \"{}%\", never = [\"query:q=1\"] }}\n\
             cohort_by = [\"header:x-client\", \"query:q\"]\nroutes = [{}]\n{except}{paths}",
            rng.u32(..=4) * 25,
            routes.join(", ")
        ));
        if rng.bool() {
            text.push_str(&format!(
                "[[routes]]\nmatch = \"{}\"\nslice = \"{name}\"\neffect = \"{}\"\npriority = {}\n",
                route(rng),
                pick(rng, &["read", "write"]),
                rng.i32(0..3)
            ));
        }
    }
    text
}

/// A slice retreats, or goes on; neither has to be possible.
fn retreat_or_resume(rng: &mut Rng, proxy: &Proxy, slice: &str) -> bool {
    let (order, body) = match rng.u32(..4) {
        0 => {
            let to = pick(rng, &["legacy", "shadow", "canary", "extracted"]);
            ("retreat", format!("{{\"to\": \"{to}\", \"reason\": \"to see\"}}"))
        }
        1 | 2 => ("resume", "{}".to_owned()),
        _ => return false,
    };
    let answer = post(proxy.admin, &format!("/api/slices/{slice}/{order}"), body.as_bytes());
    assert!(matches!(answer.status, 200 | 409), "{order}: {answer:?}");
    order == "retreat" && answer.json()["outcome"] == "retreated"
}

fn target(rng: &mut Rng) -> String {
    let mut target = String::new();
    for _ in 0..rng.usize(1..4) {
        target.push('/');
        target.push_str(pick(rng, &ELEMENTS));
    }
    target.push_str(pick(rng, &["", "", "", "/", "?q=1", "//a", ".json", "/..", "/%2e%2e/a"]));
    target
}

fn encoded(text: &str) -> String {
    text.bytes().map(|byte| format!("%{byte:02X}")).collect()
}

#[test]
fn explain_agrees_with_the_data_path() {
    let legacy = Origin::start("monolith");
    let sides = [("one", Origin::start("one")), ("two", Origin::start("two"))];
    let mut rng = Rng::with_seed(20_261_120);
    let house = House::new(&format!("version = 1\nlegacy = \"{}\"\n{SERVER}", legacy.url()));
    let proxy = house.serve();
    let mut applied = 0;
    let (mut retreats, mut by_bucket) = (0, 0);
    let mut seen = std::collections::BTreeMap::<String, u32>::new();
    for _ in 0..CONFIGURATIONS * 20 {
        if applied == CONFIGURATIONS {
            break;
        }
        let text = configuration(&mut rng, &legacy, &sides);
        house.write(&text);
        // Random routes may tie: such a configuration is refused, and another is tried.
        let reload = proxy.ask(&["reload", "--allow-writer-change"]);
        if reload.status.code() != Some(0) {
            continue;
        }
        applied += 1;
        for (name, _) in &sides {
            retreats += u32::from(retreat_or_resume(&mut rng, &proxy, name));
        }
        for _ in 0..REQUESTS {
            let (method, host, target) = (pick(&mut rng, &METHODS), pick(&mut rng, &HOSTS), target(&mut rng));
            let client = rng.u32(..50).to_string();
            let lines = [("host", host), ("x-client", &client)];
            let lines = if rng.u32(..4) == 0 { &lines[..1] } else { &lines[..] };
            let mut question = format!("/api/explain?method={method}&url={}", encoded(&target));
            for (name, value) in lines {
                question.push_str(&format!("&header={}", encoded(&format!("{name}: {value}"))));
            }
            let explained = get(proxy.admin, &question).json();
            let answer = send(proxy.public, method, &target, lines);
            by_bucket += u32::from(explained["bucket"].is_u64());
            let what = format!("{method} {host}{target} {lines:?}\n{text}\n{explained:#}\n{answer:?}");
            match explained["upstream"].as_str() {
                Some(upstream) => assert_eq!(answer.origin(), upstream, "{what}"),
                None => {
                    assert_eq!(Some(u64::from(answer.status)), explained["status"].as_u64(), "{what}");
                    assert_eq!(answer.origin(), "nobody", "{what}");
                }
            }
            let end = explained["upstream"].as_str().map_or_else(|| answer.status.to_string(), str::to_owned);
            *seen.entry(end).or_default() += 1;
        }
    }
    assert_eq!(applied, CONFIGURATIONS);
    println!("{retreats} retreats, {by_bucket} requests with a bucket, answered by {seen:?}");
    assert!(retreats > 3 && by_bucket > 50, "{retreats} retreats, {by_bucket} requests with a bucket");
    for end in ["monolith", "one", "two", "400", "404"] {
        assert!(seen.get(end).is_some_and(|count| *count > 5), "{end} was hardly tested: {seen:?}");
    }
}

//! Canaries and fallback with the real program: who is sent where, and what a client notices when a service dies.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::sync::atomic::{AtomicBool, AtomicU32, Ordering};
use std::thread;

use crate::support::client::{Client, get};
use crate::support::origin::{Origin, Script};
use crate::support::proxy::{House, Proxy, SERVER};
use crate::support::service::product_service;
use crate::support::wait_for;

fn house(legacy: &str, extracted: &str, slice: &str) -> House {
    let server = SERVER.replace("\"off\"", "\"access.log\"");
    House::new(&format!(
        "version = 1\nlegacy = {legacy:?}\n{server}\n[slices.products]\nupstream = {extracted:?}\n\
         routes = [\"/products/**\"]\ncohort_by = \"header:x-user\"\n{slice}\n"
    ))
}

/// The access log's lines so far.
fn logged(house: &House) -> Vec<serde_json::Value> {
    let text = fs::read_to_string(house.folder().join("access.log")).unwrap_or_default();
    text.lines().filter_map(|line| serde_json::from_str(line).ok()).collect()
}

fn ask(client: &mut Client, user: u32) -> (u16, String) {
    let answer = client.send("GET", "/products/1", &[("x-user", &user.to_string())], b"").unwrap();
    (answer.status, answer.origin().to_owned())
}

#[test]
fn users_never_bounce_and_nobody_drifts_while_the_share_rises() {
    let (legacy, extracted) = (Origin::start("legacy"), Origin::start("extracted"));
    let house = house(
        &legacy.url(),
        &extracted.url(),
        "phase = \"canary\"\ncanary = \"1%\"\nsync = \"to-extracted\"\n",
    );
    let mut proxy = house.serve();
    let mut moved: BTreeSet<u32> = BTreeSet::new();
    let mut share = "1%";
    for (index, next) in ["5%", "25%", "50%", "100%"].into_iter().enumerate() {
        let of_share = |proxy: &Proxy| -> BTreeSet<u32> {
            let mut client = Client::new(proxy.public);
            (0..400).filter(|user| ask(&mut client, *user).1 == "extracted").collect()
        };
        let members = of_share(&proxy);
        assert!(moved.is_subset(&members), "at {share}: {:?} moved back", moved.difference(&members));
        // Five standard deviations of a binomial with 400 clients.
        let wanted = 4.0 * share.trim_end_matches('%').parse::<f64>().unwrap();
        let tolerance = 5.0 * (wanted * (1.0 - wanted / 400.0)).sqrt();
        assert!(
            (f64::from(u32::try_from(members.len()).unwrap()) - wanted).abs() <= tolerance,
            "{share}: {members:?}"
        );
        if index == 2 {
            // The same after a crash.
            proxy.crash();
            proxy = house.serve();
            assert_eq!(of_share(&proxy), members);
        }
        moved = members;
        let generation = proxy.generation();
        house.edit(&format!("canary = \"{share}\""), &format!("canary = \"{next}\""));
        proxy.wait_generation(generation + 1);
        share = next;
    }
    assert_eq!(ask(&mut Client::new(proxy.public), 7).1, "extracted");
    assert_eq!(get(proxy.public, "/products/1").origin(), "legacy", "a client without a key");
    wait_for("a bucket in the log", || {
        logged(&house).iter().any(|line| line["bucket"].is_u64()).then_some(())
    });
    let explained = proxy.ask(&["explain", "GET", "/products/1", "-H", "x-user: 7"]);
    let explained = String::from_utf8(explained.stdout).unwrap();
    assert!(explained.contains("in the cohort") && explained.contains("from header:x-user"), "{explained}");
}

#[test]
fn the_shadow_share_is_not_entangled_with_the_canary_and_goes_both_ways() {
    let (legacy, extracted) = (Origin::start("legacy"), Origin::start("extracted"));
    let house = house(
        &legacy.url(),
        &extracted.url(),
        "phase = \"canary\"\ncanary = \"50%\"\nsync = \"stateless\"\n\
         shadow = { sample = \"50%\", reverse_sample = \"50%\", concurrency = 1000 }\n",
    );
    let proxy = house.serve();
    let mut client = Client::new(proxy.public);
    const USERS: u32 = 200;
    const ROUNDS: u32 = 6;
    let mut sides: BTreeMap<u32, String> = BTreeMap::new();
    for _ in 0..ROUNDS {
        for user in 0..USERS {
            let (_, side) = ask(&mut client, user);
            assert_eq!(*sides.entry(user).or_insert(side.clone()), side);
        }
    }
    let copies = |origin: &Origin| -> Vec<u32> {
        let seen = origin.seen();
        let copies = seen.iter().filter(|seen| seen.header("x-shadow-request").is_some());
        copies.map(|seen| seen.header("x-user").unwrap().parse().unwrap()).collect()
    };
    wait_for("the last copy", || {
        let done: u64 = proxy
            .admin_get("/metrics")
            .text()
            .lines()
            .filter(|line| line.starts_with("strangler_shadow_total{slice=\"products\""))
            .filter_map(|line| line.rsplit(' ').next()?.parse::<u64>().ok())
            .sum();
        (done > 0 && done == (copies(&legacy).len() + copies(&extracted).len()) as u64).then_some(())
    });
    let (to_legacy, to_extracted) = (copies(&legacy), copies(&extracted));
    assert!(to_legacy.iter().all(|user| sides[user] == "extracted"), "copies go to the other side");
    assert!(to_extracted.iter().all(|user| sides[user] == "legacy"), "copies go to the other side");
    // Half of each side's, and no client always or never: at one in 2^6 that would be three of 200.
    for (copied, side) in [(&to_legacy, "extracted"), (&to_extracted, "legacy")] {
        let clients = u32::try_from(sides.values().filter(|found| *found == side).count()).unwrap();
        let requests = f64::from(clients * ROUNDS);
        let found = f64::from(u32::try_from(copied.len()).unwrap());
        assert!(
            (found - requests / 2.0).abs() < 5.0 * (requests / 4.0).sqrt(),
            "{side}: {found} of {requests}"
        );
    }
    let mut per_user: BTreeMap<u32, u32> = BTreeMap::new();
    for user in to_legacy.iter().chain(&to_extracted) {
        *per_user.entry(*user).or_default() += 1;
    }
    let constant = (0..USERS).filter(|user| matches!(per_user.get(user), None | Some(&ROUNDS))).count();
    assert!(constant < 30, "{constant} clients are always or never copied");
}

/// The sum of all series of a metric.
fn sum(proxy: &Proxy, name: &str) -> f64 {
    let text = proxy.admin_get("/metrics").text();
    let values =
        text.lines().filter(|line| line.starts_with(name)).filter_map(|line| line.rsplit(' ').next());
    values.filter_map(|value| value.parse::<f64>().ok()).sum()
}

#[test]
fn a_service_that_is_killed_costs_no_read_and_no_write_is_repeated_elsewhere() {
    let legacy = Origin::start("legacy");
    let house = house(&legacy.url(), "http://127.0.0.1:1", "");
    let (mut service, address) = product_service(house.folder(), 0);
    // Both sides are reached by what either writes: nothing but the rule about writes keeps them from legacy.
    house.write(&house.read().replace("http://127.0.0.1:1", &format!("http://{address}")).replace(
        "cohort_by",
        "phase = \"canary\"\ncanary = \"100%\"\nwriter = \"extracted\"\nsync = \"both\"\nguardrails = false\n\
         fallback = [\"connect-error\", \"timeout\", \"5xx\"]\ncohort_by",
    ));
    let proxy = house.serve();
    let (over, reads) = (AtomicBool::new(false), AtomicU32::new(0));
    thread::scope(|scope| {
        for user in 0..4 {
            let (over, reads, proxy) = (&over, &reads, &proxy);
            scope.spawn(move || {
                let mut client = Client::new(proxy.public);
                let key = user.to_string();
                while !over.load(Ordering::Relaxed) {
                    let answer = client.send("GET", "/products/1", &[("x-user", &key)], b"").unwrap();
                    assert_eq!(answer.status, 200);
                    reads.fetch_add(1, Ordering::Relaxed);
                    let answer = client.send("POST", "/products/1", &[("x-user", &key)], b"x").unwrap();
                    assert!([404, 405, 502, 503].contains(&answer.status), "{}", answer.status);
                }
            });
        }
        for _ in 0..3 {
            let fallbacks = sum(&proxy, "strangler_fallbacks_total{slice=\"products\"");
            service.kill();
            wait_for("fallbacks", || {
                (sum(&proxy, "strangler_fallbacks_total{slice=\"products\"") >= fallbacks + 30.0)
                    .then_some(())
            });
            service = product_service(house.folder(), address.port()).0;
            let mut client = Client::new(proxy.public);
            wait_for("the service to answer", || {
                let answer = client.send("GET", "/products/1", &[("x-user", "0")], b"").unwrap();
                (answer.origin() == "nobody").then_some(())
            });
        }
        over.store(true, Ordering::Relaxed);
    });
    assert!(reads.load(Ordering::Relaxed) > 90);
    let posts = legacy.seen().into_iter().filter(|seen| seen.method == "POST").count();
    assert_eq!(posts, 0, "no write reaches the side that is not the writer");
    let fell_back = wait_for("a fallback in the log", || {
        logged(&house).into_iter().find(|line| line["fallback"].is_string())
    });
    assert_eq!(
        (&fell_back["owner"], &fell_back["phase"]),
        (&"legacy".into(), &"canary".into()),
        "{fell_back}"
    );
}

#[test]
fn what_legacy_answered_for_a_failing_service_is_not_compared() {
    let (legacy, extracted) = (Origin::start("legacy"), Origin::start("extracted"));
    let house = house(
        &legacy.url(),
        &extracted.url(),
        "phase = \"extracted\"\nsync = \"stateless\"\nshadow = { reverse_sample = \"100%\" }\n",
    );
    let proxy = house.serve();
    let mut client = Client::new(proxy.public);
    extracted.script(Script::Status(503));
    for user in 0..10 {
        assert_eq!(ask(&mut client, user), (200, "legacy".to_owned()));
    }
    let account = "strangler_shadow_total{slice=\"products\",account=\"not-compared\",reason=\"fallback\"}";
    wait_for("ten accounts", || (sum(&proxy, account) == 10.0).then_some(()));
    let requests: Vec<_> = legacy.seen();
    assert_eq!(requests.len(), 10, "one request each, and no copies");
    assert!(requests.iter().all(|seen| seen.header("x-shadow-request").is_none()));
}

//! Who a canary sends where: keys, the issued cookie, what clients read after they have written, and how late data may be.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use strangler_core::snapshot::Snapshot;

use crate::support::{Origin, Proxy, compiled, header, lines, nobody, poll, status};

/// An origin that says who it is and answers with these lines as well.
fn origin(name: &'static str, more: &'static str) -> SocketAddr {
    Origin::new().serve(move |head, _| {
        let created = if head.starts_with("POST") { "201 Created" } else { "200 OK" };
        let status = if head.contains("/failing") { "409 Conflict" } else { created };
        format!("HTTP/1.1 {status}\r\nX-Side: {name}\r\n{more}Content-Length: 0\r\n\r\n").into_bytes()
    })
}

fn canary(legacy: SocketAddr, service: SocketAddr, share: &str, keys: &str) -> Snapshot {
    compiled(&format!(
        "legacy = \"http://{legacy}\"\n[slices.products]\nupstream = \"http://{service}\"\nphase = \"canary\"\n\
         canary = \"{share}\"\nsync = \"to-extracted\"\nroutes = [\"/products/**\"]\n{keys}\n"
    ))
}

/// The head of the answer to a request.
fn ask(proxy: &Proxy, line: &str, headers: &str) -> String {
    let mut client = proxy.connect();
    client.send(format!("{line} HTTP/1.1\r\nHost: shop.example\r\n{headers}Content-Length: 0\r\n\r\n"));
    client.head()
}

fn side(proxy: &Proxy, line: &str, headers: &str) -> String {
    let head = ask(proxy, line, headers);
    header(&head, "x-side").unwrap_or_else(|| panic!("{head}")).to_owned()
}

fn cookies(head: &str) -> Vec<String> {
    let sent = lines(head).into_iter().filter_map(|line| line.split_once(": "));
    sent.filter(|(name, _)| name.eq_ignore_ascii_case("set-cookie"))
        .map(|(_, value)| value.to_owned())
        .collect()
}

#[test]
fn a_client_without_a_key_is_legacys_and_gets_one_that_holds_for_every_slice() {
    let (legacy, service) = (origin("legacy", "Set-Cookie: sid=1\r\n"), origin("extracted", ""));
    let second = format!(
        "[slices.users]\nupstream = \"http://{service}\"\nphase = \"canary\"\ncanary = \"100%\"\nsync = \"to-extracted\"\n\
         routes = [\"/users\"]"
    );
    let proxy = Proxy::start(canary(legacy, service, "100%", &second));
    let head = ask(&proxy, "GET /products", "");
    assert_eq!(header(&head, "x-side"), Some("legacy"), "even at a share of everybody");
    let issued = cookies(&head);
    assert_eq!(issued.len(), 2);
    assert_eq!(issued[0], "sid=1");
    let (pair, rest) = issued[1].split_once("; ").unwrap();
    assert!(pair.starts_with("strangler_cohort=") && pair.len() > 40, "{pair}");
    assert_eq!(rest, "Path=/; Max-Age=7776000; HttpOnly; SameSite=Lax");
    for path in ["/products", "/users"] {
        let head = ask(&proxy, &format!("GET {path}"), &format!("Cookie: a=b; {pair}\r\n"));
        assert_eq!(header(&head, "x-side"), Some("extracted"), "{path}");
        assert_eq!(cookies(&head), [""; 0], "{path}: once is enough");
    }
    assert_eq!(cookies(&ask(&proxy, "GET /else", "")), ["sid=1"], "what is not in a canary");
}

#[test]
fn no_cookie_is_issued_where_nobody_asks_for_it_or_others_would_get_it() {
    let service = origin("extracted", "");
    let plain = origin("legacy", "");
    let public = origin("legacy", "Cache-Control: public, max-age=60\r\n");
    for (legacy, keys, headers, issued) in [
        (plain, "", "", true),
        (public, "", "", false),
        (plain, "cohort_by = \"header:x-user\"", "", false),
        (plain, "cohort_by = [\"header:x-user\", \"cookie:strangler_cohort\"]", "X-User: 1\r\n", false),
        (plain, "cohort_by = [\"header:x-user\", \"cookie:strangler_cohort\"]", "", true),
        (plain, "cohort_by = [\"cookie:strangler_cohort\", \"client-ip\"]", "", false),
        (plain, "cohort_cookie = { name = \"mine\" }", "", false),
        (plain, "cohort_cookie = { name = \"mine\" }\ncohort_by = \"cookie:mine\"", "", true),
    ] {
        let proxy = Proxy::start(canary(legacy, service, "50%", keys));
        let head = ask(&proxy, "GET /products", headers);
        assert_eq!(cookies(&head).len(), usize::from(issued), "{keys} {headers}: {head}");
    }
    for phase in ["legacy", "shadow", "extracted"] {
        let text = format!(
            "legacy = \"http://{plain}\"\n[slices.products]\nupstream = \"http://{service}\"\nphase = {phase:?}\n\
             canary = \"50%\"\nsync = \"stateless\"\nroutes = [\"/products\"]\n"
        );
        let proxy = Proxy::start(compiled(&text));
        assert_eq!(cookies(&ask(&proxy, "GET /products", "")), [""; 0], "{phase}");
    }
}

#[test]
fn a_client_stays_on_its_side_while_the_share_goes_up() {
    let (legacy, service) = (origin("legacy", ""), origin("extracted", ""));
    let keys = "cohort_by = \"header:x-user\"";
    let proxy = Proxy::start(canary(legacy, service, "0%", keys));
    let mut moved: BTreeMap<u32, String> = BTreeMap::new();
    for (share, least, most) in
        [("0%", 0, 0), ("5%", 1, 30), ("25%", 25, 75), ("50%", 70, 130), ("100%", 200, 200)]
    {
        proxy.reload(canary(legacy, service, share, keys));
        let mut members = 0;
        for user in 0..200 {
            let found = side(&proxy, "GET /products", &format!("X-User: {user}\r\n"));
            members += u32::from(found == "extracted");
            let before = moved.insert(user, found.clone());
            assert!(before.is_none_or(|before| before == found || found == "extracted"), "{user} at {share}");
            assert_eq!(
                side(&proxy, "POST /products", &format!("X-User: {user}\r\n")),
                "legacy",
                "the writer"
            );
        }
        assert!((least..=most).contains(&members), "{members} of 200 at {share}");
    }
}

#[test]
fn by_cohort_writes_follow_reads() {
    let (legacy, service) = (origin("legacy", ""), origin("extracted", ""));
    let text = format!(
        "legacy = \"http://{legacy}\"\n[slices.products]\nupstream = \"http://{service}\"\nphase = \"canary\"\n\
         canary = \"50%\"\nwriter = \"by-cohort\"\nsync = \"shared\"\nroutes = [\"/products\"]\n\
         cohort_by = \"header:x-user\"\n"
    );
    let proxy = Proxy::start(compiled(&text));
    let mut sides = [0, 0];
    for user in 0..40 {
        let key = format!("X-User: {user}\r\n");
        let read = side(&proxy, "GET /products", &key);
        sides[usize::from(read == "extracted")] += 1;
        assert_eq!(side(&proxy, "POST /products", &key), read, "{user}");
    }
    assert!(sides.iter().all(|count| *count > 0), "{sides:?}");
}

#[test]
fn a_client_reads_what_it_wrote_and_others_do_not_notice() {
    let (legacy, service) = (origin("legacy", ""), origin("extracted", ""));
    let keys = "read_your_writes = \"1h\"\ncohort_by = [\"header:x-user\", \"cookie:strangler_cohort\"]";
    let proxy = Proxy::start(canary(legacy, service, "100%", keys));
    let one = "X-User: 1\r\n";
    assert_eq!(side(&proxy, "GET /products", one), "extracted");
    assert_eq!(side(&proxy, "POST /products/failing", one), "legacy");
    assert_eq!(side(&proxy, "GET /products", one), "extracted", "nothing was written");
    assert_eq!(side(&proxy, "POST /products", one), "legacy");
    for line in ["GET /products", "HEAD /products/7", "OPTIONS /products"] {
        assert_eq!(side(&proxy, line, one), "legacy", "{line}");
    }
    assert_eq!(side(&proxy, "GET /products", "X-User: 2\r\n"), "extracted");
    proxy.reload(canary(legacy, service, "100%", keys));
    assert_eq!(side(&proxy, "GET /products", one), "legacy", "a reload forgets nothing");
    // Whoever gets a key with the answer to a write is known by it.
    let head = ask(&proxy, "POST /products", "");
    let issued = cookies(&head);
    let pair = issued[0].split(';').next().unwrap();
    assert_eq!(side(&proxy, "GET /products", &format!("Cookie: {pair}\r\n")), "legacy");
    let other = format!("Cookie: strangler_cohort={}\r\n", "0".repeat(32));
    assert_eq!(side(&proxy, "GET /products", &other), "extracted");
}

#[test]
fn what_was_written_is_forgotten_in_time_and_nothing_is_remembered_unasked() {
    let (legacy, service) = (origin("legacy", ""), origin("extracted", ""));
    let cohort = "cohort_by = \"header:x-user\"";
    let proxy =
        Proxy::start(canary(legacy, service, "100%", &format!("{cohort}\nread_your_writes = \"100ms\"")));
    let one = "X-User: 1\r\n";
    side(&proxy, "POST /products", one);
    poll(|| (side(&proxy, "GET /products", one) == "extracted").then_some(())).expect("it is forgotten");
    let proxy = Proxy::start(canary(legacy, service, "100%", cohort));
    side(&proxy, "POST /products", one);
    assert_eq!(side(&proxy, "GET /products", one), "extracted");
}

#[test]
fn legacy_stands_in_while_its_data_is_known_to_be_fresh_enough() {
    let legacy = origin("legacy", "");
    let nobody = nobody();
    let lag = Arc::new(AtomicU64::new(0));
    let said = Arc::clone(&lag);
    let gauge = Origin::new().serve(move |head, _| {
        assert!(head.starts_with("GET /sync/lag?of=products HTTP/1.1\r\n"), "{head}");
        let body = match said.load(Ordering::Relaxed) {
            u64::MAX => "{}".to_owned(),
            millis => format!("{{\"lag_ms\": {millis}}}"),
        };
        format!("HTTP/1.1 200 OK\r\nContent-Length: {}\r\n\r\n{body}", body.len()).into_bytes()
    });
    let text = format!(
        "legacy = \"http://{legacy}\"\n[upstreams.service]\nendpoints = [\"http://{nobody}\"]\nbreaker = false\n\
         [slices.products]\nupstream = \"service\"\nphase = \"extracted\"\nwriter = \"extracted\"\n\
         sync = \"to-legacy\"\nsync_lag = {{ url = \"http://{gauge}/sync/lag?of=products\", max = \"100ms\" }}\n\
         routes = [\"/products\"]\n"
    );
    let proxy = Proxy::start(compiled(&text));
    let answered = || status(&ask(&proxy, "GET /products", ""));
    assert_eq!(answered(), 502, "nobody knows");
    let live = Arc::clone(&proxy.live);
    std::thread::spawn(move || {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        runtime.block_on(strangler::upstream::lag::run(live));
    });
    let becomes = |wanted: u16| poll(|| (answered() == wanted).then_some(()));
    becomes(200).expect("legacy's data is fresh");
    lag.store(101, Ordering::Relaxed);
    becomes(502).expect("legacy's data is too late");
    lag.store(100, Ordering::Relaxed);
    becomes(200).expect("legacy's data is just fresh enough");
    lag.store(u64::MAX, Ordering::Relaxed);
    becomes(502).expect("nobody knows any more");
}

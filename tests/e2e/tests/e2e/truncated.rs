//! A file cut off at any byte never sends to legacy a write that the extracted side owns.

use std::path::Path;

use http::HeaderMap;
use strangler_core::config::{LoadOptions, SourceText, Sources, load};
use strangler_core::routing::{Facts, RequestView, Verdict, decide, lost_writers};
use strangler_core::snapshot::Snapshot;
use strangler_core::words::Owner;

use crate::reload::Site;
use crate::support::client::post;
use crate::support::proxy::House;

/// Two moved slices; what a cut may take away is in many places.
fn configuration(site: &Site, data_dir: &str) -> String {
    let (legacy, products) = (site.legacy.url(), site.products.url());
    format!(
        "version = 1\nlegacy = \"{legacy}\"\n\n[server]\nlisten = \"127.0.0.1:0\"\nadmin = \"127.0.0.1:0\"\n\
         {data_dir}access_log = \"off\"\n\n\
         [slices.products]\nupstream = \"{products}\"\nphase = \"extracted\"\nwriter = \"extracted\"\n\
         routes = [\"/products/**\", \"POST /offers\"]\n\n\
         [slices.orders]\nupstream = \"{products}\"\nphase = \"legacy\"\nwriter = \"extracted\"\n\
         sync = \"to-legacy\"\nroutes = [\n  \"/orders\",\n  \"/orders/{{id}}\",\n]\n\n\
         [[routes]]\nmatch = \"POST /orders/{{id}}/cancel\"\nslice = \"orders\"\n\n# the end\n"
    )
}

const WRITES: [&str; 5] = ["/products/1", "/offers", "/orders", "/orders/7", "/orders/7/cancel"];

/// What a text would serve: nothing where it is refused.
fn compile(text: &str) -> Option<std::sync::Arc<Snapshot>> {
    let main = SourceText { name: "strangler.toml".to_owned(), text: text.to_owned() };
    let options = LoadOptions { base: Path::new("."), env: &|_| None, today: jiff::civil::date(2026, 1, 1) };
    let loaded = load(&Sources { main, included: Vec::new() }, &options);
    loaded.snapshot.filter(|_| loaded.not_built.is_empty())
}

fn owner_of_write(snapshot: &Snapshot, path: &str) -> Option<Owner> {
    let headers = HeaderMap::new();
    let view = RequestView {
        method: "POST",
        host: "shop.example",
        path,
        query: None,
        headers: &headers,
        client_ip: None,
    };
    match decide(snapshot, &view, Facts::NONE).verdict {
        Verdict::Forward { owner, .. } => Some(owner),
        Verdict::Refuse(_) => None,
    }
}

/// Where a cut leaves a text that is valid by itself: the dangerous places.
fn valid_cuts(text: &str) -> Vec<usize> {
    let cuts = (0..text.len()).filter(|cut| text.is_char_boundary(*cut));
    cuts.filter(|cut| compile(&text[..*cut]).is_some()).collect()
}

#[test]
fn at_every_byte_the_cut_is_refused_or_takes_no_write_away() {
    let site = Site::new();
    let text = configuration(&site, "");
    let whole = compile(&text).expect("the whole text is valid");
    for path in WRITES {
        assert_eq!(owner_of_write(&whole, path), Some(Owner::Extracted), "{path}");
    }
    let (mut applied, mut refused) = (0, 0);
    for cut in valid_cuts(&text) {
        let new = compile(&text[..cut]).unwrap();
        if !lost_writers(&whole, &new).is_empty() {
            refused += 1;
            continue;
        }
        applied += 1;
        for path in WRITES {
            assert_ne!(owner_of_write(&new, path), Some(Owner::Legacy), "cut at {cut}: POST {path}");
        }
    }
    assert!(applied > 0 && refused > 20, "{applied} applied, {refused} refused: the cuts are not dangerous");
}

/// A few of the dangerous cuts, spread over the file.
fn sample(text: &str) -> Vec<usize> {
    let cuts = valid_cuts(text);
    let step = (cuts.len() / 6).max(1);
    let mut sample: Vec<usize> = cuts.iter().copied().step_by(step).collect();
    // In the middle of something, too.
    sample.push(text.find("phase").unwrap() + 3);
    sample
}

fn assert_no_write_reaches_legacy(site: &Site, address: std::net::SocketAddr, when: &str) {
    for path in WRITES {
        let answer = post(address, path, b"x");
        assert_ne!(answer.origin(), "legacy", "{when}: POST {path}");
    }
    assert!(site.legacy.seen().iter().all(|seen| seen.method != "POST"), "{when}");
}

#[test]
fn a_cut_live_file_sends_no_write_to_legacy() {
    let site = Site::new();
    let text = configuration(&site, "");
    let house = House::new(&text);
    let proxy = house.serve();
    for cut in sample(&text) {
        house.write(&text[..cut]);
        // The answer comes when the cut file has been judged.
        proxy.ask(&["reload"]);
        assert_no_write_reaches_legacy(&site, proxy.public, &format!("cut at {cut}"));
        house.write(&text);
        proxy.ask(&["reload"]);
        proxy.wait_stale(false);
    }
}

#[test]
fn a_file_cut_before_a_restart_sends_no_write_to_legacy() {
    let site = Site::new();
    let elsewhere = tempfile::tempdir().unwrap();
    let key = format!("data_dir = \"{}\"\n", elsewhere.path().join("kept").display());
    // Also where the cut takes the key away that says where the last good configuration is.
    for data_dir in ["", key.as_str()] {
        let text = configuration(&site, data_dir);
        let house = House::new(&text);
        house.serve().crash();
        for cut in sample(&text) {
            house.write(&text[..cut]);
            let proxy = house.serve();
            assert_no_write_reaches_legacy(&site, proxy.public, &format!("cut at {cut} before the start"));
            proxy.crash();
        }
    }
}

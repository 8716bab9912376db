//! For any secret in any place: it does not survive. And for any bytes: nothing panics, nothing grows without
//! bound, and what is redacted is left alone the second time.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use proptest::prelude::*;

use super::*;

/// Secrets that nothing beside them gives away: they are known by their looks.
fn known_by_looks() -> impl Strategy<Value = String> {
    prop_oneof![card(), token(), jwt(), email()]
}

/// Secrets of which only a name beside them tells.
fn known_by_name() -> impl Strategy<Value = String> {
    prop_oneof![known_by_looks(), "[a-zA-Z0-9!*#]{8,20}", "[a-z]{6}[0-9]{3}", "[0-9]{6}"]
        .prop_filter("a word of the surroundings is no secret", |secret| {
            !SURROUNDINGS.contains(secret.as_str())
        })
}

const SURROUNDINGS: &str = "application/json password redacted example shop.example content-type username";

fn card() -> impl Strategy<Value = String> {
    let digits = prop_oneof![Just(13usize), Just(15), Just(16), Just(19)];
    (digits, prop::sample::select(vec!['3', '4', '5', '6']), prop::collection::vec(0u32..10, 19), 0usize..3)
        .prop_map(|(len, first, rest, form)| {
            let mut digits: Vec<u32> = vec![first.to_digit(10).unwrap_or(4)];
            digits.extend(rest.into_iter().take(len - 2));
            let sum: u32 = digits
                .iter()
                .rev()
                .enumerate()
                .map(|(at, d)| if at % 2 == 0 { if *d > 4 { d * 2 - 9 } else { d * 2 } } else { *d })
                .sum();
            digits.push((10 - sum % 10) % 10);
            let text: Vec<String> = digits.iter().map(ToString::to_string).collect();
            let groups: Vec<String> = text.chunks(4).map(|group| group.concat()).collect();
            groups.join(["", " ", "-"][form])
        })
}

fn token() -> impl Strategy<Value = String> {
    prop_oneof![
        prop::collection::vec(any::<u8>(), 16..32)
            .prop_map(|bytes| bytes.iter().map(|b| format!("{b:02x}")).collect::<String>()),
        prop::collection::vec(any::<u8>(), 24..48)
            .prop_map(|bytes| base64::engine::general_purpose::URL_SAFE_NO_PAD.encode(bytes)),
        "[A-Za-z0-9]{32,64}",
    ]
}

fn jwt() -> impl Strategy<Value = String> {
    ("[a-z]{3,12}", prop::collection::vec(any::<u8>(), 32)).prop_map(|(who, signature)| {
        let part = |text: &str| base64::engine::general_purpose::URL_SAFE_NO_PAD.encode(text);
        let sign = base64::engine::general_purpose::URL_SAFE_NO_PAD.encode(signature);
        format!("{}.{}.{sign}", part(r#"{"alg":"HS256"}"#), part(&format!(r#"{{"sub":"{who}"}}"#)))
    })
}

fn email() -> impl Strategy<Value = String> {
    "[a-z]{2,8}[.+_][a-z0-9]{2,8}@[a-z]{3,9}\\.(com|de|co\\.uk)"
}

/// Where a secret that is known by its looks may stand. `{}` is the secret.
const PLACES: &[&str] = &[
    "target:/a/{enc}/b",
    "target:/a?x={enc}&y=1",
    "target:/a?{enc}",
    "target:/a?next=%2Fb%3Fx%3D{enc2}",
    "target:http://shop.example/x/{enc}",
    "header:x-anything:{}",
    "header:referer:http://shop.example/a?b={enc}",
    "header:user-agent:agent {} on",
    "header:accept-language:{}",
    "json:{\"note\": \"{}\"}",
    "json:{\"note\": \"see {} now\", \"n\": 1}",
    "json:{\"{}\": 1}",
    "json:[[\"{}\"]]",
    "json:{\"log\": \"{\\\"a\\\": \\\"{}\\\"}\"}",
    "json:{\"a\": \"{b64}\"}",
    "json:{\"a\": \"x?u={enc}\"}",
    "form:a=1&b={enc}",
    "form:{enc}=1",
    "html:<p>your {} is</p>",
    "html:<a href=\"/x?u={enc}&amp;y=1\" title='{}'>x</a>",
    "html:<!-- {} -->",
    "html:<script>var a = \"{}\";</script>",
    "text:mail {} now",
    "text:broken {\"a\": \"{}\",",
    "reply:{\"note\": \"{}\"}",
    "reply-header:x-note:{}",
    "reply-header:location:http://shop.example/a?b={enc}",
];

/// Where a secret may stand whose name gives it away.
const NAMED_PLACES: &[&str] = &[
    "target:/a?password={enc}",
    "target:/a?access_token={enc}&y=1",
    "target:/password/reset/{enc}",
    "target:/confirm/{enc}?x=1",
    "target:/a;jsessionid={enc}",
    "header:cookie:sid={}; x=1",
    "header:cookie:theme=dark; other=\"{}\"",
    "header:authorization:Bearer {}",
    "header:authorization:Basic {userb64}",
    "header:x-api-key:{}",
    "json:{\"password\": \"{}\"}",
    "json:{\"user\": {\"newPassword\": [\"{}\"]}}",
    "json:{\"card\": {\"number\": \"{}\"}}",
    "json:{\"log\": \"{\\\"client_secret\\\": \\\"{}\\\"}\"}",
    "json:{\"name\": \"pin\", \"value\": \"{}\"}",
    "form:user=a&password={enc}",
    "form:card%5Bnumber%5D={enc}",
    "html:<input type=\"password\" value=\"{}\">",
    "html:<input name=csrf_token value='{}'>",
    "html:<meta name=\"csrf-token\" content=\"{}\">",
    "html:<textarea name=\"secret\">{}</textarea>",
    "text:password={}",
    "text:\"token\": \"{}\"",
    "reply-header:set-cookie:sid={}; Path=/",
    "reply:{\"session_token\": \"{}\"}",
];

fn percent(text: &str) -> String {
    text.bytes()
        .map(|b| if b.is_ascii_alphanumeric() { char::from(b).to_string() } else { format!("%{b:02X}") })
        .collect()
}

/// Ways to write one text with other characters: percent-encoding, escapes, references, base64.
const SPELLINGS: &[&str] = &[
    "%2D",
    "%2d",
    "%252D",
    "%25252d",
    "every %2D",
    "%u002D",
    "\\u002d",
    "\\u002D",
    "every \\u002d",
    "\\\\u002d",
    "\\x2d",
    "&#45;",
    "&#x2D;",
    "&#x2d",
    "&#0045;",
    "&amp;#45;",
    "every &#45;",
    "+",
    "base64",
    "base64 unpadded",
    "base64url",
    "base64 encoded",
];

fn spelt(spelling: &str, text: &str) -> String {
    let each = |is_every: bool, spell: &dyn Fn(u32) -> String| -> String {
        let is_plain = |c: char| c.is_ascii_alphanumeric() && !is_every;
        text.chars().map(|c| if is_plain(c) { c.to_string() } else { spell(u32::from(c)) }).collect()
    };
    let named = format!("user={text}&A=1");
    match spelling {
        "%2D" => percent(text),
        "%2d" => each(false, &|c| format!("%{c:02x}")),
        "%252D" => percent(&percent(text)),
        "%25252d" => percent(&percent(&each(false, &|c| format!("%{c:02x}")))),
        "every %2D" => each(true, &|c| format!("%{c:02X}")),
        "%u002D" => each(false, &|c| format!("%u{c:04X}")),
        "\\u002d" => each(false, &|c| format!("\\u{c:04x}")),
        "\\u002D" => each(false, &|c| format!("\\u{c:04X}")),
        "every \\u002d" => each(true, &|c| format!("\\u{c:04x}")),
        "\\\\u002d" => each(false, &|c| format!("\\\\u{c:04x}")),
        "\\x2d" => each(false, &|c| format!("\\x{c:02x}")),
        "&#45;" => each(false, &|c| format!("&#{c};")),
        "&#x2D;" => each(false, &|c| format!("&#x{c:X};")),
        "&#x2d" => each(false, &|c| format!("&#x{c:x};")),
        "&#0045;" => each(false, &|c| format!("&#{c:012};")),
        "&amp;#45;" => each(false, &|c| format!("&amp;#{c};")),
        "every &#45;" => each(true, &|c| format!("&#{c};")),
        "+" => text.replace(' ', "+"),
        "base64" => STANDARD.encode(named),
        "base64 unpadded" => base64::engine::general_purpose::STANDARD_NO_PAD.encode(named),
        "base64url" => base64::engine::general_purpose::URL_SAFE.encode(named),
        "base64 encoded" => percent(&STANDARD.encode(named)),
        other => panic!("{other}"),
    }
}

/// Where a secret may stand in any spelling.
const SPELT_PLACES: &[&str] = &[
    "target:/a/{}/b",
    "target:/a;p={}/b",
    "target:/a;{}",
    "target:/a?x={}",
    "target:/a?x=1;y={}",
    "target:/a?{}=1",
    "target:/a?x=1#y={}",
    "target:/a#{}",
    "header:referer:http://shop.example/a/{}?b=1",
    "header:referer:http://shop.example/a?b={}#c",
    "header:link:<http://shop.example/a?b={}>; rel=next",
    "reply-header:location:/a/{}",
    "reply-header:location:/a?b=1#c={}",
    "header:user-agent:agent {} on",
    "form:a=1&b={}",
    "form:{}=1",
    "json:{\"note\": \"{}\"}",
    "json:{\"note\": \"see {} now\"}",
    "json:{\"{}\": 1}",
    "html:<p>your {} is</p>",
    "html:<a href=\"/x?u={}\">x</a>",
    "html:<a title='{}'>x</a>",
    "html:<!-- {} -->",
    "html:<script>var a = \"{}\";</script>",
    "text:mail {} now",
    "reply:{}",
];

/// A text with every spelling in it read, as often as it takes.
fn read_out(text: &str) -> String {
    spelling::said(&spelling::said(text)).into_owned()
}

/// The messages with a secret in one place, as they are kept, all in one text.
fn kept(place: &str, secret: &str, echo: &str) -> String {
    let filled = place
        .replace("{userb64}", &STANDARD.encode(format!("ann:{secret}")))
        .replace("{b64}", &STANDARD.encode(format!("user={secret}&A=1")))
        .replace("{enc2}", &percent(&percent(secret)))
        .replace("{enc}", &percent(secret))
        .replace("{}", secret);
    let (kind, rest) = filled.split_once(':').unwrap();
    let (name, value) = if kind.contains("header") { rest.split_once(':').unwrap() } else { ("", rest) };
    let media = match kind {
        "json" => "application/json",
        "form" => "application/x-www-form-urlencoded",
        "html" => "text/html; charset=utf-8",
        _ => "text/plain",
    };
    let mut request = RawRequest {
        method: "POST",
        target: b"/a",
        headers: vec![("content-type", media.as_bytes())],
        body: Some(b""),
    };
    let echo = format!("<p>{echo}</p>");
    let mut legacy = RawReply { status: 200, body: Some(echo.as_bytes()), ..RawReply::default() };
    let mut extracted = RawReply { status: 200, body: Some(b""), ..RawReply::default() };
    match kind {
        "target" => request.target = value.as_bytes(),
        "header" => request.headers.push((name, value.as_bytes())),
        "reply" => extracted.body = Some(value.as_bytes()),
        "reply-header" => legacy.headers.push((name, value.as_bytes())),
        _ => request.body = Some(value.as_bytes()),
    }
    let pseudonyms = Pseudonyms::Keyed(Key::new([9; 32]));
    let raw = Exchanged { request, legacy: Some(legacy), extracted: Some(extracted) };
    let kept = Redactor::new(&pseudonyms, &[], None).exchange(&raw);
    serde_json::to_string(&(&kept.request, &kept.legacy, &kept.extracted)).unwrap()
}

fn gone(kept: &str, secret: &str, place: &str) -> Result<(), TestCaseError> {
    let forms = [
        secret.to_owned(),
        percent(secret),
        percent(&percent(secret)),
        STANDARD.encode(secret),
        secret.replace([' ', '-'], ""),
    ];
    for form in forms.iter().filter(|form| form.len() > 4) {
        prop_assert!(!kept.contains(form.as_str()), "{place}: {form} survives in {kept}");
    }
    Ok(())
}

#[test]
fn a_random_text_without_digits_and_with_few_capitals_is_a_token() {
    // Each has pieces that could be taken for words, were it not for the pairs of letters in them.
    for token in [
        "hNDAAABAAAAAAAAABAABBAAAAA-DAB-AAAAAAA",
        "froKLIgisESKAPnyZDzcWeaqXwTUWLyKXusXH",
        "smlGFutFYh_YOD2_PPnT_t-JjuJ_tCNCTwwH",
        "khlcoykjamquluegbyhpmhkuymvwuvrtpygbxyi",
        "XNPU325XZUXVNXDPMLIL3STHTQF5JBMWKEALU",
        "l1wtvknmbwe2q76fqbxnyziz946faoyxytpakhvhinxmmcxnjmd0",
        "QtYptnurYHt+z+/kXdeLOaKnMEJ+xtpBlhGJsPfxZn/w",
    ] {
        for place in [
            "target:/a/{enc}/b",
            "json:{\"note\": \"{}\"}",
            "reply-header:location:http://shop.example/a?b={enc}",
        ] {
            gone(&kept(place, token, ""), token, place).unwrap();
        }
    }
}

#[test]
fn the_digits_of_a_pseudonym_are_no_secret() {
    let pseudonyms = Pseudonyms::Keyed(Key::new([9; 32]));
    let once = Redactor::new(&pseudonyms, &[], None).text("pw a:a&");
    assert_eq!(Redactor::new(&pseudonyms, &[], None).text(&once), once);
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 600, ..ProptestConfig::default() })]

    #[test]
    fn a_secret_known_by_its_looks_survives_nowhere(secret in known_by_looks(), place in prop::sample::select(PLACES)) {
        gone(&kept(place, &secret, ""), &secret, place)?;
    }

    #[test]
    fn a_secret_survives_in_no_spelling(secret in known_by_looks(), how in prop::sample::select(SPELLINGS), place in prop::sample::select(SPELT_PLACES)) {
        // Backslashes that are no escapes make no JSON.
        prop_assume!(!(place.starts_with("json") && how.starts_with("\\x")));
        let spelt = spelt(how, &secret);
        let kept = kept(place, &spelt, "");
        gone(&kept, &secret, place)?;
        gone(&read_out(&kept), &secret, place)?;
        prop_assert!(!kept.contains(&spelt), "{how} in {place}: {spelt} survives in {kept}");
    }

    #[test]
    fn a_secret_known_by_its_name_survives_nowhere_in_the_exchange(secret in known_by_name(), place in prop::sample::select(NAMED_PLACES)) {
        gone(&kept(place, &secret, &secret), &secret, place)?;
    }

    #[test]
    fn no_text_panics_and_twice_is_once(text in "\\PC{0,60}|[<>&;=:/%{}\\[\\]\"'@ a-e0-4.+-]{0,60}|([a-z]{1,8}[=:&? /]){0,12}") {
        let pseudonyms = Pseudonyms::Keyed(Key::new([9; 32]));
        let redactor = Redactor::new(&pseudonyms, &[], None);
        let once = redactor.text(&text);
        prop_assert!(once.len() <= 64 * (text.len() + 1));
        let again = Redactor::new(&pseudonyms, &[], None).text(&once);
        prop_assert_eq!(&again, &once, "of {:?}", text);
        prop_assert_eq!(blank(&blank(&once)), blank(&once));
    }

    #[test]
    fn a_path_that_looks_plain_is(path in "(/[a-zA-Z0-9._@%;-]{0,24}){0,4}|(/(reset|users|a1|[0-9]{1,16}|[a-z]{1,24}|[a-f0-9]{8,24})){0,5}") {
        let pseudonyms = Pseudonyms::Blank;
        if is_plain_path(&path) {
            prop_assert_eq!(Redactor::new(&pseudonyms, &[], None).path(&path), path);
        }
    }

    #[test]
    fn no_bytes_panic(target in prop::collection::vec(any::<u8>(), 0..60), value in prop::collection::vec(any::<u8>(), 0..60), body in prop::collection::vec(any::<u8>(), 0..120)) {
        let pseudonyms = Pseudonyms::Blank;
        let request = RawRequest { method: "POST", target: &target, headers: vec![("cookie", &value), ("location", &value), ("set-cookie", &value)], body: Some(&body) };
        let kept = Redactor::new(&pseudonyms, &[], None).exchange(&Exchanged { request, ..Exchanged::default() });
        structure(&kept.request.body);
    }
}

#[test]
fn large_hostile_texts_take_time_in_proportion() {
    // Each of these would take minutes if any step were quadratic; the test ends at once.
    let pieces = [
        "@",
        "a@",
        "<",
        "<!--",
        "<a ",
        "{\"a\":",
        "[",
        "4",
        "4-",
        "%25",
        "eyJ",
        "://",
        "=",
        "password=",
        "Bearer ",
        "Aa1+",
        "&#52;",
        "GB82",
        "redacted-",
        "</",
        "<script>",
        "a/",
        "/reset/",
    ];
    let pseudonyms = Pseudonyms::Blank;
    for piece in pieces {
        let text = piece.repeat(200_000 / piece.len());
        let redactor = Redactor::new(&pseudonyms, &[], None);
        assert!(redactor.text(&text).len() <= 4 * text.len() + 100, "{piece}");
    }
}

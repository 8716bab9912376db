//! What is replaced and what stays, by examples.

use expect_test::{Expect, expect};

use super::*;
use crate::config::{LoadOptions, SourceText, Sources};
use crate::snapshot::compare::BodyPath;

fn keyed() -> Pseudonyms {
    Pseudonyms::Keyed(Key::new([7; 32]))
}

fn exchange(raw: &Exchanged<'_>, rules: &[Redact]) -> Redacted {
    Redactor::new(&keyed(), rules, None).exchange(raw)
}

/// A rule as a configuration has it.
fn rule(text: &str) -> Redact {
    let (kind, name) = text.split_once(':').unwrap_or(("body", text));
    let name = name.to_owned();
    match kind {
        "header" => Redact::Header(name),
        "cookie" => Redact::Cookie(name),
        "query" => Redact::Query(name),
        "form" => Redact::Form(name),
        "path" => Redact::Path(name),
        _ => Redact::Body(body_path(text)),
    }
}

fn body_path(text: &str) -> BodyPath {
    let file = format!(
        "version = 1\nlegacy = \"http://127.0.0.1:1\"\n[slices.a]\nupstream = \"http://127.0.0.1:2\"\nroutes = [\"/a\"]\n[slices.a.compare]\nredact = [{text:?}]\n"
    );
    let sources = Sources { main: SourceText { name: "a.toml".into(), text: file }, included: Vec::new() };
    let options =
        LoadOptions { base: std::path::Path::new("/"), env: &|_| None, today: jiff::civil::date(2026, 1, 1) };
    let snapshot = crate::config::load(&sources, &options).snapshot.expect("the rule is valid");
    match &snapshot.slices[0].policy.compare.redact[0] {
        Redact::Body(path) => path.clone(),
        other => panic!("{other:?}"),
    }
}

/// A text of nothing known.
fn check_text(text: &str, wanted: &Expect) {
    wanted.assert_eq(&blank(&Redactor::new(&keyed(), &[], None).text(text)));
}

fn check_target(target: &str, rules: &[&str], pattern: Option<&str>, wanted: &str) {
    let rules: Vec<Redact> = rules.iter().map(|text| rule(text)).collect();
    let pattern =
        pattern.map(|text| Pattern::parse(text, crate::matching::path::PathRules::default()).unwrap());
    let pseudonyms = keyed();
    let redactor = Redactor::new(&pseudonyms, &rules, pattern.as_ref());
    let raw = Exchanged {
        request: RawRequest { method: "GET", target: target.as_bytes(), ..RawRequest::default() },
        ..Exchanged::default()
    };
    assert_eq!(blank(&redactor.exchange(&raw).request.target), wanted, "{target}");
}

/// The header of a request, as kept.
fn check_header(name: &str, value: &str, wanted: &str) {
    let raw = Exchanged {
        request: RawRequest {
            method: "GET",
            target: b"/",
            headers: vec![(name, value.as_bytes())],
            body: None,
        },
        ..Exchanged::default()
    };
    let kept = exchange(&raw, &[]).request.headers.remove(0).1;
    assert_eq!(blank(&kept), wanted, "{name}: {value}");
}

fn check_body(media: &str, body: &str, rules: &[&str], wanted: &Expect) {
    let rules: Vec<Redact> = rules.iter().map(|text| rule(text)).collect();
    let reply = RawReply {
        status: 200,
        headers: vec![("content-type", media.as_bytes())],
        body: Some(body.as_bytes()),
        ..RawReply::default()
    };
    let raw = Exchanged { legacy: Some(reply), ..Exchanged::default() };
    let kept = exchange(&raw, &rules).legacy.unwrap().body;
    let shown = match kept {
        Body::Opaque { bytes, pseudonym } => format!("{bytes} bytes, {pseudonym}"),
        kept => kept.text().to_owned(),
    };
    wanted.assert_eq(&blank(&shown));
}

#[test]
fn what_says_nothing_stays_byte_for_byte() {
    let redactor_keys = keyed();
    let redactor = Redactor::new(&redactor_keys, &[], None);
    for text in [
        "",
        "The price is 19.90 EUR, 3 items",
        "2026-11-21T13:15:32.123Z",
        "order 550e8400-e29b-41d4-a716-446655440000",
        "internationalization-of-product-descriptions",
        "SomeVeryLongCamelCaseIdentifierOfAClass",
        "snake_case_identifier_with_many_words",
        "iphone15promax256gb-blue-2024-edition",
        "1700000000000",
        "{\"a\": [1, 2.50, \"x\", null], \"status\": \"not_found\", \"code\": 404}",
        "<p class=\"card\">Price: <b>19.90</b> &amp; more</p>",
        "/products/search?q=shoes&page=2&sort=price",
        "currency_code=EUR&country=DE",
        "/v1/products/123/reviews/456",
        "@scope/package a@b",
        "9007199254740993",
        "100 % of 20% is %zz",
    ] {
        assert_eq!(redactor.text(text), text);
    }
    assert!(redactor.findings().is_empty(), "{:?}", redactor.findings());
}

#[test]
fn secrets_in_texts_are_known_by_their_looks() {
    check_text("card 4111 1111 1111 1111 ok", &expect!["card redacted-card ok"]);
    check_text("4111-1111-1111-1111,378282246310005", &expect!["redacted-card,redacted-card"]);
    check_text("ref 12 5555555555554444 of 3", &expect!["ref 12 redacted-card of 3"]);
    check_text("00000000004111111111111111", &expect!["redacted-card"]);
    check_text(
        "write to Ann.Lee+x@mail.example.com, or to bob@firma.de.",
        &expect!["write to redacted-email@example.invalid, or to redacted-email@example.invalid."],
    );
    check_text(
        "GB82 WEST 1234 5698 7654 32 and DE89370400440532013000",
        &expect!["redacted-iban and redacted-iban"],
    );
    check_text(
        "t eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiIxIn0.dBjftJeZ4CVP-mB92K27uhbUJU1p1r_wW1gFWFOEjXk!",
        &expect!["t redacted-token!"],
    );
    check_text("5f4dcc3b5aa765d61d8327deb882cf99", &expect!["redacted-token"]);
    check_text("wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY=", &expect!["redacted-token"]);
    check_text("zqxwvkjhgfdspnmbtrlc", &expect!["redacted-token"]);
}

#[test]
fn secrets_in_texts_are_known_by_the_words_beside_them() {
    check_text("password=hunter2 user=ann", &expect!["password=redacted-password user=ann"]);
    check_text("Password: hunter2, then", &expect!["Password: redacted-password, then"]);
    check_text(
        "{broken \"client_secret\": \"s3cr3t value\", \"a\": 1",
        &expect![[r#"{broken "client_secret": "redacted-secret", "a": 1"#]],
    );
    check_text(
        "log: {\\\"password\\\":\\\"hunter2\\\"}",
        &expect![[r#"log: {\"password\":\"redacted-password\"}"#]],
    );
    check_text("Authorization: Bearer abc def\nnext", &expect!["Authorization: redacted-token\nnext"]);
    check_text("Your code is 482913.", &expect!["Your code is redacted-code."]);
    check_text(
        "see https://shop.example/password/reset/Ab12x?code=77123 now",
        &expect!["see https://shop.example/password/reset/redacted-code?code=redacted-code now"],
    );
    check_text("postgres://app:pa55@db/shop", &expect!["postgres://redacted-secret@db/shop"]);
    check_text("curl -H 'X: Basic QWxhZGRpbjpvcGVu'", &expect!["curl -H 'X: Basic redacted-token'"]);
}

#[test]
fn texts_within_texts_are_read() {
    check_text("mail%3A%20ann%40mail.example.com", &expect!["mail:%20redacted-email@example.invalid"]);
    check_text("x%2540", &expect!["x%2540"]);
    check_text(
        "q=%257B%2522password%2522%253A%2522hunter2%2522%257D",
        &expect!["q=%257B%2522password%2522:%2522redacted-password%2522%257D"],
    );
    check_text(
        r#"{"log": "{\"pin\": \"0815\", \"n\": 1}"}"#,
        &expect![[r#"{"log": "{\"pin\": \"redacted-password\", \"n\": 1}"}"#]],
    );
    check_text("blob cGFzc3dvcmQ9aHVudGVyMg== end", &expect!["blob redacted-token end"]);
    check_text(
        r#"{"html": "<input type=password value=hunter2>"}"#,
        &expect![[r#"{"html": "<input type=password value=redacted-password>"}"#]],
    );
}

#[test]
fn targets_keep_what_routes_them() {
    check_target("/orders/42?page=2", &[], None, "/orders/42?page=2");
    check_target("/password/reset/XK42-99?lang=de", &[], None, "/password/reset/redacted-code?lang=de");
    check_target("/password/reset/form", &[], None, "/password/reset/form");
    check_target("/confirm/ann%40mail.example.com/123456", &[], None, "/confirm/redacted-code/redacted-code");
    check_target(
        "/a?token=abc&access_token=&code=4711x&country_code=DE",
        &[],
        None,
        "/a?token=redacted-token&access_token=&code=redacted-code&country_code=DE",
    );
    check_target("/a?next=%2Freset%2FXK4299", &[], None, "/a?next=/reset/redacted-code");
    check_target("/cart;jsessionid=ABC123/x", &[], None, "/cart;jsessionid=redacted-cookie/x");
    check_target(
        "/a?user=ann&PIN=1234&x=1",
        &["query:user"],
        None,
        "/a?user=redacted-named&PIN=redacted-password&x=1",
    );
    check_target(
        "/vouchers/SUMMER",
        &["path:voucher"],
        Some("/vouchers/{voucher}"),
        "/vouchers/redacted-named",
    );
    check_target(
        "/t/abc/x",
        &[],
        Some("/t/{token}/x"),
        "/t/redacted-token/x".replace("token", "named").as_str(),
    );
    check_target("http://ann:pw@shop.example/a", &[], None, "http://redacted-secret@shop.example/a");
    check_target(
        "/users/ann@mail.example.com/cards/4111111111111111",
        &[],
        None,
        "/users/redacted-email@example.invalid/cards/redacted-card",
    );
    check_target("/q?4111+1111+1111+1111", &[], None, "/q?redacted-card");
    check_target("/%ff%00\"?a=%", &[], None, "/%ff%00\"?a=%");
}

#[test]
fn headers_are_kept_by_a_list() {
    check_header("Accept", "text/html, */*;q=0.8", "text/html, */*;q=0.8");
    check_header(
        "User-Agent",
        "bot (+mailto:a@mail.example.com)",
        "bot (+mailto:redacted-email@example.invalid)",
    );
    check_header(
        "Cookie",
        "sid=abc; theme=dark; bare",
        "sid=redacted-cookie; theme=redacted-cookie; redacted-cookie",
    );
    check_header("Authorization", "Bearer abc.def", "Bearer redacted-token");
    check_header("Authorization", "opaque", "redacted-token");
    check_header("X-Tenant", "acme", "redacted-header");
    check_header("X-Flag", "true", "true");
    check_header(
        "Referer",
        "http://shop.example/reset/XK42?x=1",
        "http://shop.example/reset/redacted-code?x=1",
    );
    check_header("X-Forwarded-For", "192.0.2.7", "redacted-header");
    check_header(
        "Set-Cookie",
        "sid=abc; Path=/; HttpOnly; note=x",
        "sid=redacted-cookie; Path=/; HttpOnly; note=redacted-cookie",
    );
    check_header(
        "Content-Security-Policy",
        "script-src 'nonce-abc123' 'self'",
        "script-src 'nonce-redacted-csrf' 'self'",
    );
    check_header("5f4dcc3b5aa765d61d8327deb882cf99", "1", "1");
}

#[test]
fn json_keeps_its_spelling() {
    check_body(
        "application/json",
        "{ \"price\" : 19.90, \"u\":\"\\u00e9\" }\n",
        &[],
        &expect!["{ \"price\" : 19.90, \"u\":\"\\u00e9\" }\n"],
    );
    check_body(
        "application/json",
        r#"{"password":"x","card":{"brand":"visa","cvc":123,"valid":true,"none":null}}"#,
        &[],
        &expect![[
            r#"{"password":"redacted-password","card":{"brand":"redacted-card","cvc":907190000000000,"valid":true,"none":null}}"#
        ]],
    );
    check_body(
        "application/json",
        r#"{"n":4111111111111111,"m":4.111111111111111e15,"k":-1.50}"#,
        &[],
        &expect![[r#"{"n":907190000000000,"m":907190000000000,"k":-1.50}"#]],
    );
    check_body(
        "application/json",
        r#"{"a":[{"iban":"x1"},{"b":{"iban":["y","z"]}}],"iba":"n"}"#,
        &["$..iban"],
        &expect![[
            r#"{"a":[{"iban":"redacted-iban"},{"b":{"iban":["redacted-iban","redacted-iban"]}}],"iba":"n"}"#
        ]],
    );
    check_body(
        "application/json",
        r#"{"items":[{"n":"a"},{"n":"b"}],"n":"c"}"#,
        &["$.items[*].n"],
        &expect![[r#"{"items":[{"n":"redacted-named"},{"n":"redacted-named"}],"n":"c"}"#]],
    );
    check_body(
        "application/json",
        r#"{"items":["a","b"]}"#,
        &["$.items[1]"],
        &expect![[r#"{"items":["a","redacted-named"]}"#]],
    );
    check_body(
        "application/json",
        r#"[{"name":"password","value":"hunter2"},{"name":"size","value":"XL"}]"#,
        &[],
        &expect![[r#"[{"name":"password","value":"redacted-password"},{"name":"size","value":"XL"}]"#]],
    );
    check_body(
        "application/json",
        r#"{"ann@mail.example.com":1}"#,
        &[],
        &expect![[r#"{"redacted-email@example.invalid":1}"#]],
    );
    check_body(
        "text/plain",
        r#"{"pin":"0815","a":1}"#,
        &[],
        &expect![[r#"{"pin":"redacted-password","a":1}"#]],
    );
    check_body(
        "application/json",
        r#"{"secret":"abc","a":"#,
        &[],
        &expect![[r#"{"secret":"redacted-secret","a":"#]],
    );
    check_body(
        "application/json",
        r#"{"memo":"abc","a":"#,
        &["$.memo"],
        &expect!["18 bytes, redacted-opaque"],
    );
}

#[test]
fn forms_and_markup_are_read_by_their_names() {
    check_body(
        "application/x-www-form-urlencoded",
        "user=ann&password=a%20b&note=4111+1111+1111+1111&x=%41",
        &[],
        &expect!["user=ann&password=redacted-password&note=redacted-card&x=%41"],
    );
    check_body(
        "application/x-www-form-urlencoded",
        "user=ann&pin2=1",
        &["form:user"],
        &expect!["user=redacted-named&pin2=1"],
    );
    check_body(
        "text/html",
        r#"<form action="/password/reset"><input name="csrf" value='t1'><input type=password value=x><input name=q value=shoes></form>"#,
        &[],
        &expect![[
            r#"<form action="/password/reset"><input name="csrf" value='redacted-csrf'><input type=password value=redacted-password><input name=q value=shoes></form>"#
        ]],
    );
    check_body(
        "text/html",
        r#"<meta name="csrf-token" content="abc"><script nonce="n1">const t = {"token":"abc"};</script><a href="/reset/XK42?a=1&amp;code=9876">x</a>"#,
        &[],
        &expect![[
            r#"<meta name="csrf-token" content="redacted-csrf"><script nonce="redacted-csrf">const t = {"token":"redacted-token"};</script><a href="/reset/redacted-code?a=1&amp;code=redacted-code">x</a>"#
        ]],
    );
    check_body(
        "text/html",
        "<p>Card: &#52;111 1111 1111 1111</p><p>Your code: <b>ABCD</b> and more</p>",
        &[],
        &expect!["<p>Card: redacted-card</p><p>Your code: <b>redacted-code</b> and more</p>"],
    );
    check_body(
        "application/xml",
        "<user><password>hunter2</password><name>Ann</name></user>",
        &[],
        &expect!["<user><password>redacted-password</password><name>Ann</name></user>"],
    );
    check_body(
        "text/html",
        "a < b <!-- token=abc --> <b",
        &[],
        &expect!["a < b <!-- token=redacted-token --> <b"],
    );
    check_body(
        "multipart/form-data; boundary=XX",
        "--XX\r\nContent-Disposition: form-data; name=\"password\"\r\n\r\nhunter2\r\n--XX\r\nContent-Disposition: form-data; name=\"f\"; filename=\"a.txt\"\r\n\r\ndata\r\n--XX--\r\n",
        &[],
        &expect![
            "--XX\r\nContent-Disposition: form-data; name=\"password\"\r\n\r\nredacted-password\r\n--XX\r\nContent-Disposition: form-data; name=\"f\"; filename=\"a.txt\"\r\n\r\n(4 bytes) redacted-opaque\r\n--XX--\r\n"
        ],
    );
    check_body("image/png", "\u{1}\u{2}", &[], &expect!["2 bytes, redacted-opaque"]);
}

#[test]
fn a_secret_of_one_message_is_replaced_in_all_of_them() {
    let raw = Exchanged {
        request: RawRequest {
            method: "POST",
            target: b"/login?hint=tiger-paw",
            headers: vec![
                ("content-type", b"application/x-www-form-urlencoded"),
                ("cookie", b"sid=Kitten77"),
            ],
            body: Some(b"user=ann&password=tiger-paw"),
        },
        legacy: Some(RawReply {
            status: 200,
            headers: vec![("x-debug", b"none"), ("set-cookie", b"cart=basket99; Path=/")],
            body: Some(b"<p>tiger-paw is wrong, Kitten77, basket99, dGlnZXItcGF3 no</p>"),
            ..RawReply::default()
        }),
        extracted: Some(RawReply {
            status: 200,
            headers: vec![],
            body: Some(b"{\"said\":\"a tiger-paw!\"}"),
            ..RawReply::default()
        }),
    };
    let kept = exchange(&raw, &[]);
    let text = format!("{kept:?}");
    for secret in ["tiger-paw", "Kitten77", "basket99", "dGlnZXItcGF3"] {
        assert!(!text.contains(secret), "{secret}: {text}");
    }
    assert!(text.contains("user=ann"), "{text}");
    assert!(kept.findings["password"] >= 3, "{:?}", kept.findings);
}

#[test]
fn equal_values_have_equal_pseudonyms_under_one_key_only() {
    let text =
        |key: u8, text: &str| Redactor::new(&Pseudonyms::Keyed(Key::new([key; 32])), &[], None).text(text);
    assert_eq!(text(1, "token=abc"), text(1, "token=abc"));
    assert_ne!(text(1, "token=abc"), text(1, "token=abd"));
    assert_ne!(text(1, "token=abc"), text(2, "token=abc"));
    assert_eq!(blank(&text(1, "token=abc")), blank(&text(2, "token=abd")));
    // RFC 4231 does not know this key: the value pins the algorithm, which corpora depend on.
    assert_eq!(text(7, "token=abc"), "token=redacted-token-127da4ced6a839b8".to_owned());
    assert_ne!(Key::new([1; 32]).id(), Key::new([2; 32]).id());
    assert_eq!(format!("{:?}", Key::new([1; 32])), "Key(..)");
}

#[test]
fn values_of_differences_are_redacted_as_where_they_were_found() {
    let rules = [rule("$..iban"), rule("$.items[*].memo")];
    let pseudonyms = keyed();
    let redactor = Redactor::new(&pseudonyms, &rules, None);
    for (path, value, wanted) in [
        ("$.price", "\"19.90\"", "\"19.90\""),
        ("$.user.password", "\"hunter2\"", "redacted-password"),
        ("$.items[3].memo", "\"hello\"", "redacted-named"),
        ("$.memo", "\"hello\"", "\"hello\""),
        ("$.a.iban[2]", "\"x\"", "redacted-iban"),
        ("$['client secret']", "7", "redacted-secret"),
        ("$.password", "null", "null"),
        ("cookie:theme", "dark", "redacted-cookie"),
        ("header:x-tenant", "acme", "redacted-header"),
        ("header:vary", "Accept", "Accept"),
        ("status", "404", "404"),
        ("$", "mail ann@mail.example.com", "mail redacted-email@example.invalid"),
    ] {
        assert_eq!(blank(&redactor.value_at(path, value)), wanted, "{path}");
    }
    assert_eq!(
        blank(&redactor.place("$['ann@mail.example.com'].x")),
        "$['redacted-email@example.invalid'].x"
    );
}

#[test]
fn a_structure_has_no_values() {
    let check = |text: &str, wanted: &str| assert_eq!(structure(&Body::Text(text.to_owned())), wanted);
    check(
        r#"{"a":1,"b":[1,2,"x",{"c":true},{"c":false}],"d":null,"e":1.5}"#,
        r#"{"a": integer, "b": [integer ×2, string, {"c": boolean} ×2], "d": null, "e": decimal}"#,
    );
    check("[]", "[]");
    check("a=1&b=2", "form: a, b");
    check("two\nlines", "text, 2 lines, 9 bytes");
    check("<p>x</p>", "markup, 1 lines, 8 bytes");
    assert_eq!(structure(&Body::None), "empty");
    let long = format!("{{\"{}\": 1}}", "ä".repeat(20_000));
    assert!(structure(&Body::Text(long)).len() < 16 * 1024 + 8);
}

#[test]
fn a_quick_look_at_a_path_never_misses_a_secret() {
    for (path, plain) in [
        ("/orders/42/lines", true),
        ("/v2/best-sellers/index.html", true),
        ("/reset/XK42", false),
        ("/Password-Reset/XK42", false),
        ("/users/ann@mail.example.com", false),
        ("/c/4111111111111111", false),
        ("/t/sk9fJ2kLq83NvXz71QwEr5Ty", false),
        ("/kjhqwdkjhqwdkjhqwdxz", false),
        ("/a%40b", false),
        ("/cart;jsessionid=x", false),
    ] {
        assert_eq!(is_plain_path(path), plain, "{path}");
        if plain {
            assert_eq!(Redactor::new(&keyed(), &[], None).path(path), path);
        }
    }
}

#[test]
fn a_packed_body_is_kept_unpacked() {
    use std::io::Write;
    let mut gzip = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::default());
    gzip.write_all(b"{\"password\": \"hunter2\"}").unwrap();
    let packed = gzip.finish().unwrap();
    let kept = |coding: &[u8]| {
        let headers = vec![
            ("content-encoding", coding),
            ("Content-Length", b"7"),
            ("content-type", b"application/json"),
        ];
        let legacy = RawReply { status: 200, headers, body: Some(&packed), ..RawReply::default() };
        exchange(&Exchanged { legacy: Some(legacy), ..Exchanged::default() }, &[]).legacy.unwrap()
    };
    let reply = kept(b"gzip");
    assert_eq!(blank(reply.body.text()), "{\"password\": \"redacted-password\"}");
    assert_eq!(reply.headers, [("content-type".to_owned(), "application/json".to_owned())]);
    assert!(matches!(kept(b"br").body, Body::Opaque { .. }), "what cannot be unpacked is not looked into");
    assert!(matches!(kept(b"unknown").body, Body::Opaque { .. }));
}

mod spelling;

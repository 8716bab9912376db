//! Secrets that are spelt in escapes, references and other ways.

use super::*;

#[test]
fn secrets_of_targets_are_known_in_every_spelling() {
    for (target, wanted) in [
        ("/a%2Freset%2fXK42-99/b", "/a%2Freset%2Fredacted-code/redacted-code"),
        ("/re%73et/XK42-99", "/re%73et/redacted-code"),
        ("/re%2573et/XK42-99", "/re%2573et/redacted-code"),
        ("/cart%3bjsessionid=ABC123/x", "/cart%3Bjsessionid=redacted-cookie/x"),
        ("/cart;js%65ssionid=ABC123/x", "/cart;js%65ssionid=redacted-cookie/x"),
        ("/a?p%61ssword=x&p%2561ssword=y", "/a?p%61ssword=redacted-password&p%2561ssword=redacted-password"),
        ("/a?x=1;password=y", "/a?x=1%3Bpassword=redacted-password"),
        ("/a?b#access_t%6fken=y", "/a?b#access_t%6fken=redacted-token"),
        ("/a?x=wJalrXUtnFEMI+K7MDENG+bPxRfiCYEXAMPLEKEY", "/a?x=redacted-token"),
        ("/a?x=ann%2540mail.example.com", "/a?x=redacted-email@example.invalid"),
    ] {
        check_target(target, &[], None, wanted);
    }
}

#[test]
fn secrets_in_texts_are_known_in_every_spelling() {
    check_text(
        r"var a = 'ann\u0040mail.example.com';",
        &expect!["var a = 'redacted-email@example.invalid';"],
    );
    check_text(
        r"var a = 'ann\x40mail.example.com', b = 1;",
        &expect!["var a = 'redacted-email@example.invalid', b = 1;"],
    );
    check_text(
        "mail ann&commat;mail.example.com &amp; wait",
        &expect!["mail redacted-email@example.invalid &amp; wait"],
    );
    check_text(
        r"log {\u0022password\u0022: \u0022hunter2\u0022}",
        &expect![[r#"log {\u0022password\u0022: \redacted-password}"#]],
    );
    check_text(
        "see &lt;input type=password value=hunter2&gt;",
        &expect!["see &lt;input type=password value=redacted-password&gt;"],
    );
    check_text(
        "see /a/cGFzc3dvcmQ9aHVudGVyMg and sid_cGFzc3dvcmQ9aHVudGVyMg==",
        &expect!["see /a/redacted-token and redacted-token"],
    );
    check_text("20 %2D 100%25 &amp; C:\\new\\x41", &expect![[r#"20 %2D 100%25 &amp; C:\new\x41"#]]);
}

#[test]
fn a_secret_that_was_spelt_is_known_where_it_is_not() {
    let raw = Exchanged {
        request: RawRequest {
            method: "GET",
            target: b"/a?hint=tiger+paw%21",
            headers: vec![("cookie", b"sid=tiger%20paw%21")],
            body: None,
        },
        legacy: Some(RawReply {
            status: 200,
            body: Some(b"<p>tiger paw! tiger%20paw! tiger&#32;paw&excl; tiger\\u0020paw!</p>"),
            ..RawReply::default()
        }),
        ..Exchanged::default()
    };
    let kept = exchange(&raw, &[]);
    let cookie = kept.request.headers[0].1.strip_prefix("sid=").unwrap().to_owned();
    assert_eq!(blank(&kept.request.target), "/a?hint=redacted-cookie");
    let text = kept.legacy.unwrap().body.text().to_owned();
    assert!(!text.contains("tiger") && !text.contains("paw"), "{text}");
    assert_eq!(blank(&cookie), "redacted-cookie");
}

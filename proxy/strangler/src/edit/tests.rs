//! What an edit leaves of a file, however the file is written.

#![allow(clippy::unwrap_used, clippy::panic, reason = "helpers of tests")]

mod moves;

use std::fs;

use expect_test::{Expect, expect};
use jiff::civil::date;
use toml_edit::Value;

use super::*;

const HEAD: &str = "version = 1\nlegacy = \"http://127.0.0.1:8000\"\n";

fn acceptance() -> Acceptance {
    Acceptance {
        signature: "3f9c21ab".to_owned(),
        why: "legacy rounds wrongly, SHOP-412".to_owned(),
        until: date(2099, 2, 1),
    }
}

/// The main file in a folder of its own, and others beside it.
fn house(text: &str, others: &[(&str, &str)]) -> (tempfile::TempDir, Source) {
    let folder = tempfile::tempdir().unwrap();
    for (name, text) in others {
        fs::write(folder.path().join(name), text).unwrap();
    }
    let main = folder.path().join("a.toml");
    fs::write(&main, text).unwrap();
    (folder, Source::File(main))
}

/// Lines of a patch without its names, and without the blank that stands for an unchanged empty line.
fn hunks(patch: &str) -> String {
    patch.lines().skip(2).map(|line| format!("{}\n", line.trim_end())).collect()
}

#[track_caller]
fn check(change: &Change, text: &str, wanted: &Expect) {
    let text = format!("{HEAD}{text}");
    let (folder, source) = house(&text, &[]);
    let proposal = propose(&source, "a", change).unwrap_or_else(|error| {
        panic!("{error}: {:?}", error.diagnostics().iter().map(|d| d.render(false)).collect::<String>())
    });
    wanted.assert_eq(&hunks(&proposal.patch()));
    proposal.write().unwrap();
    assert_eq!(fs::read_to_string(folder.path().join("a.toml")).unwrap(), proposal.text());
    // Once more changes nothing.
    assert!(propose(&source, "a", change).unwrap().is_empty());
}

#[track_caller]
fn accepted(text: &str, wanted: &Expect) {
    check(&Change::Accept(acceptance()), text, wanted);
}

#[test]
fn a_slice_without_rules_gets_a_table_of_its_own_before_the_next_one() {
    accepted(
        r#"
# The catalogue.
[slices.a]
upstream = "http://127.0.0.1:8001"   # theirs
routes   = [
    "/a/**",   # all of it
]

# Customers.
[slices.b]
upstream = "http://127.0.0.1:8002"
routes = ["/b/**"]
# the end
"#,
        &expect![[r#"
            @@ -8,6 +8,11 @@
                 "/a/**",   # all of it
             ]
 
            +[[slices.a.compare.accept]]
            +signature = "3f9c21ab"
            +why = "legacy rounds wrongly, SHOP-412"
            +until = 2099-02-01
            +
             # Customers.
             [slices.b]
             upstream = "http://127.0.0.1:8002"
        "#]],
    );
}

#[test]
fn rules_in_a_table_of_their_own_are_followed_by_the_entry() {
    accepted(
        r#"
[slices.a]
upstream = "http://127.0.0.1:8001"
routes = ["/a/**"]

[slices.a.compare]
ignore = ["$.x"]      # changes always

[slices.a.compare.numbers]
"$.total" = 0.01

[slices.a.shadow]
sample = "10%"
"#,
        &expect![[r#"
            @@ -11,5 +11,10 @@
             [slices.a.compare.numbers]
             "$.total" = 0.01
 
            +[[slices.a.compare.accept]]
            +signature = "3f9c21ab"
            +why = "legacy rounds wrongly, SHOP-412"
            +until = 2099-02-01
            +
             [slices.a.shadow]
             sample = "10%"
        "#]],
    );
}

#[test]
fn another_entry_stands_as_those_before_it() {
    accepted(
        r#"
[slices.a]
upstream = "http://127.0.0.1:8001"
routes = ["/a/**"]

    # Their clock.
    [[slices.a.compare.accept]]
        signature = "11112222"
        why = "x"
        until = 2098-01-01   # then it is gone

[slices.b]
upstream = "http://127.0.0.1:8002"
routes = ["/b/**"]
"#,
        &expect![[r#"
            @@ -11,6 +11,11 @@
                     why = "x"
                     until = 2098-01-01   # then it is gone
 
            +    [[slices.a.compare.accept]]
            +        signature = "3f9c21ab"
            +        why = "legacy rounds wrongly, SHOP-412"
            +        until = 2099-02-01
            +
             [slices.b]
             upstream = "http://127.0.0.1:8002"
             routes = ["/b/**"]
        "#]],
    );
}

#[test]
fn an_entry_of_the_same_signature_is_renewed_in_place() {
    accepted(
        r#"
[slices.a]
upstream = "http://127.0.0.1:8001"
routes = ["/a/**"]

[[slices.a.compare.accept]]
until = 2026-01-01   # the quarter's end
signature = "3F9C21AB"
why = "old"          # see the ticket
"#,
        &expect![[r#"
            @@ -6,6 +6,6 @@
             routes = ["/a/**"]
 
             [[slices.a.compare.accept]]
            -until = 2026-01-01   # the quarter's end
            +until = 2099-02-01   # the quarter's end
             signature = "3F9C21AB"
            -why = "old"          # see the ticket
            +why = "legacy rounds wrongly, SHOP-412"          # see the ticket
        "#]],
    );
}

#[test]
fn inline_rules_stay_inline() {
    accepted(
        r#"
[slices.a]
upstream = "http://127.0.0.1:8001"
compare  = { ignore = ["$.x"], mode = "full" }   # short
routes   = ["/a/**"]
"#,
        &expect![[r#"
            @@ -3,5 +3,5 @@
 
             [slices.a]
             upstream = "http://127.0.0.1:8001"
            -compare  = { ignore = ["$.x"], mode = "full" }   # short
            +compare  = { ignore = ["$.x"], mode = "full", accept = [{ signature = "3f9c21ab", why = "legacy rounds wrongly, SHOP-412", until = 2099-02-01 }] }   # short
             routes   = ["/a/**"]
        "#]],
    );
}

#[test]
fn a_slice_written_inline_stays_so() {
    accepted(
        r#"
[slices]
a = { upstream = "http://127.0.0.1:8001", routes = ["/a/**"] }
b = { upstream = "http://127.0.0.1:8002", routes = ["/b/**"] }
"#,
        &expect![[r#"
            @@ -2,5 +2,5 @@
             legacy = "http://127.0.0.1:8000"
 
             [slices]
            -a = { upstream = "http://127.0.0.1:8001", routes = ["/a/**"] }
            +a = { upstream = "http://127.0.0.1:8001", routes = ["/a/**"], compare = { accept = [{ signature = "3f9c21ab", why = "legacy rounds wrongly, SHOP-412", until = 2099-02-01 }] } }
             b = { upstream = "http://127.0.0.1:8002", routes = ["/b/**"] }
        "#]],
    );
}

#[test]
fn dotted_rules_stay_dotted() {
    accepted(
        r#"
[slices.a]
upstream = "http://127.0.0.1:8001"
compare.ignore = ["$.x"]
compare.mode = "full"       # everything
routes = ["/a/**"]
"#,
        &expect![[r#"
            @@ -5,4 +5,5 @@
             upstream = "http://127.0.0.1:8001"
             compare.ignore = ["$.x"]
             compare.mode = "full"       # everything
            +compare.accept = [{ signature = "3f9c21ab", why = "legacy rounds wrongly, SHOP-412", until = 2099-02-01 }]
             routes = ["/a/**"]
        "#]],
    );
}

#[test]
fn scattered_keys_of_one_table_come_together_and_nothing_is_lost() {
    accepted(
        r#"
[slices.a]
compare.mode = "full"
upstream = "http://127.0.0.1:8001"
compare.ignore = ["$.x"]   # changes always
routes = ["/a/**"]
"#,
        &expect![[r#"
            @@ -3,6 +3,7 @@
 
             [slices.a]
             compare.mode = "full"
            -upstream = "http://127.0.0.1:8001"
             compare.ignore = ["$.x"]   # changes always
            +compare.accept = [{ signature = "3f9c21ab", why = "legacy rounds wrongly, SHOP-412", until = 2099-02-01 }]
            +upstream = "http://127.0.0.1:8001"
             routes = ["/a/**"]
        "#]],
    );
}

#[test]
fn a_file_of_another_system_keeps_its_line_ends() {
    let text =
        format!("{HEAD}[slices.a]\nupstream = \"http://127.0.0.1:8001\"\n# here\nroutes = [\n  \"/a\",\n]\n");
    let text = text.replace('\n', "\r\n");
    let (_folder, source) = house(&text, &[]);
    let proposal = propose(&source, "a", &Change::Accept(acceptance())).unwrap();
    assert!(proposal.text().starts_with(&text), "{:?}", proposal.text());
    assert!(!proposal.text().replace("\r\n", "").contains('\n'), "{:?}", proposal.text());
}

#[test]
fn a_slice_of_dotted_keys_alone_stays_so() {
    accepted(
        r#"slices.a.upstream = "http://127.0.0.1:8001"
slices.a.routes = ["/a/**"]
slices.b = { upstream = "http://127.0.0.1:8002", routes = ["/b/**"] }
unmatched = "legacy"

[limits]
headers = 50
"#,
        &expect![[r#"
            @@ -2,6 +2,7 @@
             legacy = "http://127.0.0.1:8000"
             slices.a.upstream = "http://127.0.0.1:8001"
             slices.a.routes = ["/a/**"]
            +slices.a.compare.accept = [{ signature = "3f9c21ab", why = "legacy rounds wrongly, SHOP-412", until = 2099-02-01 }]
             slices.b = { upstream = "http://127.0.0.1:8002", routes = ["/b/**"] }
             unmatched = "legacy"
 
        "#]],
    );
}

#[test]
fn a_list_of_several_lines_gets_one_more() {
    accepted(
        r#"
[slices.a]
upstream = "http://127.0.0.1:8001"
routes = ["/a/**"]
compare.accept = [
    { signature = "11112222", why = "x", until = 2098-01-01 },   # one
    { path = "$.y", why = "y", until = 2098-01-01 }   # two
]
"#,
        &expect![[r#"
            @@ -6,5 +6,6 @@
             routes = ["/a/**"]
             compare.accept = [
                 { signature = "11112222", why = "x", until = 2098-01-01 },   # one
            -    { path = "$.y", why = "y", until = 2098-01-01 }   # two
            +    { path = "$.y", why = "y", until = 2098-01-01 },   # two
            +    { signature = "3f9c21ab", why = "legacy rounds wrongly, SHOP-412", until = 2099-02-01 }
             ]
        "#]],
    );
}

#[test]
fn a_list_that_ends_with_a_comma_keeps_its_comments() {
    accepted(
        r#"
[slices.a]
upstream = "http://127.0.0.1:8001"
routes = ["/a/**"]
compare.accept = [
    { signature = "11112222", why = "x", until = 2098-01-01 }, # one
    # nothing more
]
"#,
        &expect![[r#"
            @@ -7,4 +7,5 @@
             compare.accept = [
                 { signature = "11112222", why = "x", until = 2098-01-01 }, # one
                 # nothing more
            +    { signature = "3f9c21ab", why = "legacy rounds wrongly, SHOP-412", until = 2099-02-01 },
             ]
        "#]],
    );
}

#[test]
fn an_empty_list_is_filled() {
    accepted(
        r#"
[slices.a]
upstream = "http://127.0.0.1:8001"
routes = ["/a/**"]
[slices.a.compare]
accept = []  # none so far
"#,
        &expect![[r#"
            @@ -5,4 +5,4 @@
             upstream = "http://127.0.0.1:8001"
             routes = ["/a/**"]
             [slices.a.compare]
            -accept = []  # none so far
            +accept = [{ signature = "3f9c21ab", why = "legacy rounds wrongly, SHOP-412", until = 2099-02-01 }]  # none so far
        "#]],
    );
}

#[test]
fn tables_in_any_order_are_found() {
    accepted(
        r#"
[slices.a.compare]
mode = "full"

[slices.b]
upstream = "http://127.0.0.1:8002"
routes = ["/b/**"]

[slices.a]
upstream = "http://127.0.0.1:8001"
routes = ["/a/**"]
"#,
        &expect![[r#"
            @@ -4,6 +4,11 @@
             [slices.a.compare]
             mode = "full"
 
            +[[slices.a.compare.accept]]
            +signature = "3f9c21ab"
            +why = "legacy rounds wrongly, SHOP-412"
            +until = 2099-02-01
            +
             [slices.b]
             upstream = "http://127.0.0.1:8002"
             routes = ["/b/**"]
        "#]],
    );
}

#[test]
fn a_text_with_quotes_lines_and_variables_is_kept_as_it_is() {
    let why = "it's \"wrong\"\\\n${HOME}\ttab";
    let change = Change::Accept(Acceptance { why: why.to_owned(), ..acceptance() });
    check(
        &change,
        "[slices.a]\nupstream = \"http://127.0.0.1:8001\"\nroutes = [\"/a\"]",
        &expect![[r#"
        @@ -2,4 +2,9 @@
         legacy = "http://127.0.0.1:8000"
         [slices.a]
         upstream = "http://127.0.0.1:8001"
        -routes = ["/a"]
        \ No newline at end of file
        +routes = ["/a"]
        +
        +[[slices.a.compare.accept]]
        +signature = "3f9c21ab"
        +why = "it's \"wrong\"\\\n$${HOME}\ttab"
        +until = 2099-02-01
    "#]],
    );
}

#[test]
fn a_value_is_set_where_it_stands() {
    let set = |keys: &[&str], value: &str| Change::Set {
        keys: keys.iter().map(|key| (*key).to_owned()).collect(),
        value: Value::from(value),
    };
    let text = r#"
[slices.a]
upstream = "http://127.0.0.1:8001"
phase    = "legacy"       # who answers reads
canary   = { share = "10%", steps = ["10%", "100%"] }   # slowly
sync     = "stateless"
routes   = ["/a/**"]
"#;
    check(
        &set(&["phase"], "shadow"),
        text,
        &expect![[r#"
        @@ -3,7 +3,7 @@
 
         [slices.a]
         upstream = "http://127.0.0.1:8001"
        -phase    = "legacy"       # who answers reads
        +phase    = "shadow"       # who answers reads
         canary   = { share = "10%", steps = ["10%", "100%"] }   # slowly
         sync     = "stateless"
         routes   = ["/a/**"]
    "#]],
    );
    check(
        &set(&["canary", "share"], "100%"),
        text,
        &expect![[r#"
        @@ -4,6 +4,6 @@
         [slices.a]
         upstream = "http://127.0.0.1:8001"
         phase    = "legacy"       # who answers reads
        -canary   = { share = "10%", steps = ["10%", "100%"] }   # slowly
        +canary   = { share = "100%", steps = ["10%", "100%"] }   # slowly
         sync     = "stateless"
         routes   = ["/a/**"]
    "#]],
    );
}

#[test]
fn an_included_file_is_edited_where_the_slice_is() {
    let (folder, source) = house(
        &format!("{HEAD}include = [\"routes-*.toml\"]\n"),
        &[
            ("routes-a.toml", "[slices.a]\nupstream = \"http://127.0.0.1:8001\"\nroutes = [\"/a\"]\n"),
            ("routes-b.toml", "[slices.b]\nupstream = \"http://127.0.0.1:8002\"\nroutes = [\"/b\"]\n"),
        ],
    );
    let proposal = propose(&source, "a", &Change::Accept(acceptance())).unwrap();
    assert_eq!(proposal.file(), folder.path().join("routes-a.toml"));
    proposal.write().unwrap();
    let read = source.read().unwrap();
    let names = crate::live::reload::file_names(&read);
    let hash = proposal.hash_for(&names);
    assert_eq!(hash, Some(content_hash(&read)), "the hash of what is written is known beforehand");
    assert_eq!(proposal.hash_for(&names[1..]), None);
    assert_eq!(read.included[0].text, proposal.text());
    assert!(!read.included[1].text.contains("accept"));
}

#[test]
fn what_cannot_be_done_says_why_and_writes_nothing() {
    let slice = "[slices.a]\nupstream = \"http://127.0.0.1:8001\"\nroutes = [\"/a\"]\n";
    let set = |value: &str| Change::Set { keys: vec!["phase".to_owned()], value: Value::from(value) };
    for (text, slice, change, wanted) in [
        (format!("{HEAD}{slice}"), "b", Change::Accept(acceptance()), "there is no slice `b`; there are: a"),
        (format!("{HEAD}{slice}x = "), "a", Change::Accept(acceptance()), "invalid as it is"),
        (format!("{HEAD}{slice}"), "a", set("canary"), "would be invalid with this change"),
    ] {
        let (folder, source) = house(&text, &[]);
        let error = propose(&source, slice, &change).unwrap_err();
        assert!(error.to_string().contains(wanted), "{error}");
        assert_eq!(fs::read_to_string(folder.path().join("a.toml")).unwrap(), text);
    }
    let fixed = Source::Text(SourceText { name: "-".to_owned(), text: HEAD.to_owned() });
    assert!(matches!(propose(&fixed, "a", &set("legacy")), Err(EditError::NoFile)));
}

#[test]
fn somebody_elses_edit_is_never_overwritten() {
    let text = format!("{HEAD}[slices.a]\nupstream = \"http://127.0.0.1:8001\"\nroutes = [\"/a\"]\n");
    let (folder, source) = house(&text, &[]);
    let proposal = propose(&source, "a", &Change::Accept(acceptance())).unwrap();
    let theirs = text.replace("/a", "/theirs");
    fs::write(folder.path().join("a.toml"), &theirs).unwrap();
    assert!(matches!(proposal.write(), Err(EditError::Changed { .. })));
    assert_eq!(fs::read_to_string(folder.path().join("a.toml")).unwrap(), theirs);
}

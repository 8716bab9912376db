//! What a move of a slice leaves of its file.

use expect_test::expect;
use strangler_core::config::parse_share;
use strangler_core::promotion::Station;
use strangler_core::words::Phase;

use super::*;

/// A place on the way, such as `canary 5%`.
fn stand(text: &str) -> Change {
    let (phase, share) = text.split_once(' ').map_or((text, None), |(phase, share)| (phase, Some(share)));
    Change::Stand(Station {
        phase: Phase::from_word(phase).unwrap(),
        share: share.map(|share| parse_share(share).unwrap()),
    })
}

#[test]
fn a_slice_moves_without_touching_what_stands_around() {
    let text = r#"
# The catalogue: nobody may sell what is not there.
[slices.a]
upstream = "http://127.0.0.1:8001"
phase    = "shadow"        # since March, see SHOP-7
sync     = "stateless"     # read-only
routes   = ["/a/**"]

[slices.a.shadow]
sample = "10%"   # enough
"#;
    check(
        &stand("canary 1%"),
        text,
        &expect![[r#"
            @@ -4,9 +4,10 @@
             # The catalogue: nobody may sell what is not there.
             [slices.a]
             upstream = "http://127.0.0.1:8001"
            -phase    = "shadow"        # since March, see SHOP-7
            +phase    = "canary"        # since March, see SHOP-7
             sync     = "stateless"     # read-only
             routes   = ["/a/**"]
            +canary = "1%"

             [slices.a.shadow]
             sample = "10%"   # enough
        "#]],
    );
    check(
        &stand("legacy"),
        text,
        &expect![[r#"
            @@ -4,7 +4,7 @@
             # The catalogue: nobody may sell what is not there.
             [slices.a]
             upstream = "http://127.0.0.1:8001"
            -phase    = "shadow"        # since March, see SHOP-7
            +phase    = "legacy"        # since March, see SHOP-7
             sync     = "stateless"     # read-only
             routes   = ["/a/**"]

        "#]],
    );
}

#[test]
fn a_canary_keeps_the_form_in_which_it_is_written() {
    let slice = |canary: &str| {
        format!(
            "\n[slices.a]\nupstream = \"http://127.0.0.1:8001\"\nphase = \"canary\"\n{canary}\nsync = \"stateless\"\nroutes = [\"/a\"]\n"
        )
    };
    let short = |wanted: &str, canary: &str| {
        let text = format!("{HEAD}{}", slice(canary));
        let (_folder, source) = house(&text, &[]);
        let proposal = propose(&source, "a", &stand("canary 25%")).unwrap();
        let changed: Vec<&str> =
            proposal.text().lines().filter(|line| !text.lines().any(|old| old == *line)).collect();
        assert_eq!(changed, [wanted], "{canary}");
        assert_eq!(proposal.text().lines().count(), text.lines().count());
    };
    short("canary = \"25%\"   # slowly", "canary = \"5%\"   # slowly");
    short(
        "canary = { steps = [\"5%\", \"25%\"], share = \"25%\" } # slowly",
        "canary = { steps = [\"5%\", \"25%\"], share = \"5%\" } # slowly",
    );
    short("canary.share = \"25%\"", "canary.share = \"5%\"\ncanary.always = [\"header:x-a=b\"]");
    let table = "\n[slices.a.canary]\nshare = \"5%\" # now\nnever = [\"header:x-a=b\"]\n";
    let text = format!("{HEAD}{}{table}", slice("# a table below"));
    let (_folder, source) = house(&text, &[]);
    let proposal = propose(&source, "a", &stand("canary 25%")).unwrap();
    assert_eq!(proposal.text(), text.replace("share = \"5%\" # now", "share = \"25%\" # now"));
}

#[test]
fn what_the_environment_says_is_not_written_over() {
    let text = format!(
        "{HEAD}[slices.a]\nupstream = \"http://127.0.0.1:8001\"\nphase = \"${{PHASE:-legacy}}\"\nroutes = [\"/a\"]\n"
    );
    let (_folder, source) = house(&text, &[]);
    let error = propose(&source, "a", &stand("shadow")).unwrap_err();
    assert!(error.to_string().contains("comes from the environment"), "{error}");
}

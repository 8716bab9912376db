use super::super::{Kind, Relation};
use super::{CompareMode, html, xml};

/// A large body; unoptimised code gets a sixteenth of it.
const LARGE: usize = if cfg!(debug_assertions) { 1 << 16 } else { 1 << 20 };

/// What two pages differ in: nothing, or a kind and what is told of each side.
fn check(left: &str, right: &str, expected: Option<(Kind, &str, &str)>) {
    let got = html(CompareMode::Full, left, right);
    let got = got.as_ref().map(|whole| (whole.kind, &*whole.left_value, &*whole.right_value));
    assert_eq!(got, expected, "{left} | {right}");
}

fn kind(left: &str, right: &str, expected: Option<Kind>) {
    let got = html(CompareMode::Full, left, right);
    assert_eq!(got.as_ref().map(|whole| whole.kind), expected, "{left} | {right}: {got:?}");
}

fn kind_of_xml(left: &str, right: &str, expected: Option<Kind>) {
    let got = xml(CompareMode::Full, left, right);
    assert_eq!(got.as_ref().map(|whole| whole.kind), expected, "{left} | {right}: {got:?}");
}

#[test]
fn comments_and_the_order_of_attributes_and_classes_are_no_difference() {
    kind("<p>a</p>", "<p>a<!-- c --></p><!-- d -->", None);
    kind("<p>ab</p>", "<p>a<!-- c -->b</p>", None);
    kind("<p id=1 title='x'>", "<P TITLE=\"x\" ID=1></P>", None);
    kind("<p class='a b  c'>", "<p class='c a b a'>", None);
    kind("<p class='a b'>", "<p class='a'>", Some(Kind::BodyValue));
    kind("<p title='a b'>", "<p title='b a'>", Some(Kind::BodyValue));
    kind("<b>&amp;&eacute;</b>", "<b>&#38;é</b>", None);
    kind("<br><img src=a>", "<br/><img src=a />", None);
}

#[test]
fn white_space_that_nobody_sees_is_no_difference() {
    kind("<ul>\n  <li> a\n b </li>\n</ul>", "<ul><li>a b</li></ul>", None);
    kind("<div>\n<p>a</p> \n </div>", "<div><p>a</p></div>", None);
    kind("<html>\n<head> <title> x </title></head>\n<body></body></html>", "<title>x</title>", None);
    kind("<p>a <b>b</b></p>", "<p>a<b>b</b></p>", Some(Kind::BodyWhitespace));
    kind("<p><i>a</i> <b>b</b></p>", "<p><i>a</i><b>b</b></p>", Some(Kind::BodyWhitespace));
    kind("<p><i>a</i><b>b</b></p>", "<p><i>a</i> <b>b</b></p>", Some(Kind::BodyWhitespace));
    kind("<p><i>a</i> <b>b</b></p>", "<p><i>a</i>, <b>b</b></p>", Some(Kind::BodyValue));
    kind("<pre>a  b</pre>", "<pre>a b</pre>", Some(Kind::BodyWhitespace));
    kind("<pre>\na</pre>", "<pre>a</pre>", None);
    kind("<pre>\n\na</pre>", "<pre>a</pre>", Some(Kind::BodyWhitespace));
    kind("<textarea>a\nb</textarea>", "<textarea>a b</textarea>", Some(Kind::BodyWhitespace));
    kind("<script>a  b</script>", "<script>a b</script>", Some(Kind::BodyWhitespace));
    kind("<pre><b>a  b</b></pre>", "<pre><b>a b</b></pre>", Some(Kind::BodyWhitespace));
    kind("<p>a\u{a0}b</p>", "<p>a b</p>", Some(Kind::BodyWhitespace));
}

#[test]
fn tags_that_may_be_left_out_are_no_difference() {
    kind("<p>a<p>b", "<p>a</p><p>b</p>", None);
    kind("<p>a<div>b</div>", "<p>a</p><div>b</div>", None);
    kind("<ul><li>a<li>b<ul><li>c</ul></ul>", "<ul><li>a</li><li>b<ul><li>c</li></ul></li></ul>", None);
    kind("<dl><dt>a<dd>b<dt>c</dl>", "<dl><dt>a</dt><dd>b</dd><dt>c</dt></dl>", None);
    kind(
        "<select><option>a<option>b</select>",
        "<select><option>a</option><option>b</option></select>",
        None,
    );
    kind(
        "<table><tr><td>a<td>b<tr><td>c</table>",
        "<table><tbody><tr><td>a</td><td>b</td></tr><tr><td>c</td></tr></tbody></table>",
        None,
    );
    kind(
        "<table><thead><tr><th>a<tbody><tr><td><p>b<tr><td>c</table>d",
        "<table><thead><tr><th>a</th></tr></thead><tbody><tr><td><p>b</p></td></tr><tr><td>c</td></tr></tbody></table>d",
        None,
    );
    kind("<title>a</title><p>b", "<html><head><title>a</title></head><body><p>b</p></body></html>", None);
    kind("<svg><path d=a /><path d=b /></svg>", "<svg><path d=a></path><path d=b></path></svg>", None);
    kind(
        "<table><tr><td><table><tr><td>a</table><td>b</table>",
        "<table><tr><td><table><tr><td>a</td></tr></table></td><td>b</td></tr></table>",
        None,
    );
    kind("<div><span>a</span></div>", "<div>a<span></span></div>", Some(Kind::BodyMissing));
}

#[test]
fn values_of_tokens_are_no_difference_but_their_absence_is() {
    let form = |field: &str| format!("<form action=/pay>{field}<button>pay</button></form>");
    let with = |value: &str| form(&format!("<input type=hidden name=csrf_token value='{value}'>"));
    kind(&with("a"), &with("b"), None);
    kind(&with("a"), &form(""), Some(Kind::BodyMissing));
    kind(&form(""), &with("a"), Some(Kind::BodyExtra));
    kind(&with("a"), &with(""), Some(Kind::BodyValue));
    kind(&with("a"), &form("<input type=hidden name=csrf_token>"), Some(Kind::BodyMissing));
    for (left, right) in [
        ("<input name=authenticity_token value=a>", "<input value=b name=authenticity_token>"),
        (
            "<input name=__RequestVerificationToken value=a>",
            "<input name=__RequestVerificationToken value=b>",
        ),
        ("<meta name=csrf-token content=a>", "<meta name=csrf-token content=b>"),
        ("<script nonce=a>x</script>", "<script nonce=b>x</script>"),
        ("<style nonce=a></style>", "<style nonce=b></style>"),
        ("<div data-csrf=a>", "<div data-csrf=b>"),
        ("<a href='/logout?token=a&x=1#f'>", "<a href='/logout?token=b&x=1#f'>"),
        ("<textarea name=token>a</textarea>", "<textarea name=token>b</textarea>"),
        (
            "<meta http-equiv=Content-Security-Policy content=\"script-src 'nonce-a'\">",
            "<meta http-equiv=Content-Security-Policy content=\"script-src 'nonce-b'\">",
        ),
    ] {
        kind(left, right, None);
    }
    kind("<script nonce=a>x</script>", "<script>x</script>", Some(Kind::BodyMissing));
    kind("<script nonce=a>x</script>", "<script nonce=a>y</script>", Some(Kind::BodyValue));
    kind("<a href='/a?token=a&x=1'>", "<a href='/a?token=b&x=2'>", Some(Kind::BodyValue));
    kind("<input name=csrf value=a>", "<input name=token value=a>", Some(Kind::BodyValue));
    kind("<input name=q value=a>", "<input name=q value=b>", Some(Kind::BodyValue));
}

#[test]
fn a_difference_tells_its_place() {
    check(
        "<p>a</p><p class=x>b</p>",
        "<p>a</p><p class=y>b</p>",
        Some((Kind::BodyValue, "html > body > p[2] @class: x", "html > body > p[2] @class: y")),
    );
    check(
        "<ul><li>a<li>b</ul>",
        "<ul><li>a</ul>",
        Some((Kind::BodyMissing, "html > body > ul > li[2]: <li>", "html > body > ul: none")),
    );
    check(
        "<p>a</p>",
        "<p id=z>a</p>",
        Some((Kind::BodyExtra, "html > body > p: none", "html > body > p @id: z")),
    );
    check(
        "<h1>a</h1>",
        "<h2>a</h2>",
        Some((Kind::BodyType, "html > body > h1: <h1>", "html > body > h2: <h2>")),
    );
    check(
        "<p>19.90</p>",
        "<p>19.9</p>",
        Some((Kind::BodyNumberPrecision, "html > body > p > text: 19.90", "html > body > p > text: 19.9")),
    );
    check(
        "<!DOCTYPE html><p>a",
        "<p>a",
        Some((Kind::BodyMissing, "declaration: doctype html", "document: none")),
    );
}

#[test]
fn the_weightiest_of_several_differences_is_told() {
    kind("<p>a</p><p id=1>b</p>", "<p>c</p><p>b</p>", Some(Kind::BodyMissing));
    kind("<i>a</i><p>b</p><p>c</p>", "<i>z</i><p>c</p><p>b</p>", Some(Kind::BodyOrder));
    kind("<div><p>b</p><p>c</p></div><i>a</i>", "<div><p>c</p><p>b</p></div><i>z</i>", Some(Kind::BodyOrder));
    kind("<pre>a b</pre><i>a</i>", "<pre>a  b</pre><i>b</i>", Some(Kind::BodyValue));
}

#[test]
fn a_value_is_told_by_its_most_specific_kind() {
    let check = |left: &str, right: &str, expected: (Kind, Option<Relation>)| {
        let whole = html(CompareMode::Full, &format!("<p>{left}"), &format!("<p>{right}")).unwrap();
        assert_eq!((whole.kind, whole.relation), expected);
    };
    check("Hello", "HELLO", (Kind::BodyValue, Some(Relation::Case)));
    check("1.5", "150", (Kind::BodyValue, Some(Relation::Scaled { power: 2 })));
    check("2026-01-01T00:00:00Z", "2026-01-01T01:00:00+01:00", (Kind::BodyTimeFormat, None));
    let uuid = "0190b5a4-6f2e-7c3a-9d7e-0123456789ab";
    check(uuid, &uuid.replace("0190", "0191"), (Kind::BodyUuid, None));
}

#[test]
fn an_element_too_many_does_not_shift_the_others() {
    let rows = |from: u32| (from..from + 40).map(|n| format!("<li>{n}")).collect::<String>();
    let left = format!("<ul>{}</ul>", rows(0));
    let right = format!("<ul><li>new{}</ul>", rows(0));
    check(&left, &right, Some((Kind::BodyExtra, "html > body > ul: none", "html > body > ul > li[1]: <li>")));
}

#[test]
fn prefixes_declarations_and_layout_of_xml_are_no_difference() {
    kind_of_xml("<a><b/></a>", "<?xml version='1.0'?>\n<a>\n  <b></b>\n</a>\n", None);
    kind_of_xml("<a x='1' y='2'/>", "<a y=\"2\" x=\"1\"></a>", None);
    kind_of_xml("<p:a xmlns:p='u' p:x='1'/>", "<q:a xmlns:q='u' q:x='1'/>", None);
    kind_of_xml("<a xmlns='u'/>", "<q:a xmlns:q='u'/>", None);
    kind_of_xml("<a xmlns='u'/>", "<a xmlns='v'/>", Some(Kind::BodyType));
    kind_of_xml("<a>x &lt; y</a>", "<a><![CDATA[x < y]]></a>", None);
    kind_of_xml("<a>&#233;</a>", "<a>é</a>", None);
    kind_of_xml("<a><!-- c -->b</a>", "<a>b</a>", None);
    kind_of_xml("<A/>", "<a/>", Some(Kind::BodyType));
    kind_of_xml("<a class='x y'/>", "<a class='y x'/>", None);
    kind_of_xml("<a x='x y'/>", "<a x='y x'/>", Some(Kind::BodyValue));
    kind_of_xml("<a><token>1</token></a>", "<a><token>2</token></a>", None);
    kind_of_xml("<a csrf='1'/>", "<a csrf='2'/>", None);
    kind_of_xml("<a csrf='1'/>", "<a/>", Some(Kind::BodyMissing));
    kind_of_xml("<a><token>1</token></a>", "<a><token/></a>", Some(Kind::BodyMissing));
    kind_of_xml("<a> x </a>", "<a>x</a>", Some(Kind::BodyWhitespace));
    kind_of_xml(
        "<a xml:space='preserve'> <b/></a>",
        "<a xml:space='preserve'><b/></a>",
        Some(Kind::BodyWhitespace),
    );
    kind_of_xml("<a><b/><c/></a>", "<a><c/><b/></a>", Some(Kind::BodyOrder));
    kind_of_xml("<a><b>1</b></a>", "<a><b>2</b></a>", Some(Kind::BodyValue));
}

#[test]
fn xml_that_does_not_parse_on_one_side_is_told() {
    for broken in [
        "<a>",
        "<a></b>",
        "a",
        "",
        "<a/><b/>",
        "<a x='1' x='2'/>",
        "<a>&nope;</a>",
        "<a/>text",
        "<a x='&nope;'/>",
        "<a <b/>",
    ] {
        kind_of_xml("<a/>", broken, Some(Kind::BodyParse));
        kind_of_xml(broken, "<a/>", Some(Kind::BodyParse));
    }
    kind_of_xml("<a>", "<b>", Some(Kind::BodyValue));
    kind_of_xml("<a>", "<a >", Some(Kind::BodyValue));
}

#[test]
fn no_entity_is_expanded() {
    let bomb = "<!DOCTYPE a [<!ENTITY x \"lol\"><!ENTITY y \"&x;&x;&x;&x;\"><!ENTITY z SYSTEM \"file:///etc/passwd\">]>";
    kind_of_xml(&format!("{bomb}<a>&y;&z;</a>"), &format!("{bomb}<a>&y;&z;<!-- --></a>"), None);
    kind_of_xml(&format!("{bomb}<a>&y;</a>"), &format!("{bomb}<a>lollollollol</a>"), Some(Kind::BodyValue));
}

#[test]
fn the_shape_of_a_document_is_what_there_is_under_what() {
    let check = |left: &str, right: &str, expected: Option<Kind>| {
        let got = html(CompareMode::Shape, left, right);
        assert_eq!(got.as_ref().map(|whole| whole.kind), expected, "{left} | {right}: {got:?}");
    };
    check("<ul><li>a<li>b</ul>", "<ul><li>c</ul>", None);
    check("<p class=a>x</p>", "<p class=b>y</p>", None);
    check("<p class=a>x</p>", "<p>y</p>", Some(Kind::BodyMissing));
    check("<p>x</p>", "<p>x<b>y</b></p>", Some(Kind::BodyExtra));
    check("<p>x</p>", "<p></p>", Some(Kind::BodyMissing));
}

#[test]
fn a_large_body_of_any_shape_takes_bounded_work() {
    let shapes: &[(&str, &str)] = &[
        ("<div>", ""),
        ("<b>", ""),
        ("<p><span>", ""),
        ("<a x>", ""),
        ("</div>", ""),
        ("<table>", ""),
        ("<table><tr><td>", ""),
        ("<li><ul>", ""),
        ("<p>a</p>", ""),
        ("a<b>b</b>", ""),
        ("&amp;", ""),
        ("<!--", ""),
        ("<script>", ""),
        ("<html a=1 b=2>", ""),
        ("<", ""),
        ("&#", ""),
        ("<option>", ""),
        ("<svg/>", ""),
    ];
    for (unit, end) in shapes {
        let left = unit.repeat(LARGE / unit.len()) + end;
        let right = format!("<i>x</i>{left}y");
        assert!(html(CompareMode::Full, &left, &right).is_some(), "{unit}");
        let _ = xml(CompareMode::Full, &left, &right);
        let wrapped = |text: &str| format!("<r>{text}</r>");
        let _ = xml(CompareMode::Full, &wrapped(&left), &wrapped(&right));
    }
    // As deep as may be, and then wide.
    for unit in ["<p>a</p>", "<li>", "</b>", "<td>", "<option>", "<p>", "<br>"] {
        let deep = "<span>".repeat(250) + &unit.repeat(LARGE / unit.len());
        assert!(html(CompareMode::Full, &deep, &format!("{deep}y")).is_some(), "{unit}");
    }
    // Many attributes in one tag, many names, many differing children on both sides.
    let attributes = |prefix: &str| (0..LARGE / 8).map(|n| format!(" {prefix}{n:x}=")).collect::<String>();
    let _ = html(CompareMode::Full, &format!("<a{}>", attributes("a")), &format!("<a{}>", attributes("b")));
    let html_tags =
        |prefix: &str| (0..LARGE / 16).map(|n| format!("<html {prefix}{n:x}>")).collect::<String>();
    let _ = html(CompareMode::Full, &html_tags("a"), &html_tags("b"));
    let children = |from: usize| (from..from + LARGE / 10).map(|n| format!("<i>{n}</i>")).collect::<String>();
    assert!(html(CompareMode::Full, &children(0), &children(7)).is_some());
    let spaces = |prefix: &str| {
        let declared: String = (0..250).map(|n| format!(" xmlns:{prefix}{n}='u{n}'")).collect();
        format!("<a{declared}>{}</a>", format!("<{prefix}0:b/>").repeat(LARGE / 8))
    };
    let _ = xml(CompareMode::Full, &spaces("p"), &spaces("q"));
}
